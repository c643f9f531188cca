/**
 * The engine: byte strings in, byte strings out. Owns the live state, the log, the versions and the background work of
 * one open store; encodings, options and the public classes are above it.
 *
 * What must always hold:
 * - Sequence numbers are given out in commit order, in the same synchronous step that logs a group, inserts it and
 *   makes it visible. `visibleSequence` never names a half-applied group.
 * - Clearing takes a sequence number of its own; the edit that does it is the whole of it, so a crash finds all or nothing.
 * - After `fail` no write is accepted until `resume` succeeds; reads go on.
 */
import { assert } from '../base/assert.js'
import { MAX_SEQUENCE } from '../base/entry.js'
import { ioError, VarveError } from '../base/errors.js'
import { Memtable } from '../memtable/memtable.js'
import type { VersionEdit } from '../version/version-edit.js'
import { type GroupBuffer, OPERATIONS_START } from '../wal/group-buffer.js'
import { Admission } from './admission.js'
import { Background, type BackgroundHost } from './background.js'
import type { CommitJournal } from './commit/commit-journal.js'
import { type CommitGroup, CommitPipeline, type CommitTarget } from './commit/commit-pipeline.js'
import { journalFor } from './commit/journal-for.js'
import { StallGate } from './commit/stall-gate.js'
import { Throttle } from './commit/throttle.js'
import { Deferred } from './deferred.js'
import type { EngineParts } from './engine-parts.js'
import { Bound } from './eviction/bound.js'
import { ExpirySweeper } from './expiry/expiry-sweeper.js'
import type { RemovalListener } from './expiry/removals.js'
import { KeepAlive } from './keep-alive.js'
import type { LiveState } from './live-state.js'
import { maxFrozenBytes } from './memory-budget.js'
import { Leases } from './reading/leases.js'
import type { PinnedMoments } from './reading/pinned-moments.js'
import type { ReadState } from './reading/read-state.js'
import { Resumption } from './resumption.js'
import { Metrics } from './statistics/metrics.js'
import type { StatisticsSource } from './statistics/statistics.js'
import { TurnBudget } from './turn-budget.js'

/** Watches commits; must not throw and must copy what it keeps. */
export interface CommitObserver {
  applied(operations: GroupBuffer, firstSequence: number): void
  /** Everything that was there is gone; `sequence` is that of the clearing. */
  cleared?(sequence: number): void
  /** Everything is as it was once, at a sequence number of its own; nothing that was known counts any more. */
  restored?(sequence: number): void
}

type AddedTables = NonNullable<VersionEdit['added']>

export class Engine implements CommitTarget, BackgroundHost, StatisticsSource {
  readonly admission = new Admission()
  readonly pipeline: CommitPipeline
  readonly background: Background
  readonly turn: TurnBudget
  readonly gate: StallGate
  readonly keepAlive: KeepAlive
  /** Told of every group in the step in which it is applied. */
  readonly observers = new Set<CommitObserver>()
  readonly live: LiveState
  /** Who is open and reads. */
  readonly leases: Leases
  readonly metrics: Metrics
  readonly expiry: ExpirySweeper
  /** Only in a bounded store. */
  readonly bound: Bound | undefined
  /** Is told of what the store removes by itself. */
  removals: RemovalListener | undefined
  readonly journal: CommitJournal
  readonly parts: EngineParts
  readonly #throttle: Throttle
  readonly #resumption = new Resumption(this)
  #lastSequence: number
  /** The size of the active memtable at which a flush is in sight. */
  #prepareAt: number
  /** Answers that {@link close} waits for. */
  #owed = 0
  #allAnswered: Deferred<void> | undefined

  constructor(parts: EngineParts) {
    this.parts = parts
    const { clock, events, settings } = parts
    this.keepAlive = new KeepAlive()
    this.gate = new StallGate(clock, (statistics) => events.emit('stall', statistics))
    this.turn = new TurnBudget(clock)
    this.metrics = new Metrics(clock, settings.metrics)
    this.pipeline = new CommitPipeline(this, this.turn, settings.bound !== undefined)
    this.journal = journalFor(parts, this.keepAlive, {
      flush: () => this.flushMemtables(),
      memtables: () => this.live.readState.memtables,
      onFailure: (error) => this.fail(error),
    })
    this.#throttle = new Throttle(this.gate, parts.picker, () => this.#waitForRelief())
    this.live = parts.live
    this.leases = new Leases(clock, events, settings.leakDetection === 'all')
    this.#prepareAt = settings.memtableSize / 8
    this.#lastSequence = parts.lastSequence
    this.expiry = new ExpirySweeper(this, settings.cleanupIntervalMs)
    this.bound = settings.bound === undefined ? undefined : new Bound(this, settings.bound, parts.random)
    this.background = new Background(this, {
      versions: parts.versions,
      executor: parts.executor,
      jobs: parts.jobs,
      clock,
      tables: parts.tableSettings,
      picker: parts.picker,
      flushBytes: settings.flushBytes,
      pinned: this.pinned,
      droppableUpTo: () => this.expiry.droppableUpTo,
      gate: this.gate,
      events,
      discardTables: parts.discardTables,
    })
    this.#throttle.measure(parts.versions.current)
    this.background.schedule()
  }

  /** The newest state of everything. To use it across an `await`, pin it. */
  get readState(): ReadState {
    return this.live.readState
  }

  /** The moments that views and transactions read at. */
  get pinned(): PinnedMoments {
    return this.live.moments
  }

  /** The largest sequence number that was given out; all up to it is visible. */
  get lastSequence(): number {
    return this.#lastSequence
  }

  /** The same: what a reader of the newest state sees. */
  get sequence(): number {
    return this.#lastSequence
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.admission.closed
  }

  // Commit

  prepare(group: CommitGroup): Promise<void> | undefined {
    this.admission.check()
    const opening = this.bound?.makeRoom(group)
    if (opening !== undefined) return opening
    const { settings } = this.parts
    const needed = Memtable.bytesNeeded(group.operations.count, group.operations.length - OPERATIONS_START)
    if (needed > Memtable.maxBytes(settings.shardCount)) {
      throw new VarveError('INVALID_ARGUMENT', 'The batch is larger than 2 GiB. Split it into smaller ones.')
    }
    const stall = this.#throttle.hold(group)
    if (stall !== undefined) return stall
    const { active } = this.live
    if (!active.hasRoom(needed)) {
      if (active.entryCount > 0 && this.live.frozenBytes >= maxFrozenBytes(settings)) {
        this.gate.enter('stop', 'memtables')
        return this.#waitForRelief()
      }
      this.#replaceActive(needed)
    }
    if (this.gate.statistics.level === 'stop') this.gate.enter('none', undefined)
    return this.journal.ready()
  }

  apply(group: CommitGroup): void {
    const { operations } = group
    if (operations.count === 0) {
      this.journal.catchUp()
      return
    }
    const firstSequence = this.#lastSequence + 1
    assert(this.#lastSequence + operations.count < MAX_SEQUENCE, 'sequence numbers do not run out')
    if (!group.memoryOnly) this.journal.append(operations, firstSequence, group.diskWriters)
    this.live.insert(operations.bytes, OPERATIONS_START, operations.length, firstSequence, this.metrics)
    group.firstSequence = firstSequence
    this.#lastSequence += operations.count
    if (this.parts.wal !== undefined) this.metrics.bytesLogged += operations.length
    if (group.memoryOnly) this.journal.appendLater(operations, firstSequence)
    for (const observer of this.observers) observer.applied(operations, firstSequence)
    if (this.live.active.sizeBytes > this.#prepareAt) this.#expectFlush()
  }

  /** The first flush comes in sight: the thread that will run it takes as long to start as a memtable to fill. */
  #expectFlush(): void {
    this.#prepareAt = Number.POSITIVE_INFINITY
    this.parts.executor.prepare?.()
  }

  async sync(): Promise<void> {
    this.admission.check()
    await this.journal.sync()
  }

  #waitForRelief(): Promise<void> {
    this.background.schedule()
    return this.keepAlive.during(this.gate.waitForRelief())
  }

  /** Puts a memtable with room for `needed` bytes in place of the active one, which is flushed. */
  #replaceActive(needed: number): void {
    this.live.replaceActive(needed)
    this.#throttle.measure(this.parts.versions.current)
    this.background.schedule()
  }

  // Background work

  get frozen(): readonly Memtable[] {
    return this.live.frozen
  }

  async memtablesFlushed(memtables: readonly Memtable[]): Promise<void> {
    // The store may have been cleared in the step in which the table entered.
    if (this.live.frozen.at(-1) !== memtables[0]) return
    this.live.flushed(memtables)
    this.#throttle.measure(this.parts.versions.current)
    await this.releaseLog()
  }

  versionChanged(): void {
    this.live.install()
    this.#throttle.measure(this.parts.versions.current)
  }

  fail(error: VarveError): void {
    const refusal = this.admission.end(error)
    if (refusal === undefined) return
    this.gate.refuse(refusal)
    this.parts.events.emit('error', error)
  }

  /** Takes writes again behind a failure; those that come meanwhile wait. */
  resume(): Promise<void> {
    return this.#resumption.run()
  }

  /** Removes everything that was written before, in time that does not grow with it. */
  clear(): Promise<void> {
    return this.#replaceAlone([], 0, (sequence) => {
      for (const observer of this.observers) observer.cleared?.(sequence)
    })
  }

  /**
   * Puts `added` in the place of everything that was written before: one edit that names all tables and a flushed sequence
   * number behind everything, `above` included. Writes wait until it is durable; readers see all or nothing. `then` is
   * called in the step in which they do.
   */
  replaceContents(added: AddedTables, above: number, then?: () => void): Promise<void> {
    return this.#replaceAlone(added, above, (sequence) => {
      then?.()
      for (const observer of this.observers) observer.restored?.(sequence)
    })
  }

  #replaceAlone(added: AddedTables, above: number, then: (sequence: number) => void): Promise<void> {
    const work = (): Promise<void> => this.#replaceContents(added, above, then)
    // Behind it nothing is left to be logged.
    return this.keepAlive.during(this.pipeline.alone('memory', work))
  }

  async #replaceContents(added: AddedTables, above: number, then: (sequence: number) => void): Promise<void> {
    this.admission.check()
    const { versions, tableSettings } = this.parts
    const sequence = Math.max(this.#lastSequence, above) + 1
    this.background.pause()
    try {
      await versions.logAndApply(
        ({ version }) => ({
          removed: [...version.tables()].map(({ level, table }) => ({ level, number: table.number })),
          added,
          flushedSequence: sequence,
          lastSequence: sequence,
        }),
        () => this.#replaced(sequence, then),
      )
    } catch (error) {
      if (versions.failure !== undefined) this.fail(versions.failure)
      throw ioError(error, 'replacing what is in', tableSettings.directory)
    } finally {
      this.background.resume()
    }
    if (this.journal.wantsTables) await this.journal.rotate().catch(() => undefined)
    await this.releaseLog()
  }

  /** In the step in which the new version becomes the current one. */
  #replaced(sequence: number, then: (sequence: number) => void): void {
    this.#lastSequence = sequence
    this.journal.forget(sequence)
    this.live.clear()
    this.expiry.reset()
    this.#throttle.measure(this.parts.versions.current)
    this.gate.relieve()
    then(sequence)
  }

  /** Lets go of what of the log tables hold; what resists is tried again with the next flush. */
  async releaseLog(): Promise<void> {
    const { versions, events, tableSettings } = this.parts
    try {
      await this.journal.release(versions.flushedSequence)
    } catch (error) {
      events.emit('error', ioError(error, 'working in', tableSettings.directory))
    }
  }

  /** Freezes the active memtable and waits until everything that was written before the call lives in tables. */
  async flush(): Promise<void> {
    await this.pipeline.drained()
    this.admission.check()
    await this.#flushAll()
  }

  /** Flushes, then compacts keys in `[lower, upper)` down to the last level; what that replaced is deleted behind it. */
  async compact(lower: Uint8Array | undefined, upper: Uint8Array | undefined): Promise<void> {
    await this.flush()
    const { versions, obsoleteTables } = this.parts
    await this.keepAlive.during(
      this.background.compact({
        ...(lower === undefined ? {} : { start: lower }),
        // Tables take inclusive bounds; one key too many is harmless.
        ...(upper === undefined ? {} : { end: upper }),
        upToSequence: versions.flushedSequence,
        beforeNumber: versions.peekFileNumber(),
        force: false,
      }),
    )
    await obsoleteTables.settled()
  }

  /** Lets {@link close} wait for what a write that was applied still has to tell its caller. */
  owe<T>(answer: Promise<T>): Promise<T> {
    this.#owed++
    const settle = (): void => {
      if (--this.#owed === 0) this.#allAnswered?.resolve()
    }
    // A failure is the caller's to hear of.
    answer.then(settle, settle)
    return answer
  }

  /** Applies what was written, and takes no more: behind this nothing is committed. */
  async endWrites(): Promise<void> {
    await this.expiry.stop()
    await this.pipeline.drained()
    this.admission.close()
  }

  /** Stops everything in order; what durability owes is on its way to the device before the log is closed. */
  async close(): Promise<void> {
    const { versions, tableCache } = this.parts
    await this.endWrites()
    if (this.#owed > 0) {
      this.#allAnswered = new Deferred()
      await this.#allAnswered.promise
    }
    const failures: unknown[] = []
    const step = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        failures.push(error)
      }
    }
    if (this.admission.failure === undefined) {
      await step(() => this.journal.settle())
      if (this.journal.wantsTables) await step(() => this.#flushAll())
    }
    await this.keepAlive.during(this.background.stop())
    await step(() => this.journal.close())
    await step(() => versions.close())
    this.leases.endAll()
    tableCache.close()
    // From here on the directory may be another's.
    await this.parts.obsoleteTables.hold()
    if (failures.length > 0) throw ioError(failures[0], 'closing', this.parts.tableSettings.directory)
  }

  /** Writes everything that is in memory to tables. */
  async flushMemtables(): Promise<void> {
    this.#freezeActive()
    await this.keepAlive.during(this.background.flushed())
  }

  /** The same, and begins a new log segment first, so that the old ones can go. */
  async #flushAll(): Promise<void> {
    this.#freezeActive()
    if (this.journal.wantsTables) await this.journal.rotate()
    await this.keepAlive.during(this.background.flushed())
  }

  #freezeActive(): void {
    if (this.live.active.entryCount > 0) this.#replaceActive(0)
  }
}
