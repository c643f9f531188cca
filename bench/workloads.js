/**
 * The workloads: what is run, in which process, and what is aimed at.
 *
 * A group of workloads runs in one process on one store directory: every way of writing in a process and a directory
 * of its own, all ways of reading in one, on a store that was loaded and has settled.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { keyAt, randomIntegers } from './dataset.js'
import { directorySize, peakMemory } from './system.js'

const BATCH = 100
const IN_FLIGHT = 64
const SCAN_LENGTH = 100
/** How often the clock is looked at, in operations. */
const CLOCK_EVERY = 256
/** The event loop's delay is sampled with a timer of this many milliseconds, which is not itself a delay. */
const DELAY_RESOLUTION_MS = 1

/**
 * @typedef {object} Context
 * @property {import('./stores/session.js').Session} session
 * @property {() => Promise<import('./stores/session.js').Session>} reopen closes the store and opens it again
 * @property {import('./dataset.js').Dataset} dataset
 * @property {number} n
 * @property {number} limitMs a workload ends after this long, even if it is not through
 * @property {string} directory
 *
 * @typedef {object} Outcome
 * @property {number} value
 * @property {boolean} [cut] whether the time limit ended it
 * @property {Record<string, number>} [details]
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} title
 * @property {'per second' | 'bytes' | 'ms'} unit more is better per second; less is better of the others
 * @property {string} goal as in the plan of the project, against the best durable peer
 * @property {(ratio: number, value: number) => boolean} [met]
 * @property {(outcome: Record<string, Outcome>) => number | undefined} [derive] taken from other outcomes of its group
 *
 * @typedef {object} Group
 * @property {string} name
 * @property {boolean} [sync] whether writes wait for the device
 * @property {boolean} [durableOnly]
 * @property {boolean} [defaults] whether the stores keep their own default cache, and no keys are held in memory
 * @property {Workload[]} workloads
 * @property {(context: Context, wanted: Set<string>) => Promise<Record<string, Outcome | undefined>>} run
 */

/** Time and a limit for one workload. */
class Stopwatch {
  #startedAt = performance.now()
  #limitMs

  /** @param {number} limitMs */
  constructor(limitMs) {
    this.#limitMs = limitMs
  }

  get elapsedMs() {
    return performance.now() - this.#startedAt
  }

  /** @param {number} done so many operations */
  isOver(done) {
    return done % CLOCK_EVERY === 0 && this.elapsedMs > this.#limitMs
  }

  /** @param {number} done @param {number} wanted @returns {Outcome} */
  rate(done, wanted) {
    return { value: (done / this.elapsedMs) * 1000, cut: done < wanted, details: { operations: done } }
  }
}

/**
 * Runs `load` and samples how long the event loop is held up meanwhile.
 * @param {() => Promise<Outcome>} load
 * @returns {Promise<Outcome>}
 */
async function withLoopDelay(load) {
  const histogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  histogram.enable()
  // The first sample only sets the start, so the timer must have fired before the load begins.
  await sleep(5)
  const outcome = await load()
  // A load that never lets the loop turn shows up when the loop turns at last.
  await sleep(5)
  histogram.disable()
  /** @param {number} nanoseconds */
  const delay = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - DELAY_RESOLUTION_MS)
  outcome.details = {
    ...outcome.details,
    delayP50: delay(histogram.percentile(50)),
    delayP99: delay(histogram.percentile(99)),
    delayP999: delay(histogram.percentile(99.9)),
    delayMax: delay(histogram.max),
  }
  return outcome
}

/** @param {Context} context @param {number} count */
async function putAwaited({ session, dataset, limitMs }, count) {
  const { keys, values } = dataset
  const watch = new Stopwatch(limitMs)
  let done = 0
  while (done < count && !watch.isOver(done)) {
    await session.put(keys[done], values.at(done))
    done++
  }
  return watch.rate(done, count)
}

/** @param {Context} context @param {number} count */
async function putInFlight({ session, dataset, limitMs }, count) {
  const { keys, values } = dataset
  const watch = new Stopwatch(limitMs)
  let next = 0
  let over = false
  const lane = async () => {
    while (next < count && !over) {
      const index = next++
      over ||= watch.isOver(index)
      await session.put(keys[index], values.at(index))
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  return watch.rate(next, count)
}

/** @param {Context} context */
async function putBatches({ session, dataset, n, limitMs }) {
  const watch = new Stopwatch(limitMs)
  let done = 0
  while (done < n && watch.elapsedMs <= limitMs) {
    const to = Math.min(done + BATCH, n)
    await session.putMany(dataset.keys, dataset.values, done, to)
    done = to
  }
  return watch.rate(done, n)
}

/**
 * Calls `once` until `count` operations are done or the time is up; a warm-up of a tenth comes first.
 * @param {Context} context
 * @param {number} count
 * @param {(i: number) => unknown} once
 * @param {number} [each] operations (entries) that one call stands for
 */
async function measureAwaited({ limitMs }, count, once, each = 1) {
  for (let i = 0; i < count / 10; i++) await once(i)
  const watch = new Stopwatch(limitMs)
  let done = 0
  while (done < count && !watch.isOver(done)) await once(done++)
  const outcome = watch.rate(done, count)
  return { ...outcome, value: outcome.value * each }
}

/** The same without promises. @param {Context} context @param {number} count @param {(i: number) => unknown} once */
function measureSync({ limitMs }, count, once) {
  for (let i = 0; i < count / 10; i++) once(i)
  const watch = new Stopwatch(limitMs)
  let done = 0
  while (done < count && !watch.isOver(done)) once(done++)
  return watch.rate(done, count)
}

/**
 * The best of three passes over everything, after a warm-up: a pass is one long operation, and one collection of garbage in it would
 * say more about the machine than about the store.
 * @param {Context} context @param {() => Promise<number> | number} scan
 */
async function measureScan({ n, limitMs }, scan) {
  const watch = new Stopwatch(limitMs)
  /** @type {Outcome | undefined} */
  let best
  for (let pass = 0; pass < 4 && (pass < 2 || watch.elapsedMs < limitMs); pass++) {
    const passWatch = new Stopwatch(Number.POSITIVE_INFINITY)
    const entries = await scan()
    const outcome = passWatch.rate(entries, n)
    expect(entries === n, `a scan gives ${n} entries, not ${entries}`)
    if (pass > 0 && (best === undefined || outcome.value > best.value)) best = outcome
  }
  return /** @type {Outcome} */ (best)
}

/** @param {unknown} condition @param {string} what */
function expect(condition, what) {
  if (!condition) throw new Error(`Wrong answer: ${what}.`)
}

/** @param {unknown} value */
const expectValue = (value) =>
  expect(value instanceof Uint8Array && value.length === 100, 'the value of a key is 100 bytes')

/**
 * @param {string} name @param {string} title @param {string} goal @param {number} ratio
 * @returns {Workload}
 */
const rate = (name, title, goal, ratio) => ({
  name,
  title,
  unit: 'per second',
  goal,
  met: (measured) => measured >= ratio,
})

/** @param {string} of @returns {Workload[]} */
const delays = (of) => [
  {
    name: `${of}-delay-p99.9`,
    title: '… event loop delay, p99.9',
    unit: 'ms',
    goal: '≤ 10 ms',
    met: (_ratio, value) => value <= 10,
    derive: (outcomes) => outcomes[of]?.details?.delayP999,
  },
  {
    name: `${of}-delay-max`,
    title: '… event loop delay, longest',
    unit: 'ms',
    goal: '≤ 50 ms',
    met: (_ratio, value) => value <= 50,
    derive: (outcomes) => outcomes[of]?.details?.delayMax,
  },
]

const SYNCED_PUTS = 5_000
const SYNCED_PUTS_IN_FLIGHT = 50_000
const GETS = 200_000

/** @type {Group} */
const reads = {
  name: 'reads',
  workloads: [
    rate('get-sync', 'get, synchronous, random, in cache', '≥ 2 ×', 2),
    rate('get', 'get, awaited, random, in cache', '≥ 1.5 ×', 1.5),
    rate('get-many', 'getMany of 100', '≥ 3 ×', 3),
    rate('get-absent', 'get of an absent key (fastest way)', '≥ 2 ×', 2),
    rate('scan', 'full scan, keys and values (fastest way)', '≥ 2 ×', 2),
    rate('scan-awaited', 'full scan, for await', '', 0),
    rate('scan-reverse', 'full scan backwards (fastest way)', '', 0),
    rate('seek', 'seek, then 100 entries', '≥ 1.5 ×', 1.5),
    {
      name: 'disk',
      title: 'bytes on disk, settled',
      unit: 'bytes',
      goal: '≤ classic-level',
    },
    {
      name: 'open',
      title: 'open after a clean close',
      unit: 'ms',
      goal: '≤ 50 ms',
      met: (_ratio, value) => value <= 50,
    },
  ],
  run: async (context, wanted) => {
    const { dataset, n } = context
    await putBatches({ ...context, limitMs: Number.POSITIVE_INFINITY })
    await context.session.settle()
    const { session } = context
    const disk = await directorySize(context.directory)
    const count = Math.min(n, GETS)
    const keys = dataset.sample(count, 7)
    const absent = dataset.absentKeys(count)
    /** @type {Record<string, Outcome | undefined>} */
    const outcomes = {}
    /** @param {string} name @param {() => unknown} measure */
    const when = async (name, measure) => {
      if (wanted.has(name)) outcomes[name] = /** @type {Outcome} */ (await measure())
    }
    const { getSync, scanAwaited } = session

    expectValue(await session.get(keys[0]))
    expect((await session.get(absent[0])) === undefined, 'an absent key has no value')
    if (getSync) {
      await when('get-sync', () => measureSync(context, count, (i) => expectValue(getSync(keys[i]))))
      await when('get-absent', () =>
        measureSync(context, count, (i) =>
          expect(getSync(absent[i]) === undefined, 'an absent key has no value'),
        ),
      )
    } else {
      await when('get-absent', () => measureAwaited(context, count, (i) => session.get(absent[i])))
    }
    await when('get', () =>
      measureAwaited(context, count, async (i) => expectValue(await session.get(keys[i]))),
    )
    await when('get-many', () =>
      measureAwaited(
        context,
        Math.floor(count / BATCH),
        async (i) => {
          const values = /** @type {unknown[]} */ (
            await session.getMany(keys.slice(i * BATCH, (i + 1) * BATCH))
          )
          expect(values.length === BATCH, 'as many values as keys')
          expectValue(values[BATCH - 1])
        },
        BATCH,
      ),
    )
    await when('scan', () => measureScan(context, session.scan))
    if (scanAwaited) await when('scan-awaited', () => measureScan(context, scanAwaited))
    await when('scan-reverse', () => measureScan(context, session.scanReverse))
    await when('seek', () =>
      measureAwaited(context, Math.floor(count / 20), (i) => session.seek(keys[i], SCAN_LENGTH), SCAN_LENGTH),
    )
    if (wanted.has('disk')) outcomes.disk = disk > 0 ? { value: disk } : undefined
    if (disk > 0) {
      await when('open', async () => {
        await session.close()
        const watch = new Stopwatch(0)
        const reopened = await context.reopen()
        const value = watch.elapsedMs
        expectValue(await reopened.get(keys[0]))
        return { value }
      })
    }
    return outcomes
  },
}

/**
 * Keys are made as they are needed here, so that the process holds the store and little else.
 * @type {Group}
 */
const memory = {
  name: 'memory',
  defaults: true,
  workloads: [
    {
      name: 'memory',
      title: 'peak memory at default options: load, get, scan',
      unit: 'bytes',
      goal: '≤ 168 MiB',
      met: (_ratio, value) => value <= 168 * 2 ** 20,
    },
  ],
  run: async ({ session, dataset, n }) => {
    const { seed, values } = dataset
    let next = 0
    const lane = async () => {
      while (next < n) {
        const index = next++
        await session.put(keyAt(index, seed), values.at(index))
      }
    }
    // A synchronous store has no use for several lanes, and they do it no harm.
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
    const random = randomIntegers(seed)
    for (let i = 0; i < n / 2; i++) expectValue(await session.get(keyAt(random() % n, seed)))
    expect((await session.scan()) === n, `a scan gives ${n} entries`)
    return { memory: { value: await peakMemory() } }
  },
}

/** @type {Group[]} */
export const groups = [
  {
    name: 'put',
    workloads: [rate('put', 'put, random keys, each awaited, no fsync', '≥ 10 ×', 10), ...delays('put')],
    run: async (context) => ({ put: await withLoopDelay(() => putAwaited(context, context.n)) }),
  },
  {
    name: 'put-64',
    workloads: [rate('put-64', 'put, 64 in flight, no fsync', '≥ 4 ×', 4), ...delays('put-64')],
    run: async (context) => ({
      'put-64': context.session.concurrent
        ? await withLoopDelay(() => putInFlight(context, context.n))
        : undefined,
    }),
  },
  {
    name: 'batch',
    workloads: [rate('batch', 'batches of 100, random keys, no fsync', '≥ 3 ×', 3), ...delays('batch')],
    run: async (context) => ({ batch: await withLoopDelay(() => putBatches(context)) }),
  },
  {
    name: 'put-sync',
    sync: true,
    durableOnly: true,
    workloads: [rate('put-sync', 'put with fsync, each awaited', '≥ 1.2 ×', 1.2)],
    run: async (context) => ({ 'put-sync': await putAwaited(context, Math.min(context.n, SYNCED_PUTS)) }),
  },
  {
    name: 'put-sync-64',
    sync: true,
    durableOnly: true,
    workloads: [rate('put-sync-64', 'put with fsync, 64 in flight', '≥ 4 ×', 4)],
    run: async (context) => ({
      'put-sync-64': context.session.concurrent
        ? await putInFlight(context, Math.min(context.n, SYNCED_PUTS_IN_FLIGHT))
        : undefined,
    }),
  },
  reads,
  memory,
]
