/** All ways of reading, on a store that was loaded in batches and has settled. */
import { expect, expectContents, expectLength } from '../measure/expect.js'
import { directorySize } from '../measure/system.js'
import { BATCH, oneByOne, synchronously, throughAll } from './loops.js'
import { rate } from './workload.js'
import { loadAndSettle } from './writing.js'

const GETS = 200_000
const SCAN_LENGTH = 100
/** A seek with its hundred entries is so much more than a get. */
const GETS_A_SEEK = 20

/** @typedef {import('./workload.js').Context} Context */
/** @typedef {import('./workload.js').Outcome} Outcome */

/** @param {Context} context @param {Uint32Array} sample */
function getSync(context, sample) {
  const { session, dataset } = context
  const { getSync } = session
  if (!getSync) return undefined
  const { length } = dataset.values
  return synchronously(
    context,
    sample.length,
    (i) => expectLength(getSync(dataset.keys[sample[i]]), length),
    {
      warmUp: true,
    },
  )
}

/** @param {Context} context @param {Uint32Array} sample */
function get(context, sample) {
  const { session, dataset } = context
  const { length } = dataset.values
  return oneByOne(
    context,
    sample.length,
    async (i) => expectLength(await session.get(dataset.keys[sample[i]]), length),
    { warmUp: true },
  )
}

/** The fastest way that the store has. @param {Context} context @param {Uint32Array} sample */
export const getFastest = (context, sample) => getSync(context, sample) ?? get(context, sample)

/** @param {Context} context @param {Uint32Array} sample */
function getMany(context, sample) {
  const { session, dataset } = context
  const size = Math.min(BATCH, sample.length)
  const keys = Array.from(sample, (index) => dataset.keys[index])
  return oneByOne(
    context,
    Math.floor(sample.length / size),
    async (i) => {
      const values = /** @type {unknown[]} */ (await session.getMany(keys.slice(i * size, (i + 1) * size)))
      expect(values.length === size, 'as many values as keys')
      expectLength(values[size - 1], dataset.values.length)
    },
    { warmUp: true, each: size },
  )
}

/** @param {Context} context @param {number} count */
export function getAbsent(context, count) {
  const { session, dataset } = context
  const { getSync } = session
  const absent = dataset.absentKeys(count)
  /** @param {unknown} value */
  const expectNone = (value) => expect(value === undefined, 'an absent key has no value')
  return getSync
    ? synchronously(context, count, (i) => expectNone(getSync(absent[i])), { warmUp: true })
    : oneByOne(context, count, async (i) => expectNone(await session.get(absent[i])), { warmUp: true })
}

/** @param {Context} context @param {Uint32Array} sample */
export async function seek(context, sample) {
  const { session, dataset } = context
  // What is seeked from, in order: how many entries follow is known of each.
  const ordered = dataset.keys.toSorted()
  return oneByOne(
    context,
    Math.ceil(sample.length / GETS_A_SEEK),
    async (i) => {
      const seen = await session.seek(ordered[sample[i]], SCAN_LENGTH)
      expect(seen === Math.min(SCAN_LENGTH, ordered.length - sample[i]), 'a seek gives what follows')
    },
    { warmUp: true, each: SCAN_LENGTH },
  )
}

/** @param {Context} context @returns {Promise<Outcome>} */
async function reopened(context) {
  await context.close()
  const value = await context.open()
  await expectContents(context.session, context.dataset)
  return { value }
}

/** @type {import('./workload.js').Group} */
export const reads = {
  name: 'reads',
  title: 'reads of a settled store',
  workloads: [
    rate('get-sync', 'get, synchronous, random, in cache', 2),
    rate('get', 'get, awaited, random, in cache', 1.5),
    rate('get-many', 'getMany of 100', 3),
    rate('get-absent', 'get of an absent key (fastest way)', 2),
    rate('scan', 'full scan, keys and values (fastest way)', 2),
    rate('scan-awaited', 'full scan, for await'),
    rate('scan-reverse', 'full scan backwards (fastest way)'),
    rate('seek', 'seek, then 100 entries', 1.5),
    {
      name: 'disk',
      title: 'bytes on disk, settled',
      unit: 'bytes',
      goal: '≤ classic-level',
      goalPeer: 'classic-level',
    },
    { name: 'open', title: 'open after a clean close', unit: 'ms', goal: '≤ 50 ms', goalValue: 50 },
  ],
  run: async (context, wanted) => {
    const { session, dataset } = context
    await loadAndSettle(context)
    const disk = await directorySize(context.directory)
    const entries = dataset.keys.length
    const sample = dataset.sample(Math.min(entries, GETS), 7)
    const { scanAwaited } = session
    /** In this order. @type {Record<string, () => unknown>} */
    const measures = {
      'get-sync': () => getSync(context, sample),
      'get-absent': () => getAbsent(context, sample.length),
      get: () => get(context, sample),
      'get-many': () => getMany(context, sample),
      scan: () => throughAll(context, entries, session.scan),
      'scan-awaited': () => scanAwaited && throughAll(context, entries, scanAwaited),
      'scan-reverse': () => throughAll(context, entries, session.scanReverse),
      seek: () => seek(context, sample),
      disk: () => (disk > 0 ? { value: disk } : undefined),
      open: () => (disk > 0 ? reopened(context) : undefined),
    }
    return runWanted(measures, wanted)
  },
}

/**
 * @param {Record<string, () => unknown>} measures @param {Set<string>} wanted
 * @returns {Promise<import('./workload.js').Outcomes>}
 */
export async function runWanted(measures, wanted) {
  /** @type {import('./workload.js').Outcomes} */
  const outcomes = {}
  for (const [name, measure] of Object.entries(measures)) {
    if (wanted.has(name)) outcomes[name] = /** @type {Outcome | undefined} */ (await measure())
  }
  return outcomes
}
