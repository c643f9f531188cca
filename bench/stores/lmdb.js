/** LMDB, through lmdb-js. */
import { installedVersion } from './session.js'

/** Keys can be of many types; ours are strings. @param {unknown} key */
const lengthOf = (key) => (typeof key === 'string' ? key.length : 0)

/**
 * @param {string} directory @param {boolean} sync @param {object} options
 * @returns {Promise<import('./session.js').Session>}
 */
async function openSession(directory, sync, options) {
  const { open } = await import('lmdb')
  const db = open({ path: directory, encoding: 'binary', separateFlushed: true, maxDbs: 1, ...options })
  /** @param {any} committed */
  const durable = async (committed) => {
    await committed
    await committed.flushed
  }

  /** @param {object} range */
  const count = (range) => {
    let total = 0
    for (const { key, value } of db.getRange(range)) total += lengthOf(key) > 0 && value.length > 0 ? 1 : 0
    return total
  }

  return {
    concurrent: true,
    put: (key, value) => (sync ? durable(db.put(key, value)) : db.put(key, value)),
    putMany: (keys, values, from, to) => {
      const committed = db.batch(() => {
        for (let i = from; i < to; i++) db.put(keys[i], values.at(i))
      })
      return sync ? durable(committed) : committed
    },
    delete: (key) => (sync ? durable(db.remove(key)) : db.remove(key)),
    get: (key) => db.get(key),
    getSync: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    scan: () => count({}),
    scanAwaited: async () => {
      let total = 0
      for await (const { key, value } of db.getRange({}))
        total += lengthOf(key) > 0 && value.length > 0 ? 1 : 0
      return total
    },
    scanReverse: () => count({ reverse: true }),
    seek: (key, limit) => count({ start: key, limit }),
    settle: async () => {
      await db.flushed
    },
    close: () => db.close(),
  }
}

/** @type {import('./session.js').Adapter} */
export const lmdb = {
  name: 'lmdb',
  durable: true,
  settings:
    "encoding 'binary', its own memory map instead of a cache; a put resolves at commit, with fsync when it is " +
    'flushed (separateFlushed). Compression off, as by default. Settled: flushed',
  version: () => installedVersion('lmdb'),
  open: (directory, { sync }) => openSession(directory, sync, {}),
}

/** @type {import('./session.js').Adapter} */
export const lmdbNoSync = {
  name: 'lmdb-nosync',
  durable: false,
  settings:
    'noSync: never synced, so that a power loss may damage the whole store; not counted as a durable peer',
  version: () => installedVersion('lmdb'),
  open: (directory, { sync }) => openSession(directory, sync, { noSync: true }),
}
