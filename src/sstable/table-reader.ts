/**
 * An open table: its bounds, its filter, its top index, and reads of its blocks.
 *
 * Small on purpose: everything else of the table goes through the block cache. Immutable but for its descriptor,
 * which comes and goes (table-file.ts), so a reader stays good for as long as its file is there.
 */
import { uninitialized } from '../base/bytes.js'
import type { FoundEntry } from '../base/entry.js'
import { corruption } from '../base/errors.js'
import { Block, LARGEST_REUSED } from './block.js'
import { BlockCursor } from './block-cursor.js'
import type { BlockFetcher } from './block-fetcher.js'
import { BlockHandle, decodeAfterHandle, decodeHandle } from './block-handle.js'
import { ExpiryIndex } from './expiry-index.js'
import type { TableFilter } from './filter.js'
import { ENVELOPE_LENGTH, openPhysicalBlock, viewPhysicalBlock } from './physical-block.js'
import type { TableProperties } from './properties.js'
import type { ReadPace } from './read-pace.js'
import type { TableFile } from './table-file.js'
import { naming, type TableContents } from './table-opening.js'

/** What looking keys up took, over all tables that share it. */
export class LookupStatistics {
  /** Keys that were looked up, wherever they were found. */
  lookups = 0
  /** Tables that were searched for them, behind their filters. */
  searches = 0
  /** Filters that were asked. */
  probes = 0
  /** Those that it kept from reading a block. */
  negatives = 0
  /** Those that it let through to a block where the key was not. */
  falsePositives = 0
}

/** A key of the top index: where a table can be split. */
export interface Fence {
  /** At or behind every key before it, before every key behind. */
  readonly key: Uint8Array
  /** Where the data in front of the fence begins in the file. */
  readonly dataOffset: number
}

/** Blocking reads of blocks go through here: what is decoded is copied or decompressed out of it. */
const scratch = new Uint8Array(64 * 1024)

export class TableReader {
  readonly file: TableFile
  readonly sizeBytes: number
  readonly properties: TableProperties
  /** The only index block, or the top of two levels. */
  readonly index: Block
  readonly indexLevels: 1 | 2
  readonly filter: TableFilter | undefined
  /** Data blocks fill the file from 0 to here. */
  readonly dataEnd: number
  /** The block cache's key of a block is this plus the block's offset. */
  readonly firstCacheKey: number
  readonly #partitionsStart: number
  readonly #partitionsEnd: number
  readonly #salt: number
  readonly #statistics: LookupStatistics
  readonly #handle = new BlockHandle()

  constructor(
    file: TableFile,
    sizeBytes: number,
    contents: TableContents,
    firstCacheKey: number,
    statistics: LookupStatistics = new LookupStatistics(),
  ) {
    const { footer } = contents
    this.file = file
    this.sizeBytes = sizeBytes
    this.properties = contents.properties
    this.index = contents.index
    this.indexLevels = footer.indexLevels
    this.filter = contents.filter
    this.dataEnd = footer.filter.offset
    this.firstCacheKey = firstCacheKey
    this.#partitionsStart = this.properties.expiryIndexOffset + this.properties.expiryIndexSize
    this.#partitionsEnd = footer.index.offset
    this.#salt = contents.salt
    this.#statistics = statistics
  }

  get number(): number {
    return this.file.number
  }

  /** About what the reader itself holds in memory. */
  get memoryBytes(): number {
    const { smallestKey, largestKey } = this.properties
    return (
      this.index.memoryBytes + (this.filter?.memoryBytes ?? 0) + smallestKey.length + largestKey.length + 1024
    )
  }

  /**
   * Describes in `into` the newest version of the key whose sequence number is at most `sequence`; false when the table
   * has none. `hash` is `hash32` of the key. Allocates nothing when the blocks are cached.
   * Throws what `fetcher.block` throws.
   */
  get(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    hash: number,
    fetcher: BlockFetcher,
    into: FoundEntry,
  ): boolean {
    const block = this.locate(key, keyStart, keyEnd, sequence, hash, fetcher)
    return block !== undefined && this.findIn(block, key, keyStart, keyEnd, sequence, hash, into)
  }

  /** The first half of {@link get}: the block that holds the key if the table does. */
  locate(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    hash: number,
    fetcher: BlockFetcher,
  ): Block | undefined {
    const { filter } = this
    if (filter !== undefined && !filter.mayContain(hash)) {
      this.#statistics.probes++
      this.#statistics.negatives++
      return undefined
    }
    const handle = this.#handle
    let leaf = this.index
    let position = leaf.search(key, keyStart, keyEnd, sequence)
    if (this.indexLevels === 2 && position < leaf.count) {
      this.partitionHandle(position, handle)
      leaf = fetcher.block(this, handle.offset, handle.size)
      position = leaf.search(key, keyStart, keyEnd, sequence)
    }
    if (position === leaf.count) {
      this.#countSearch(false)
      return undefined
    }
    this.dataHandle(leaf, position, handle)
    return fetcher.block(this, handle.offset, handle.size)
  }

  /** The second half of {@link get}, in the block that {@link locate} gave. */
  findIn(
    block: Block,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    hash: number,
    into: FoundEntry,
  ): boolean {
    const found = block.find(key, keyStart, keyEnd, sequence, hash, into)
    this.#countSearch(found)
    return found
  }

  #countSearch(found: boolean): void {
    this.#statistics.searches++
    if (this.filter === undefined) return
    this.#statistics.probes++
    if (!found) this.#statistics.falsePositives++
  }

  /** The handle of index partition `position` of the top index; throws `CORRUPTION` when it points elsewhere. */
  partitionHandle(position: number, into: BlockHandle): void {
    this.#decodeHandle(this.index, position, into)
    if (into.offset < this.#partitionsStart || into.offset + into.size > this.#partitionsEnd)
      this.misplaced(into)
  }

  /** The handle of the data block behind entry `position` of an index leaf; throws `CORRUPTION` when it points elsewhere. */
  dataHandle(leaf: Block, position: number, into: BlockHandle): void {
    this.#decodeHandle(leaf, position, into)
    if (into.offset + into.size > this.dataEnd) this.misplaced(into)
  }

  /**
   * Reads, checks and decodes a block of the file, with `reuse` in memory that is used again; `pace` is told how long the reading
   * took. Blocks the thread.
   */
  readBlockSync(offset: number, size: number, reuse = false, pace?: ReadPace): Block {
    if (size > scratch.length) return this.decodeBlock(this.readSync(offset, size), offset, true)
    const target = scratch.subarray(0, size)
    const read = (): number => this.file.readSync(target, offset)
    this.#checkLength(pace === undefined ? read() : pace.timed(read), size, offset)
    return this.decodeBlock(target, offset, false, reuse)
  }

  /** {@link readBlockSync} without blocking. */
  async readBlock(offset: number, size: number, reuse = false): Promise<Block> {
    return this.decodeBlock(await this.read(offset, size), offset, true, reuse)
  }

  /** Reads the expiry index; nothing of it is kept. */
  async readExpiryIndex(): Promise<ExpiryIndex> {
    const { expiryIndexOffset: offset, expiryIndexSize: size } = this.properties
    if (size === 0) return ExpiryIndex.NONE
    const bytes = await this.read(offset, size)
    return naming(this.file.path, offset, () => {
      return new ExpiryIndex(openPhysicalBlock(bytes, this.#salt, offset, true), this.dataEnd)
    })
  }

  /** Bytes of the file as they are: a run of blocks, read ahead. Blocks the thread. */
  readSync(offset: number, length: number, bytes = uninitialized(length)): Uint8Array {
    this.#checkLength(this.file.readSync(bytes, offset), length, offset)
    return bytes
  }

  /** {@link readSync} without blocking. */
  async read(offset: number, length: number, bytes = uninitialized(length)): Promise<Uint8Array> {
    this.#checkLength(await this.file.read(bytes, offset), length, offset)
    return bytes
  }

  /**
   * The block whose physical bytes are `bytes`; with `keep` it may hold on to them, with `reuse` its memory is used again
   * behind the last unpin. Throws `CORRUPTION`.
   */
  decodeBlock(bytes: Uint8Array, offset: number, keep: boolean, reuse = false): Block {
    return naming(this.file.path, offset, () => {
      if (!reuse || bytes.length > LARGEST_REUSED) {
        return new Block(openPhysicalBlock(bytes, this.#salt, offset, keep))
      }
      const payload = viewPhysicalBlock(bytes, this.#salt, offset)
      // A larger one was decompressed into memory of its own.
      return payload.length > LARGEST_REUSED ? new Block(payload) : Block.inReusedMemory(payload)
    })
  }

  /**
   * About where the first entry at or behind the key is in the file: exact to a data block with one index level, to
   * an index partition with two. Reads nothing.
   */
  approximateOffset(key: Uint8Array, keyStart: number, keyEnd: number): number {
    const position = this.index.search(key, keyStart, keyEnd, Number.MAX_SAFE_INTEGER)
    return position === this.index.count ? this.dataEnd : this.#dataOffset(position)
  }

  /**
   * Keys of the top index, in order, with the data in front of them: for splitting a range by size. All of them, or at most
   * `most`, evenly spread; the last one is always there.
   */
  fences(most: number = this.index.count): Fence[] {
    const cursor = new BlockCursor()
    cursor.reset(this.index)
    const step = Math.ceil(this.index.count / most)
    const fences: Fence[] = []
    let position = 0
    let first = 0
    for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
      position++
      if (position - first < step && position < this.index.count) continue
      const key = cursor.keyBytes.slice(cursor.keyStart, cursor.keyEnd)
      fences.push({ key, dataOffset: this.#dataOffset(first) })
      first = position
    }
    return fences
  }

  /** Where the data under entry `position` of the top index begins. */
  #dataOffset(position: number): number {
    if (this.indexLevels === 1) {
      this.dataHandle(this.index, position, this.#handle)
      return this.#handle.offset
    }
    const { bytes } = this.index
    const at = this.index.valueStartAt(position)
    const end = this.index.endAt(position)
    return naming(this.file.path, this.#partitionsEnd, () => decodeAfterHandle(bytes, at, end))
  }

  #decodeHandle(index: Block, position: number, into: BlockHandle): void {
    try {
      decodeHandle(index.bytes, index.valueStartAt(position), index.endAt(position), into)
    } catch (error) {
      throw corruption('An index entry has no block handle', this.file.path, undefined, error)
    }
    if (into.size <= ENVELOPE_LENGTH) this.misplaced(into)
  }

  /** Throws `CORRUPTION` for an index entry that leads where it must not. */
  misplaced(handle: BlockHandle): never {
    throw corruption(
      `An index entry names ${handle.size} bytes that are no block of its kind`,
      this.file.path,
      handle.offset,
    )
  }

  #checkLength(got: number, wanted: number, offset: number): void {
    if (got !== wanted)
      throw corruption('The SSTable is shorter than it was when it was written', this.file.path, offset)
  }
}
