/**
 * The log as commits use it: what is logged at once, what a turn later, when it is synced, and what a failure means.
 *
 * - A group that wants `'os'` or `'disk'` is appended before it is applied, behind everything that was applied before it.
 * - A group that is content with `'memory'` is applied first; its operations gather here and are logged together, at
 *   the latest in the next turn of the event loop or with the next group that is appended.
 * - Nothing is appended while the log rotates.
 * - Whoever waits for the device shares a sync with as many others as there are: while one runs, the next gathers. When it
 *   ends, those whom it wakes may write again before the next begins, which it does when as many writers wait for it, at
 *   the latest in the next turn. So a writer alone waits for nobody, and 64 at once do not split into two halves that
 *   wait for each other.
 * - A failed sync ends the log until it begins anew, and `onFailure` is told; any other failure is the caller's of that
 *   moment.
 */
import { ioError, type VarveError } from '../../base/errors.js'
import type { Clock, Timer } from '../../env/clock.js'
import { GroupBuffer, OPERATIONS_START } from '../../wal/group-buffer.js'
import type { Wal } from '../../wal/wal.js'
import { Deferred } from '../deferred.js'
import type { KeepAlive } from '../keep-alive.js'
import { type CommitFollower, followNothing } from '../watch/commit-follower.js'
import { LogFollower, type Unlogged } from '../watch/log-follower.js'
import type { CommitJournal } from './commit-journal.js'

export interface CommitLogSettings {
  readonly wal: Wal
  readonly clock: Clock
  readonly keepAlive: KeepAlive
  /** The store's directory, for messages. */
  readonly directory: string
  /** What was in tables when the store was opened: what of it is still logged may have been cleared since. */
  readonly flushedSequence: number
  /** At most this long until what was logged is on the device; 0: until somebody asks. */
  readonly syncIntervalMs: number
  /** A sync has failed. */
  readonly onFailure: (error: VarveError) => void
  /** Operations of `'memory'` writes could not be logged now; they are tried again. */
  readonly onTrouble: (error: VarveError) => void
}

/** Unlogged operations are logged when they reach this. */
const MAX_UNLOGGED_BYTES = 64 * 1024

/** A log with more than this is turned into a table at close, so that the next open need not replay it. */
const LONG_LOG_BYTES = 256 * 1024

export class CommitLog implements CommitJournal {
  readonly #settings: CommitLogSettings
  /** Operations that are applied and not yet logged, and the first of their sequence numbers. */
  readonly #unlogged = new GroupBuffer()
  #firstUnlogged = 0
  /** What is logged up to here counts no more. */
  #forgottenUpTo: number
  #logLaterDue = false
  #syncTimer: Timer | undefined
  #running: Promise<void> | undefined
  /** The sync behind that one. */
  #next: Deferred<void> | undefined
  /** Whether the sync that began last leaves something out. */
  #isBehind = false
  /** How many writers wait for the next sync, and how many the last one has woken in this turn. */
  #waiting = 0
  #woken = 0
  #rotation: Promise<void> | undefined
  #closed = false

  constructor(settings: CommitLogSettings) {
    this.#settings = settings
    this.#forgottenUpTo = settings.flushedSequence
  }

  get segmentCount(): number {
    return this.#settings.wal.segmentCount
  }

  get sizeBytes(): number {
    return this.#settings.wal.sizeBytes
  }

  get syncedSequence(): number {
    return this.#settings.wal.syncedSequence
  }

  get wantsTables(): boolean {
    return this.sizeBytes > LONG_LOG_BYTES
  }

  /** What to wait for before anything can be appended; `undefined` when it can. */
  ready(): Promise<void> | undefined {
    return this.#settings.wal.full || this.#rotation !== undefined ? this.rotate() : undefined
  }

  /** Hands a group to the operating system, behind what is still unlogged. Throws when it was not. */
  append(operations: GroupBuffer, firstSequence: number, diskWriters: number): void {
    try {
      this.#logUnlogged()
      this.#settings.wal.append(operations, firstSequence)
    } catch (error) {
      throw this.#failed(error)
    }
    this.#isBehind = true
    this.#waiting += diskWriters
    // Now, so that the device works while the group is applied.
    if (diskWriters > 0 && this.#maySync) this.#beginSync()
    else this.#syncLater()
  }

  catchUp(): void {
    try {
      this.#logUnlogged()
    } catch (error) {
      throw this.#failed(error)
    }
    this.#syncLater()
  }

  /** Takes operations that are applied already; they are logged soon. */
  appendLater(operations: GroupBuffer, firstSequence: number): void {
    const unlogged = this.#unlogged
    this.#isBehind = true
    if (unlogged.count === 0) this.#firstUnlogged = firstSequence
    unlogged.addAll(operations.bytes, OPERATIONS_START, operations.length, operations.count)
    if (unlogged.length >= MAX_UNLOGGED_BYTES) this.#tryToLog()
    if (this.#logLaterDue || unlogged.count === 0) return
    this.#logLaterDue = true
    this.#settings.clock.nextTurn(() => {
      this.#logLaterDue = false
      this.#tryToLog()
    })
  }

  forget(sequence: number): void {
    this.#unlogged.clear()
    this.#forgottenUpTo = sequence
  }

  follow(next: number): CommitFollower {
    if (next <= this.#forgottenUpTo) return followNothing(next)
    const unlogged = (): Unlogged => ({ operations: this.#unlogged, firstSequence: this.#firstUnlogged })
    return new LogFollower(this.#settings.wal.follow(next), unlogged)
  }

  /** Resolves when everything up to now is on the device. */
  sync(): Promise<void> {
    if (this.#running !== undefined && !this.#isBehind) return this.#running
    if (this.#maySync) return this.#beginSync()
    this.#next ??= new Deferred()
    return this.#next.promise
  }

  /** Whether a sync may begin now; else one does soon. */
  get #maySync(): boolean {
    return this.#running === undefined && this.#waiting >= this.#woken
  }

  #beginSync(): Promise<void> {
    const next = this.#next
    this.#next = undefined
    this.#isBehind = false
    const writers = this.#waiting
    this.#waiting = 0
    const running = this.#sync()
    this.#running = running
    const onEnd = (): void => {
      if (this.#running !== running) return
      this.#running = undefined
      this.#woken = writers
      this.#settings.clock.nextTurn(() => this.#turnEnded())
    }
    running.then(onEnd, onEnd)
    if (next !== undefined) running.then(next.resolve, next.reject)
    return running
  }

  /** Whoever was woken by a sync and has not written again by now is not waited for. */
  #turnEnded(): void {
    this.#woken = 0
    if (this.#next !== undefined && this.#maySync) this.#beginSync()
  }

  async #sync(): Promise<void> {
    const { wal } = this.#settings
    this.#cancelSync()
    try {
      if (this.#unlogged.count > 0) {
        await this.ready()
        this.#logUnlogged()
      }
      await wal.sync()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** Begins a new segment. Calls that overlap share one. */
  rotate(): Promise<void> {
    this.#rotation ??= this.#rotate().finally(() => {
      this.#rotation = undefined
    })
    return this.#rotation
  }

  async restart(sequence: number): Promise<void> {
    while (this.#rotation !== undefined) await this.#rotation.catch(() => undefined)
    const { wal, keepAlive, directory } = this.#settings
    // Tables hold what was not logged yet, too.
    this.forget(sequence)
    this.#rotation = keepAlive.during(wal.restart(sequence)).finally(() => {
      this.#rotation = undefined
    })
    try {
      await this.#rotation
    } catch (error) {
      throw ioError(error, 'beginning a new log in', directory)
    }
  }

  /** Deletes the segments that hold nothing above `upToSequence`. Throws `IO_ERROR`; the next call tries again. */
  async release(upToSequence: number): Promise<void> {
    const { wal, directory } = this.#settings
    try {
      await wal.release(upToSequence)
    } catch (error) {
      throw ioError(error, 'deleting a log segment of', directory)
    }
  }

  close(): Promise<void> {
    this.#closed = true
    this.#cancelSync()
    // Writers who wait for it hear of this sync, not of what comes of the mark of the close.
    if (this.#next !== undefined) this.#beginSync()
    return this.#settings.wal.close()
  }

  /** Logs what is unlogged and stops the timer: for the end of the store. */
  async settle(): Promise<void> {
    this.#cancelSync()
    try {
      await this.#rotation
      if (this.#unlogged.count === 0) return
      await this.ready()
      this.#logUnlogged()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  async #rotate(): Promise<void> {
    const { wal, keepAlive } = this.#settings
    try {
      await keepAlive.during(wal.rotate())
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /**
   * The error to throw. A failed sync of the log is told, any other failure of it is not: behind the step at hand, since
   * who hears of it may write.
   */
  #failed(error: unknown): VarveError {
    const { wal, directory, onFailure } = this.#settings
    const failure = ioError(error, 'writing the log of', directory)
    if (wal.failed !== undefined) queueMicrotask(() => onFailure(failure))
    return failure
  }

  #tryToLog(): void {
    const { wal, onTrouble } = this.#settings
    if (this.#unlogged.count === 0 || wal.failed !== undefined) return
    // What cannot be logged now goes with the next group that is, or with the next sync.
    this.#syncLater()
    if (wal.full || this.#rotation !== undefined) return
    try {
      this.#logUnlogged()
    } catch (error) {
      const failure = this.#failed(error)
      if (wal.failed === undefined) queueMicrotask(() => onTrouble(failure))
    }
  }

  #logUnlogged(): void {
    if (this.#unlogged.count === 0) return
    this.#settings.wal.append(this.#unlogged, this.#firstUnlogged)
    this.#unlogged.clear()
  }

  #syncLater(): void {
    const { syncIntervalMs, clock, wal } = this.#settings
    if (syncIntervalMs === 0 || this.#syncTimer !== undefined || this.#closed) return
    this.#syncTimer = clock.after(syncIntervalMs, () => {
      this.#syncTimer = undefined
      this.sync().catch(() => {
        // A failed sync reaches everybody through `onFailure`; what had no room yet is tried again.
        if (wal.failed === undefined) this.#syncLater()
      })
    })
  }

  #cancelSync(): void {
    this.#syncTimer?.cancel()
    this.#syncTimer = undefined
  }
}
