/**
 * What a bound costs, for each policy, beside a store without one. Run after `npm run build`:
 *
 *   node bench/components/bounded.bench.js [entries]
 *
 * Stores on disk with default options, 16-byte keys, 100-byte values, full to the bound. The variants take turns, so that a
 * busy machine is unfair to none; times are the best of many short rounds. Memory
 * is that of the directory by itself, the median of three.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { keyAt } from '../data/keys.js'
import { Values } from '../data/values.js'

const dist = process.env.VARVE_DIST ?? '../../dist'
const { open, WriteBatch } = await import(`${dist}/index.js`)
const { EntryDirectory } = await import(`${dist}/store/eviction/entry-directory.js`)
const { evictionPolicyOf } = await import(`${dist}/store/eviction/eviction-policy.js`)

const ENTRIES = Number(process.argv[2] ?? 100_000)
const ROUNDS = 60
const CALLS = 1000
const AT_ONCE = 1000

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

const decoder = new TextDecoder()
const values = new Values(1, { distinct: 1024 })
const texts = Array.from({ length: 1024 }, (_, i) => decoder.decode(values.at(i)))
const directory = await mkdtemp(join(tmpdir(), 'varve-bounded-'))
const policies = ['no bound', 'none', 'lru', 'lfu', 'random', 'ttl']

function openVariant(policy) {
  const bound = policy === 'no bound' ? {} : { maxEntries: ENTRIES, evictionPolicy: policy }
  return open(join(directory, policy), {
    valueEncoding: 'utf8',
    metrics: false,
    snapshotInterval: 0,
    ...bound,
  })
}

/** Microseconds for one of `calls` calls. */
async function timed(calls, work) {
  const began = performance.now()
  await work()
  return ((performance.now() - began) * 1000) / calls
}

/** A key that is there, in an order that repeats none for long. */
let turn = 0
const present = () => keyAt((turn = (turn + 7919) % ENTRIES), 1)

const measures = {
  'await set, µs': (store) =>
    timed(CALLS, async () => {
      for (let i = 0; i < CALLS; i++) await store.set(present(), texts[i % 1024])
    }),
  'set, a thousand at once, µs': (store) =>
    timed(AT_ONCE, async () => {
      const writes = []
      for (let i = 0; i < AT_ONCE; i++) writes.push(store.set(present(), texts[i]))
      await Promise.all(writes)
    }),
  'a write of a batch of a thousand, µs': (store) =>
    timed(AT_ONCE, async () => {
      const batch = new WriteBatch()
      for (let i = 0; i < AT_ONCE; i++) batch.set(present(), texts[i])
      await store.applyBatch(batch)
    }),
  'await get, µs': (store) =>
    timed(CALLS, async () => {
      for (let i = 0; i < CALLS; i++) await store.get(present())
    }),
  'getSync, µs': (store) =>
    timed(CALLS, async () => {
      for (let i = 0; i < CALLS; i++) store.getSync(present())
    }),
}

const figures = new Map(policies.map((policy) => [policy, {}]))
const note = (policy, what, figure) => {
  const row = figures.get(policy)
  row[what] ??= []
  row[what].push(figure)
}

async function fill(policy) {
  const store = await openVariant(policy)
  for (let i = 0; i < ENTRIES; ) {
    const batch = new WriteBatch()
    for (const end = Math.min(ENTRIES, i + 100); i < end; i++) batch.set(keyAt(i, 1), texts[i % 1024])
    await store.applyBatch(batch)
  }
  await store.compact()
  await store.close()
}

/** What a policy's directory holds, with a tenth of the entries expiring. */
function directoryBytes(policy) {
  const before = heapBytes()
  const directory = new EntryDirectory(evictionPolicyOf(policy, Math.random))
  for (let i = 0; i < ENTRIES; i++) {
    directory.set(Buffer.from(keyAt(i, 1)).latin1Slice(), 116, i % 10 === 0 ? i : Number.POSITIVE_INFINITY)
  }
  const after = heapBytes()
  return directory.count > 0 ? after - before : 0
}

function heapBytes() {
  gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

for (const policy of policies) await fill(policy)

const stores = new Map()
for (let round = 0; round < 3; round++) {
  for (const policy of policies) {
    await stores.get(policy)?.close()
    stores.delete(policy)
    const began = performance.now()
    const store = await openVariant(policy)
    note(policy, 'open, ms', performance.now() - began)
    stores.set(policy, store)
  }
}
for (let round = 0; round < ROUNDS; round++) {
  for (const [what, measure] of Object.entries(measures)) {
    for (const [policy, store] of stores) note(policy, what, await measure(store))
  }
}
// Last, because it changes what is there.
let fresh = ENTRIES
for (let round = 0; round < ROUNDS; round++) {
  for (const [policy, store] of stores) {
    if (policy === 'none') continue
    const evicts = async () => {
      for (let i = 0; i < CALLS; i++) await store.set(keyAt(fresh++, 1), texts[i % 1024])
    }
    note(policy, 'await set of a new key, µs', await timed(CALLS, evicts))
  }
}

for (const policy of policies.slice(1)) {
  for (let round = 0; round < 3; round++) {
    note(policy, 'memory for an entry, bytes', directoryBytes(policy) / ENTRIES)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

const table = {}
for (const [policy, row] of figures) {
  for (const [what, all] of Object.entries(row)) {
    const figure = what.endsWith('bytes') ? all.toSorted((a, b) => a - b)[1] : Math.min(...all)
    table[what] ??= {}
    table[what][policy] = Number(figure.toFixed(what.endsWith('µs') ? 2 : 0))
  }
}
console.log(`${ENTRIES.toLocaleString('en')} entries`)
console.table(table)
for (const store of stores.values()) await store.close()
await rm(directory, { recursive: true })
