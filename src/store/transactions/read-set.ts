/**
 * What a transaction has read, and whether anything of it has changed since: the validation of optimistic concurrency
 * control (Kung and Robinson, "On Optimistic Methods for Concurrency Control", 1981), over keys and over ranges, so
 * that there are no phantoms.
 *
 * Newer versions can only be where newer sequence numbers are: memtables and tables that hold none are not looked at, so a
 * short transaction is validated in memory. Synchronous and safe to run again: may throw `NotResident`.
 */
import { compareBytes } from '../../base/bytes.js'
import { MAX_SEQUENCE } from '../../base/entry.js'
import { mergeCursors } from '../../iterator/merging-cursor.js'
import type { SearchKey } from '../../memtable/search-key.js'
import type { BlockFetcher } from '../../sstable/block-fetcher.js'
import { TableCursor } from '../../sstable/table-cursor.js'
import { overlaps } from '../../version/table-metadata.js'
import { nameOfBytes } from '../key-name.js'
import { type ByteRange, isEmptyRange, successorOf } from '../range.js'
import type { ReadState } from '../reading/read-state.js'

export class ReadSet {
  /** Keys by their bytes as a string. */
  readonly #keys = new Map<string, Uint8Array>()
  readonly #ranges: ByteRange[] = []

  addKey(name: string, key: Uint8Array): void {
    this.#keys.set(name, key)
  }

  addRange(range: ByteRange): void {
    if (!isEmptyRange(range)) this.#ranges.push(range)
  }

  /** The keys that were read. */
  get keys(): Uint8Array[] {
    return [...this.#keys.values()]
  }

  /** The ranges that were read. */
  get ranges(): readonly ByteRange[] {
    return this.#ranges
  }

  /** Whether a key or range that was read has a version behind `sequence`. */
  hasChangedSince(sequence: number, state: ReadState, fetcher: BlockFetcher): boolean {
    for (const key of this.#keys.values()) {
      if (hasNewer(state, { lower: key, upper: successorOf(key) }, sequence, fetcher)) return true
    }
    return this.#ranges.some((range) => hasNewer(state, range, sequence, fetcher))
  }
}

/** Whether any version behind `sequence` lies in the range. */
function hasNewer(state: ReadState, range: ByteRange, sequence: number, fetcher: BlockFetcher): boolean {
  const { lower, upper } = range
  const cursors = state.memtables
    .filter((memtable) => memtable.lastSequence > sequence)
    .flatMap((memtable) => memtable.cursors())
  for (const { table } of state.version.tables()) {
    if (table.largestSequence <= sequence || !overlaps(table, lower, upper)) continue
    cursors.push(new TableCursor(fetcher.table(table.number, table.sizeBytes), fetcher))
  }
  if (cursors.length === 0) return false
  const cursor = mergeCursors(cursors)
  if (lower === undefined) cursor.seekToFirst()
  else cursor.seek(lower, 0, lower.length, MAX_SEQUENCE)
  for (; cursor.valid; cursor.next()) {
    if (upper !== undefined) {
      if (compareBytes(cursor.keyBytes, cursor.keyStart, cursor.keyEnd, upper, 0, upper.length) >= 0)
        return false
    }
    if (cursor.sequence > sequence) return true
  }
  return false
}

/** The name of a key, see {@link nameOfBytes}. */
export function nameOf(key: SearchKey): string {
  return nameOfBytes(key.bytes, 0, key.length)
}
