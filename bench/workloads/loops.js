/** The loops that time: one after the other, several in flight, without promises, from one end to the other. */
import { expect } from '../measure/expect.js'
import { Latencies } from '../measure/latencies.js'
import { Stopwatch } from '../measure/stopwatch.js'

/** @typedef {import('./workload.js').Context} Context */
/** @typedef {import('./workload.js').Outcome} Outcome */

export const BATCH = 100
export const IN_FLIGHT = 64
/** What is read to warm up: this share of what is measured, and on for so many milliseconds, all of it at most. */
const WARM_UP = 0.1
const WARM_UP_MS = 3000

/** @param {number} count */
function* warmUps(count) {
  const end = performance.now() + WARM_UP_MS
  for (let i = 0; i < count && (i < count * WARM_UP || performance.now() < end); i++) yield i
}

/**
 * Awaits `once` until `count` operations are done or the time is up.
 * @param {Context} context
 * @param {number} count
 * @param {(i: number) => unknown} once
 * @param {{ warmUp?: boolean, each?: number }} [how] `each`: entries that one operation stands for
 * @returns {Promise<Outcome>}
 */
export async function oneByOne({ limitMs }, count, once, { warmUp = false, each = 1 } = {}) {
  if (warmUp) for (const i of warmUps(count)) await once(i)
  const latencies = new Latencies(count)
  const { every } = latencies
  const watch = new Stopwatch(limitMs)
  let done = 0
  for (; done < count && !watch.isOver(done); done++) {
    if (done % every === 0) {
      const startedAt = performance.now()
      await once(done)
      latencies.record(startedAt)
    } else await once(done)
  }
  return withLatencies(watch.rate(done, count, each), latencies)
}

/**
 * The same without promises.
 * @param {Context} context @param {number} count @param {(i: number) => unknown} once @param {{ warmUp?: boolean }} [how]
 * @returns {Outcome}
 */
export function synchronously({ limitMs }, count, once, { warmUp = false } = {}) {
  if (warmUp) for (const i of warmUps(count)) once(i)
  const latencies = new Latencies(count)
  const { every } = latencies
  const watch = new Stopwatch(limitMs)
  let done = 0
  for (; done < count && !watch.isOver(done); done++) {
    if (done % every === 0) {
      const startedAt = performance.now()
      once(done)
      latencies.record(startedAt)
    } else once(done)
  }
  return withLatencies(watch.rate(done, count), latencies)
}

/**
 * Keeps 64 operations under way. What one takes is told from the call to the answer.
 * @param {Context} context @param {number} count @param {(i: number) => unknown} once @param {{ warmUp?: boolean }} [how]
 * @returns {Promise<Outcome>}
 */
export async function inFlight({ limitMs }, count, once, { warmUp = false } = {}) {
  if (warmUp) for (const i of warmUps(count)) await once(i)
  const latencies = new Latencies(count)
  const { every } = latencies
  const watch = new Stopwatch(limitMs)
  let next = 0
  let over = false
  const lane = async () => {
    while (next < count && !over) {
      const index = next++
      over ||= watch.isOver(index)
      if (index % every === 0) {
        const startedAt = performance.now()
        await once(index)
        latencies.record(startedAt)
      } else await once(index)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  return withLatencies(watch.rate(next, count), latencies)
}

/**
 * The best of three passes over everything, after one to warm up: a pass is one long operation, and one collection of garbage in it would say
 * more about the machine than about the store.
 * @param {Context} context @param {number} entries as many as there are @param {() => Promise<number> | number} scan
 * @returns {Promise<Outcome>}
 */
export async function throughAll({ limitMs }, entries, scan) {
  const watch = new Stopwatch(limitMs)
  /** @type {Outcome | undefined} */
  let best
  for (let pass = 0; pass < 4 && (pass < 2 || watch.elapsedMs < limitMs); pass++) {
    const passWatch = new Stopwatch()
    const seen = await scan()
    const outcome = passWatch.rate(seen, entries)
    expect(seen === entries, `a scan gives ${entries} entries, not ${seen}`)
    if (pass > 0 && (best === undefined || outcome.value > best.value)) best = outcome
  }
  return /** @type {Outcome} */ (best)
}

/** @param {Outcome} outcome @param {Latencies} latencies @returns {Outcome} */
const withLatencies = (outcome, latencies) => ({
  ...outcome,
  details: { ...outcome.details, ...latencies.details },
})
