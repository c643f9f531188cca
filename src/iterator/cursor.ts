/**
 * The one internal cursor contract, for memtable shard, block, table, level and merge.
 *
 * A cursor stands on an entry (`valid`) or on none. Its entry is described in place, without a copy:
 * `keyBytes[keyStart, keyEnd)` is the user key, `valueBytes[valueStart, valueEnd)` the stored value. These fields
 * may be read until the next move of this cursor; the byte arrays themselves stay unchanged as long as the read
 * state that the cursor was made from is pinned, so a caller may keep (array, start, end) across moves: with a fetcher that
 * returns blocks (sstable/block-fetcher.ts) until the driver settles it.
 *
 * Order: user key ascending in byte order, then sequence number descending (see base/entry).
 *
 * A move may throw: `VarveError` for damage and I/O errors, `NotResident` when the cursor must not block and what
 * it needs is on disk. After any throw the position is undefined: seek again.
 */
import { VarveError } from '../base/errors.js'

/** See the head of this file. */
export abstract class Cursor {
  /** Whether the cursor stands on an entry. */
  valid = false
  keyBytes: Uint8Array = new Uint8Array(0)
  keyStart = 0
  keyEnd = 0
  sequence = 0
  /** One of `Kind`. */
  kind = 0
  valueBytes: Uint8Array = new Uint8Array(0)
  valueStart = 0
  valueEnd = 0

  /**
   * To the first entry at or behind (user key, sequence): the newest version of the key whose sequence number is
   * at most `sequence`, or else the first entry of the next key.
   */
  abstract seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): void
  abstract seekToFirst(): void
  abstract seekToLast(): void
  /** To the next entry in order. The cursor must be valid. */
  abstract next(): void
  /** To the previous entry in order. The cursor must be valid. */
  abstract prev(): void
  /** Lets go of everything in hand; the cursor can be used again. */
  clear(): void {
    this.valid = false
  }
}

/** The error for entries that do not come in order, which only a damaged or forged table can hold. */
export function outOfOrder(): VarveError {
  return new VarveError('CORRUPTION', 'The entries of a table are out of order. Run verify() to see which.')
}
