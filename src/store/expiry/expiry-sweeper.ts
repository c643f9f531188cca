/**
 * Removes what has expired, and tells of it.
 *
 * An expired entry is invisible from the moment it expires, whatever happens here. Every `cleanupInterval` the sweeper
 * finds the entries that have expired since, writes a tombstone for each that is still the newest of its key, and then
 * tells who wants to know, once each. It looks at tables by their expiry indexes and at memtables as a whole, so its work
 * is in proportion to what expired, plus at most the memtables.
 *
 * - What nobody was told of yet is kept by flush and compaction (`droppableUpTo`).
 * - With nobody to tell they drop it at once, and a table of which everything has expired unread. Not in a bounded store,
 *   which keeps account of each entry and is told by the tombstone.
 * - It works in small batches through the commit pipeline, with a turn of the event loop between them.
 */
import { expiryOf, Kind, NEVER, userValueStart } from '../../base/entry.js'
import { ioError, VarveError } from '../../base/errors.js'
import type { Clock, Timer } from '../../env/clock.js'
import type { Cursor } from '../../iterator/cursor.js'
import { NotResident } from '../../iterator/not-resident.js'
import type { Memtable } from '../../memtable/memtable.js'
import { SearchKey } from '../../memtable/search-key.js'
import { BlockCursor } from '../../sstable/block-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import type { Engine } from '../engine.js'
import { findVersion, LookupResult } from '../reading/point-lookup.js'
import { ExpiryProgress } from './expiry-progress.js'

/** An entry that has expired, and may have been overwritten since. */
interface Candidate {
  readonly key: SearchKey
  readonly sequence: number
  readonly value: Uint8Array
}

/** A batch is written at this many entries, or bytes. */
const BATCH_ENTRIES = 256
const BATCH_BYTES = 256 * 1024

/** Entries of a memtable between two turns of the event loop. */
const STEP_ENTRIES = 2048

/** Clocks count in milliseconds; this is less than any difference. */
const MOMENT_MS = 1 / 1024

const NOTHING = new Uint8Array(0)

export class ExpirySweeper {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #progress = new Map<number, ExpiryProgress>()
  /** Up to where memtables were swept. */
  readonly #sweptTo = new WeakMap<Memtable, number>()
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  /** Whether another sweep is to follow the one that runs. */
  #isDue = false
  #stopped = false
  /** What expires behind this may not have been dealt with, while a sweep runs. */
  #sweepingFrom = NEVER
  #batch: Candidate[] = []
  #batchBytes = 0

  /** @param intervalMs - 0: never by itself */
  constructor(engine: Engine, intervalMs: number) {
    this.#engine = engine
    this.#clock = engine.parts.clock
    this.#intervalMs = intervalMs
  }

  /** Begins; by now the engine knows whom to tell. */
  start(): void {
    this.#arm()
  }

  /** The store holds other entries now, perhaps in tables that it had before. */
  reset(): void {
    this.#progress.clear()
  }

  /** Ends behind the batch that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#running
  }

  /** Flush and compaction may drop what has expired at this moment (ms since 1970). */
  get droppableUpTo(): number {
    const now = this.#clock.now()
    if (this.#dropsUntold) return now
    return Math.min(now, this.#firstPending() - MOMENT_MS)
  }

  /** Whether nobody, the store itself included, has to hear of each entry that goes. */
  get #dropsUntold(): boolean {
    const { bound, removals } = this.#engine
    return removals?.wants('expire') === false && bound === undefined
  }

  #arm(): void {
    if (this.#intervalMs === 0 || this.#stopped) return
    this.#timer = this.#clock.after(this.#intervalMs, () => {
      this.#arm()
      this.#isDue = true
      this.#running ??= this.#runWhileDue().finally(() => {
        this.#running = undefined
      })
    })
  }

  async #runWhileDue(): Promise<void> {
    while (this.#isDue && !this.#stopped) {
      this.#isDue = false
      await this.#run()
    }
  }

  /** One sweep; never rejects. */
  async #run(): Promise<void> {
    const { background, parts, readState } = this.#engine
    const now = this.#clock.now()
    this.#forgetOldTables()
    const pending = this.#firstPending()
    if (pending <= now) {
      this.#sweepingFrom = pending
      const state = readState.pin()
      try {
        for (const memtable of state.memtables) await this.#sweepMemtable(memtable, now)
        for (const { table } of state.version.tables()) await this.#sweepTable(table, now)
      } catch (error) {
        const isEnd = error instanceof VarveError && (error.code === 'READ_ONLY' || error.code === 'CLOSED')
        if (!isEnd)
          parts.events.emit(
            'error',
            ioError(error, 'removing expired entries of', parts.tableSettings.directory),
          )
      } finally {
        this.#sweepingFrom = NEVER
        this.#batch = []
        this.#batchBytes = 0
        state.unpin()
      }
    }
    // Tables that are wholly expired may be due for a drop by now.
    background.schedule()
  }

  async #sweepMemtable(memtable: Memtable, now: number): Promise<void> {
    const due = memtable.nextExpiry
    if (due > now) return
    // What was swept before is not looked at again, unless the clock ran backwards.
    const since = Math.min(this.#sweptTo.get(memtable) ?? -NEVER, due - MOMENT_MS)
    memtable.nextExpiry = NEVER
    let next = NEVER
    try {
      let steps = 0
      for (const cursor of memtable.cursors()) {
        for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
          const expiresAt = expiryOf(cursor.kind, cursor.valueBytes, cursor.valueStart)
          if (expiresAt <= now && expiresAt > since) this.#gather(cursor)
          else if (expiresAt > now && expiresAt < next) next = expiresAt
          if (++steps % STEP_ENTRIES === 0) await this.#nextTurn()
          if (this.#isBatchFull) await this.#remove()
        }
      }
      await this.#remove()
      this.#sweptTo.set(memtable, now)
    } catch (error) {
      next = Math.min(next, due)
      throw error
    } finally {
      memtable.nextExpiry = Math.min(memtable.nextExpiry, next)
    }
  }

  async #sweepTable(table: TableMetadata, now: number): Promise<void> {
    const progress = this.#progressOf(table)
    if (progress.next > now) return
    if (table.latestExpiry <= now && this.#dropsUntold) {
      this.#engine.metrics.expired += table.entryCount
      progress.next = NEVER
      return
    }
    try {
      const reader = await this.#engine.parts.tableCache.open(table.number, table.sizeBytes)
      const index = await reader.readExpiryIndex()
      const cursor = new BlockCursor()
      for (let block = progress.take(index, now); block !== undefined; block = progress.take(index, now)) {
        cursor.reset(await reader.readBlock(block.offset, block.size))
        let next = NEVER
        for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
          const expiresAt = expiryOf(cursor.kind, cursor.valueBytes, cursor.valueStart)
          if (expiresAt <= now && expiresAt > block.since) this.#gather(cursor)
          else if (expiresAt > now && expiresAt < next) next = expiresAt
        }
        if (next !== NEVER) progress.putBack(block, next, now)
        if (this.#isBatchFull) await this.#remove()
      }
      await this.#remove()
      progress.settle(index)
    } catch (error) {
      progress.reset()
      throw error
    }
  }

  #gather(cursor: Cursor): void {
    const { keyBytes, keyStart, keyEnd, valueBytes, valueEnd, kind, sequence } = cursor
    const key = new SearchKey(keyEnd - keyStart)
    key.set(keyBytes, keyStart, keyEnd)
    const wanted = this.#engine.removals?.wants('expire') !== false
    const value = wanted ? valueBytes.slice(userValueStart(kind, cursor.valueStart), valueEnd) : NOTHING
    this.#batch.push({ key, sequence, value })
    this.#batchBytes += key.length + value.length
  }

  get #isBatchFull(): boolean {
    return this.#batch.length >= BATCH_ENTRIES || this.#batchBytes >= BATCH_BYTES
  }

  /** Writes tombstones for those of the batch that are the newest of their keys, and tells of them. */
  async #remove(): Promise<void> {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = []
    this.#batchBytes = 0
    const removed = await this.#write(batch)
    this.#engine.metrics.expired += removed.length
    const listener = this.#engine.removals
    for (const { key, value } of removed) {
      if (listener?.wants('expire')) listener.removed('expire', key.bytes.subarray(0, key.length), value)
    }
    await this.#nextTurn()
  }

  async #write(batch: readonly Candidate[]): Promise<readonly Candidate[]> {
    const { pipeline, parts } = this.#engine
    const fetcher = new BlockFetcher(parts.tableCache, { blocking: false, fillCache: false })
    const result = new LookupResult()
    for (;;) {
      if (this.#stopped) throw new VarveError('CLOSED', 'The store was closed. Open it again.')
      if (!pipeline.flushQueue()) {
        await pipeline.drained()
        continue
      }
      const { readState, sequence } = this.#engine
      let newest: readonly Candidate[]
      try {
        newest = batch.filter((candidate) => {
          const found = findVersion(readState, candidate.key, sequence, fetcher, result)
          return found && result.sequence === candidate.sequence
        })
      } catch (error) {
        if (!(error instanceof NotResident)) throw error
        await readState.during(error.load())
        continue
      }
      if (newest.length === 0) return newest
      // Found and joined in one step: no other write comes between. Nobody waits for the device.
      const durability = parts.settings.durability === 'memory' ? 'memory' : 'os'
      const group = pipeline.join(durability)
      for (const { key } of newest) {
        group.operations.add(Kind.expire, key.bytes, undefined, undefined, key.length)
      }
      await group.promiseFor(durability)
      return newest
    }
  }

  /** When the first entry expires that was not dealt with. */
  #firstPending(): number {
    const { memtables, version } = this.#engine.readState
    let first = this.#sweepingFrom
    for (const { nextExpiry } of memtables) if (nextExpiry < first) first = nextExpiry
    for (const { table } of version.tables()) {
      const next = this.#progress.get(table.number)?.next ?? table.earliestExpiry
      if (next < first) first = next
    }
    return first
  }

  #progressOf(table: TableMetadata): ExpiryProgress {
    let progress = this.#progress.get(table.number)
    if (progress === undefined) {
      progress = new ExpiryProgress(table.earliestExpiry)
      this.#progress.set(table.number, progress)
    }
    return progress
  }

  #forgetOldTables(): void {
    if (this.#progress.size === 0) return
    const live = new Set<number>()
    for (const { table } of this.#engine.readState.version.tables()) live.add(table.number)
    for (const number of this.#progress.keys()) if (!live.has(number)) this.#progress.delete(number)
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#clock.nextTurn(resolve))
  }
}
