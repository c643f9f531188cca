/**
 * The public iterator over changes.
 *
 * A watcher is either catching up, pulling changes out of the log as they are asked for, or live: the hub pushes them into
 * its queue. It goes live in the step in which the log has nothing left, so there is neither gap nor duplicate. Only a
 * live watcher can overflow; what it had room for is handed out first.
 *
 * What must always hold: changes come out in the order of their sequence numbers, and behind the first that is left out comes an
 * error that names it. After its end a watcher holds nothing: no place in the hub, no file, no listener on the signal.
 */
import { VarveError } from '../../base/errors.js'
import { whenResident } from '../../iterator/not-resident.js'
import { notHeld } from '../../wal/log-tail.js'
import { Deferred } from '../deferred.js'
import type { Codec } from '../encodings/codec.js'
import { type Change, CommittedChange } from './change.js'
import { ChangeQueue } from './change-queue.js'
import type { CommitFollower, CommittedOperation } from './commit-follower.js'
import type { Subscriber, WatchHub } from './watch-hub.js'
import { checkWatchOptions, type WatchOptions } from './watch-options.js'
import { isWatched, type KeyOrRange, type WatchTarget, watchTargetOf } from './watch-target.js'

/** The most that is taken out of the log in one step: operations looked at, changes, bytes of them. */
const STEP = { operations: 4096, changes: 256, bytes: 256 * 1024 }
/** What such a step costs of a turn's budget. */
const STEP_COST = 64 * 1024

/**
 * An asynchronous iterator over the changes of a key or range, made by `store.watch`. Leaving the loop, the signal and
 * the end of the store close it; one that is dropped without any of these is let go when it overflows.
 */
export class Watcher<K, V> implements AsyncIterableIterator<Change<K, V>, undefined> {
  readonly #hub: WatchHub
  readonly #codec: Codec<K, V>
  readonly #target: WatchTarget
  readonly #subscriber: Subscriber
  readonly #queue: ChangeQueue
  readonly #signal: AbortSignal | undefined
  readonly #wantsPrevious: boolean
  /** While the watcher catches up. */
  #replay: CommitFollower | undefined
  /** Whether the log held what was asked for. */
  #hasReplayed = false
  /** What the consumer waits for. */
  #waiting: Deferred<void> | undefined
  /** The last call of `next`; the one behind it waits for it. */
  #running: Promise<unknown> | undefined
  #ended = false
  /** Told once, behind what is in the queue. */
  #error: VarveError | undefined
  #looksLeft = 0
  readonly #take = (operation: CommittedOperation, sequence: number): boolean =>
    this.#takeReplayed(operation, sequence)
  readonly #onAbort = (): void => this.#abort()

  /**
   * @internal
   * @param follow - what is replayed; by default the log
   */
  constructor(
    hub: WatchHub,
    codec: Codec<K, V>,
    target: KeyOrRange<K>,
    options: WatchOptions,
    follow: (from: number) => CommitFollower = (from) => hub.engine.journal.follow(from),
  ) {
    const { signal, from, changes, bytes, previous } = checkWatchOptions(options)
    this.#hub = hub
    this.#codec = codec
    this.#target = watchTargetOf(target, codec)
    this.#queue = new ChangeQueue({ changes, bytes })
    this.#signal = signal
    this.#wantsPrevious = previous
    this.#subscriber = {
      target: this.#target,
      wantsPrevious: previous,
      take: (change) => this.#takeLive(change),
      end: (error) => this.#end(error),
    }
    hub.enter(this.#subscriber)
    if (from === undefined || from === hub.engine.lastSequence + 1) hub.subscribe(this.#subscriber)
    else this.#replay = follow(from)
    if (signal?.aborted) this.#abort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /**
   * The next change. Calls that overlap are answered in order. Rejects with `WATCH_OVERFLOW` when the consumer was too slow (the
   * error's `sequence` is where to resume `from`), `NOT_FOUND` when the log does not hold what `from` asks for,
   * `ABORTED` by the signal; after that, and when the store was closed, it is done.
   */
  next(): Promise<IteratorResult<Change<K, V>, undefined>> {
    const result = this.#running === undefined ? this.#next() : this.#running.then(() => this.#next())
    const settle = (): void => {
      if (this.#running === running) this.#running = undefined
    }
    const running: Promise<void> = result.then(settle, settle)
    this.#running = running
    return result
  }

  /** Ends the watcher; what it has not handed out is dropped. Idempotent. */
  async close(): Promise<void> {
    this.#drop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Ends a loop that is left early. */
  async return(): Promise<IteratorResult<Change<K, V>, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #next(): Promise<IteratorResult<Change<K, V>, undefined>> {
    for (;;) {
      const change = this.#queue.peek()
      if (change !== undefined) {
        if (change.pending === undefined) return { done: false, value: this.#describe(change) }
        await this.#awaitPrior(change.pending, change)
      } else if (this.#ended) {
        const error = this.#error
        this.#error = undefined
        if (error !== undefined) throw error
        return { done: true, value: undefined }
      } else if (this.#replay !== undefined) {
        await this.#catchUp(this.#replay)
      } else {
        this.#waiting = new Deferred()
        await this.#waiting.promise
        this.#waiting = undefined
      }
    }
  }

  /** Takes the first change out of the queue and decodes it. An error of that ends the watcher. */
  #describe(change: CommittedChange): Change<K, V> {
    this.#queue.shift()
    try {
      return change.describe(this.#codec, this.#wantsPrevious)
    } catch (error) {
      this.#drop()
      throw error
    }
  }

  /** Waits for what `change` is to tell of the state before it. */
  async #awaitPrior(pending: Promise<void>, change: CommittedChange): Promise<void> {
    try {
      await pending
      change.pending = undefined
    } catch (error) {
      this.#drop()
      throw error
    }
  }

  #takeLive(change: CommittedChange): void {
    // Whoever waits is not slow, and has not run yet since the first change of this step arrived.
    if (this.#enqueue(change, this.#waiting !== undefined)) this.#waiting?.resolve()
    else this.#end(overflow(change.sequence))
  }

  #enqueue(change: CommittedChange, prompt: boolean): boolean {
    if (!this.#queue.add(change, prompt)) return false
    change.pending?.then(
      () => this.#queue.grow(change.prior?.length ?? 0),
      // Whoever asks for the change is told.
      () => undefined,
    )
    return true
  }

  /** Takes a step through the log; goes live when nothing is left there. */
  async #catchUp(replay: CommitFollower): Promise<void> {
    this.#looksLeft = STEP.operations
    try {
      await whenResident(() => {
        if (this.#ended || replay.fill(this.#take)) return
        // A number that the store has not come to was given out before a crash, which took the write.
        if (replay.next !== this.#hub.engine.lastSequence + 1) throw notHeld(replay.next)
        this.#replay = undefined
        this.#hub.engine.owe(replay.close())
        this.#hub.subscribe(this.#subscriber)
      })
    } catch (error) {
      const isGone = error instanceof VarveError && error.code === 'NOT_FOUND'
      this.#end(isGone && this.#hasReplayed ? overflow(replay.next) : (error as VarveError))
    }
    await this.#hub.engine.turn.spend(STEP_COST)
  }

  /** Whether the step goes on. */
  #takeReplayed(operation: CommittedOperation, sequence: number): boolean {
    if (isWatched(this.#target, operation.bytes, operation.keyStart, operation.keyEnd)) {
      const change = CommittedChange.of(operation, sequence)
      if (change.tellsPrior || this.#wantsPrevious) this.#hub.priorValues.lookUp(change)
      this.#enqueue(change, true)
    }
    this.#hasReplayed = true
    return --this.#looksLeft > 0 && this.#queue.length < STEP.changes && this.#queue.sizeBytes < STEP.bytes
  }

  /** Ends at once and in order. */
  #drop(): void {
    this.#queue.clear()
    this.#end()
    this.#error = undefined
  }

  #abort(): void {
    this.#queue.clear()
    this.#end(
      new VarveError('ABORTED', 'The watcher was aborted by its signal.', { cause: this.#signal?.reason }),
    )
  }

  #end(error?: VarveError): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#hub.leave(this.#subscriber)
    if (this.#replay !== undefined) this.#hub.engine.owe(this.#replay.close())
    this.#replay = undefined
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#waiting?.resolve()
  }
}

function overflow(sequence: number): VarveError {
  return new VarveError(
    'WATCH_OVERFLOW',
    `The consumer was too slow. Watch again with { from: ${sequence} } to go on without a gap, or raise the buffer.`,
    { sequence },
  )
}
