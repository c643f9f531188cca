/**
 * The public iterator over a range: one object for `for`, `for await`, `nextMany` and `all`.
 *
 * It sees the store as it was when it was made. Entries are handed out from chunks, each filled in one go, so that no
 * promise and no cursor step is paid for twice. The synchronous and the asynchronous drivers share the chunk and the
 * scan; they differ only in what happens when a block is not in memory.
 *
 * Closes itself at the end of the range, on an error, and when a loop is left. One that is dropped midway keeps
 * memtables and files alive until it is garbage collected, which is reported: close it.
 */

import { VarveError } from '../../base/errors.js'
import { NotResident } from '../../iterator/not-resident.js'
import { VisibleCursor } from '../../iterator/visible-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { Codec } from '../encodings/codec.js'
import type { KeyInput } from '../encodings/key-encoding.js'
import { type ByteRange, rangeFrom } from '../range.js'
import { checkCount, passes, type Scan } from '../range-options.js'
import type { Lease } from './leases.js'
import type { ReadPoint } from './pinned-moments.js'
import { cursorOver, RangeScan } from './range-scan.js'
import type { ReadSource } from './read-source.js'

/** What an iterator hands out. */
export type Projection = 'entry' | 'key' | 'value'

/** Chunks begin small, so that looking at one entry is cheap, and grow. */
const FIRST_CHUNK = 8
const LARGEST_CHUNK = 512
/** A chunk ends early at this many bytes of keys and values. */
const CHUNK_BYTES = 128 * 1024
/** What a long run of keys that nobody sees costs of a turn's budget: all of it. */
const PAUSE_COST = 256 * 1024
/** What a chunk costs of a turn's budget. */
const CHUNK_COST = 16 * 1024

export class RangeIterator<T, K, V> implements AsyncIterableIterator<T>, Iterable<T> {
  readonly #engine: ReadSource
  readonly #codec: Codec<K, V>
  /** On the read state. */
  readonly #lease: Lease
  readonly #fetcher: BlockFetcher
  readonly #entries: VisibleCursor
  readonly #scan: RangeScan
  readonly #range: ByteRange
  readonly #reverse: boolean
  readonly #filter: ((key: K, value: V) => boolean) | undefined
  readonly #projection: Projection
  readonly #signal: AbortSignal | undefined
  /** Whether the scan is at work: code of the user's in it, a filter or an encoding, may come back here. */
  #filling = false
  #left: number
  #chunk: T[] = []
  #chunkAt = 0
  #chunkSize = FIRST_CHUNK
  /** Where `#take` puts entries, and when it has enough. */
  #target: T[] = []
  #targetLength = 0
  #bytesLeft = 0
  #mayHaveMore: boolean
  /** Whether the end of the range closes the iterator: in loops and in `all`, where nobody else would. */
  #closeAtEnd = false
  #closed = false
  /** What ended the iterator before its time: told to every later call, lest an end be taken for the end of the range. */
  #failure: unknown
  /** The asynchronous operation that is under way; the next one waits for it. */
  #pending: Promise<unknown> | undefined
  readonly #pause = async (): Promise<void> => {
    this.#settle()
    await this.#engine.turn.spend(PAUSE_COST)
  }
  readonly #take = (entry: VisibleCursor): boolean => this.#takeEntry(entry)

  constructor(
    engine: ReadSource,
    codec: Codec<K, V>,
    projection: Projection,
    { range, reverse, limit, filter, signal, fillCache }: Scan<K, V>,
    at: ReadPoint,
  ) {
    this.#engine = engine
    this.#codec = codec
    this.#projection = projection
    this.#range = range
    this.#reverse = reverse
    this.#filter = filter
    this.#signal = signal
    this.#left = limit
    this.#mayHaveMore = this.#left > 0
    const { tableCache, clock } = engine.parts
    this.#fetcher = new BlockFetcher(tableCache, {
      blocking: false,
      fillCache,
      // What is read once, front to back, must not push out all that is read again and again.
      fillBytes: tableCache.blockCache.capacityBytes / 2,
      returnsBlocks: true,
    })
    const state = at.readState
    this.#entries = new VisibleCursor(cursorOver(state, this.#fetcher), at.sequence, clock.now())
    this.#scan = new RangeScan(this.#entries, this.#range, this.#reverse)
    this.#lease = engine.leases.begin('iterator', this, state.pin())
  }

  /** The next entry. Calls that overlap are answered in order. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#pending === undefined && this.#chunkAt < this.#chunk.length && !this.#isInterrupted()) {
      return Promise.resolve({ done: false, value: this.#chunk[this.#chunkAt++] })
    }
    return this.#enqueue(async () => {
      this.#refuseInterrupted()
      if (this.#chunkAt >= this.#chunk.length) {
        const chunk: T[] = []
        if (this.#mayHaveMore) await this.#fillChunk(chunk, this.#nextChunkSize())
        this.#chunk = chunk
        this.#chunkAt = 0
        if (chunk.length === 0) return { done: true, value: undefined }
      }
      return { done: false, value: this.#chunk[this.#chunkAt++] }
    })
  }

  /** Up to `n` entries; `[]` at the end of the range. */
  nextMany(n: number): Promise<T[]> {
    return this.#enqueue(async () => {
      this.#refuseInterrupted()
      const target = this.#takeFromChunk(checkCount(n))
      while (target.length < n && this.#mayHaveMore) await this.#fillChunk(target, n)
      return target
    })
  }

  /** {@link nextMany}, reading from the disk where need be while the thread waits. */
  nextManySync(n: number): T[] {
    this.#refuseOverlap()
    this.#refuseInterrupted()
    const target = this.#takeFromChunk(checkCount(n))
    while (target.length < n && this.#mayHaveMore) this.#fillSync(target, n)
    return target
  }

  /** All entries that are left; closes the iterator. */
  all(): Promise<T[]> {
    this.#beClosedAtEnd()
    return this.nextMany(Number.POSITIVE_INFINITY)
  }

  /** Goes on at the first entry at or behind `key` (with `reverse`: at or before it), inside the iterator's range. */
  seek(key: KeyInput<K>): void {
    this.#refuseOverlap()
    this.#check()
    const { bytes, length } = this.#codec.key(key as unknown as K)
    this.#scan.restart(rangeFrom(this.#range, bytes.slice(0, length), this.#reverse))
    // What was fetched ahead was not handed out.
    this.#left += this.#chunk.length - this.#chunkAt
    this.#mayHaveMore = this.#left > 0
    this.#chunk = []
    this.#chunkAt = 0
    this.#chunkSize = FIRST_CHUNK
  }

  /** Lets go of everything. Idempotent. */
  async close(): Promise<void> {
    await this.#pending?.catch(() => undefined)
    this.#abandon()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  [Symbol.dispose](): void {
    if (!this.#filling || this.#pending !== undefined) this.#refuseOverlap()
    this.#abandon()
  }

  /** Synchronous iteration: the fastest way, with blocking reads. */
  [Symbol.iterator](): Iterator<T, undefined> {
    this.#beClosedAtEnd()
    return {
      next: () => {
        this.#refuseInterrupted()
        if (this.#chunkAt >= this.#chunk.length && !this.#refillSync())
          return { done: true, value: undefined }
        return { done: false, value: this.#chunk[this.#chunkAt++] }
      },
      return: () => {
        this.#abandon()
        return { done: true, value: undefined }
      },
    }
  }

  [Symbol.asyncIterator](): this {
    this.#beClosedAtEnd()
    return this
  }

  /** Ends a loop that is left early. */
  async return(): Promise<IteratorResult<T, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  /** Lets the end close the iterator, also when it is there already. */
  #beClosedAtEnd(): void {
    this.#closeAtEnd = true
    if (!this.#mayHaveMore && this.#pending === undefined) this.#release()
  }

  #refillSync(): boolean {
    this.#refuseOverlap()
    const chunk: T[] = []
    if (this.#mayHaveMore) this.#fillSync(chunk, this.#nextChunkSize())
    this.#chunk = chunk
    this.#chunkAt = 0
    return chunk.length > 0
  }

  /** Runs `work` behind the asynchronous operations before it. */
  #enqueue<R>(work: () => Promise<R>): Promise<R> {
    const result = this.#pending === undefined ? work() : this.#pending.then(work, work)
    const pending: Promise<void> = result.then(settle, settle)
    const iterator = this
    function settle(): void {
      if (iterator.#pending !== pending) return
      iterator.#pending = undefined
      if (iterator.#closeAtEnd) iterator.#beClosedAtEnd()
    }
    this.#pending = pending
    return result
  }

  /** Fills `target` up to `length` entries, or a chunk's worth of bytes; awaits what is not in memory. */
  async #fillChunk(target: T[], length: number): Promise<void> {
    await this.#engine.turn.spend(CHUNK_COST)
    this.#fetcher.blocking = false
    this.#entries.pause = this.#pause
    this.#begin(target, length)
    for (;;) {
      this.#check()
      try {
        this.#mayHaveMore = this.#scanOn()
        break
      } catch (error) {
        if (!(error instanceof NotResident)) throw this.#fail(error)
        await error.load().catch((failure) => {
          throw this.#fail(failure)
        })
      }
    }
    this.#end()
  }

  #fillSync(target: T[], length: number): void {
    this.#check()
    this.#fetcher.blocking = true
    this.#entries.pause = undefined
    this.#begin(target, length)
    try {
      this.#mayHaveMore = this.#scanOn()
    } catch (error) {
      throw this.#fail(error)
    }
    this.#end()
  }

  #begin(target: T[], length: number): void {
    this.#target = target
    this.#targetLength = length
    this.#bytesLeft = CHUNK_BYTES
  }

  #end(): void {
    this.#target = []
    this.#settle()
    if (!this.#mayHaveMore && this.#closeAtEnd) this.#release()
  }

  /** Hands entries to {@link #take}; whether there may be more. */
  #scanOn(): boolean {
    this.#filling = true
    try {
      return this.#scan.fill(this.#take) && this.#left > 0
    } finally {
      this.#filling = false
      if (this.#closed) this.#letGo()
    }
  }

  /** Nothing that was read is needed any more but what the scan stands on. */
  #settle(): void {
    this.#scan.detach()
    this.#fetcher.settle()
  }

  /** Takes one entry in; whether there is room for more. */
  #takeEntry(entry: VisibleCursor): boolean {
    if (this.#left <= 0) return false
    const { keys, values } = this.#codec
    const wantsKey = this.#projection !== 'value' || this.#filter !== undefined
    const wantsValue = this.#projection !== 'key' || this.#filter !== undefined
    const key = wantsKey ? keys.decode(entry.keyBytes, entry.keyStart, entry.keyEnd) : undefined
    const value = wantsValue ? values.decode(entry.valueBytes, entry.valueStart, entry.valueEnd) : undefined
    this.#bytesLeft -= entry.keyEnd - entry.keyStart + entry.valueEnd - entry.valueStart
    if (this.#filter === undefined || passes(this.#filter(key as K, value as V))) {
      const item = this.#projection === 'entry' ? [key, value] : this.#projection === 'key' ? key : value
      this.#target.push(item as T)
      this.#left--
    }
    return this.#left > 0 && this.#target.length < this.#targetLength && this.#bytesLeft > 0
  }

  #takeFromChunk(n: number): T[] {
    const taken = this.#chunk.slice(this.#chunkAt, this.#chunkAt + n)
    this.#chunkAt += taken.length
    return taken
  }

  #nextChunkSize(): number {
    const size = this.#chunkSize
    this.#chunkSize = Math.min(2 * size, LARGEST_CHUNK)
    return size
  }

  /** Whether the signal was raised or the store closed while entries wait to be handed out. */
  #isInterrupted(): boolean {
    return this.#signal?.aborted === true || this.#engine.closed || this.#failure !== undefined
  }

  /** Not behind the end of the range: there is nothing left to refuse. */
  #refuseInterrupted(): void {
    if (!this.#isInterrupted()) return
    if (this.#failure !== undefined) throw this.#failure
    if (this.#mayHaveMore || this.#chunkAt < this.#chunk.length) this.#check()
  }

  #check(): void {
    if (this.#signal?.aborted) {
      const { reason } = this.#signal
      throw this.#fail(
        new VarveError('ABORTED', 'The iterator was aborted by its signal.', { cause: reason }),
      )
    }
    if (this.#engine.closed) {
      throw this.#fail(new VarveError('CLOSED', 'The store was closed under the iterator. Open it again.'))
    }
    // A loop that runs on behind the end finds `mayHaveMore` false and never comes here.
    if (this.#closed) throw new VarveError('CLOSED', 'The iterator is closed. Make a new one.')
  }

  /** A failed scan cannot go on: its entries would have a hole. */
  #fail(error: unknown): unknown {
    this.#failure = error
    this.#abandon()
    return error
  }

  #refuseOverlap(): void {
    if (this.#filling) {
      throw new VarveError(
        'INVALID_ARGUMENT',
        'The filter of this iterator, or an encoding, has called the iterator itself. Use another iterator there.',
      )
    }
    if (this.#pending === undefined) return
    throw new VarveError(
      'INVALID_ARGUMENT',
      'An asynchronous call of this iterator is under way; await it first.',
    )
  }

  /** Hands out nothing more. */
  #abandon(): void {
    this.#chunk = []
    this.#chunkAt = 0
    this.#release()
  }

  #release(): void {
    this.#mayHaveMore = false
    if (this.#closed) return
    this.#closed = true
    // Closed by a filter, it goes on to the end of its chunk.
    if (!this.#filling) this.#letGo()
  }

  #letGo(): void {
    this.#entries.clear()
    this.#fetcher.settle()
    this.#engine.leases.end(this.#lease)
  }
}
