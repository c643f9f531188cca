/**
 * Background work: when to flush and when to compact, one of each at a time, and what to do when it fails.
 *
 * - A flush takes the oldest frozen memtables, so tables of level 0 cover ascending runs of sequence numbers and every
 *   operation up to the MANIFEST's flushed sequence number lives in tables.
 * - A flush makes one table of all the memtables that wait, up to a size. While level 0 is crowded and a compaction works on it, it
 *   waits until there are so many: each compaction of level 0 rewrites the base level, so the larger the tables that
 *   it takes along, the less is rewritten. After a failure memtables are written one by one, as long as there is room for one.
 * - Each success and each failure reaches the stall gate: a writer that waits is let on or told.
 * - A failure is tried again, later each time, with new file numbers; behind corruption and a failed sync of the MANIFEST
 *   nothing is begun, and the host makes the store read-only, until it resumes.
 */
import { assert } from '../base/assert.js'
import { ioError, VarveError } from '../base/errors.js'
import type { CompactionPlan, PickerState } from '../compaction/compaction-plan.js'
import { advancePointers, type ManualRange, pickCompaction, pickManual } from '../compaction/picker.js'
import type { Timer } from '../env/clock.js'
import type { Memtable } from '../memtable/memtable.js'
import { totalBytes } from '../version/table-metadata.js'
import { LEVEL_COUNT, type VersionEdit } from '../version/version-edit.js'
import { type BackgroundJobSettings, BackgroundJobs } from './background-jobs.js'
import type { StallGate } from './commit/stall-gate.js'
import { Deferred } from './deferred.js'
import type { StoreEmitter } from './events.js'

/** What background work needs of the store. */
export interface BackgroundHost {
  /** The memtables that wait for their flush, newest first. */
  readonly frozen: readonly Memtable[]
  /** `memtables`, the oldest ones, live in a table now, durably. */
  memtablesFlushed(memtables: readonly Memtable[]): Promise<void>
  /** The version has changed. */
  versionChanged(): void
  /** The largest sequence number that was given out. */
  readonly lastSequence: number
  /** A failure that no retry mends by itself. */
  fail(error: VarveError): void
}

export interface BackgroundSettings extends BackgroundJobSettings {
  /** See `MemtableSizes`. */
  readonly flushBytes: number
  readonly gate: StallGate
  readonly events: StoreEmitter
  /** Deletes table files that no version names. Best effort. */
  readonly discardTables: (numbers: readonly number[]) => Promise<void>
}

/** The delays between attempts, in ms. */
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000

/** Level 0 is crowded at so many times the number of tables at which it is compacted. */
const CROWDED = 2

/** What the statistics count. */
export interface BackgroundCounters {
  flushes: number
  flushBytes: number
  compactions: number
  compactionBytesRead: number
  compactionBytesWritten: number
}

/** Before the first flush. */
export const NOTHING_DONE: Readonly<BackgroundCounters> = {
  flushes: 0,
  flushBytes: 0,
  compactions: 0,
  compactionBytesRead: 0,
  compactionBytesWritten: 0,
}

export class Background {
  readonly counters: BackgroundCounters = { ...NOTHING_DONE }
  readonly #host: BackgroundHost
  readonly #settings: BackgroundSettings
  readonly #jobs: BackgroundJobs
  /** Word 0 calls the compaction under way off. Work that began with another one than this is to be dropped. */
  #cancel = new Int32Array(new SharedArrayBuffer(4))
  /** Set while nothing may begin; what was begun before is dropped. */
  #pause: Deferred<void> | undefined
  #flushing: Promise<void> | undefined
  /** How many wait for all that is frozen to be flushed: it is not kept back for more to come. */
  #flushWaiters = 0
  #compacting: Promise<void> | undefined
  /** A manual compaction that waits for its turn or is under way. */
  #manual: { readonly range: ManualRange; readonly done: Deferred<void> }[] = []
  #pointers: (Uint8Array | undefined)[] = new Array(LEVEL_COUNT).fill(undefined)
  #retryMs = FIRST_RETRY_MS
  #retryTimer: Timer | undefined
  #stopped = false
  #failure: VarveError | undefined
  /** What the last attempt at background work failed with, until one succeeds. */
  #trouble: VarveError | undefined

  constructor(host: BackgroundHost, settings: BackgroundSettings) {
    this.#host = host
    this.#settings = settings
    this.#jobs = new BackgroundJobs(settings)
  }

  /** Why nothing is begun any more, until {@link forgetFailure}. */
  get failure(): VarveError | undefined {
    return this.#failure
  }

  /** Starts whatever is due and not running. */
  schedule(): void {
    if (this.#stopped || this.#failure !== undefined) return
    if (this.#pause !== undefined || this.#retryTimer !== undefined) return
    if (this.#compacting === undefined) {
      const plan = this.#nextPlan()
      if (plan !== undefined) {
        this.#compacting = this.#attempt(() => this.#compact(plan)).finally(() => {
          this.#compacting = undefined
          this.schedule()
        })
      }
    }
    if (this.#flushing === undefined) {
      const memtables = this.#nextFlush()
      const newest = memtables.at(-1)
      if (newest !== undefined) {
        this.#flushing = this.#attempt(() => this.#flush(memtables, newest)).finally(() => {
          this.#flushing = undefined
          this.schedule()
        })
      }
    }
  }

  /** Resolves when all frozen memtables are flushed; rejects with what keeps them from it. */
  async flushed(): Promise<void> {
    this.#flushWaiters++
    try {
      while (this.#host.frozen.length > 0) {
        this.#refuse()
        this.#retryNow()
        await (this.#pause?.promise ?? this.#flushing ?? Promise.resolve())
        // Of a flush: while there is something to flush, that of a compaction does not last.
        if (this.#trouble !== undefined && this.#host.frozen.length > 0) throw this.#trouble
      }
    } finally {
      this.#flushWaiters--
    }
  }

  /** Compacts all that is in the range down to the last level; rejects with what keeps it from that. */
  compact(range: ManualRange): Promise<void> {
    this.#refuse()
    const manual = { range, done: new Deferred<void>() }
    this.#manual.push(manual)
    this.#retryNow()
    return manual.done.promise
  }

  /**
   * Starts nothing until {@link resume}, and drops the outcome of what is under way, whose inputs are about to vanish:
   * an edit that was not handed to the version set before the call never will be.
   */
  pause(): void {
    this.#pause = new Deferred()
    Atomics.store(this.#cancel, 0, 1)
    this.#cancel = new Int32Array(new SharedArrayBuffer(4))
  }

  resume(): void {
    const pause = this.#pause
    this.#pause = undefined
    pause?.resolve()
    this.schedule()
  }

  /** Resolves when what is under way now has ended, well or not. */
  async settled(): Promise<void> {
    await Promise.all([this.#flushing, this.#compacting])
  }

  /** What it failed with may be mended: lets everything be tried again. */
  forgetFailure(): void {
    this.#failure = undefined
    this.#trouble = undefined
    this.#retryMs = FIRST_RETRY_MS
  }

  /** Starts nothing more, calls off a compaction, waits for a flush. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#retryTimer?.cancel()
    Atomics.store(this.#cancel, 0, 1)
    const closed = new VarveError('CLOSED', 'The store was closed. Open it again.')
    for (const { done } of this.#manual) done.reject(closed)
    this.#manual = []
    await this.settled()
  }

  /** Schedules at once, also while a retry waits: somebody asks for it. */
  #retryNow(): void {
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
    this.schedule()
  }

  #refuse(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#stopped) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
  }

  /** Runs one piece of work. Never rejects: failures go where somebody hears of them. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    const cancel = this.#cancel
    try {
      await work()
      this.#retryMs = FIRST_RETRY_MS
      this.#trouble = undefined
      this.#settings.gate.relieve()
    } catch (error) {
      if (this.#stopped || this.#failure !== undefined || cancel !== this.#cancel) return
      this.#handleFailure(ioError(error, 'working in', this.#settings.tables.directory))
    }
  }

  #handleFailure(error: VarveError): void {
    const { gate, events, versions, clock } = this.#settings
    this.#trouble = error
    for (const { done } of this.#manual) done.reject(error)
    this.#manual = []
    gate.refuse(error)
    if (
      error.code === 'CORRUPTION' ||
      error.code === 'UNSUPPORTED_FORMAT' ||
      versions.failure !== undefined
    ) {
      this.#failure = error
      this.#host.fail(error)
      return
    }
    events.emit('error', error)
    this.#retryTimer = clock.after(this.#retryMs, () => {
      this.#retryTimer = undefined
      this.schedule()
    })
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS)
  }

  /** What to write as one table now, oldest first; nothing when the end of the compaction under way is to ask again. */
  #nextFlush(): readonly Memtable[] {
    const { versions, picker, flushBytes } = this.#settings
    if (this.#trouble !== undefined) return this.#host.frozen.slice(-1)
    const memtables: Memtable[] = []
    let bytes = 0
    for (const memtable of this.#host.frozen.toReversed()) {
      if (bytes >= flushBytes) break
      memtables.push(memtable)
      bytes += memtable.capacityBytes
    }
    const isCrowded = versions.current.levels[0].length >= CROWDED * picker.level0Trigger
    const isHeldBack = isCrowded && this.#compacting !== undefined && this.#flushWaiters === 0
    return isHeldBack && bytes < flushBytes ? [] : memtables
  }

  async #flush(memtables: readonly Memtable[], { lastSequence }: Memtable): Promise<void> {
    const { clock, events } = this.#settings
    const began = clock.monotonic()
    const cancel = this.#cancel
    const table = await this.#jobs.flush(memtables)
    if (cancel !== this.#cancel) {
      if (table !== undefined) await this.#settings.discardTables([table.number])
      return
    }
    await this.#record({
      ...(table === undefined ? {} : { added: [{ level: 0, table }] }),
      flushedSequence: lastSequence,
      lastSequence,
    })
    const entries = memtables.reduce((sum, { entryCount }) => sum + entryCount, 0)
    await this.#host.memtablesFlushed(memtables)
    const sizeBytes = table?.sizeBytes ?? 0
    this.counters.flushes++
    this.counters.flushBytes += sizeBytes
    events.emit('flush', { table: table?.number, entries, sizeBytes, durationMs: clock.monotonic() - began })
  }

  /**
   * Makes an edit durable. When it certainly is not, the new tables that it would have added go again: on a full disk
   * they are what keeps it full.
   */
  async #record(edit: VersionEdit): Promise<void> {
    const { versions, discardTables } = this.#settings
    try {
      await versions.logAndApply(edit)
    } catch (error) {
      const added = (edit.added ?? []).map(({ table }) => table.number)
      await discardTables(added.filter((number) => !versions.needs(number)))
      throw error
    }
  }

  /** The compaction to run now: a manual one first. Ends manual compactions that have nothing left to do. */
  #nextPlan(): CompactionPlan | undefined {
    const { versions } = this.#settings
    for (;;) {
      const manual = this.#manual[0]
      if (manual === undefined) return pickCompaction(versions.current, this.#pickerState())
      const plan = pickManual(versions.current, this.#pickerState(), manual.range)
      // One compaction runs at a time, so nothing blocks this one.
      assert(plan !== 'blocked', 'a manual compaction is held up by a running one only')
      if (plan !== undefined) return plan
      this.#manual.shift()
      manual.done.resolve()
    }
  }

  #pickerState(): PickerState {
    const { pinned, picker, droppableUpTo } = this.#settings
    return {
      now: droppableUpTo(),
      running: [],
      pointers: this.#pointers,
      oldestSequence: pinned.list()[0] ?? this.#host.lastSequence,
      settings: picker,
    }
  }

  async #compact(plan: CompactionPlan): Promise<void> {
    const { clock, events } = this.#settings
    const began = clock.monotonic()
    const inputs = [...plan.inputs[0], ...plan.inputs[1]]
    const cancel = this.#cancel
    const outputs =
      plan.kind === 'merge'
        ? await this.#jobs.merge(plan, cancel)
        : plan.kind === 'move'
          ? plan.inputs[0]
          : []
    if (cancel !== this.#cancel) {
      if (plan.kind === 'merge') await this.#settings.discardTables(outputs.map(({ number }) => number))
      return
    }
    const edit: VersionEdit = {
      removed: [
        ...plan.inputs[0].map(({ number }) => ({ level: plan.level, number })),
        ...plan.inputs[1].map(({ number }) => ({ level: plan.outputLevel, number })),
      ],
      added: outputs.map((table) => ({ level: plan.outputLevel, table })),
    }
    await this.#record(edit)
    this.#pointers = advancePointers(this.#pointers, plan)
    this.#host.versionChanged()
    const merged = plan.kind === 'merge'
    const bytesRead = merged ? totalBytes(inputs) : 0
    const bytesWritten = merged ? totalBytes(outputs) : 0
    this.counters.compactions++
    this.counters.compactionBytesRead += bytesRead
    this.counters.compactionBytesWritten += bytesWritten
    events.emit('compaction', {
      kind: plan.kind,
      reason: plan.reason,
      level: plan.level,
      outputLevel: plan.outputLevel,
      inputTables: inputs.length,
      outputTables: outputs.length,
      bytesRead,
      bytesWritten,
      durationMs: clock.monotonic() - began,
    })
  }
}
