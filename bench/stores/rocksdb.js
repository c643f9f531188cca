/** RocksDB, through the old npm binding `rocksdb` (callbacks, no synchronous reads). */
import { mkdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { installedVersion } from './session.js'

/** @type {import('./session.js').Adapter} */
export const rocksdb = {
  name: 'rocksdb',
  durable: true,
  settings:
    'defaults of the binding: 4 MiB write buffer, Snappy, bloom filter of 10 bits; { sync: true } with fsync. ' +
    'Chained batches. Settled: compactRange over everything',
  version: () => installedVersion('rocksdb'),
  open: async (directory, { cacheSize, sync }) => {
    // @ts-expect-error: the package has no types.
    const { default: RocksDB } = await import('rocksdb')
    await mkdir(directory, { recursive: true })
    const db = new RocksDB(directory)
    await promisify(db.open.bind(db))({
      compression: true,
      ...(cacheSize === undefined ? {} : { cacheSize }),
    })
    const writeOptions = { sync }
    const readOptions = { asBuffer: true }
    const getMany = promisify(db.getMany.bind(db))
    const compactRange = promisify(db.compactRange.bind(db))
    const compact = () => compactRange(Buffer.from('0'), Buffer.from('~'))

    /** @param {object} range @returns {Promise<number>} */
    const count = (range) =>
      new Promise((resolve, reject) => {
        const iterator = db.iterator({ keyAsBuffer: false, valueAsBuffer: true, ...range })
        let total = 0
        /** @param {Error | null} error @param {string} [key] @param {Buffer} [value] */
        const take = (error, key, value) => {
          if (error) return reject(error)
          if (key === undefined || value === undefined) return iterator.end(() => resolve(total))
          total += key.length > 0 && value.length > 0 ? 1 : 0
          iterator.next(take)
        }
        iterator.next(take)
      })

    return {
      concurrent: true,
      put: (key, value) =>
        new Promise((resolve, reject) => {
          db.put(key, value, writeOptions, (/** @type {Error | null} */ error) =>
            error ? reject(error) : resolve(undefined),
          )
        }),
      putMany: (keys, values, from, to) =>
        new Promise((resolve, reject) => {
          const batch = db.batch()
          for (let i = from; i < to; i++) batch.put(keys[i], values.at(i))
          batch.write(writeOptions, (/** @type {Error | null} */ error) =>
            error ? reject(error) : resolve(undefined),
          )
        }),
      delete: (key) =>
        new Promise((resolve, reject) => {
          db.del(key, writeOptions, (/** @type {Error | null} */ error) =>
            error ? reject(error) : resolve(undefined),
          )
        }),
      get: (key) =>
        new Promise((resolve, reject) => {
          db.get(key, readOptions, (/** @type {Error | null} */ error, /** @type {Buffer} */ value) => {
            // The binding reports an absent key as an error.
            if (error && !/notfound/i.test(error.message)) reject(error)
            else resolve(error ? undefined : value)
          })
        }),
      getMany: (keys) => getMany(keys, readOptions),
      scan: () => count({}),
      scanReverse: () => count({ reverse: true }),
      seek: (key, limit) => count({ gte: key, limit }),
      compact,
      settle: compact,
      close: () => promisify(db.close.bind(db))(),
    }
  },
}
