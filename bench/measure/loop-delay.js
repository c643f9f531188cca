/** How long the event loop is held up. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

/** The delay is sampled with a timer of this many milliseconds, which is not itself a delay. */
const RESOLUTION_MS = 1

/**
 * Runs `work` and adds to the details of its outcome how long the event loop was held up meanwhile, in milliseconds.
 * @template {import('../workloads/workload.js').Outcome} T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLoopDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  // The first sample only sets the start, so the timer must have fired before the work begins.
  await sleep(5)
  const outcome = await work()
  // Work that never lets the loop turn shows up when the loop turns at last.
  await sleep(5)
  histogram.disable()
  /** @param {number} nanoseconds */
  const delay = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
  outcome.details = {
    ...outcome.details,
    delayP50: delay(histogram.percentile(50)),
    delayP99: delay(histogram.percentile(99)),
    delayP999: delay(histogram.percentile(99.9)),
    delayMax: delay(histogram.max),
  }
  return outcome
}
