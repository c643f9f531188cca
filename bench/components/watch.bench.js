/**
 * What watching costs a write, beside a store that is not watched. Run after `npm run build`:
 *
 *   node bench/components/watch.bench.js
 *
 * Batches of 100 into a store in memory, 16-byte keys, 100-byte values; the figures are for one write. The variants take
 * turns, so that a busy machine is unfair to none.
 */
import { keyAt, Values } from '../dataset.js'

const dist = process.env.VARVE_DIST ?? '../../dist'
const { openInMemory, WriteBatch } = await import(`${dist}/index.js`)

const KEYS = 20_000
const BATCH = 100
const ROUNDS = 40
const WRITES = 10_000

const decoder = new TextDecoder()
const keys = Array.from({ length: KEYS }, (_, i) => keyAt(i, 1))
const values = new Values(1, 1024)
const texts = Array.from({ length: 1024 }, (_, i) => decoder.decode(values.at(i)))

/** Watchers of keys that no write touches, unless told. */
const variants = {
  'not watched': () => {},
  'watched once, and no more': (store) => void store.watch('nothing').close(),
  '1 key': (store) => void store.watch('nothing'),
  '10,000 keys': (store) => {
    for (let i = 0; i < 10_000; i++) store.watch(`nothing:${i}`)
  },
  '10,000 ranges': (store) => {
    for (let i = 0; i < 10_000; i++) store.watch({ prefix: `nothing:${i}:` })
  },
  'everything, read': (store) => void consume(store.watch()),
  'everything, read, previous': (store) => void consume(store.watch({}, { previous: true })),
}

async function consume(changes) {
  for await (const _change of changes);
}

const stores = new Map()
for (const [name, watch] of Object.entries(variants)) {
  const store = await openInMemory({ valueEncoding: 'utf8', metrics: false })
  watch(store)
  stores.set(name, { store, next: 0, times: [] })
}

async function round(variant) {
  const { store } = variant
  const began = performance.now()
  for (let written = 0; written < WRITES; written += BATCH) {
    const batch = new WriteBatch()
    for (let i = 0; i < BATCH; i++) {
      const n = (variant.next++ * 7919) % KEYS
      batch.set(keys[n], texts[n % texts.length])
    }
    await store.applyBatch(batch)
  }
  variant.times.push(((performance.now() - began) * 1000) / WRITES)
}

for (let i = 0; i < ROUNDS; i++) for (const variant of stores.values()) await round(variant)

const median = (times) => times.slice(5).sort((a, b) => a - b)[Math.floor((times.length - 5) / 2)]
const base = median(stores.get('not watched').times)
console.table(
  [...stores].map(([watchers, { times }]) => ({
    watchers,
    'µs for a write, median': Number(median(times).toFixed(3)),
    'more than not watched': `${((median(times) / base - 1) * 100).toFixed(1)}%`,
  })),
)
for (const { store } of stores.values()) await store.close()
