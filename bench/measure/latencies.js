/**
 * How long single operations take, in the histogram that Node.js has of its own: HdrHistogram, three figures from a nanosecond to a minute.
 *
 * Only every so manieth operation is timed, twenty thousand of them or fewer, so that two looks at the clock do not show in the throughput of
 * operations of a microsecond. The step is odd: it takes turns with whatever comes by powers of two or by batches.
 */
import { createHistogram } from 'node:perf_hooks'

const SAMPLES = 20_000
const MINUTE_NS = 60e9

export class Latencies {
  #histogram = createHistogram({ lowest: 1, highest: MINUTE_NS, figures: 3 })
  /** Operation 0 is timed, and each one that is this far from the one before. @type {number} */
  every

  /** @param {number} operations as many as there will be */
  constructor(operations) {
    this.every = Math.floor(operations / SAMPLES) | 1
  }

  /** An operation that began at `startedAt` (`performance.now()`) has ended. @param {number} startedAt */
  record(startedAt) {
    const nanoseconds = Math.round((performance.now() - startedAt) * 1e6)
    this.#histogram.record(Math.min(MINUTE_NS, Math.max(1, nanoseconds)))
  }

  /** Microseconds, and how many operations were timed. */
  get details() {
    /** @param {number} percent */
    const at = (percent) => this.#histogram.percentile(percent) / 1000
    return {
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      longest: this.#histogram.max / 1000,
      timed: this.#histogram.count,
    }
  }
}
