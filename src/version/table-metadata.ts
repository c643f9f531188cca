/**
 * What the engine knows of an SSTable without opening it: plain data, never changed once made.
 * Written in the MANIFEST as docs/format/manifest.md says.
 */
import { compareBytes, compareKeys } from '../base/bytes.js'

export interface TableMetadata {
  /** The number in the file's name; unique for ever. */
  readonly number: number
  /** The exact size of the file. */
  readonly sizeBytes: number
  readonly entryCount: number
  readonly tombstoneCount: number
  /** The first user key. */
  readonly smallest: Uint8Array
  /** The last user key. */
  readonly largest: Uint8Array
  readonly smallestSequence: number
  readonly largestSequence: number
  /** When the first entry expires, in ms since 1970; Infinity when none ever does. */
  readonly earliestExpiry: number
  /** When the last entry expires; Infinity when any entry, a tombstone among them, never does. */
  readonly latestExpiry: number
  /** The user keys' bytes before compression. */
  readonly rawKeyBytes: number
  /** The stored values' bytes before compression. */
  readonly rawValueBytes: number
  /** When the table was written, in ms since 1970. */
  readonly createdAt: number
}

/** Whether a table holds keys in `[start, end]`, both inclusive, `undefined` for no bound. */
export function overlaps(table: TableMetadata, start?: Uint8Array, end?: Uint8Array): boolean {
  return (
    (start === undefined || compareKeys(table.largest, start) >= 0) &&
    (end === undefined || compareKeys(table.smallest, end) <= 0)
  )
}

/** Level 0: newest first. */
export function byAge(a: TableMetadata, b: TableMetadata): number {
  return b.largestSequence - a.largestSequence || b.number - a.number
}

/** Deeper levels: by key. */
export function bySmallest(a: TableMetadata, b: TableMetadata): number {
  return compareKeys(a.smallest, b.smallest)
}

/** The sum of the tables' sizes. */
export function totalBytes(tables: readonly TableMetadata[]): number {
  let total = 0
  for (const table of tables) total += table.sizeBytes
  return total
}

/** The index of the first of `tables`, disjoint and sorted, whose largest key is at or behind `key[start, end)`. */
export function lowerBound(
  tables: readonly TableMetadata[],
  key: Uint8Array,
  start = 0,
  end = key.length,
): number {
  let low = 0
  let high = tables.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const largest = tables[middle].largest
    if (compareBytes(largest, 0, largest.length, key, start, end) < 0) low = middle + 1
    else high = middle
  }
  return low
}
