/**
 * What was asked of the store and is not committed yet, and which commit is whose.
 *
 * The order of commits is the store's to choose; the model takes note of it in the step in which it happens (witness.ts).
 * What must always hold: each commit is that of one call, whole, once, as the call may commit it on what is there then;
 * calls that wait for nothing (`set`, `delete`, batches, `clear`) are committed in the order in which they were made.
 */
import type { Clock } from '../../src/testing.js'
import { type Held, type History, NOTHING, type Operation, type State, visibilityOf } from './history.js'

/** An operation that was committed, as the witness saw it. */
export interface Seen {
  readonly kind: 'set' | 'delete' | 'expire' | 'evict'
  readonly rank: number
  readonly value: string | undefined
  readonly expiresAt: number
}

/**
 * Finds out whether a call has committed the first of `seen`: its operations, of which `seen` begins with as many; none
 * when it has nothing to commit on this state; `undefined` when this is not its doing.
 */
export type Claim = (seen: readonly Seen[], state: State, call: Call) => readonly Operation[] | undefined

export interface Call {
  readonly claim: Claim
  /** The last sequence number and the wall clock when it was made. */
  readonly since: number
  readonly began: number
  /** The sequence number at which it ends, once it is committed or passed over. */
  end: number | undefined
  hasCommitted: boolean
  /** What its first key held right before. */
  before: Held | undefined
}

/** A call that puts something in the place of everything. */
export interface Replacing {
  readonly how: 'cleared' | 'restored'
  readonly contents: State
}

/** An entry that the store has removed by itself, and is to tell of. */
export interface Removed {
  readonly why: 'expire' | 'evict'
  readonly rank: number
  readonly value: string
}

export class Calls {
  /** What was removed and is not announced yet. */
  readonly removed: Removed[] = []
  readonly #history: History
  readonly #clock: Clock
  /** In the order in which they were made. */
  readonly #ordered: (Call & { readonly replacing?: Replacing })[] = []
  /** Those that are committed when they have read what they must. */
  readonly #deciding = new Set<Call>()
  #restoring: (Call & { readonly replacing: Replacing }) | undefined
  /** Where the last of the calls in order ends. */
  #orderedEnd = 0

  constructor(history: History, clock: Clock) {
    this.#history = history
    this.#clock = clock
  }

  /** A call whose place in the order is that of the call. */
  inOrder(claim: Claim): Call {
    const call = this.#call(claim)
    this.#ordered.push(call)
    return call
  }

  /** A call that finds its place when it has decided what to commit. */
  deciding(claim: Claim): Call {
    const call = this.#call(claim)
    this.#deciding.add(call)
    return call
  }

  clearing(): Call {
    const call = { ...this.#call(() => undefined), replacing: { how: 'cleared' as const, contents: NOTHING } }
    this.#ordered.push(call)
    return call
  }

  restoring(contents: State): Call {
    this.#restoring = { ...this.#call(() => undefined), replacing: { how: 'restored', contents } }
    return this.#restoring
  }

  /** What may be durable though nobody has seen it: a replacement is on the device before it is visible. */
  get replacing(): Replacing | undefined {
    return this.#restoring?.replacing ?? this.#ordered[0]?.replacing
  }

  /** A call that has ended, well or not, commits nothing any more; whether it has committed anything. */
  end(call: Call): boolean {
    this.#deciding.delete(call)
    if (this.#restoring === call) this.#restoring = undefined
    if (call.end !== undefined) return call.hasCommitted
    const at = this.#ordered.indexOf(call)
    if (at < 0) return false
    if (call.claim([], this.#history.live, call)?.length !== 0) {
      throw new Error('a call has ended that is not committed')
    }
    this.#ordered.splice(at, 1)
    call.end = Math.max(call.since, this.#orderedEnd)
    return false
  }

  /** Where everything ends that was called until now; to be asked when those calls are known to be committed. */
  soFar(): () => number {
    const { last } = this.#history
    const call = this.#ordered.at(-1)
    return () => Math.max(last, call?.end ?? 0)
  }

  /** The store has committed a group. */
  applied(seen: readonly Seen[], first: number): void {
    if (first !== this.#history.last + 1) {
      throw new Error(`a group begins at ${first}, behind ${this.#history.last}`)
    }
    for (let at = 0; at < seen.length; ) at += this.#explain(seen.slice(at))
  }

  /** The store has put something in the place of everything. */
  replaced(sequence: number, how: Replacing['how']): void {
    const call = how === 'cleared' ? this.#firstInOrder() : this.#restoring
    if (call?.replacing?.how !== how) throw new Error(`the store was ${how}, which nobody asked for`)
    if (how === 'cleared') this.#shift(sequence)
    else this.#restoring = undefined
    if (sequence <= this.#history.last) throw new Error(`replaced at ${sequence}, which was given out before`)
    this.#history.replace(sequence, call.replacing.contents, how)
    call.end = sequence
    call.hasCommitted = true
  }

  #call(claim: Claim): Call {
    return {
      claim,
      since: this.#history.last,
      began: this.#clock.now(),
      end: undefined,
      hasCommitted: false,
      before: undefined,
    }
  }

  /** Takes in what one call has committed; answers with the number of its operations. */
  #explain(seen: readonly Seen[]): number {
    const sweep = this.#sweep(seen)
    if (sweep.length > 0) return this.#commit(sweep)
    for (const call of this.#deciding) {
      const operations = call.claim(seen, this.#history.live, call)
      if (operations === undefined || operations.length === 0) continue
      this.#deciding.delete(call)
      return this.#commit(operations, call)
    }
    for (let call = this.#ordered[0]; call !== undefined; call = this.#ordered[0]) {
      const operations = call.claim(seen, this.#history.live, call)
      if (operations === undefined) break
      this.#shift(this.#history.last + operations.length)
      if (operations.length > 0) return this.#commit(operations, call)
    }
    throw new Error(`a commit that no call explains: ${JSON.stringify(seen[0])}`)
  }

  #commit(operations: readonly Operation[], call?: Call): number {
    const now = this.#clock.now()
    for (const operation of operations) if (operation.expiresAt <= now) operation.doomed = true
    if (call !== undefined) call.before = this.#history.live.get(operations[0].rank)
    const end = this.#history.append(operations)
    if (call !== undefined) {
      call.end = end
      call.hasCommitted = true
    }
    return operations.length
  }

  /** Entries whose time has run out, which the store removes by itself. */
  #sweep(seen: readonly Seen[]): Operation[] {
    const operations: Operation[] = []
    for (const { kind, rank } of seen) {
      if (kind !== 'expire') break
      const held = this.#history.live.get(rank)
      const value = held?.operation.value
      if (held === undefined || value === undefined || visibilityOf(held, this.#clock.now()) === 'yes') {
        throw new Error(`the store has removed ${rank} as expired, which holds ${value}`)
      }
      held.operation.swept = true
      this.removed.push({ why: 'expire', rank, value })
      operations.push(removalOf(rank, 'expire'))
    }
    return operations
  }

  /** The next call in order, behind those that had nothing to commit. */
  #firstInOrder(): (Call & { readonly replacing?: Replacing }) | undefined {
    for (let call = this.#ordered[0]; call !== undefined; call = this.#ordered[0]) {
      if (call.replacing !== undefined) return call
      if (call.claim([], this.#history.live, call)?.length !== 0) return undefined
      this.#shift(this.#orderedEnd)
    }
    return undefined
  }

  /** Takes the first call in order off the list. */
  #shift(end: number): void {
    const call = this.#ordered.shift()
    if (call === undefined) throw new Error('there is a call')
    this.#orderedEnd = Math.max(this.#orderedEnd, call.since, end)
    call.end = this.#orderedEnd
  }
}

export function removalOf(rank: number, removal: Operation['removal'] = 'delete'): Operation {
  return { rank, value: undefined, expiresAt: Number.POSITIVE_INFINITY, removal, doomed: false }
}

/** Claims exactly these operations. */
export function exactly(operations: readonly Operation[]): Claim {
  return (seen) => {
    const fits =
      operations.length <= seen.length && operations.every((operation, i) => isSame(operation, seen[i]))
    return fits ? operations : undefined
  }
}

export function isSame({ rank, value, expiresAt }: Operation, seen: Seen): boolean {
  const kind = value === undefined ? 'delete' : 'set'
  return seen.kind === kind && seen.rank === rank && seen.value === value && seen.expiresAt === expiresAt
}
