/**
 * Keeps the event loop turning under programs that await one cheap operation after the other.
 *
 * What is answered from memory resolves in a microtask, and a loop of such awaits would never let timers, I/O or the
 * worker's messages in. So each operation spends some of the turn's budget, and when it is used up, one promise waits
 * for the next turn. That costs a few microseconds every millisecond or two.
 *
 * The budget is work, which is the same in every run. Where the work takes longer than it should, because the code is
 * cold or the machine busy, the turn ends by the clock, which is looked at now and then.
 */
import type { Clock } from '../env/clock.js'

/** In units of about a byte copied. */
const TURN_BUDGET = 192 * 1024

/** What a lookup costs, beside the bytes of a value that it copies. */
export const LOOKUP_COST = 512

/** The clock is looked at whenever so much is spent: looking costs a tenth of a microsecond. */
const LOOK_EVERY = 8 * 1024

/** A turn that has taken longer ends at the next look, in ms. */
const LONGEST_TURN_MS = 1

/**
 * Who has not spent enough for a look in so many ms does not work flat out: the loop has turned meanwhile. Longer than
 * another thread keeps the processor from this one, or a turn that was held up would be taken for a new one.
 */
const IDLE_MS = 50

export class TurnBudget {
  readonly #clock: Clock
  #left = TURN_BUDGET
  /** What is left of the budget at the next look at the clock. */
  #lookAt = TURN_BUDGET - LOOK_EVERY
  /** When the turn began, and when the clock was looked at last. */
  #began: number
  #looked: number
  #nextTurn: Promise<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#began = clock.monotonic()
    this.#looked = this.#began
  }

  /** Whether the turn's budget is used up: what can wait should. */
  get isOver(): boolean {
    return this.#nextTurn !== undefined
  }

  /** Spends `cost`; when the budget is used up, what to wait for before answering. */
  spend(cost: number): Promise<void> | undefined {
    this.#left -= cost
    return this.#left > this.#lookAt ? undefined : this.#look()
  }

  #look(): Promise<void> | undefined {
    if (this.#nextTurn === undefined && this.#left > 0 && !this.#isTurnLong()) {
      this.#lookAt = this.#left - LOOK_EVERY
      return undefined
    }
    // Whatever is spent until then waits for it too.
    this.#lookAt = Number.POSITIVE_INFINITY
    this.#nextTurn ??= new Promise((resolve) => {
      this.#clock.nextTurn(() => {
        this.#nextTurn = undefined
        this.#left = TURN_BUDGET
        this.#lookAt = TURN_BUDGET - LOOK_EVERY
        this.#began = this.#clock.monotonic()
        this.#looked = this.#began
        resolve()
      })
    })
    return this.#nextTurn
  }

  #isTurnLong(): boolean {
    const now = this.#clock.monotonic()
    if (now - this.#looked > IDLE_MS) this.#began = now
    this.#looked = now
    return now - this.#began > LONGEST_TURN_MS
  }
}
