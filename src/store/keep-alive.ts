/**
 * Keeps the process alive while somebody waits for background work, whose timers and threads do not: an open store
 * keeps no finished process alive, but an awaited `flush()` ends before the process does. That is no matter of time: it
 * holds whatever clock the store has.
 */
import type { Timer } from '../env/clock.js'
import { holdProcess } from '../env/system-clock.js'

export class KeepAlive {
  #waiting = 0
  #hold: Timer | undefined

  /** The outcome of `work`, until which the process stays. */
  async during<T>(work: Promise<T>): Promise<T> {
    if (this.#waiting++ === 0) this.#hold = holdProcess()
    try {
      return await work
    } finally {
      if (--this.#waiting === 0) this.#hold?.cancel()
    }
  }
}
