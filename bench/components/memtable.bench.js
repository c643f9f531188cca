/**
 * The memtable and the cursors over it: inserting, finding, scanning, merging. Run after `npm run build`:
 *
 *   node bench/components/memtable.bench.js
 *
 * 16-byte keys in random order, 100-byte values. Every task handles a batch; the table shows one operation.
 */
import { Bench } from 'tinybench'
import { keyAt } from '../data/keys.js'

const dist = process.env.VARVE_DIST ?? '../../dist'
const { hash32 } = await import(`${dist}/base/hash.js`)
const { mergeCursors } = await import(`${dist}/iterator/merging-cursor.js`)
const { VisibleCursor } = await import(`${dist}/iterator/visible-cursor.js`)
const { ArenaPool } = await import(`${dist}/memtable/arena.js`)
const { Memtable } = await import(`${dist}/memtable/memtable.js`)
const { SearchKey } = await import(`${dist}/memtable/search-key.js`)

const KEY = 16
const VALUE = 100
const PUT = 1

/** @param {number} from @param {number} count */
const keysFrom = (from, count) =>
  Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.from(keyAt(from + i, 1))))
const value = new Uint8Array(VALUE).fill(7)

/** @type {Map<string, number>} */
const operations = new Map()
const bench = new Bench({ time: 1000, warmupTime: 250 })
/** @param {string} name @param {number} count @param {() => void} run */
function task(name, count, run) {
  operations.set(name, count)
  bench.add(name, run)
}

/** @param {any} pool @param {number} shardCount @param {Uint8Array} keys */
function fill(pool, shardCount, keys) {
  const memtable = Memtable.create(pool, shardCount)
  const count = keys.length / KEY
  for (let i = 0; i < count; i++) memtable.insert(keys, i * KEY, i * KEY + KEY, i + 1, PUT, value, 0, VALUE)
  return memtable
}

for (const count of [5_000, 20_000, 200_000]) {
  const pool = new ArenaPool(Memtable.bytesNeeded(count, count * (KEY + VALUE)) + 4096)
  const keys = keysFrom(0, count)
  const label = count.toLocaleString('en')
  for (const shardCount of [1, 8]) {
    task(`insert ${label}, ${shardCount} shards`, count, () => fill(pool, shardCount, keys).unpin())
  }
  const memtable = fill(pool, 1, keys)
  const wanted = Array.from({ length: 10_000 }, (_, i) => ((i * 7919) % count) * KEY)
  const key = new SearchKey()
  const found = { sequence: 0, kind: 0, valueBytes: value, valueStart: 0, valueEnd: 0 }
  task(`find among ${label}`, wanted.length, () => {
    for (const start of wanted) {
      key.set(keys, start, start + KEY)
      if (!memtable.find(key, hash32(key.bytes, 0, key.length), count, found))
        throw new Error('a key is missing')
    }
  })
  const [cursor] = memtable.cursors()
  task(`scan ${label}`, count, () => {
    let seen = 0
    for (cursor.seekToFirst(); cursor.valid; cursor.next()) seen++
    if (seen !== count) throw new Error('the scan lost entries')
  })
}

const RUNS = 4
const RUN = 20_000
const pool = new ArenaPool(Memtable.bytesNeeded(RUN, RUN * (KEY + VALUE)) + 4096)
const runs = Array.from({ length: RUNS }, (_, i) => fill(pool, 1, keysFrom(i * RUN, RUN)))
const merged = mergeCursors(runs.flatMap((memtable) => memtable.cursors()))
const visible = new VisibleCursor(mergeCursors(runs.flatMap((memtable) => memtable.cursors())), RUN, 0)
/** @param {any} cursor */
function drain(cursor) {
  let seen = 0
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) seen++
  if (seen !== RUNS * RUN) throw new Error('the merge lost entries')
}
task(`merge of ${RUNS} runs`, RUNS * RUN, () => drain(merged))
task(`… and what is visible of it`, RUNS * RUN, () => drain(visible))

await bench.run()
console.table(
  bench.tasks.map(({ name, result }) => ({
    task: name,
    'ns/op': Math.round((result.latency.p50 * 1e6) / (operations.get(name) ?? 1)),
  })),
)
