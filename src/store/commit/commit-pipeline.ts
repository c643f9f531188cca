/**
 * The commit pipeline: group commit.
 *
 * All writes that are made in one turn of the event loop (more exactly: until the next microtask) form a group: one
 * log record, one `write`, one run of sequence numbers, one promise that they all share. A group is applied
 * synchronously: log, then memtable, then the new visible sequence number; so between two turns every reader sees
 * whole groups, in order.
 *
 * - Order is the order of arrival. A group that cannot be applied yet (a stall, a full log segment) holds back all
 *   later ones; meanwhile new writes gather in the last group.
 * - A write that is never awaited still ends up in a group. A group that grows beyond a bound is applied at once, so that
 *   a loop of a million writes in one turn does not gather a million writes.
 * - Promises that resolve in microtasks alone would starve the event loop of a program that awaits each write: now and
 *   then a group's promise waits for the next turn (see `TurnBudget`).
 * - `'disk'` writes resolve when the log is on the device; they share one sync with everything that came before it.
 *
 * Testable without a store: what a group does is behind {@link CommitTarget}.
 */
import { GroupBuffer } from '../../wal/group-buffer.js'
import { Deferred } from '../deferred.js'
import type { Durability } from '../options.js'
import type { TurnBudget } from '../turn-budget.js'

/** The bytes at which a group is closed though the turn goes on. */
export const MAX_GROUP_BYTES = 256 * 1024

/** What a group costs beside its bytes, in bytes: the system call. */
const GROUP_COST = 2 * 1024

/** The buffer of a group that holds one write begins with so much: a stall may gather many. */
const LONE_BUFFER_BYTES = 512

/** What a stall has made to gather is given back; so many buffers serve a busy writer. */
const MAX_SPARE_BUFFERS = 4

const SETTLED = Promise.resolve()

/** Writes that are committed together. */
export class CommitGroup {
  readonly operations: GroupBuffer
  /** The sequence number of the first operation, once the group is applied. */
  firstSequence = 0
  /** Resolves when the group is applied and logged as far as its writes asked. */
  readonly applied = new Deferred<void>()
  /** Resolves when the group is on the device; there only when a writer holds its promise. */
  durable: Deferred<void> | undefined
  /** How many writers hold that. */
  diskWriters = 0
  /** Whether each write is content with `'memory'`. */
  memoryOnly = true
  /** Work that must be done before the group is applied, with nothing else under way; it may add the operations. */
  readonly #work: ((operations: GroupBuffer) => Promise<void>) | undefined
  #workDone = false
  /** Whether back-pressure has delayed the group once, which is enough. */
  slowed = false
  #appliedTaken = false
  /** In a bounded store: where the operations of the write itself end; behind them is what makes room. */
  own: { readonly length: number; readonly count: number } | undefined
  /** One is all that most groups have: an array of it for each group is what V8 comes to take for long-lived. */
  #hook: (() => void) | undefined
  #moreHooks: (() => void)[] | undefined

  constructor(operations: GroupBuffer, work?: (operations: GroupBuffer) => Promise<void>) {
    this.operations = operations
    this.#work = work
  }

  /** What to wait for before the group can be looked at; `undefined` when there is nothing. */
  begin(): Promise<void> | undefined {
    if (this.#work === undefined || this.#workDone) return undefined
    this.#workDone = true
    return this.#work(this.operations)
  }

  /**
   * Whether there is nothing to do. A group without operations whose promise somebody holds still answers for what was
   * applied before it, unless `'memory'` is all that was asked for.
   */
  get isIdle(): boolean {
    if (this.operations.count > 0) return false
    return this.memoryOnly || !(this.#appliedTaken || this.durable !== undefined)
  }

  /** The promise of a write in this group; called in the step in which the write joined it. */
  promiseFor(durability: Durability): Promise<void> {
    if (durability === 'disk') {
      this.durable ??= new Deferred()
      this.diskWriters++
      return this.durable.promise
    }
    this.#appliedTaken = true
    return this.applied.promise
  }

  /** Calls `hook` in the same step in which the group is applied, when every reader sees it and nothing newer. */
  onApplied(hook: () => void): void {
    if (this.#hook === undefined) this.#hook = hook
    else if (this.#moreHooks === undefined) this.#moreHooks = [hook]
    else this.#moreHooks.push(hook)
  }

  runHooks(): void {
    this.#hook?.()
    if (this.#moreHooks !== undefined) for (const hook of this.#moreHooks) hook()
  }

  /** Tells every writer of the group. A promise that no writer holds is not left to be an unhandled rejection. */
  refuse(error: unknown): void {
    if (!this.#appliedTaken) this.applied.promise.catch(() => undefined)
    this.applied.reject(error)
    this.durable?.reject(error)
  }
}

/** What the pipeline drives. */
export interface CommitTarget {
  /** `undefined` when `group` can be applied now, else what to wait for before asking again. Throws to refuse the group. */
  prepare(group: CommitGroup): Promise<void> | undefined
  /** Logs and inserts the group and makes it visible. Throws when nothing of it happened. */
  apply(group: CommitGroup): void
  /** Makes everything that was applied durable. */
  sync(): Promise<void>
}

export class CommitPipeline {
  readonly #target: CommitTarget
  readonly #turn: TurnBudget
  readonly #isEachAlone: boolean
  /** Groups that are closed and wait their turn, and last the open one, if any. */
  readonly #queue: CommitGroup[] = []
  readonly #spareBuffers: GroupBuffer[] = []
  #open: CommitGroup | undefined
  #microtaskDue = false
  /** Set while the first group of the queue waits. */
  #waiting: Promise<void> | undefined
  readonly #onMicrotask = (): void => {
    this.#microtaskDue = false
    this.flushQueue()
  }

  /** @param isEachAlone - whether each write is a group of its own, which can be refused by itself */
  constructor(target: CommitTarget, turn: TurnBudget, isEachAlone = false) {
    this.#target = target
    this.#turn = turn
    this.#isEachAlone = isEachAlone
  }

  /** The group that a write made now belongs to. The caller adds its operations in the same turn. */
  join(durability: Durability): CommitGroup {
    let group = this.#open
    if (group === undefined || this.#isEachAlone || group.operations.length > MAX_GROUP_BYTES) {
      if (group !== undefined && this.#waiting === undefined) this.#pump()
      group = new CommitGroup(this.#buffer())
      this.#open = group
      this.#queue.push(group)
    }
    if (!this.#microtaskDue && this.#waiting === undefined) {
      this.#microtaskDue = true
      // Not `queueMicrotask`, which Node wraps into an object for async_hooks: several times as dear.
      void SETTLED.then(this.#onMicrotask)
    }
    if (durability !== 'memory') group.memoryOnly = false
    return group
  }

  /**
   * A group of its own, for what takes more than one step: when everything before is applied, `work` is run, and what it
   * adds to the group is committed before anything that was written meanwhile. Resolves when all of that is done.
   */
  alone(durability: Durability, work: (operations: GroupBuffer) => Promise<void>): Promise<void> {
    const group = new CommitGroup(this.#buffer(), work)
    if (durability !== 'memory') group.memoryOnly = false
    // What is written from now on comes behind it.
    this.#open = undefined
    this.#queue.push(group)
    const done = group.promiseFor(durability)
    this.flushQueue()
    return done
  }

  /** Applies everything that was joined, if nothing holds it back. Whether the queue is empty now. */
  flushQueue(): boolean {
    if (this.#waiting === undefined) this.#pump()
    return this.#queue.length === 0
  }

  /** Resolves when everything that was joined before the call is applied or refused. */
  async drained(): Promise<void> {
    const last = this.#queue.at(-1)
    if (last === undefined) return
    // A refusal is told to the writers; here it only means that the group is dealt with.
    await last.applied.promise.catch(() => undefined)
  }

  #buffer(): GroupBuffer {
    return this.#spareBuffers.pop() ?? new GroupBuffer(this.#isEachAlone ? LONE_BUFFER_BYTES : undefined)
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const group = this.#queue[0]
      let wait: Promise<void> | undefined
      try {
        wait = group.begin()
        if (wait === undefined && !group.isIdle) wait = this.#target.prepare(group)
      } catch (error) {
        this.#finish(group, error)
        continue
      }
      if (wait !== undefined) {
        this.#waiting = wait
        wait.then(this.#resume, this.#refuseFirst)
        return
      }
      this.#commit(group)
    }
  }

  readonly #resume = (): void => {
    this.#waiting = undefined
    this.#pump()
  }

  readonly #refuseFirst = (error: unknown): void => {
    this.#waiting = undefined
    this.#finish(this.#queue[0], error)
    this.#pump()
  }

  #commit(group: CommitGroup): void {
    if (!group.isIdle) {
      try {
        this.#target.apply(group)
      } catch (error) {
        this.#finish(group, error)
        return
      }
      group.runHooks()
    }
    this.#finish(group)
  }

  /** Takes the first group off the queue and settles its promises. */
  #finish(group: CommitGroup, ...failure: [] | [error: unknown]): void {
    this.#queue.shift()
    if (this.#open === group) this.#open = undefined
    const bytes = group.operations.length
    group.operations.clear()
    if (this.#spareBuffers.length < MAX_SPARE_BUFFERS) this.#spareBuffers.push(group.operations)
    if (failure.length === 1) {
      group.refuse(failure[0])
      return
    }
    const { durable } = group
    if (durable !== undefined) {
      this.#target.sync().then(
        () => durable.resolve(),
        (error: unknown) => durable.reject(error),
      )
    }
    const nextTurn = this.#turn.spend(GROUP_COST + bytes)
    if (nextTurn === undefined) group.applied.resolve()
    else nextTurn.then(() => group.applied.resolve())
  }
}
