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
import { type Block, EMPTY_BLOCK } from '../../sstable/block.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { TableReader } from '../../sstable/table-reader.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import type { Version } from '../../version/version.js'
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
  return findVersion(state, key, sequence, fetcher, result) && isLive(result, clock)
}

/** Whether what was found is neither a tombstone nor expired. */
export function isLive(result: LookupResult, clock: Clock): boolean {
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
    fetcher.settle()
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
  const hash = hash32(key.bytes, 0, key.length)
  if (findInMemtables(state, key, hash, sequence, result)) return true
  walk.reset()
  while (walk.next(state.version, key, hash, sequence, fetcher)) {
    if (walk.find(key, hash, sequence, result)) return true
  }
  return false
}

/** Finds the newest version of `key` at or before `sequence` that a memtable holds. */
export function findInMemtables(
  { memtables }: ReadState,
  key: SearchKey,
  hash: number,
  sequence: number,
  result: LookupResult,
): boolean {
  for (const memtable of memtables) if (memtable.find(key, hash, sequence, result)) return true
  return false
}

/** From block to block that may hold a key, the newest first. Reusable. */
export class TableWalk {
  /** The block at hand. */
  block: Block = EMPTY_BLOCK
  #reader: TableReader | undefined
  /** How many tables of level 0 have been asked, and then levels. */
  #asked = 0

  /** Stands before the first table. What was described in a block is good until now. */
  reset(): void {
    this.#stand(EMPTY_BLOCK)
    this.#reader = undefined
    this.#asked = 0
  }

  /** Moves on to the next block that may hold the key; false when there is none. Throws `NotResident`. */
  next(version: Version, key: SearchKey, hash: number, sequence: number, fetcher: BlockFetcher): boolean {
    const { bytes, length } = key
    const { levels } = version
    const newest = levels[0]
    while (this.#asked < newest.length) {
      const table = newest[this.#asked++]
      if (isInside(table, bytes, length) && this.#enter(table, key, hash, sequence, fetcher)) return true
    }
    for (;;) {
      const level = ++this.#asked - newest.length
      if (level >= LEVEL_COUNT) return false
      if (levels[level].length === 0) continue
      const table = version.findTable(level, bytes, 0, length)
      if (table !== undefined && this.#enter(table, key, hash, sequence, fetcher)) return true
    }
  }

  /** Finds the newest version of the key at or before `sequence` in the block at hand. */
  find(key: SearchKey, hash: number, sequence: number, result: LookupResult): boolean {
    const reader = this.#reader as TableReader
    return reader.findIn(this.block, key.bytes, 0, key.length, sequence, hash, result)
  }

  #enter(
    table: TableMetadata,
    key: SearchKey,
    hash: number,
    sequence: number,
    fetcher: BlockFetcher,
  ): boolean {
    const reader = fetcher.table(table.number, table.sizeBytes)
    const block = reader.locate(key.bytes, 0, key.length, sequence, hash, fetcher)
    if (block === undefined) return false
    this.#reader = reader
    this.#stand(block)
    return true
  }

  #stand(block: Block): void {
    block.pin()
    this.block.unpin()
    this.block = block
  }
}

/** Lookups are made one after the other, each in one step. */
const walk = new TableWalk()

function isInside(table: TableMetadata, key: Uint8Array, length: number): boolean {
  return (
    compareBytes(key, 0, length, table.smallest, 0, table.smallest.length) >= 0 &&
    compareBytes(key, 0, length, table.largest, 0, table.largest.length) <= 0
  )
}
