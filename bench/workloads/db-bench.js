/**
 * The list of LevelDB's own `db_bench`: keys of 16 decimal digits, values of 100 bytes, one operation after the other. `fillrandom` and
 * `overwrite` draw their keys with repetition, so that about two thirds of the keys are there to be read.
 */
import { sequentialKey } from '../data/keys.js'
import { drawn } from '../data/random.js'
import { expect, expectValue } from '../measure/expect.js'
import { Stopwatch } from '../measure/stopwatch.js'
import { BATCH, oneByOne, synchronously, throughAll } from './loops.js'
import { runWanted } from './reads.js'
import { rate } from './workload.js'
import { putAwaited } from './writing.js'

const READS = 200_000
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

  /** @param {Context} context @param {number} drawSeed @returns {Promise<Outcome>} */
  async fill(context, drawSeed) {
    const { session, dataset, written } = context
    const { keys, values } = dataset
    const indexes = drawn({ count: keys.length, below: keys.length, seed: drawSeed })
    const list = Array.from(indexes, (index) => keys[index])
    const first = this.#writes
    const outcome = await oneByOne(context, list.length, (i) => session.put(list[i], values.at(first + i)))
    // What the time limit has left over is written untimed: the reads that follow need all of it.
    const rest = { at: (/** @type {number} */ i) => values.at(first + i) }
    for (let i = outcome.details?.operations ?? 0; i < list.length; i += BATCH)
      await session.putMany(list, rest, i, Math.min(i + BATCH, list.length))
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

/** @param {Context} context @param {Uint32Array} indexes @param {Written} state */
function seekRandom(context, indexes, state) {
  const { session, dataset } = context
  const last = state.values.findLastIndex((value) => value >= 0)
  return oneByOne(context, indexes.length, async (i) => {
    const seen = await session.seek(dataset.keys[indexes[i]], 1)
    expect(seen === (indexes[i] <= last ? 1 : 0), 'a seek finds the next entry')
  })
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
      shape: { keyOf: sequentialKey },
      workloads: [rate('fillseq', 'fillseq')],
      run: async (context) => ({ fillseq: await putAwaited(context) }),
    },
    {
      name: 'fillrandom-on',
      title: 'fillrandom and what follows',
      shape: { keyOf: sequentialKey },
      workloads: [
        rate('fillrandom', 'fillrandom'),
        rate('overwrite', 'overwrite'),
        { name: 'compact', title: 'compact', unit: 'ms' },
        rate('readrandom', 'readrandom'),
        rate('readmissing', 'readmissing'),
        rate('readseq', 'readseq'),
        rate('readreverse', 'readreverse'),
        rate('seekrandom', 'seekrandom'),
        rate('deleteseq', 'deleteseq'),
      ],
      run: async (context, wanted) => {
        const { dataset, session } = context
        const { keys } = dataset
        const state = new Written(keys.length)
        const indexes = dataset.sample(Math.min(keys.length, READS), 7)
        const list = Array.from(indexes, (index) => keys[index])
        const missing = list.map((key) => `${key}.`)
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
            seekrandom: () => seekRandom(context, indexes, state),
            deleteseq: () => deleteInOrder(context),
          },
          wanted,
        )
      },
    },
  ],
}
