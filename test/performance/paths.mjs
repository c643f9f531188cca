/**
 * The hot paths under guard. `typical` is how many times as long as the baseline's work Varve's takes, processor time to processor time, entry by
 * entry. When a path gets faster for good, lower its figure: `node test/performance/measure.mjs` prints those of this machine.
 */

/** @typedef {import('./measure.mjs').Prepared} Prepared */

/**
 * @typedef {object} Path
 * @property {string} name
 * @property {'get' | 'put' | 'scan'} against what of the baseline
 * @property {number} typical
 * @property {number} entries how many entries one turn handles
 * @property {(prepared: Prepared) => unknown} run one turn; throws when an answer is wrong
 */

const GETS = 2000
const PUTS = 1000
const BATCH = 100
const SEEKS = 40
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
    typical: 2.2,
    entries: PUTS,
    run: async ({ writer, newKeys, value }) => {
      const keys = newKeys(PUTS)
      for (const key of keys) await writer.set(key, value)
      expect(writer.getSync(keys[0])?.equals(value))
    },
  },
  {
    name: 'batches of 100',
    against: 'put',
    typical: 1.45,
    entries: 2 * PUTS,
    run: async ({ writer, newKeys, value, WriteBatch }) => {
      const keys = newKeys(2 * PUTS)
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
    typical: 2.05,
    entries: GETS,
    run: ({ reader, sample }) => {
      for (const key of sample(GETS)) expect(reader.getSync(key)?.length === 100)
    },
  },
  {
    name: 'getSync from the memtable',
    against: 'get',
    typical: 2.05,
    entries: GETS,
    run: ({ unflushed, sample }) => {
      for (const key of sample(GETS)) expect(unflushed.getSync(key)?.length === 100)
    },
  },
  {
    name: 'getSync of an absent key',
    against: 'get',
    typical: 1.15,
    entries: 2 * GETS,
    run: ({ reader, absent }) => {
      for (const key of absent(2 * GETS)) expect(reader.getSync(key) === undefined)
    },
  },
  {
    name: 'get, each awaited',
    against: 'get',
    typical: 2.4,
    entries: GETS,
    run: async ({ reader, sample }) => {
      for (const key of sample(GETS)) expect((await reader.get(key))?.length === 100)
    },
  },
  {
    name: 'getMany of 100',
    against: 'get',
    typical: 2.05,
    entries: GETS,
    run: async ({ reader, sample }) => {
      const keys = sample(GETS)
      for (let from = 0; from < GETS; from += BATCH) {
        const values = await reader.getMany(keys.slice(from, from + BATCH))
        expect(values.length === BATCH && values[BATCH - 1]?.length === 100)
      }
    },
  },
  {
    name: 'scan',
    against: 'scan',
    typical: 2.0,
    entries: 20_000,
    run: ({ reader }) => {
      let seen = 0
      for (const [key, value] of reader.entries()) if (key.length + value.length === 116) seen++
      expect(seen === 20_000)
    },
  },
  {
    name: 'scan, for await',
    against: 'scan',
    typical: 2.5,
    entries: 20_000,
    run: async ({ reader }) => {
      let seen = 0
      for await (const [key, value] of reader.entries()) if (key.length + value.length === 116) seen++
      expect(seen === 20_000)
    },
  },
  {
    name: 'seek, then 100 entries',
    against: 'scan',
    typical: 2.7,
    entries: SEEKS * SEEK_LENGTH,
    run: ({ reader, sample }) => {
      for (const key of sample(SEEKS)) {
        let seen = 0
        for (const [, value] of reader.entries({ gte: key, limit: SEEK_LENGTH })) seen += value.length / 100
        expect(seen > 0 && seen <= SEEK_LENGTH)
      }
    },
  },
]
