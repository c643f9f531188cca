/**
 * A scan over a range at one moment: the state machine behind iterators, counts and the like.
 *
 * Synchronous and resumable: `fill` hands out entries until it has enough, the range ends, or something is not in
 * memory. After a `NotResident` the driver loads it and calls `fill` again; the scan finds its place behind the last
 * entry that was handed out or key that was passed over. So the blocking and the non-blocking iterator run the same code.
 */
import { compareBytes, copyBytes, EMPTY } from '../../base/bytes.js'
import { ConcatenatingCursor } from '../../iterator/concatenating-cursor.js'
import type { Cursor } from '../../iterator/cursor.js'
import { mergeCursors } from '../../iterator/merging-cursor.js'
import type { VisibleCursor } from '../../iterator/visible-cursor.js'
import type { BlockFetcher } from '../../sstable/block-fetcher.js'
import { TableCursor } from '../../sstable/table-cursor.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import { LEVEL_COUNT } from '../../version/version-edit.js'
import { type ByteRange, isEmptyRange, successorOf } from '../range.js'
import type { ReadState } from './read-state.js'

/** One cursor over everything in `state`; a table is opened when the cursor comes to it. */
export function cursorOver(state: ReadState, fetcher: BlockFetcher): Cursor {
  const open = (table: TableMetadata): Cursor =>
    new TableCursor(fetcher.table(table.number, table.sizeBytes), fetcher)
  const filled = state.memtables.filter((memtable) => memtable.entryCount > 0)
  const cursors = filled.flatMap((memtable) => memtable.cursors())
  const { levels } = state.version
  for (const table of levels[0]) cursors.push(new ConcatenatingCursor([table], open))
  for (let level = 1; level < LEVEL_COUNT; level++) {
    if (levels[level].length > 0) cursors.push(new ConcatenatingCursor(levels[level], open))
  }
  return mergeCursors(cursors)
}

export class RangeScan {
  readonly #entries: VisibleCursor
  #range: ByteRange
  readonly #reverse: boolean
  /** Whether the cursor stands on the last entry that was handed out. */
  #positioned = false
  #finished: boolean
  /** The last key that was handed out or passed over; `undefined` before the first. As it lies, until {@link detach}. */
  #lastBytes: Uint8Array | undefined
  #lastStart = 0
  #lastEnd = 0
  #ownBytes = EMPTY

  constructor(entries: VisibleCursor, range: ByteRange, reverse: boolean) {
    this.#entries = entries
    this.#range = range
    this.#reverse = reverse
    this.#finished = isEmptyRange(range)
  }

  /** Starts over in another range. */
  restart(range: ByteRange): void {
    this.#range = range
    this.#positioned = false
    this.#finished = isEmptyRange(range)
    this.#lastBytes = undefined
    this.#entries.hasPassed = false
  }

  /** Hands entries to `take` until it returns false or the range ends; whether there may be more. */
  fill(take: (entry: VisibleCursor) => boolean): boolean {
    if (this.#finished) return false
    const entries = this.#entries
    const positioned = this.#positioned
    // Whatever is thrown below leaves the cursor anywhere.
    this.#positioned = false
    if (positioned) this.#advance()
    else this.#position()
    for (; entries.valid && !this.#isOutside(); this.#advance()) {
      const wantsMore = take(entries)
      this.#lastBytes = entries.keyBytes
      this.#lastStart = entries.keyStart
      this.#lastEnd = entries.keyEnd
      entries.hasPassed = false
      if (!wantsMore) {
        this.#positioned = true
        return true
      }
    }
    this.#finished = true
    return false
  }

  /**
   * Between two calls of {@link fill}: from now on it looks at nothing that lies in blocks which its cursors have left. Forwards they
   * stand on the last key; backwards they are a key further on.
   */
  detach(): void {
    this.#takePassed()
    const last = this.#lastBytes
    if (last === undefined || last === this.#ownBytes) return
    const length = this.#lastEnd - this.#lastStart
    if (this.#ownBytes.length < length) this.#ownBytes = new Uint8Array(2 * length)
    copyBytes(last, this.#lastStart, this.#lastEnd, this.#ownBytes, 0)
    this.#lastBytes = this.#ownBytes
    this.#lastStart = 0
    this.#lastEnd = length
  }

  #advance(): void {
    if (this.#reverse) this.#entries.prev()
    else this.#entries.next()
  }

  #position(): void {
    const entries = this.#entries
    const { lower, upper } = this.#range
    this.#takePassed()
    const last = this.#lastBytes
    if (this.#reverse) {
      if (last !== undefined) entries.seekBefore(last, this.#lastStart, this.#lastEnd)
      else if (upper !== undefined) entries.seekBefore(upper, 0, upper.length)
      else entries.seekToLast()
    } else if (last !== undefined) {
      const from = successorOf(last.subarray(this.#lastStart, this.#lastEnd))
      entries.seek(from, 0, from.length)
    } else if (lower !== undefined) {
      entries.seek(lower, 0, lower.length)
    } else {
      // The empty key is the smallest there can be.
      entries.seek(EMPTY, 0, 0)
    }
  }

  /** Keys that nobody sees need not be passed over again. */
  #takePassed(): void {
    const entries = this.#entries
    if (!entries.hasPassed) return
    this.#lastBytes = entries.passedBytes
    this.#lastStart = entries.passedStart
    this.#lastEnd = entries.passedEnd
    entries.hasPassed = false
  }

  #isOutside(): boolean {
    const { keyBytes, keyStart, keyEnd } = this.#entries
    const bound = this.#reverse ? this.#range.lower : this.#range.upper
    if (bound === undefined) return false
    const order = compareBytes(keyBytes, keyStart, keyEnd, bound, 0, bound.length)
    return this.#reverse ? order < 0 : order >= 0
  }
}
