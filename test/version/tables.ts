/** Synthetic table metadata for tests: keys are numbers, written as big-endian bytes. */
import type { TableMetadata } from '../../src/version/table-metadata.js'

export function key(n: number): Uint8Array {
  return Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n)
}

export function table(
  number: number,
  smallest: number,
  largest: number,
  changes: Partial<TableMetadata> = {},
): TableMetadata {
  return {
    number,
    sizeBytes: 1_000,
    entryCount: 100,
    tombstoneCount: 0,
    smallest: key(smallest),
    largest: key(largest),
    smallestSequence: number * 100,
    largestSequence: number * 100 + 99,
    earliestExpiry: Number.POSITIVE_INFINITY,
    latestExpiry: Number.POSITIVE_INFINITY,
    rawKeyBytes: 400,
    rawValueBytes: 2_000,
    createdAt: 1_700_000_000_000,
    ...changes,
  }
}
