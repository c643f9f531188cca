/** Time and a limit for one workload. */

/** How often the clock is looked at, in operations. */
const CLOCK_EVERY = 256

export class Stopwatch {
  #startedAt = performance.now()
  #limitMs

  /** @param {number} [limitMs] */
  constructor(limitMs = Number.POSITIVE_INFINITY) {
    this.#limitMs = limitMs
  }

  get elapsedMs() {
    return performance.now() - this.#startedAt
  }

  /** Whether the time is up; looked at now and then only. @param {number} done so many operations */
  isOver(done) {
    return done % CLOCK_EVERY === 0 && this.elapsedMs > this.#limitMs
  }

  /**
   * @param {number} done @param {number} wanted @param {number} [each] entries that one operation stands for
   * @returns {import('../workloads/workload.js').Outcome}
   */
  rate(done, wanted, each = 1) {
    const seconds = this.elapsedMs / 1000
    return { value: (done * each) / seconds, cut: done < wanted, details: { operations: done, seconds } }
  }
}
