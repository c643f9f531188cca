/**
 * The list of LevelDB's own `db_bench`: keys of 16 decimal digits, values of 100 bytes, one operation after the other. `fillrandom` and
 * `overwrite` draw their keys with repetition, so that about two thirds of the keys are there to be read.
 */
import { inOnePiece, sequentialKey } from '../data/keys.js'
import { drawn } from '../data/random.js'
import { expect, expectValue } from '../measure/expect.js'
import { Stopwatch } from '../measure/stopwatch.js'
import { BATCH, oneByOne, synchronously, throughAll } from './loops.js'
import { runWanted } from './reads.js'
import { rate } from './workload.js'
import { putAwaited } from './writing.js'

const READS = 200_000
const SYNCED = 5_000
const SEEKS = 10_000
const SEEK_LENGTH = 100
const CHECKED_KEYS = 200

/** @typedef {import('./workload.js').Context} Context */
/** @typedef {import('./workload.js').Outcome} Outcome */

/** What `fillrandom` and `overwrite` have left: the number of the value of each key, or -1. */
class Written {
  /** @type {Int32Array} */
  values
  #writes = 0

  /** @param {number} n */
  constructor(n) {
    this.values = new Int32Array(n).fill(-1)
  }

  get present() {
    return this.values.reduce((sum, value) => sum + (value < 0 ? 0 : 1), 0)
  }

  /** Of each key, how many there are from it on. */
  following() {
    const counts = new Uint32Array(this.values.length)
    let count = 0
    for (let index = counts.length - 1; index >= 0; index--) {
      if (this.values[index] >= 0) count++
      counts[index] = count
    }
    return counts
  }

  /** One put after the other. @param {Context} context @param {number} drawSeed @returns {Promise<Outcome>} */
  async fill(context, drawSeed) {
    const { session } = context
    return this.#fill(context, drawSeed, (list, values) =>
      oneByOne(context, list.length, (i) => session.put(list[i], values.at(i))),
    )
  }

  /** Batches of 100. @param {Context} context @param {number} drawSeed @returns {Promise<Outcome>} */
  async fillBatches(context, drawSeed) {
    const { session } = context
    return this.#fill(context, drawSeed, async (list, values) => {
      const batches = Math.ceil(list.length / BATCH)
      const put = (/** @type {number} */ i) =>
        session.putMany(list, values, i * BATCH, Math.min((i + 1) * BATCH, list.length))
      const outcome = await oneByOne(context, batches, put, { each: BATCH })
      return {
        ...outcome,
        details: { ...outcome.details, operations: (outcome.details?.operations ?? 0) * BATCH },
      }
    })
  }

  /**
   * @param {Context} context @param {number} drawSeed
   * @param {(list: string[], values: { at: (index: number) => Buffer }) => Promise<Outcome>} write tells with `operations` how many it has written
   * @returns {Promise<Outcome>}
   */
  async #fill(context, drawSeed, write) {
    const { session, dataset, written } = context
    const { keys } = dataset
    const indexes = drawn({ count: keys.length, below: keys.length, seed: drawSeed })
    const list = Array.from(indexes, (index) => keys[index])
    const first = this.#writes
    const values = { at: (/** @type {number} */ i) => dataset.values.at(first + i) }
    const outcome = await write(list, values)
    // What the time limit has left over is written untimed: the reads that follow need all of it.
    for (let i = outcome.details?.operations ?? 0; i < list.length; i += BATCH)
      await session.putMany(list, values, i, Math.min(i + BATCH, list.length))
    for (const [i, index] of indexes.entries()) this.values[index] = first + i
    this.#writes += list.length
    written.bytes += list.length * dataset.meanEntryBytes
    await this.check(context)
    return outcome
  }

  /** Looks at some of the keys, byte by byte. @param {Context} context */
  async check({ session, dataset }) {
    for (const index of drawn({ count: CHECKED_KEYS, below: dataset.keys.length, seed: 97 })) {
      const value = await session.get(dataset.keys[index])
      if (this.values[index] < 0) expect(value === undefined, 'a key that was never written is absent')
      else expectValue(value, dataset.values.at(this.values[index]), dataset.keys[index])
    }
  }
}

/**
 * Reads in the fastest way that the store has; `expected` says whether key number `i` of the list is there.
 * @param {Context} context @param {string[]} list @param {(i: number) => boolean} expected
 */
function readKeys(context, list, expected) {
  const { getSync, get } = context.session
  /** @param {unknown} value @param {number} i */
  const check = (value, i) => expect((value !== undefined) === expected(i), 'a key is there or not')
  return getSync
    ? synchronously(context, list.length, (i) => check(getSync(list[i]), i))
    : oneByOne(context, list.length, async (i) => check(await get(list[i]), i))
}

/** @param {Context} context @param {Uint32Array} indexes @param {Written} state @param {number} length entries of each seek */
function seekRandom(context, indexes, state, length) {
  const { session, dataset } = context
  const following = state.following()
  return oneByOne(
    context,
    indexes.length,
    async (i) => {
      const seen = await session.seek(dataset.keys[indexes[i]], length)
      expect(seen === Math.min(length, following[indexes[i]]), 'a seek gives what follows')
    },
    { each: length },
  )
}

/** From the first key to the last, those that are not there as well. @param {Context} context */
async function deleteInOrder(context) {
  const { session, dataset, written } = context
  const outcome = await oneByOne(context, dataset.keys.length, (i) => session.delete(dataset.keys[i]))
  const deleted = outcome.details?.operations ?? 0
  written.bytes += deleted * dataset.keys[0].length
  for (const index of drawn({ count: CHECKED_KEYS, below: deleted, seed: 96 }))
    expect((await session.get(dataset.keys[index])) === undefined, 'a deleted key is absent')
  return outcome
}

/** @param {Context} context @returns {Promise<Outcome | undefined>} */
async function compact({ session }) {
  if (session.compact === undefined) return undefined
  const watch = new Stopwatch()
  await session.compact()
  return { value: watch.elapsedMs }
}

/** The reference is RocksDB in C++, where its `db_bench` is installed. @param {string} name @param {string} title @param {number} goalRatio */
const beside = (name, title, goalRatio) => ({
  ...rate(name, title),
  goal: `≥ ${goalRatio} × db_bench`,
  goalRatio,
  goalPeer: 'rocksdb-native',
})

const stores = ['varve', 'classic-level', 'lmdb', 'better-sqlite3', 'rocksdb', 'rocksdb-native']

/** @type {import('./workload.js').Family} */
export const dbBench = {
  name: 'db_bench',
  title: "LevelDB's list",
  about:
    "The workloads of LevelDB's db_bench: keys of 16 digits, values of 100 bytes, one operation after the other, reads in the fastest way that the " +
    'store has; after fillrandom and overwrite, in this order, on one store.',
  groups: [
    {
      name: 'fillseq',
      title: 'fillseq',
      stores,
      shape: { keyOf: sequentialKey },
      workloads: [rate('fillseq', 'fillseq')],
      run: async (context) => ({ fillseq: await putAwaited(context) }),
    },
    {
      name: 'fillbatch',
      title: 'fillrandom in batches',
      stores,
      shape: { keyOf: sequentialKey },
      workloads: [beside('fillbatch', 'fillrandom, batches of 100', 1.2)],
      run: async (context) => ({ fillbatch: await new Written(context.n).fillBatches(context, 1) }),
    },
    {
      name: 'fillsync',
      title: 'fillsync',
      stores,
      sync: true,
      count: (n) => Math.min(n, SYNCED),
      shape: { keyOf: sequentialKey },
      workloads: [beside('fillsync', 'fillsync', 0.9)],
      run: async (context) => ({ fillsync: await new Written(context.dataset.keys.length).fill(context, 1) }),
    },
    {
      name: 'fillrandom-on',
      title: 'fillrandom and what follows',
      stores,
      shape: { keyOf: sequentialKey },
      workloads: [
        beside('fillrandom', 'fillrandom', 1.5),
        rate('overwrite', 'overwrite'),
        { name: 'compact', title: 'compact', unit: 'ms' },
        beside('readrandom', 'readrandom', 1),
        beside('readmissing', 'readmissing', 0.4),
        beside('readseq', 'readseq', 0.5),
        beside('readreverse', 'readreverse', 0.5),
        rate('seekrandom', 'seekrandom'),
        beside('seekrandom-100', 'seekrandom, then 100 entries', 0.4),
        rate('deleteseq', 'deleteseq'),
      ],
      run: async (context, wanted) => {
        const { dataset, session } = context
        const { keys } = dataset
        const state = new Written(keys.length)
        const indexes = dataset.sample(Math.min(keys.length, READS), 7)
        const list = Array.from(indexes, (index) => keys[index])
        const missing = list.map((key) => inOnePiece(`${key}.`))
        const filled = await state.fill(context, 1)
        const overwritten = await state.fill(context, 2)
        const present = state.present
        return runWanted(
          {
            fillrandom: () => filled,
            overwrite: () => overwritten,
            compact: () => compact(context),
            readrandom: () => readKeys(context, list, (i) => state.values[indexes[i]] >= 0),
            readmissing: () => readKeys(context, missing, () => false),
            readseq: () => throughAll(context, present, session.scan),
            readreverse: () => throughAll(context, present, session.scanReverse),
            seekrandom: () => seekRandom(context, indexes, state, 1),
            'seekrandom-100': () => seekRandom(context, indexes.subarray(0, SEEKS), state, SEEK_LENGTH),
            deleteseq: () => deleteInOrder(context),
          },
          wanted,
        )
      },
    },
  ],
}
