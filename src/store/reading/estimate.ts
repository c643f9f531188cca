/**
 * Estimates of how much there is, from what is in memory: table metadata, top indexes, memtables. Reads no block.
 *
 * Versions that compaction has not removed yet count as entries, so an estimate is high where keys are overwritten.
 */
import { compareBytes, compareKeys, EMPTY } from '../../base/bytes.js'
import { MAX_SEQUENCE } from '../../base/entry.js'
import type { Cursor } from '../../iterator/cursor.js'
import type { Memtable } from '../../memtable/memtable.js'
import type { TableCache } from '../../sstable/table-cache.js'
import { overlaps, type TableMetadata } from '../../version/table-metadata.js'
import type { ByteRange } from '../range.js'
import type { ReadState } from './read-state.js'

/** Entries of a memtable shard that are looked at for a range; what is behind them is guessed. */
const MOST_STEPS = 1024

/** About how many live entries there are: a tombstone takes itself and one other entry away. */
export function estimateCount(state: ReadState): number {
  let count = 0
  for (const { entryCount, tombstoneCount } of state.memtables) count += entryCount - 2 * tombstoneCount
  for (const { table } of state.version.tables()) count += table.entryCount - 2 * table.tombstoneCount
  return Math.max(0, count)
}

/** About how many bytes the keys and values in `range` have. */
export function estimateBytes(state: ReadState, range: ByteRange, tables: TableCache): number {
  let bytes = 0
  for (const memtable of state.memtables) bytes += bytesOfMemtable(memtable, range)
  for (const { table } of state.version.tables()) {
    bytes += (table.rawKeyBytes + table.rawValueBytes) * shareOfTable(table, range, tables)
  }
  return Math.round(bytes)
}

/** The share of a table's entries that lies in `range`. */
function shareOfTable(table: TableMetadata, range: ByteRange, tables: TableCache): number {
  const { lower, upper } = range
  if (!overlaps(table, lower, upper)) return 0
  const cutBelow = lower !== undefined && compareKeys(table.smallest, lower) < 0
  const cutAbove = upper !== undefined && compareKeys(table.largest, upper) >= 0
  if (!cutBelow && !cutAbove) return 1
  const reader = tables.resident(table.number)
  if (reader === undefined) return cutBelow && cutAbove ? 1 / 4 : 1 / 2
  const from = cutBelow ? reader.approximateOffset(lower, 0, lower.length) : 0
  const to = cutAbove ? reader.approximateOffset(upper, 0, upper.length) : reader.dataEnd
  // Offsets are exact to a block, and a range inside one block is some of it.
  return Math.max((to - from) / reader.dataEnd, 1 / (2 * reader.properties.dataBlockCount))
}

function bytesOfMemtable(memtable: Memtable, { lower, upper }: ByteRange): number {
  if (lower === undefined && upper === undefined) return memtable.payloadBytes
  let bytes = 0
  let steps = 0
  let isCut = false
  for (const cursor of memtable.cursors()) {
    const from = lower ?? EMPTY
    cursor.seek(from, 0, from.length, MAX_SEQUENCE)
    let left = MOST_STEPS
    for (; left > 0 && isBelow(cursor, upper); left--) {
      bytes += cursor.keyEnd - cursor.keyStart + cursor.valueEnd - cursor.valueStart
      steps++
      cursor.next()
    }
    if (left === 0) isCut = true
  }
  if (!isCut) return bytes
  const unseen = Math.max(0, memtable.entryCount - steps)
  return bytes + (unseen / 2) * (bytes / steps)
}

function isBelow(cursor: Cursor, upper: Uint8Array | undefined): boolean {
  if (!cursor.valid) return false
  if (upper === undefined) return true
  return compareBytes(cursor.keyBytes, cursor.keyStart, cursor.keyEnd, upper, 0, upper.length) < 0
}
