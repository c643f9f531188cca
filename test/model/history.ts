/**
 * What a store should hold: everything that was committed, in order, and from it the state at any sequence number.
 *
 * Which call committed what, and whether it was right to, is decided in calls.ts; here it is only replayed. A crash cuts
 * the history off behind some commit, so that what is left is a prefix.
 */

export interface Operation {
  readonly rank: number
  /** `undefined`: a removal. */
  readonly value: string | undefined
  /** In ms since 1970; `Infinity`: never. */
  readonly expiresAt: number
  /** Why a removal is one: a caller wanted it, or the store did it by itself. */
  readonly removal?: 'delete' | 'expire' | 'evict'
  /** The clock has stood at or behind the expiry once: upkeep may have removed the entry, though the clock went back. */
  doomed: boolean
  /** It was removed as expired once; a crash may have taken the removal and left the entry, or taken both. */
  swept?: boolean
}

/** The newest operation under a rank, and its sequence number. */
export interface Held {
  readonly operation: Operation
  readonly sequence: number
}

export type State = ReadonlyMap<number, Held>

/** The operations of one call, which become visible together. */
interface Batch {
  readonly first: number
  readonly last: number
  readonly operations: readonly Operation[]
}

/** Something that stands in the place of everything that was there: nothing at all, or a snapshot. */
interface Replacement {
  readonly first: number
  readonly last: number
  readonly contents: State
  readonly how: 'cleared' | 'restored'
}

type Commit = Batch | Replacement

/** One step of the history, as a watcher should be told of it. */
export type Event =
  | { readonly sequence: number; readonly operation: Operation; readonly before: Held | undefined }
  | { readonly sequence: number; readonly how: Replacement['how'] }

export const NOTHING: State = new Map()

/** Whether a reader may, must, or must not see an entry. */
export type Visibility = 'yes' | 'maybe' | 'no'

/** How an entry is seen at `now`, or by somebody who looks once between `since` and `now`. */
export function visibilityOf(held: Held | undefined, now: number, since = now): Visibility {
  if (held === undefined || held.operation.value === undefined) return 'no'
  const { doomed, expiresAt } = held.operation
  if (expiresAt <= Math.min(now, since)) return 'no'
  return doomed || expiresAt <= Math.max(now, since) ? 'maybe' : 'yes'
}

export class History {
  #commits: Commit[] = []
  #live = new Map<number, Held>()
  /** A copy of the live state that was handed out and still holds. */
  #handedOut: State | undefined
  /** Entries that expire and have not yet. */
  #mortal = new Set<Operation>()

  /** The sequence number of the last commit. */
  get last(): number {
    return this.#commits.at(-1)?.last ?? 0
  }

  /** The state behind the last commit. It changes; for one that stays, see {@link stateAt}. */
  get live(): State {
    return this.#live
  }

  /** Takes in what one call has committed; answers with the sequence number at which it ends. */
  append(operations: readonly Operation[]): number {
    const first = this.last + 1
    const commit = { first, last: first + operations.length - 1, operations }
    for (const operation of operations) {
      if (operation.expiresAt !== Number.POSITIVE_INFINITY) this.#mortal.add(operation)
    }
    this.#take(commit)
    return commit.last
  }

  /** Everything was replaced, at `sequence`. */
  replace(sequence: number, contents: State, how: Replacement['how']): void {
    this.#take({ first: sequence, last: sequence, contents, how })
  }

  #take(commit: Commit): void {
    this.#commits.push(commit)
    this.#handedOut = undefined
    replay(commit, this.#live)
  }

  /** Whether a reader may stand at `sequence`: it is the end of a call. */
  mayStandAt(sequence: number): boolean {
    return sequence === 0 || this.#commitOf(sequence)?.last === sequence
  }

  /** The state as of `sequence`, which never changes. */
  stateAt(sequence: number): State {
    if (sequence === this.last) {
      this.#handedOut ??= new Map(this.#live)
      return this.#handedOut
    }
    const state = new Map<number, Held>()
    for (const commit of this.#commits) {
      if (commit.first > sequence) break
      replay(commit, state, sequence)
    }
    return state
  }

  /** The states from `since` on, one behind the other; each is good until the next. */
  *statesSince(since: number): Generator<State> {
    const state = new Map(this.stateAt(since))
    yield state
    for (const commit of this.#commits) {
      if (commit.first <= since) continue
      replay(commit, state)
      yield state
    }
  }

  /** All that a rank held at some moment from `since` on, as of a sequence number each. */
  heldSince(rank: number, since: number): (Held | undefined)[] {
    const all = [this.stateAt(since).get(rank)]
    for (const commit of this.#commits) {
      if (commit.last <= since) continue
      if ('contents' in commit) all.push(commit.contents.get(rank))
      else
        for (const [i, operation] of commit.operations.entries()) {
          if (operation.rank === rank) all.push({ operation, sequence: commit.first + i })
        }
    }
    return all
  }

  /** The ranks that were written in commits behind `since` and before `end`; `'all'` when everything was replaced. */
  touchedBetween(since: number, end: number): ReadonlySet<number> | 'all' {
    const touched = new Set<number>()
    for (const commit of this.#commits) {
      if (commit.last <= since || commit.first >= end) continue
      if ('contents' in commit) return 'all'
      for (const { rank } of commit.operations) touched.add(rank)
    }
    return touched
  }

  /** The sequence number of the last replacement of everything; 0 when there was none. */
  get lastReplacement(): number {
    return this.#commits.findLast((commit) => 'contents' in commit)?.last ?? 0
  }

  /** What happened from `sequence` on, in order. */
  *eventsFrom(sequence: number): Generator<Event> {
    const state = new Map<number, Held>()
    for (const commit of this.#commits) {
      if ('contents' in commit) {
        if (commit.first >= sequence) yield { sequence: commit.first, how: commit.how }
        replay(commit, state)
        continue
      }
      for (const [i, operation] of commit.operations.entries()) {
        const at = commit.first + i
        if (at >= sequence) yield { sequence: at, operation, before: state.get(operation.rank) }
        state.set(operation.rank, { operation, sequence: at })
      }
    }
  }

  /** Forgets what came behind `sequence`: a crash has. */
  cutAt(sequence: number): void {
    while (this.last > sequence) this.#commits.pop()
    this.#handedOut = undefined
    this.#live = new Map()
    for (const commit of this.#commits) replay(commit, this.#live)
  }

  /** The wall clock stands at `now`. */
  clockAt(now: number): void {
    for (const operation of this.#mortal) {
      if (operation.expiresAt > now) continue
      operation.doomed = true
      this.#mortal.delete(operation)
    }
  }

  #commitOf(sequence: number): Commit | undefined {
    return this.#commits.findLast((commit) => commit.first <= sequence)
  }
}

/** Carries out a commit on a state, as far as it lies at or before `upTo`. */
function replay(commit: Commit, state: Map<number, Held>, upTo = Number.POSITIVE_INFINITY): void {
  if ('contents' in commit) {
    state.clear()
    for (const [rank, held] of commit.contents) state.set(rank, held)
    return
  }
  for (const [i, operation] of commit.operations.entries()) {
    if (commit.first + i > upTo) return
    state.set(operation.rank, { operation, sequence: commit.first + i })
  }
}
