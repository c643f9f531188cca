/**
 * What a store should hold: the list of its operations in commit order, and from it the state at any sequence number.
 *
 * Each operation takes one sequence number, so the state of a store that tells of sequence number n is the replay of the
 * first n operations: there is nothing to guess, neither after a crash nor with writes in flight.
 */

/** The rank of an operation that removes everything. */
export const EVERYTHING = -1

export interface Operation {
  readonly rank: number
  /** `undefined`: a delete. */
  readonly value: string | undefined
  /** In ms since 1970; `Infinity`: never. */
  readonly expiresAt: number
  /** The clock has stood at or behind the expiry once: upkeep may have removed the entry, though the clock went back. */
  doomed: boolean
}

/** The newest operation under a rank, and its sequence number. */
export interface Held {
  readonly operation: Operation
  readonly sequence: number
}

export type State = ReadonlyMap<number, Held>

/** Whether a reader may, must, or must not see an entry. */
export type Visibility = 'yes' | 'maybe' | 'no'

export function visibilityOf(held: Held | undefined, now: number): Visibility {
  if (held === undefined || held.operation.value === undefined || held.operation.expiresAt <= now) return 'no'
  return held.operation.doomed ? 'maybe' : 'yes'
}

export class Model {
  #operations: Operation[] = []
  /** The sequence numbers at which a write call ends: no reader ever stands between two of them. */
  #ends = new Set([0])
  #state = new Map<number, Held>()
  #stateAt = 0

  /** The operations of all calls so far. */
  get issued(): number {
    return this.#operations.length
  }

  /** Takes in one write call; answers with the sequence number at which it ends. */
  commit(operations: readonly Operation[]): number {
    this.#operations.push(...operations)
    this.#ends.add(this.#operations.length)
    return this.#operations.length
  }

  /** Whether the store may stand at `sequence`: it is an end of a call. */
  mayStandAt(sequence: number): boolean {
    return sequence <= this.#operations.length && this.#ends.has(sequence)
  }

  /** A state of its own, as of `sequence`. */
  stateAt(sequence: number): State {
    if (sequence < this.#stateAt) {
      this.#state = new Map()
      this.#stateAt = 0
    }
    for (; this.#stateAt < sequence; this.#stateAt++) {
      const operation = this.#operations[this.#stateAt]
      if (operation.rank === EVERYTHING) this.#state.clear()
      else this.#state.set(operation.rank, { operation, sequence: this.#stateAt + 1 })
    }
    return new Map(this.#state)
  }

  /** What a reader that stands right before `sequence` finds under `rank`. */
  before(sequence: number, rank: number): Operation | undefined {
    for (let i = sequence - 2; i >= 0; i--) {
      if (this.#operations[i].rank === EVERYTHING) return undefined
      if (this.#operations[i].rank === rank) return this.#operations[i]
    }
    return undefined
  }

  /** Forgets what came behind `sequence`: a crash has. */
  cutAt(sequence: number): void {
    this.#operations.length = sequence
    for (const end of this.#ends) if (end > sequence) this.#ends.delete(end)
  }

  /** The wall clock stands at `now`. */
  clockAt(now: number): void {
    for (const operation of this.#operations) if (operation.expiresAt <= now) operation.doomed = true
  }
}
