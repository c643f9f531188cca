/**
 * The hot paths under guard. `typical` is how many times as long as the baseline's work Varve's takes, processor time to processor time, entry by
 * entry. When a path gets faster for good, lower its figure: `node test/performance/measure.mjs` prints those of this machine.
 */

/**
 * @typedef {object} Path
 * @property {string} name
 * @property {'get' | 'put' | 'scan'} against what of the baseline
 * @property {number} typical
 * @property {number} entries how many entries one turn handles
 * @property {{ of: 'present' | 'absent' | 'new', count: number }} [keys] that a turn asks for; drawn before its time begins
 * @property {(stores: import('./measure.mjs').Prepared, keys: string[]) => unknown} run one turn; throws when an answer is wrong
 */

/** In the stores that are read. */
export const ENTRIES = 20_000
const VALUE_LENGTH = 100
const ENTRY_LENGTH = 16 + VALUE_LENGTH

const GETS = 4000
const COLD_GETS = 1000
const PUTS = 1500
const BATCH = 100
const SEEKS = 80
const SEEK_LENGTH = 100

/** @param {unknown} condition */
function expect(condition) {
  if (!condition) throw new Error('Wrong answer')
}

/** @type {Path[]} */
export const paths = [
  {
    name: 'set, each awaited',
    against: 'put',
    typical: 2.5,
    entries: PUTS,
    keys: { of: 'new', count: PUTS },
    run: async ({ writer, value }, keys) => {
      for (const key of keys) await writer.set(key, value)
      expect(writer.getSync(keys[0])?.equals(value))
    },
  },
  {
    name: 'batches of 100',
    against: 'put',
    typical: 1.25,
    entries: 2 * PUTS,
    keys: { of: 'new', count: 2 * PUTS },
    run: async ({ writer, value, WriteBatch }, keys) => {
      const batch = new WriteBatch()
      for (let from = 0; from < keys.length; from += BATCH) {
        batch.clear()
        for (let i = from; i < from + BATCH; i++) batch.set(keys[i], value)
        await writer.applyBatch(batch)
      }
      expect(writer.getSync(keys[0])?.equals(value))
    },
  },
  {
    name: 'getSync from a table',
    against: 'get',
    typical: 1.7,
    entries: GETS,
    keys: { of: 'present', count: GETS },
    run: ({ reader }, keys) => {
      for (const key of keys) expect(reader.getSync(key)?.length === VALUE_LENGTH)
    },
  },
  {
    name: 'getSync from the memtable',
    against: 'get',
    typical: 1.6,
    entries: GETS,
    keys: { of: 'present', count: GETS },
    run: ({ unflushed }, keys) => {
      for (const key of keys) expect(unflushed.getSync(key)?.length === VALUE_LENGTH)
    },
  },
  {
    name: 'getSync of an absent key',
    against: 'get',
    typical: 0.44,
    entries: 2 * GETS,
    keys: { of: 'absent', count: 2 * GETS },
    run: ({ reader }, keys) => {
      for (const key of keys) expect(reader.getSync(key) === undefined)
    },
  },
  {
    name: 'get, each awaited',
    against: 'get',
    typical: 2.05,
    entries: GETS,
    keys: { of: 'present', count: GETS },
    run: async ({ reader }, keys) => {
      for (const key of keys) expect((await reader.get(key))?.length === VALUE_LENGTH)
    },
  },
  {
    name: 'getSync beyond the cache',
    against: 'get',
    typical: 9,
    entries: COLD_GETS,
    keys: { of: 'present', count: COLD_GETS },
    run: ({ cold }, keys) => {
      for (const key of keys) expect(cold.getSync(key)?.length === VALUE_LENGTH)
    },
  },
  {
    name: 'get beyond the cache, each awaited',
    against: 'get',
    typical: 9.8,
    entries: COLD_GETS,
    keys: { of: 'present', count: COLD_GETS },
    run: async ({ cold }, keys) => {
      for (const key of keys) expect((await cold.get(key))?.length === VALUE_LENGTH)
    },
  },
  {
    name: 'getMany of 100',
    against: 'get',
    typical: 1.8,
    entries: GETS,
    keys: { of: 'present', count: GETS },
    run: async ({ reader }, keys) => {
      for (let from = 0; from < keys.length; from += BATCH) {
        const values = await reader.getMany(keys.slice(from, from + BATCH))
        expect(values.length === BATCH && values[BATCH - 1]?.length === VALUE_LENGTH)
      }
    },
  },
  {
    name: 'scan',
    against: 'scan',
    typical: 1.76,
    entries: ENTRIES,
    run: ({ reader }) => {
      let seen = 0
      for (const [key, value] of reader.entries()) if (key.length + value.length === ENTRY_LENGTH) seen++
      expect(seen === ENTRIES)
    },
  },
  {
    name: 'scan, for await',
    against: 'scan',
    typical: 2.35,
    entries: ENTRIES,
    run: async ({ reader }) => {
      let seen = 0
      for await (const [key, value] of reader.entries())
        if (key.length + value.length === ENTRY_LENGTH) seen++
      expect(seen === ENTRIES)
    },
  },
  {
    name: 'seek, then 100 entries',
    against: 'scan',
    typical: 2.4,
    entries: SEEKS * SEEK_LENGTH,
    keys: { of: 'present', count: SEEKS },
    run: ({ reader }, keys) => {
      for (const key of keys) {
        let seen = 0
        for (const [, value] of reader.entries({ gte: key, limit: SEEK_LENGTH }))
          seen += value.length / VALUE_LENGTH
        expect(seen > 0 && seen <= SEEK_LENGTH)
      }
    },
  },
]
