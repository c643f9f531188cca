/**
 * Writes one SSTable: data blocks as entries come, everything else in `finish`. Blocks the thread: flushes and
 * compactions run in a worker.
 *
 * Ownership: the builder takes over the file, which must be new, and closes it; unlinking an abandoned file and
 * syncing its directory are the caller's.
 * Invariant: entries are added in order, user key ascending and then sequence descending (asserted).
 */
import { assert } from '../base/assert.js'
import { compareBytes, copyOf } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { expiryOf, isTombstone, Kind, MAX_SEQUENCE, NEVER } from '../base/entry.js'
import { hash32 } from '../base/hash.js'
import type { File } from '../env/file-system.js'
import { BlockBuilder } from './block-builder.js'
import { BlockHandle } from './block-handle.js'
import type { Compression } from './compression.js'
import { ExpiryIndexBuilder } from './expiry-index.js'
import { FilterBuilder } from './filter.js'
import { DATABASE_ID_LENGTH, encodeFooter } from './footer.js'
import { IndexBuilder } from './index-builder.js'
import { PhysicalBlockWriter } from './physical-block.js'
import { encodeProperties, type TableProperties } from './properties.js'
import { separatorBetween } from './separator.js'

export interface TableBuilderSettings {
  readonly databaseId: Uint8Array
  readonly tableNumber: number
  /** What a data block is cut at, before compression. A larger entry gets a block of its own. Default 4096. */
  readonly blockSize?: number
  readonly compression: Compression
  /** 0: no filter. Default 10: about 1 false positive in 100. */
  readonly filterBitsPerKey?: number
  /** In ms since 1970. */
  readonly createdAt: number
  /** Above this the index has two levels. */
  readonly indexOneLevelLimit?: number
  readonly indexPartitionSize?: number
}

/** What was written. */
export interface TableSummary extends TableProperties {
  readonly sizeBytes: number
}

export class TableBuilder {
  readonly #file: File
  readonly #settings: TableBuilderSettings
  readonly #blockSize: number
  readonly #filterBitsPerKey: number
  readonly #writer: PhysicalBlockWriter
  readonly #block: BlockBuilder
  readonly #index: IndexBuilder
  readonly #filter: FilterBuilder | undefined
  readonly #expiries = new ExpiryIndexBuilder()
  #closed = false
  #smallestKey: Uint8Array | undefined
  #entryCount = 0
  #tombstoneCount = 0
  #expiringCount = 0
  #dataBlockCount = 0
  #smallestSequence = MAX_SEQUENCE
  #largestSequence = 0
  #earliestExpiry = NEVER
  #latestExpiry = -NEVER
  /** Of the block in hand. */
  #blockExpiry = NEVER
  #rawKeyBytes = 0
  #rawValueBytes = 0

  constructor(file: File, settings: TableBuilderSettings) {
    assert(settings.databaseId.length === DATABASE_ID_LENGTH, 'a database id has 16 bytes')
    this.#file = file
    this.#settings = settings
    this.#blockSize = settings.blockSize ?? 4096
    this.#filterBitsPerKey = settings.filterBitsPerKey ?? 10
    this.#writer = new PhysicalBlockWriter(file, fileSalt(settings.databaseId, settings.tableNumber))
    this.#block = new BlockBuilder(this.#blockSize)
    this.#index = new IndexBuilder(settings.indexOneLevelLimit, settings.indexPartitionSize)
    this.#filter = this.#filterBitsPerKey > 0 ? new FilterBuilder(this.#filterBitsPerKey) : undefined
  }

  get entryCount(): number {
    return this.#entryCount
  }

  /** About what the file would take if it were finished now. */
  get estimatedSizeBytes(): number {
    const open = this.#block.count === 0 ? 0 : this.#block.estimatedSizeBytes
    const beside = this.#index.estimatedSizeBytes + this.#expiries.sizeBytes + (this.#filter?.sizeBytes ?? 0)
    return this.#writer.offset + open + beside
  }

  /** The last user key compared with another one, as `compareBytes` does; there must be an entry. */
  compareLastKey(key: Uint8Array, keyStart: number, keyEnd: number): number {
    assert(this.#entryCount > 0, 'a table builder has a last key')
    const block = this.#block
    return compareBytes(block.bytes, block.lastKeyStart, block.lastKeyEnd, key, keyStart, keyEnd)
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    kind: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const block = this.#block
    const first = this.#entryCount === 0
    const order = first ? -1 : this.compareLastKey(key, keyStart, keyEnd)
    assert(order < 0 || (order === 0 && sequence < block.lastSequence), 'entries are added in order')
    if (block.count > 0 && block.estimateWith(keyEnd - keyStart, valueEnd - valueStart) > this.#blockSize) {
      this.#finishBlock(
        order === 0 ? copyOf(key, keyStart, keyEnd) : this.#separator(key, keyStart, keyEnd),
        order === 0,
      )
    }
    block.add(key, keyStart, keyEnd, sequence, kind, value, valueStart, valueEnd)
    if (order !== 0) this.#filter?.add(hash32(key, keyStart, keyEnd))
    if (first) this.#smallestKey = copyOf(key, keyStart, keyEnd)
    this.#entryCount++
    this.#rawKeyBytes += keyEnd - keyStart
    this.#rawValueBytes += valueEnd - valueStart
    if (sequence < this.#smallestSequence) this.#smallestSequence = sequence
    if (sequence > this.#largestSequence) this.#largestSequence = sequence
    if (isTombstone(kind)) this.#tombstoneCount++
    else if (kind === Kind.putWithExpiry) this.#countExpiry(expiryOf(kind, value, valueStart))
  }

  /** Writes the rest, makes the bytes durable and closes the file. There must be an entry. */
  finish(): TableSummary {
    assert(!this.#closed, 'a table builder is finished or abandoned once')
    assert(this.#smallestKey !== undefined, 'a table has an entry')
    const largestKey = copyOf(this.#block.bytes, this.#block.lastKeyStart, this.#block.lastKeyEnd)
    this.#finishBlock(largestKey, false)
    const { compression, databaseId, tableNumber } = this.#settings
    const writer = this.#writer
    const filter =
      this.#filter === undefined
        ? new BlockHandle(writer.offset, 0)
        : writer.append(this.#filter.finish(), 'none')
    const expiryIndex = this.#expiries.isEmpty
      ? new BlockHandle(writer.offset, 0)
      : writer.append(this.#expiries.finish(), compression)
    const { handle: index, levels } = this.#index.finish((payload) => writer.append(payload, compression))
    const summary = this.#properties(this.#smallestKey, largestKey, expiryIndex)
    const properties = writer.append(encodeProperties(summary), 'none')
    writer.appendRaw(
      encodeFooter({ filter, index, indexLevels: levels, properties, tableNumber, databaseId }),
    )
    writer.flush()
    this.#file.syncSync()
    this.abandon()
    return { ...summary, sizeBytes: writer.offset }
  }

  /** Closes the file as it is. Idempotent, also after {@link finish}. */
  abandon(): void {
    if (this.#closed) return
    this.#closed = true
    this.#writer.release()
    this.#filter?.release()
    this.#file.closeSync()
  }

  /** @param spans whether the next block begins with another version of `separator`. */
  #finishBlock(separator: Uint8Array, spans: boolean): void {
    const block = this.#block
    const handle = this.#writer.append(block.finish(), this.#settings.compression)
    this.#index.add(separator, spans ? block.lastSequence : 0, handle)
    this.#dataBlockCount++
    if (this.#blockExpiry !== NEVER) this.#expiries.add(this.#blockExpiry, handle)
    this.#blockExpiry = NEVER
    block.reset()
  }

  #separator(key: Uint8Array, keyStart: number, keyEnd: number): Uint8Array {
    const block = this.#block
    return separatorBetween(block.bytes, block.lastKeyStart, block.lastKeyEnd, key, keyStart, keyEnd)
  }

  #countExpiry(expiresAt: number): void {
    assert(!Number.isNaN(expiresAt), 'an expiry is a moment')
    this.#expiringCount++
    if (expiresAt < this.#blockExpiry) this.#blockExpiry = expiresAt
    if (expiresAt < this.#earliestExpiry) this.#earliestExpiry = expiresAt
    if (expiresAt > this.#latestExpiry) this.#latestExpiry = expiresAt
  }

  #properties(smallestKey: Uint8Array, largestKey: Uint8Array, expiryIndex: BlockHandle): TableProperties {
    return {
      entryCount: this.#entryCount,
      tombstoneCount: this.#tombstoneCount,
      expiringCount: this.#expiringCount,
      dataBlockCount: this.#dataBlockCount,
      smallestKey,
      largestKey,
      smallestSequence: this.#smallestSequence,
      largestSequence: this.#largestSequence,
      earliestExpiry: this.#earliestExpiry,
      latestExpiry: this.#expiringCount === 0 ? NEVER : this.#latestExpiry,
      expiryIndexOffset: expiryIndex.offset,
      expiryIndexSize: expiryIndex.size,
      rawKeyBytes: this.#rawKeyBytes,
      rawValueBytes: this.#rawValueBytes,
      createdAt: this.#settings.createdAt,
      compression: this.#settings.compression,
      filterBitsPerKey: this.#filterBitsPerKey,
    }
  }
}
