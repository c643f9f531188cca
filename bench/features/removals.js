/** What removing costs: one by one, all at once, a range, and by expiry; and what a snapshot costs by size. */
import {
  ENTRIES,
  fill,
  inMemory,
  keyOf,
  ManualClock,
  milliseconds,
  onDisk,
  WriteBatch,
  wallTime,
} from './stores.js'

/** For one entry, in µs. @param {number} ms */
const forEach = (ms) => (ms * 1000) / ENTRIES

/** @param {(store: any) => unknown} remove */
const removed = (remove) =>
  inMemory({}, async (store) => {
    await fill(store, 0, ENTRIES)
    return forEach(await milliseconds(() => remove(store)))
  })

/** All entries expire together, are swept and announced. @param {boolean} flushed */
const expired = (flushed) => {
  const clock = new ManualClock()
  return inMemory({ clock, cleanupInterval: 1000, onExpire: () => undefined }, async (store) => {
    await fill(store, 0, ENTRIES, { ttl: 500 })
    if (flushed) await store.flush()
    return forEach(
      await milliseconds(async () => {
        while (store.stats().expired < ENTRIES) await clock.advanceInTurns(1000)
      }),
    )
  })
}

/** @param {number} entries @param {(store: any) => unknown} work */
const ofSize = (entries, work) => () =>
  onDisk({}, async (store) => {
    await fill(store, 0, entries)
    await store.compact()
    await store.set('one', 'more')
    return milliseconds(() => work(store), wallTime)
  })

/** @param {(store: any) => unknown} work */
const bySize = (work) => ({
  '10,000 entries': ofSize(10_000, work),
  '100,000 entries': ofSize(100_000, work),
  '1,000,000 entries': ofSize(1_000_000, work),
})

/** @type {import('./report.js').Feature[]} */
export const removals = [
  {
    name: 'remove',
    title: 'removing 10,000 entries, for each',
    unit: 'µs',
    variants: {
      'deletes in batches of 1,000': () =>
        removed(async (store) => {
          for (let i = 0; i < ENTRIES; ) {
            const batch = new WriteBatch()
            for (const end = i + 1000; i < end; i++) batch.delete(keyOf(i))
            await store.applyBatch(batch)
          }
        }),
      'await delete': () =>
        removed(async (store) => {
          for (let i = 0; i < ENTRIES; i++) await store.delete(keyOf(i))
        }),
      'clear of a range': () => removed((store) => store.clear({ gte: '', lt: 'g' })),
      'clear()': () => removed((store) => store.clear()),
      'expiry, in memory, onExpire': () => expired(false),
      'expiry, in a table, onExpire': () => expired(true),
    },
  },
  {
    name: 'snapshot',
    title: 'snapshot, on the disk, time on the wall',
    unit: 'ms',
    once: true,
    variants: bySize((store) => store.snapshot()),
  },
  {
    name: 'clear',
    title: 'clear(), on the disk, time on the wall',
    unit: 'ms',
    once: true,
    variants: bySize((store) => store.clear()),
  },
]
