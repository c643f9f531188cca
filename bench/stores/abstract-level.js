/** What classic-level and memory-level have in common: the interface of abstract-level 2 and 3. */

/** So many entries are fetched at a time: as many as classic-level itself reads ahead. */
const CHUNK = 1000

/**
 * @param {any} db
 * @param {import('./session.js').OpenOptions} options
 * @returns {Omit<import('./session.js').Session, 'settle'>}
 */
export function levelSession(db, { sync }) {
  const writeOptions = sync ? { sync: true } : {}

  /** @param {object} range */
  const count = async (range) => {
    const iterator = db.iterator(range)
    let total = 0
    for (;;) {
      const entries = await iterator.nextv(CHUNK)
      if (entries.length === 0) break
      for (const [key, value] of entries) total += key.length > 0 && value.length > 0 ? 1 : 0
    }
    await iterator.close()
    return total
  }

  return {
    concurrent: true,
    put: (key, value) => db.put(key, value, writeOptions),
    putMany: (keys, values, from, to) => {
      const batch = db.batch()
      for (let i = from; i < to; i++) batch.put(keys[i], values.at(i))
      return batch.write(writeOptions)
    },
    delete: (key) => db.del(key, writeOptions),
    get: (key) => db.get(key),
    getSync: (key) => db.getSync(key),
    getMany: (keys) => db.getMany(keys),
    scan: () => count({}),
    scanAwaited: async () => {
      let total = 0
      for await (const [key, value] of db.iterator()) total += key.length > 0 && value.length > 0 ? 1 : 0
      return total
    },
    scanReverse: () => count({ reverse: true }),
    seek: async (key, limit) => {
      const iterator = db.iterator({ gte: key, limit })
      const entries = await iterator.nextv(limit)
      await iterator.close()
      return entries.length
    },
    close: () => db.close(),
  }
}
