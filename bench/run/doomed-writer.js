/** A process that writes into a store, says so, and waits to be killed. */
import { Dataset } from '../data/dataset.js'
import { stores } from '../stores/index.js'

const BATCH = 100

process.once('message', async (/** @type {any} */ { store, directory, count, seed }) => {
  const adapter = await stores[store]()
  const session = await adapter.open(directory, { cacheSize: undefined, sync: false })
  const { keys, values } = new Dataset(count, seed)
  for (let from = 0; from < count; from += BATCH)
    await session.putMany(keys, values, from, Math.min(from + BATCH, count))
  process.send?.('written')
})
