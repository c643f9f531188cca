/** What watching costs a write. Watchers are of keys that no write touches, unless told. */
import { ENTRIES, inMemory, keyOf, microseconds, textOf, WriteBatch } from './stores.js'

const BATCH = 100

/** Batches of 100, for one write. @param {(store: any) => unknown} watch */
const watched = (watch) =>
  inMemory({}, async (store) => {
    await watch(store)
    const perBatch = await microseconds(ENTRIES / BATCH, (n) => {
      const batch = new WriteBatch()
      for (let i = n * BATCH; i < (n + 1) * BATCH; i++) batch.set(keyOf(i), textOf(i))
      return store.applyBatch(batch)
    })
    return perBatch / BATCH
  })

/** @param {AsyncIterable<unknown>} changes */
async function consume(changes) {
  for await (const _change of changes);
}

/** @type {import('./report.js').Feature[]} */
export const watching = [
  {
    name: 'watch',
    title: 'a write in a batch of 100, in memory, watched by',
    unit: 'µs',
    variants: {
      nobody: () => watched(() => undefined),
      'nobody any more': () => watched((store) => store.watch('nothing').close()),
      'one key': () => watched((store) => void store.watch('nothing')),
      '10,000 keys': () =>
        watched((store) => {
          for (let i = 0; i < 10_000; i++) store.watch(`nothing:${i}`)
        }),
      '10,000 ranges': () =>
        watched((store) => {
          for (let i = 0; i < 10_000; i++) store.watch({ prefix: `nothing:${i}:` })
        }),
      'one that reads every change': () => watched((store) => void consume(store.watch())),
      'one that reads every change, previous': () =>
        watched((store) => void consume(store.watch({}, { previous: true }))),
      'ten that read every change': () =>
        watched((store) => {
          for (let i = 0; i < 10; i++) void consume(store.watch())
        }),
    },
  },
]
