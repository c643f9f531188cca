/** Varve itself, as it is built in `dist`. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

const root = new URL('../../', import.meta.url)

const version = async () => JSON.parse(await readFile(new URL('package.json', root), 'utf8')).version

const loadVarve = () => import(new URL('dist/index.js', root).href)

/**
 * @param {import('./session.js').OpenOptions} options
 * @param {string} durability
 */
const settingsOf = (options, durability) => ({
  keyEncoding: 'utf8',
  valueEncoding: 'buffer',
  ...(options.cacheSize === undefined ? {} : { cacheSize: options.cacheSize }),
  durability: options.sync ? 'disk' : durability,
})

/**
 * @param {any} store
 * @param {any} WriteBatch
 * @returns {import('./session.js').Session}
 */
function session(store, WriteBatch) {
  const batch = new WriteBatch()
  return {
    concurrent: true,
    put: (key, value) => store.set(key, value),
    putMany: (keys, values, from, to) => {
      batch.clear()
      for (let i = from; i < to; i++) batch.set(keys[i], values.at(i))
      return store.applyBatch(batch)
    },
    delete: (key) => store.delete(key),
    get: (key) => store.get(key),
    getSync: (key) => store.getSync(key),
    getMany: (keys) => store.getMany(keys),
    scan: () => countSync(store.entries()),
    scanAwaited: async () => {
      let count = 0
      for await (const [key, value] of store.entries()) count += key.length > 0 && value.length > 0 ? 1 : 0
      return count
    },
    scanReverse: () => countSync(store.entries({ reverse: true })),
    seek: (key, limit) => countSync(store.entries({ gte: key, limit })),
    compact: () => store.compact(),
    settle: async () => {
      await store.flush()
      await store.compact()
    },
    writeAmplification: () => store.stats().amplification.write,
    close: () => store.close(),
  }
}

/**
 * A store on disk can be read by other threads.
 * @param {any} store
 * @param {any} WriteBatch
 * @returns {import('./session.js').Session}
 */
const shareable = (store, WriteBatch) => ({
  ...session(store, WriteBatch),
  getInThreads: (keys, valueLength) => getInThreads(store.share(), keys, valueLength),
})

/**
 * All threads begin together when the last one has warmed up.
 * @param {object} handle @param {string[]} keys @param {number} valueLength
 */
async function getInThreads(handle, keys, valueLength) {
  const signal = new Int32Array(new SharedArrayBuffer(4))
  const threads = Array.from({ length: availableParallelism() }, () => {
    const worker = new Worker(new URL('varve-thread.js', import.meta.url), {
      workerData: { handle, keys, valueLength, signal },
    })
    const failed = once(worker, 'error').then(([error]) => Promise.reject(error))
    failed.catch(() => {})
    return {
      message: async () => (await Promise.race([once(worker, 'message'), failed]))[0],
      ended: once(worker, 'exit'),
    }
  })
  await Promise.all(threads.map(({ message }) => message()))
  const done = Promise.all(threads.map(({ message }) => message()))
  Atomics.store(signal, 0, 1)
  Atomics.notify(signal, 0)
  const startedAt = performance.now()
  await done
  const seconds = (performance.now() - startedAt) / 1000
  await Promise.all(threads.map(({ ended }) => ended))
  return (threads.length * keys.length) / seconds
}

/** @param {Iterable<[string, Buffer]>} entries */
function countSync(entries) {
  let count = 0
  for (const [key, value] of entries) count += key.length > 0 && value.length > 0 ? 1 : 0
  return count
}

/** @type {import('./session.js').Adapter} */
export const varve = {
  name: 'varve',
  durable: true,
  own: true,
  settings:
    "defaults: durability 'os', compression 'snappy'; with fsync: durability 'disk'. Settled: flush(), compact()",
  version,
  open: async (directory, options) => {
    const { open, WriteBatch } = await loadVarve()
    return shareable(await open(directory, settingsOf(options, 'os')), WriteBatch)
  },
}

/** @type {import('./session.js').Adapter} */
export const varveDurabilityMemory = {
  name: 'varve-durability-memory',
  durable: false,
  own: true,
  settings: "durability 'memory': a write's promise does not wait for the operating system",
  version,
  open: async (directory, options) => {
    const { open, WriteBatch } = await loadVarve()
    return shareable(await open(directory, settingsOf(options, 'memory')), WriteBatch)
  },
}

/** @type {import('./session.js').Adapter} */
export const varveInMemory = {
  name: 'varve-in-memory',
  durable: false,
  own: true,
  settings: 'openInMemory(): no disk',
  version,
  open: async (_directory, options) => {
    const { openInMemory, WriteBatch } = await loadVarve()
    const { durability: _none, ...settings } = settingsOf(options, 'memory')
    return session(await openInMemory(settings), WriteBatch)
  },
}
