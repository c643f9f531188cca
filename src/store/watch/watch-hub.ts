/**
 * Who watches what, and who is told of a commit.
 *
 * What must always hold:
 * - A subscriber is told of every matching change behind the moment at which it subscribed, in commit order, once, in the
 *   step in which the change becomes visible.
 * - No commit is looked at while nobody subscribes, and nothing is observed while nobody watches: a store that is not watched pays nothing.
 * - A write of a key costs one look into a map for all watchers of single keys, and O(log n) for n ranges.
 */
import { VarveError } from '../../base/errors.js'
import { type GroupBuffer, OPERATIONS_START } from '../../wal/group-buffer.js'
import { OperationReader } from '../../wal/operation.js'
import type { CommitObserver, Engine } from '../engine.js'
import { nameOfBytes } from '../key-name.js'
import { CommittedChange } from './change.js'
import { PriorValues } from './prior-values.js'
import { RangeIndex } from './range-index.js'
import type { WatchTarget } from './watch-target.js'

/** The hub's side of a watcher. */
export interface Subscriber {
  readonly target: WatchTarget
  /** Whether it wants to know what a key held before. */
  readonly wantsPrevious: boolean
  /** Takes a change, which is shared and must not be altered. Runs no code of the user's, never throws. */
  take(change: CommittedChange): void
  /** The store ends: in order, or with `error`. */
  end(error?: VarveError): void
}

/** What a watcher ends with when the store is restored, by which it comes to `sequence`. */
export function restoredAt(sequence: number): VarveError {
  return new VarveError(
    'ABORTED',
    `The store was restored from a snapshot. Read it anew and watch with { from: ${sequence + 1} }.`,
    { sequence: sequence + 1 },
  )
}

/** What handing a change to a watcher costs of a turn's budget: so consumers get to run before writers go on. */
const CHANGE_COST = 512

export class WatchHub implements CommitObserver {
  readonly engine: Engine
  readonly priorValues: PriorValues
  /** All that are open, subscribed or not. */
  readonly #open = new Set<Subscriber>()
  readonly #subscribed = new Set<Subscriber>()
  /** By the bytes of the key as latin1. */
  readonly #keys = new Map<string, Set<Subscriber>>()
  readonly #ranges = new RangeIndex<Subscriber>()
  readonly #operations = new OperationReader()

  constructor(engine: Engine) {
    this.engine = engine
    this.priorValues = new PriorValues(engine)
  }

  /** Whether anybody is told of commits. */
  get isWatched(): boolean {
    return this.#subscribed.size > 0
  }

  /** Counts a watcher as open until it leaves. */
  enter(subscriber: Subscriber): void {
    this.#open.add(subscriber)
    this.engine.observers.add(this)
  }

  /** Tells `subscriber` of everything from now on. */
  subscribe(subscriber: Subscriber): void {
    this.#subscribed.add(subscriber)
    const { target } = subscriber
    if (target.kind === 'range') {
      this.#ranges.add(target.range, subscriber)
      return
    }
    const sharing = this.#keys.get(target.name)
    if (sharing === undefined) this.#keys.set(target.name, new Set([subscriber]))
    else sharing.add(subscriber)
  }

  /** Tells `subscriber` of nothing more. Idempotent. */
  leave(subscriber: Subscriber): void {
    this.#open.delete(subscriber)
    if (this.#open.size === 0) this.engine.observers.delete(this)
    if (!this.#subscribed.delete(subscriber)) return
    const { target } = subscriber
    if (target.kind === 'range') {
      this.#ranges.remove(subscriber)
      return
    }
    const sharing = this.#keys.get(target.name)
    sharing?.delete(subscriber)
    if (sharing?.size === 0) this.#keys.delete(target.name)
  }

  /** Ends all watchers: in order, or with `error` when what they watch is no more. */
  close(error?: VarveError): void {
    for (const subscriber of this.#open) subscriber.end(error)
  }

  applied(operations: GroupBuffer, firstSequence: number): void {
    if (!this.isWatched) return
    const operation = this.#operations.reset(operations.bytes, OPERATIONS_START, operations.length)
    for (let sequence = firstSequence; operation.next(); sequence++) {
      const found = this.#watchersOf(operation)
      if (found === undefined) continue
      const change = CommittedChange.of(operation, sequence)
      if (change.tellsPrior || found.some(({ wantsPrevious }) => wantsPrevious)) {
        this.priorValues.lookUp(change)
      }
      for (const subscriber of found) this.#tell(subscriber, change)
    }
  }

  cleared(sequence: number): void {
    const change = CommittedChange.clearing(sequence)
    for (const subscriber of this.#subscribed) this.#tell(subscriber, change)
  }

  /** What happened between the two states nobody can tell, so a watcher that went on would leave something out. */
  restored(sequence: number): void {
    this.close(restoredAt(sequence))
  }

  #watchersOf({ bytes, keyStart, keyEnd }: OperationReader): Subscriber[] | undefined {
    let found: Subscriber[] | undefined
    if (this.#keys.size > 0) {
      const sharing = this.#keys.get(nameOfBytes(bytes, keyStart, keyEnd))
      if (sharing !== undefined) found = [...sharing]
    }
    if (this.#ranges.size > 0) {
      const inRanges: Subscriber[] = found ?? []
      this.#ranges.find(bytes, keyStart, keyEnd, inRanges)
      if (inRanges.length > 0) found = inRanges
    }
    return found
  }

  #tell(subscriber: Subscriber, change: CommittedChange): void {
    subscriber.take(change)
    // Writers that await each other in microtasks would otherwise not let a consumer keep up.
    void this.engine.turn.spend(CHANGE_COST)
  }
}
