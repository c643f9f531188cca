/**
 * Keeps the event loop turning under programs that await one cheap operation after the other.
 *
 * What is answered from memory resolves in a microtask, and a loop of such awaits would never let timers, I/O or the
 * worker's messages in. So each operation spends some of the turn's budget, and when it is used up, one promise waits
 * for the next turn. That costs a few microseconds every half millisecond.
 */
import type { Clock } from '../env/clock.js'

/** In units of about a byte copied; some hundred microseconds of work. */
const TURN_BUDGET = 192 * 1024

export class TurnBudget {
  readonly #clock: Clock
  #left = TURN_BUDGET
  #nextTurn: Promise<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Spends `cost`; when the budget is used up, what to wait for before answering. */
  spend(cost: number): Promise<void> | undefined {
    this.#left -= cost
    if (this.#left > 0) return undefined
    this.#nextTurn ??= new Promise((resolve) => {
      this.#clock.nextTurn(() => {
        this.#nextTurn = undefined
        this.#left = TURN_BUDGET
        resolve()
      })
    })
    return this.#nextTurn
  }
}
