/**
 * A store that does not fit into the memory of its process, page cache and all. Keys are made as they are needed; nothing but the store grows with
 * the data.
 */
import { randomIntegers } from '../data/random.js'
import { expect, expectContents, expectLength } from '../measure/expect.js'
import { withLoopDelay } from '../measure/loop-delay.js'
import { Stopwatch } from '../measure/stopwatch.js'
import { anonymousMemory, directorySize, peakMemory } from '../measure/system.js'
import { BATCH, inFlight, oneByOne } from './loops.js'
import { runWanted } from './reads.js'
import { delays, rate } from './workload.js'

/** An entry is a key of 16 bytes and a value of 250. */
export const VALUE_LENGTH = 250
export const ENTRY_LENGTH = 16 + VALUE_LENGTH

/** More than any store gets through within the time limit, or enough to know. */
const GETS = 100_000
const SEEKS = 20_000
const MIXED = 200_000
const SCAN_LENGTH = 100
/** Loading may take so many times the time limit. */
const LOAD_LIMITS = 10
/** So many keys are made at a time: half a millisecond of the event loop. */
const CHUNK = 1000

/** @typedef {import('./workload.js').Context} Context */
/** @typedef {import('./workload.js').Outcome} Outcome */

/**
 * Loads until everything is there or the time is up; the rest goes on with what there is.
 * @param {Context} context
 * @returns {Promise<Outcome & { details: Record<string, number> }>}
 */
async function load({ session, dataset, n, limitMs, written }) {
  const watch = new Stopwatch()
  let elapsedMs = 0
  let longestMs = 0
  let quarterMemory = 0
  let loaded = 0
  while (loaded < n && watch.elapsedMs < limitMs * LOAD_LIMITS) {
    const from = loaded
    const size = Math.min(CHUNK, n - from)
    const keys = Array.from({ length: size }, (_, i) => dataset.keyAt(from + i))
    const values = { at: (/** @type {number} */ i) => dataset.values.at(from + i) }
    for (let i = 0; i < size; i += BATCH) {
      const batch = new Stopwatch()
      await session.putMany(keys, values, i, Math.min(i + BATCH, size))
      const { elapsedMs: took } = batch
      elapsedMs += took
      longestMs = Math.max(longestMs, took)
    }
    loaded += size
    if (from < n / 4 && loaded >= n / 4) quarterMemory = process.memoryUsage.rss()
  }
  written.bytes += loaded * ENTRY_LENGTH
  return {
    value: (loaded / elapsedMs) * 1000,
    cut: loaded < n,
    details: { operations: loaded, seconds: elapsedMs / 1000, longest: longestMs * 1000, quarterMemory },
  }
}

/** @param {Context} context @param {number} loaded @param {number} count @param {number} salt */
function randomKeys({ dataset, seed }, loaded, count, salt) {
  const random = randomIntegers(seed + salt)
  return Array.from({ length: count }, () => dataset.keyAt(random() % loaded))
}

/** Half gets, half puts of what is there. @param {Context} context @param {number} loaded */
async function mixed(context, loaded) {
  const { session, dataset, written } = context
  const count = Math.min(MIXED, loaded)
  const keys = randomKeys(context, loaded, count, 3)
  /** @param {number} i */
  const once = async (i) => {
    if (i % 2 === 0) expectLength(await session.get(keys[i]), VALUE_LENGTH)
    else await session.put(keys[i], dataset.values.at(i))
  }
  const outcome = await withLoopDelay(() => (session.concurrent ? inFlight : oneByOne)(context, count, once))
  written.bytes += ((outcome.details?.operations ?? 0) / 2) * ENTRY_LENGTH
  return outcome
}

/** One pass: the data is read from the disk. @param {Context} context @param {number} loaded @returns {Promise<Outcome>} */
async function scan({ session }, loaded) {
  const watch = new Stopwatch()
  const seen = await (session.scanAwaited ?? session.scan)()
  expect(seen === loaded, `a scan gives ${loaded} entries, not ${seen}`)
  return watch.rate(seen, loaded)
}

/** @param {string} name @param {string} title @returns {import('./workload.js').Workload} */
const bytes = (name, title) => ({ name, title, unit: 'bytes' })

/** @type {import('./workload.js').Family} */
export const largerThanMemory = {
  name: 'larger-than-memory',
  title: 'Larger than memory',
  about:
    'Entries of 16 + 250 bytes, several times as many bytes as the process may use, page cache and all. Loaded in batches of 100, settled, then read: ' +
    'gets of random keys, seeks, a scan with `for await` where there is such a thing, half gets and half puts 64 in flight (one by one in a ' +
    'synchronous store).',
  groups: [
    {
      name: 'larger-than-memory',
      title: 'everything',
      count: () => 0,
      shape: { valueLength: VALUE_LENGTH, distinctValues: 4096 },
      workloads: [
        rate('l-load', 'load, batches of 100', 1.5),
        ...delays('l-load'),
        { name: 'l-settle', title: 'settling', unit: 'ms' },
        rate('l-get', 'get, random, one at a time', 1.5),
        {
          ...rate('l-get-64', 'get, random, 64 in flight'),
          goal: '≥ 10 × one at a time',
          goalRatio: 10,
          goalRow: 'l-get',
        },
        rate('l-seek', 'seek, then 100 entries', 1.5),
        rate('l-scan', 'full scan', 2),
        rate('l-mixed', 'half gets, half puts, 64 in flight'),
        ...delays('l-mixed'),
        bytes('l-disk', 'bytes on disk, settled'),
        {
          ...bytes('l-memory-quarter', 'resident at a quarter of the load'),
          derive: (outcomes) => outcomes['l-load']?.details?.quarterMemory,
        },
        bytes('l-memory-loaded', 'resident when loaded'),
        bytes('l-memory-own', '… without the pages of files'),
        bytes('l-memory', 'peak memory of the process'),
      ],
      run: async (context, wanted) => {
        const { session, dataset, directory } = context
        const loaded = await withLoopDelay(() => load(context))
        const entries = loaded.details.operations
        const memory = process.memoryUsage.rss()
        const ownMemory = await anonymousMemory()
        const settling = new Stopwatch()
        await session.settle()
        const settledMs = settling.elapsedMs
        await expectContents(session, dataset, entries)
        const gets = Math.min(GETS, entries)
        /** @param {string} key */
        const get = async (key) => expectLength(await session.get(key), VALUE_LENGTH)
        return runWanted(
          {
            'l-load': () => loaded,
            'l-settle': () => ({ value: settledMs }),
            'l-disk': async () => ({ value: await directorySize(directory) }),
            'l-memory-loaded': () => ({ value: memory }),
            'l-memory-own': () => (ownMemory === undefined ? undefined : { value: ownMemory }),
            'l-get': () => {
              const keys = randomKeys(context, entries, gets, 1)
              return oneByOne(context, gets, (i) => get(keys[i]))
            },
            'l-get-64': () => {
              const keys = randomKeys(context, entries, gets, 2)
              return session.concurrent ? inFlight(context, gets, (i) => get(keys[i])) : undefined
            },
            'l-seek': () => {
              const keys = randomKeys(context, entries, Math.min(SEEKS, entries), 4)
              return oneByOne(
                context,
                keys.length,
                async (i) => {
                  const seen = await session.seek(keys[i], SCAN_LENGTH)
                  expect(seen > 0 && seen <= SCAN_LENGTH, 'a seek gives what follows')
                },
                { each: SCAN_LENGTH },
              )
            },
            'l-scan': () => scan(context, entries),
            'l-mixed': () => mixed(context, entries),
            'l-memory': async () => ({ value: await peakMemory() }),
          },
          wanted,
        )
      },
    },
  ],
}
