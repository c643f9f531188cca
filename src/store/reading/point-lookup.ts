/**
 * The newest version of one key: active memtable → frozen memtables, newest first → level 0, newest first → one table
 * in each deeper level. Fence keys first, then the filter, then the index block, then one data block.
 *
 * Synchronous and safe to run again from its start: with a fetcher that must not block it throws `NotResident`.
 */
import { compareBytes } from '../../base/bytes.js'
import { expiryOf, type FoundEntry, isTombstone, Kind, userValueStart } from '../../base/entry.js'
import { hash32 } from '../../base/hash.js'
import type { Clock } from '../../env/clock.js'
import { whenResident } from '../../iterator/not-resident.js'
import type { SearchKey } from '../../memtable/search-key.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import { LEVEL_COUNT } from '../../version/version-edit.js'
import type { ReadPoint } from './pinned-moments.js'
import type { ReadSource } from './read-source.js'
import type { ReadState } from './read-state.js'

/** An entry, wherever it was found. */
export class LookupResult implements FoundEntry {
  sequence = 0
  kind = 0
  valueBytes: Uint8Array = new Uint8Array(0)
  valueStart = 0
  valueEnd = 0

  /** Where the user's value begins. */
  get userValueStart(): number {
    return userValueStart(this.kind, this.valueStart)
  }

  /** In ms since 1970; `Infinity` for never. */
  get expiresAt(): number {
    return expiryOf(this.kind, this.valueBytes, this.valueStart)
  }
}

/** Finds what a reader at `sequence` sees under `key`; false for nothing, a tombstone or an expired entry. */
export function lookUp(
  state: ReadState,
  key: SearchKey,
  sequence: number,
  fetcher: BlockFetcher,
  result: LookupResult,
  clock: Clock,
): boolean {
  if (!findVersion(state, key, sequence, fetcher, result)) return false
  if (isTombstone(result.kind)) return false
  return result.kind !== Kind.putWithExpiry || result.expiresAt > clock.now()
}

/** {@link lookUp} that awaits what is not in memory: what `project` makes of what is found. `key` must stay as it is. */
export async function awaitLookUp<T>(
  { tableCache, clock }: ReadSource['parts'],
  { readState, sequence }: ReadPoint,
  key: SearchKey,
  project: (result: LookupResult, key: SearchKey) => T,
): Promise<T | undefined> {
  const state = readState.pin()
  const fetcher = new BlockFetcher(tableCache, { blocking: false })
  const result = new LookupResult()
  try {
    return await whenResident(() =>
      lookUp(state, key, sequence, fetcher, result, clock) ? project(result, key) : undefined,
    )
  } finally {
    state.unpin()
  }
}

/** Finds the newest version of `key` at or before `sequence`, whatever it is. */
export function findVersion(
  state: ReadState,
  key: SearchKey,
  sequence: number,
  fetcher: BlockFetcher,
  result: LookupResult,
): boolean {
  const found = search(state, key, sequence, fetcher, result)
  // Not before: a search that something is missing for is made again.
  fetcher.countLookup()
  return found
}

function search(
  state: ReadState,
  key: SearchKey,
  sequence: number,
  fetcher: BlockFetcher,
  result: LookupResult,
): boolean {
  const { bytes, length } = key
  const hash = hash32(bytes, 0, length)
  for (const memtable of state.memtables) if (memtable.find(key, hash, sequence, result)) return true
  const { version } = state
  for (const table of version.levels[0]) {
    if (isInside(table, bytes, length) && findInTable(table, key, hash, sequence, fetcher, result))
      return true
  }
  for (let level = 1; level < LEVEL_COUNT; level++) {
    if (version.levels[level].length === 0) continue
    const table = version.findTable(level, bytes, 0, length)
    if (table !== undefined && findInTable(table, key, hash, sequence, fetcher, result)) return true
  }
  return false
}

function isInside(table: TableMetadata, key: Uint8Array, length: number): boolean {
  return (
    compareBytes(key, 0, length, table.smallest, 0, table.smallest.length) >= 0 &&
    compareBytes(key, 0, length, table.largest, 0, table.largest.length) <= 0
  )
}

function findInTable(
  table: TableMetadata,
  key: SearchKey,
  hash: number,
  sequence: number,
  fetcher: BlockFetcher,
  result: LookupResult,
): boolean {
  const reader = fetcher.table(table.number, table.sizeBytes)
  return reader.get(key.bytes, 0, key.length, sequence, hash, fetcher, result)
}
