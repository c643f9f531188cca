/** What a bounded store is for: it hits as often as an exact cache of its kind. */
import { expect, test } from 'vitest'
import { ExactLfu, ExactLru } from '../../bench/data/exact-caches.js'
import { zipfianTrace } from '../../bench/data/zipfian.js'
import { openInMemory } from '../../src/index.js'
import { ManualClock } from '../../src/testing.js'

const KEYS = 100_000
const trace = zipfianTrace({ keys: KEYS, requests: 200_000, exponent: 0.99, seed: 11 })

test.each([
  ['lru', 0.01, ExactLru],
  ['lru', 0.1, ExactLru],
  ['lfu', 0.01, ExactLfu],
  ['lfu', 0.1, ExactLfu],
] as const)(
  'hits of %s with room for %d of a zipfian key space are those of an exact one',
  { timeout: 60_000 },
  async (evictionPolicy, share, Exact) => {
    const maxEntries = KEYS * share
    const exact = new Exact(maxEntries)
    await using store = await openInMemory({
      valueEncoding: 'utf8',
      durability: 'memory',
      clock: new ManualClock(),
      metrics: false,
      maxEntries,
      evictionPolicy,
    })
    let hits = 0
    let exactHits = 0
    for (const n of trace) {
      const key = String(n)
      if (store.existsSync(key)) hits++
      else await store.set(key, '')
      if (exact.request(n)) exactHits++
    }
    expect(store.stats()).toMatchObject({ entries: maxEntries })
    expect(exactHits / trace.length).toBeGreaterThan(0.4)
    // Both are exact.
    expect(hits).toBe(exactHits)
  },
)
