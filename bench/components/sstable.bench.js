/**
 * SSTables by themselves: building, scanning, looking up. Run after `npm run build`:
 *
 *   node bench/components/sstable.bench.js
 *
 * 16-byte keys, 100-byte values that compress to about half. Every task handles a batch; the table shows one operation.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bench } from 'tinybench'

const dist = process.env.VARVE_DIST ?? '../../dist'
const { hash32 } = await import(`${dist}/base/hash.js`)
const { BlockCache } = await import(`${dist}/cache/block-cache.js`)
const { NodeFileSystem } = await import(`${dist}/env/node-file-system.js`)
const { BlockCursor } = await import(`${dist}/sstable/block-cursor.js`)
const { BlockFetcher } = await import(`${dist}/sstable/block-fetcher.js`)
const { TableBuilder } = await import(`${dist}/sstable/table-builder.js`)
const { TableCache } = await import(`${dist}/sstable/table-cache.js`)
const { TableCursor } = await import(`${dist}/sstable/table-cursor.js`)

const ENTRIES = 200_000
const LOOKUPS = 20_000
const MAX_SEQUENCE = Number.MAX_SAFE_INTEGER

let seed = 42
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed
}

const directory = mkdtempSync(join(tmpdir(), 'varve-bench-'))
const fileSystem = new NodeFileSystem()
const databaseId = new Uint8Array(16).fill(7)
const pathOf = (number) => join(directory, `${number}.sst`)
const encoder = new TextEncoder()

/** Present keys are even, absent ones odd. */
function keyOf(index) {
  return encoder.encode(String(index).padStart(16, '0'))
}

const keys = new Uint8Array(ENTRIES * 16)
for (let i = 0; i < ENTRIES; i++) keys.set(keyOf(i * 2), i * 16)
const values = new Uint8Array(1 << 20)
for (let i = 0; i < values.length; i++) values[i] = i % 100 < 50 ? random() >>> 24 : 0x61

let nextTable = 1
function build(compression) {
  const number = nextTable++
  const settings = { databaseId, tableNumber: number, compression, createdAt: 0 }
  const builder = new TableBuilder(fileSystem.openSync(pathOf(number), 'create'), settings)
  for (let i = 0; i < ENTRIES; i++) {
    const value = (i * 100) % (values.length - 100)
    builder.add(keys, i * 16, i * 16 + 16, ((i * 7919) % ENTRIES) + 1, 1, values, value, value + 100)
  }
  return { number, ...builder.finish() }
}

const wanted = Array.from({ length: LOOKUPS }, () => random() % ENTRIES)
const present = wanted.map((index) => keyOf(index * 2))
const absent = wanted.map((index) => keyOf(index * 2 + 1))

/** @type {Map<string, number>} */
const operations = new Map()
const bench = new Bench({ time: 1500, warmupTime: 500 })
function task(name, count, run) {
  operations.set(name, count)
  bench.add(name, run)
}

function openTable(summary, cacheBytes) {
  const blockCache = new BlockCache(cacheBytes)
  const tables = new TableCache({ fileSystem, databaseId, pathOf, maxOpenFiles: 16, blockCache })
  const fetcher = new BlockFetcher(tables, { blocking: true })
  return { fetcher, reader: fetcher.table(summary.number, summary.sizeBytes) }
}

for (const compression of ['none', 'snappy']) {
  task(`build, ${compression}`, ENTRIES, () => {
    rmSync(pathOf(build(compression).number))
  })
}

const summary = build('snappy')
const cached = openTable(summary, 256 << 20)
const uncached = openTable(summary, 0)
// A fortieth of the keys, and with them of the blocks: what a processor's cache can hold.
const hot = present.map((_, i) => keyOf((wanted[i] % (ENTRIES / 40)) * 2))
const lookup = new BlockCursor()
const scanned = new TableCursor(cached.reader, cached.fetcher)
const scannedUncached = new TableCursor(uncached.reader, uncached.fetcher)

function scan(cursor) {
  let bytes = 0
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) bytes += cursor.valueEnd - cursor.valueStart
  if (bytes !== ENTRIES * 100) throw new Error('the scan lost entries')
}

function get({ reader, fetcher }, list) {
  let found = 0
  for (const key of list) {
    if (reader.get(key, 0, 16, MAX_SEQUENCE, hash32(key, 0, 16), fetcher, lookup)) found++
  }
  return found
}

task('scan forward, cached', ENTRIES, () => scan(scanned))
task('scan backward, cached', ENTRIES, () => {
  for (scanned.seekToLast(); scanned.valid; ) scanned.prev()
})
task('scan forward, file', ENTRIES, () => scan(scannedUncached))
task('get, cached', LOOKUPS, () => {
  if (get(cached, present) !== LOOKUPS) throw new Error('a key is missing')
})
task('get, cached and hot', LOOKUPS, () => {
  if (get(cached, hot) !== LOOKUPS) throw new Error('a key is missing')
})
task('get, absent', LOOKUPS, () => get(cached, absent))
task('get, file', LOOKUPS, () => get(uncached, present))
task('seek, cached', LOOKUPS, () => {
  for (const key of present) scanned.seek(key, 0, 16, MAX_SEQUENCE)
})
const hashes = present.map((key) => hash32(key, 0, 16))
task('filter probe, present', LOOKUPS, () => {
  for (const hash of hashes) cached.reader.filter.mayContain(hash)
})
const blocks = new BlockCache(64 << 20)
for (let i = 0; i < 5000; i++) blocks.set(i * 2100, {}, 4096)
const places = Array.from({ length: LOOKUPS }, () => (random() % 5000) * 2100)
task('block cache get', LOOKUPS, () => {
  for (const place of places) blocks.get(place)
})

await bench.run()
console.log(`table: ${(summary.sizeBytes / 2 ** 20).toFixed(1)} MiB, ${summary.dataBlockCount} blocks`)
console.table(
  bench.tasks.map(({ name, result }) => {
    // The least disturbed run: what else the machine does only ever adds.
    const ns = (result.latency.min * 1e6) / operations.get(name)
    return { task: name, 'ns/op': Math.round(ns), 'MB/s of entries': Math.round(116_000 / ns) }
  }),
)
rmSync(directory, { recursive: true })
