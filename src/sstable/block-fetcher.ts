/**
 * How one operation gets at open tables and at blocks: block cache, then what this operation loaded before, then
 * the file.
 *
 * A blocking fetcher reads the file there and then; it keeps nothing and may be shared. One that must not block may do
 * so, too, for lookups and as long as that is quick (`briefReads`); else it throws `NotResident` (iterator/not-resident):
 * the driver awaits the load and runs its step again. What a load brought in is held by the fetcher, whatever the cache
 * has room for, so that the step makes progress every time; the driver calls `settle` when the step is done. Hence what is
 * held is bounded by what one step needs.
 *
 * A cursor pins the blocks that it stands in and tells of those that it leaves. With `returnsBlocks` they are unpinned at the next
 * `settle`, and behind the last pin, which may be the block cache's, their memory takes in others. A driver that is done clears its
 * cursors, then settles.
 */
import type { BlockCache } from '../cache/block-cache.js'
import { NotResident } from '../iterator/not-resident.js'
import type { Block } from './block.js'
import type { ReadAhead } from './read-ahead.js'
import type { TableCache } from './table-cache.js'
import type { TableReader } from './table-reader.js'

export interface BlockFetcherSettings {
  /** Whether it may block the thread; else it throws `NotResident`. */
  readonly blocking: boolean
  /** Whether what is read goes into the block cache. Default true. */
  readonly fillCache?: boolean
  /** How many bytes of it at most. Default: all. */
  readonly fillBytes?: number
  /** When it must not block: how many blocks lookups may read all the same while that is quick (read-pace.ts). Default 0. */
  readonly briefReads?: number
  /**
   * Whether the memory of blocks that cursors have left is used again: then nothing that lay in them may be looked at behind
   * `settle`. Default false: they are left to the garbage collector.
   */
  readonly returnsBlocks?: boolean
}

/** So many bytes of blocks that were left wait for `settle`, four chunks of an iterator; more are left to the garbage collector. */
const MOST_LEFT_BYTES = 512 * 1024

export class BlockFetcher {
  readonly #tables: TableCache
  readonly #cache: BlockCache<Block>
  /** Whether it may block the thread; may be changed between steps. */
  blocking: boolean
  /** What may still go into the block cache. */
  #fillLeft: number
  #briefLeft: number
  /** By cache key; made with the first that arrives, which most fetchers never see. */
  #arrivedBlocks: Map<number, Block> | undefined
  #arrivedTables: Map<number, TableReader> | undefined
  readonly #returnsBlocks: boolean
  /** Pinned blocks that no cursor stands in any more. */
  #left: Block[] = []
  #leftBytes = 0

  constructor(tables: TableCache, settings: BlockFetcherSettings) {
    this.#tables = tables
    this.#cache = tables.blockCache
    this.blocking = settings.blocking
    const { fillCache = true, fillBytes = Number.POSITIVE_INFINITY } = settings
    this.#fillLeft = fillCache ? fillBytes : 0
    this.#briefLeft = settings.briefReads ?? 0
    this.#returnsBlocks = settings.returnsBlocks ?? false
  }

  /** One more key was looked up, in however many tables. */
  countLookup(): void {
    this.#tables.lookupStatistics.lookups++
  }

  /** The reader of table `number`, whose file has `sizeBytes`. */
  table(number: number, sizeBytes: number): TableReader {
    const resident = this.#tables.resident(number)
    if (resident !== undefined) return resident
    if (this.blocking) return this.#tables.openSync(number, sizeBytes)
    const arrived = this.#arrivedTables?.get(number)
    if (arrived !== undefined) return arrived
    throw new NotResident(async () => {
      const reader = await this.#tables.open(number, sizeBytes)
      this.#arrivedTables ??= new Map()
      this.#arrivedTables.set(number, reader)
    })
  }

  /** The block at `offset` of `table`, for a lookup: good until another one is asked for, or pinned by then. */
  block(table: TableReader, offset: number, size: number): Block {
    const resident = this.#resident(table, offset)
    if (resident !== undefined) return resident
    const block = this.blocking
      ? table.readBlockSync(offset, size, this.#fillLeft > 0)
      : this.#tryBriefly(table, offset, size)
    return this.#keep(table, offset, block)
  }

  /**
   * The same for a cursor: good until the cursor has left it and `settle` was called, or for ever without `returnsBlocks`.
   * With `readAhead`, the cursor's own, more may be read than that block.
   */
  cursorBlock(table: TableReader, offset: number, size: number, readAhead?: ReadAhead): Block {
    readAhead?.note(offset, size)
    const block = this.#resident(table, offset) ?? this.#missing(table, offset, size, readAhead)
    block.pin()
    return block
  }

  /** A cursor has left a block that it got. */
  leave(block: Block): void {
    if (!this.#returnsBlocks) return
    if (this.#leftBytes > MOST_LEFT_BYTES) this.#forgetLeft()
    this.#left.push(block)
    this.#leftBytes += block.memoryBytes
  }

  /** Lets go of what was loaded and of what was left: the step that needed it is done. */
  settle(): void {
    if (this.#left.length > 0) {
      for (const block of this.#left) block.unpin()
      this.#forgetLeft()
    }
    if (this.#arrivedBlocks !== undefined) {
      for (const block of this.#arrivedBlocks.values()) block.unpin()
      this.#arrivedBlocks = undefined
    }
    this.#arrivedTables = undefined
  }

  #forgetLeft(): void {
    this.#left = []
    this.#leftBytes = 0
  }

  #resident(table: TableReader, offset: number): Block | undefined {
    const key = table.firstCacheKey + offset
    return this.#arrivedBlocks?.get(key) ?? this.#cache.get(key)
  }

  #missing(table: TableReader, offset: number, size: number, readAhead: ReadAhead | undefined): Block {
    const taken = readAhead?.taken(offset, size)
    if (taken !== undefined)
      return this.#keep(table, offset, table.decodeBlock(taken, offset, false, this.#returnsBlocks))
    const ahead = readAhead?.plan(offset, size, table.dataEnd) ? readAhead : undefined
    if (!this.blocking) throw this.#notResident(table, offset, size, ahead)
    if (ahead === undefined)
      return this.#keep(table, offset, table.readBlockSync(offset, size, this.#returnsBlocks))
    const { start, length } = ahead
    const run = table.readSync(start, length, ahead.target(length))
    return this.#takeFrom(run, start, ahead, table, offset, size)
  }

  /** Reads a block while that is quick; throws `NotResident` when it may not be. */
  #tryBriefly(table: TableReader, offset: number, size: number): Block {
    const { pace } = this.#tables
    if (this.#briefLeft === 0 || pace?.mayBlock(size) !== true) {
      throw this.#notResident(table, offset, size, undefined)
    }
    this.#briefLeft--
    return table.readBlockSync(offset, size, this.#fillLeft > 0, pace)
  }

  #notResident(table: TableReader, offset: number, size: number, ahead: ReadAhead | undefined): NotResident {
    if (ahead === undefined) {
      return new NotResident(async () => {
        const block = await table.readBlock(offset, size, this.#fillLeft > 0)
        this.#arrive(table, offset, this.#keep(table, offset, block))
      })
    }
    const { start, length } = ahead
    return new NotResident(async () => {
      // The block itself must arrive here, because the step may run again with another cursor, which has no run.
      const run = await table.read(start, length, ahead.target(length))
      this.#arrive(table, offset, this.#takeFrom(run, start, ahead, table, offset, size))
    })
  }

  #arrive(table: TableReader, offset: number, block: Block): void {
    block.pin()
    this.#arrivedBlocks ??= new Map()
    this.#arrivedBlocks.set(table.firstCacheKey + offset, block)
  }

  /** Leaves a run to the cursor that reads ahead; returns the wanted block from it. */
  #takeFrom(
    run: Uint8Array,
    start: number,
    ahead: ReadAhead,
    table: TableReader,
    offset: number,
    size: number,
  ): Block {
    ahead.hold(start, run)
    const bytes = run.subarray(offset - start, offset - start + size)
    return this.#keep(table, offset, table.decodeBlock(bytes, offset, false, this.#returnsBlocks))
  }

  #keep(table: TableReader, offset: number, block: Block): Block {
    const { memoryBytes } = block
    if (this.#fillLeft >= memoryBytes) {
      this.#fillLeft -= memoryBytes
      this.#cache.set(table.firstCacheKey + offset, block, memoryBytes)
    }
    return block
  }
}
