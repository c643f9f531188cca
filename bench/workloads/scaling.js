/**
 * What each operation costs as the store grows. Keys are made while the clock stands still and none are kept, so that the memory of the process
 * is that of the store.
 */
import { randomIntegers } from '../data/random.js'
import { expect, expectContents, expectLength } from '../measure/expect.js'
import { Stopwatch } from '../measure/stopwatch.js'
import { directorySize, peakMemory } from '../measure/system.js'
import { BATCH, oneByOne, throughAll } from './loops.js'
import { runWanted } from './reads.js'
import { rate } from './workload.js'

const PUTS = 100_000
const GETS = 100_000
const SEEKS = 2_000
const SCAN_LENGTH = 100
/** So many keys are made at a time. */
const CHUNK = 10_000

/** @typedef {import('./workload.js').Context} Context */

/** @param {Context} context */
async function load({ session, dataset, n, written }) {
  let elapsedMs = 0
  for (let from = 0; from < n; from += CHUNK) {
    const size = Math.min(CHUNK, n - from)
    const keys = Array.from({ length: size }, (_, i) => dataset.keyAt(from + i))
    const values = { at: (/** @type {number} */ i) => dataset.values.at(from + i) }
    const watch = new Stopwatch()
    for (let i = 0; i < size; i += BATCH) await session.putMany(keys, values, i, Math.min(i + BATCH, size))
    elapsedMs += watch.elapsedMs
  }
  written.bytes += n * (dataset.keyAt(0).length + dataset.values.length)
  return { value: (n / elapsedMs) * 1000 }
}

/** Puts new entries on top of those that are there. @param {Context} context */
async function put(context) {
  const { session, dataset, n, written } = context
  const count = Math.min(n, PUTS)
  const keys = Array.from({ length: count }, (_, i) => dataset.keyAt(n + i))
  const outcome = await oneByOne(context, count, (i) => session.put(keys[i], dataset.values.at(n + i)))
  const put = outcome.details?.operations ?? 0
  written.bytes += put * (keys[0].length + dataset.values.length)
  return { outcome, entries: n + put }
}

/** @param {Context} context @param {number} count */
function randomKeys({ dataset, n, seed }, count) {
  const random = randomIntegers(seed)
  return Array.from({ length: count }, () => dataset.keyAt(random() % n))
}

/** @param {Context} context */
function get(context) {
  const { session, dataset, n } = context
  const keys = randomKeys(context, Math.min(n, GETS))
  const read = session.getSync ?? session.get
  return oneByOne(
    context,
    keys.length,
    async (i) => expectLength(await read(keys[i]), dataset.values.length),
    {
      warmUp: true,
    },
  )
}

/** @param {Context} context */
function seek(context) {
  const { session } = context
  const keys = randomKeys(context, SEEKS)
  return oneByOne(
    context,
    SEEKS,
    async (i) => {
      const seen = await session.seek(keys[i], SCAN_LENGTH)
      expect(seen > 0 && seen <= SCAN_LENGTH, 'a seek gives what follows')
    },
    { warmUp: true, each: SCAN_LENGTH },
  )
}

/** @type {import('./workload.js').Family} */
export const scaling = {
  name: 'scaling',
  title: 'Scaling',
  about:
    '16-byte keys in random order, 100-byte values; random reads on a settled store. Load, get and seek in the fastest way that the store has.',
  groups: [
    {
      name: 'scaling',
      title: 'one store of n entries',
      count: () => 0,
      workloads: [
        rate('n-batch', 'load in batches of 100'),
        rate('n-put', 'put, each awaited, on top of that'),
        rate('n-get', 'get, random, settled'),
        rate('n-seek', 'seek, then 100 entries'),
        rate('n-scan', 'full scan'),
        { name: 'n-disk', title: 'bytes on disk an entry', unit: 'bytes' },
        { name: 'n-memory', title: 'peak memory of the process', unit: 'bytes' },
      ],
      run: async (context, wanted) => {
        const { session } = context
        const loaded = await load(context)
        await expectContents(session, context.dataset, context.n)
        const { outcome, entries } = await put(context)
        await session.settle()
        const disk = await directorySize(context.directory)
        return runWanted(
          {
            'n-batch': () => loaded,
            'n-put': () => outcome,
            'n-get': () => get(context),
            'n-seek': () => seek(context),
            'n-scan': () => throughAll(context, entries, session.scan),
            'n-disk': () => (disk > 0 ? { value: disk / entries } : undefined),
            'n-memory': async () => ({ value: await peakMemory() }),
          },
          wanted,
        )
      },
    },
  ],
}
