/**
 * Keeps the process alive while somebody waits for background work, whose timers and threads do not: an open store
 * keeps no finished process alive, but an awaited `flush()` ends before the process does.
 */
import type { Clock, Timer } from '../env/clock.js'

/** Longer than any wait; the timer is only ever cancelled. */
const FOREVER_MS = 2 ** 31 - 1

export class KeepAlive {
  readonly #clock: Clock
  #waiting = 0
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The outcome of `work`, until which the process stays. */
  async during<T>(work: Promise<T>): Promise<T> {
    if (this.#waiting++ === 0) this.#timer = this.#clock.after(FOREVER_MS, () => undefined, true)
    try {
      return await work
    } finally {
      if (--this.#waiting === 0) this.#timer?.cancel()
    }
  }
}
