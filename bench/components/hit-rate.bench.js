/**
 * How often a bounded store has what it is asked for, beside exact caches of its kind. Run after `npm run build`:
 *
 *   node bench/components/hit-rate.bench.js [requests]
 *
 * Requests over 100,000 keys with a zipfian distribution of exponent 0.99; what is missing is put in.
 */
import { ExactLfu, ExactLru } from '../data/exact-caches.js'
import { zipfianTrace } from '../data/zipfian.js'

const dist = process.env.VARVE_DIST ?? '../../dist'
const { openInMemory } = await import(`${dist}/index.js`)

const KEYS = 100_000
const REQUESTS = Number(process.argv[2] ?? 200_000)
const trace = zipfianTrace({ keys: KEYS, requests: REQUESTS, exponent: 0.99, seed: 1 })
const caches = { lru: ExactLru, lfu: ExactLfu, random: undefined, ttl: undefined }

const percent = (hits) => `${((hits / REQUESTS) * 100).toFixed(2)}%`

async function hitsOf(evictionPolicy, maxEntries) {
  const store = await openInMemory({ valueEncoding: 'utf8', metrics: false, maxEntries, evictionPolicy })
  let hits = 0
  for (const n of trace) {
    const key = String(n)
    if (store.existsSync(key)) hits++
    else await store.set(key, '')
  }
  await store.close()
  return hits
}

const rows = []
for (const share of [0.01, 0.1]) {
  for (const [policy, Exact] of Object.entries(caches)) {
    const maxEntries = KEYS * share
    const exact = Exact && new Exact(maxEntries)
    rows.push({
      'room for': `${share * 100}% of the keys`,
      policy,
      hits: percent(await hitsOf(policy, maxEntries)),
      'an exact cache': exact ? percent(trace.reduce((hits, n) => hits + (exact.request(n) ? 1 : 0), 0)) : '',
    })
  }
}
console.table(rows)
