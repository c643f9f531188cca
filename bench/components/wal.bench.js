/**
 * The log by itself: checksums, groups handed to the operating system, groups put on the device, beside the bare
 * system calls. Run after `npm run build`:
 *
 *   node bench/components/wal.bench.js
 *
 * 16-byte keys, 100-byte values.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bench } from 'tinybench'
import { keyAt } from '../data/keys.js'
import { Values } from '../data/values.js'

const dist = process.env.VARVE_DIST ?? '../../dist'
const { crc32, portableCrc32 } = await import(`${dist}/base/checksum.js`)
const { NodeFileSystem } = await import(`${dist}/env/node-file-system.js`)
const { GroupBuffer } = await import(`${dist}/wal/group-buffer.js`)
const { Wal } = await import(`${dist}/wal/wal.js`)

const PUT = 1
const encoder = new TextEncoder()
const keys = Array.from({ length: 10_000 }, (_, i) => encoder.encode(keyAt(i, 1)))
const values = new Values(1, { distinct: 1024 })

const directory = mkdtempSync(join(tmpdir(), 'varve-bench-'))
let number = 1
const settings = {
  fileSystem: new NodeFileSystem(),
  directory,
  databaseId: new Uint8Array(16).fill(7),
  segmentSize: Number.MAX_SAFE_INTEGER,
}
const wal = await Wal.create(settings, { number, lastSequence: 0 }, () => ++number)
const group = new GroupBuffer()
let sequence = 1

/** @param {number} count */
function append(count) {
  group.clear()
  for (let i = 0; i < count; i++) {
    const index = (sequence + i) % keys.length
    group.add(PUT, keys[index], values.at(index))
  }
  wal.append(group, sequence)
  sequence += count
}

const bench = new Bench({ time: 1000, warmupTime: 250 })
for (const size of [128, 4096, 65536]) {
  const bytes = new Uint8Array(size).fill(7)
  bench.add(`crc32 of ${size} bytes`, () => void crc32(bytes))
  bench.add(`… of ${size} bytes, portable`, () => void portableCrc32(bytes))
}
const file = openSync(join(directory, 'bare'), 'w')
const record = Buffer.alloc(160)
bench.add('bare write of 160 bytes', () => void writeSync(file, record))
bench.add('bare write + fdatasync', () => {
  writeSync(file, record)
  fdatasyncSync(file)
})
for (const count of [1, 64, 1000]) bench.add(`group of ${count}`, () => append(count))
bench.add('group of 1, on the device', async () => {
  append(1)
  await wal.sync()
})

await bench.run()
console.table(
  bench.tasks.map(({ name, result }) => ({
    task: name,
    'µs, median': Number((result.latency.p50 * 1000).toFixed(2)),
    'µs, p99': Number((result.latency.p99 * 1000).toFixed(2)),
  })),
)
closeSync(file)
rmSync(directory, { recursive: true })
