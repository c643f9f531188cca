/**
 * What flush and compaction share: writing a sorted stream of entries into new tables, and taking everything back when
 * that fails.
 *
 * A table counts only when its bytes, its footer (read back) and its name are durable; the caller adds it to
 * the MANIFEST after that.
 */

import { NEVER } from '../base/entry.js'
import { corruption, ioError } from '../base/errors.js'
import { sstName } from '../base/file-names.js'
import { type FileSystem, readFullySync } from '../env/file-system.js'
import type { Compression } from '../sstable/compression.js'
import { decodeFooter, FOOTER_LENGTH } from '../sstable/footer.js'
import { TableBuilder, type TableSummary } from '../sstable/table-builder.js'
import type { TableMetadata } from '../version/table-metadata.js'
import type { CompactionIterator } from './compaction-iterator.js'

/** How tables are written. Structured-cloneable. */
export interface TableSettings {
  readonly directory: string
  readonly databaseId: Uint8Array
  readonly blockSize: number
  readonly compression: Compression
  readonly filterBitsPerKey: number
}

/** What a job needs of the thread that it runs on. */
export interface JobEnvironment {
  readonly fileSystem: FileSystem
  /** Lets other jobs of the thread run: awaited every few hundred kilobytes. */
  pause(): Promise<void>
}

/** The output bytes between two pauses. */
const PAUSE_BYTES = 256 * 1024

/** The entries between two looks at how much was written. */
const CHECK_ENTRIES = 512

/** Where a table's file is. */
export function tablePath(directory: string, number: number): string {
  return `${directory}/${sstName(number)}`
}

export class TableWriter {
  readonly #fileSystem: FileSystem
  readonly #settings: TableSettings
  readonly #createdAt: number
  readonly #written: TableMetadata[] = []
  #builder: TableBuilder | undefined
  #number = 0
  #entriesUnchecked = 0
  /** The size of the table in hand when a pause was due last. */
  #pausedAt = 0

  constructor(fileSystem: FileSystem, settings: TableSettings, createdAt: number) {
    this.#fileSystem = fileSystem
    this.#settings = settings
    this.#createdAt = createdAt
  }

  /** Whether a table is being written. */
  get open(): boolean {
    return this.#builder !== undefined
  }

  /** The size of the table that is being written, about. */
  get tableBytes(): number {
    return this.#builder?.estimatedSizeBytes ?? 0
  }

  /** The tables that are finished. */
  get tables(): readonly TableMetadata[] {
    return this.#written
  }

  async begin(number: number): Promise<void> {
    const path = tablePath(this.#settings.directory, number)
    try {
      const file = await this.#fileSystem.open(path, 'create')
      this.#number = number
      this.#pausedAt = 0
      this.#builder = new TableBuilder(file, {
        databaseId: this.#settings.databaseId,
        tableNumber: number,
        blockSize: this.#settings.blockSize,
        compression: this.#settings.compression,
        filterBitsPerKey: this.#settings.filterBitsPerKey,
        createdAt: this.#createdAt,
      })
    } catch (error) {
      throw ioError(error, 'creating', path)
    }
  }

  /** Adds an entry. Whether so much was written that other jobs of the thread should run. */
  add(entry: CompactionIterator): boolean {
    this.#builder?.add(
      entry.keyBytes,
      entry.keyStart,
      entry.keyEnd,
      entry.sequence,
      entry.kind,
      entry.valueBytes,
      entry.valueStart,
      entry.valueEnd,
    )
    if (++this.#entriesUnchecked < CHECK_ENTRIES) return false
    this.#entriesUnchecked = 0
    if (this.tableBytes - this.#pausedAt < PAUSE_BYTES) return false
    this.#pausedAt = this.tableBytes
    return true
  }

  /** Ends the table: its bytes are durable and its footer reads back. Its name becomes durable in {@link finish}. */
  async end(): Promise<void> {
    const builder = this.#builder
    if (builder === undefined) return
    const path = tablePath(this.#settings.directory, this.#number)
    try {
      const summary = builder.finish()
      await this.#checkFooter(path, summary.sizeBytes)
      this.#written.push(metadataOf(this.#number, summary))
      this.#builder = undefined
    } catch (error) {
      throw ioError(error, 'writing', path)
    }
  }

  /** Makes the names of all tables durable and hands them out. */
  async finish(): Promise<readonly TableMetadata[]> {
    if (this.#written.length > 0) {
      try {
        await this.#fileSystem.syncDir(this.#settings.directory)
      } catch (error) {
        throw ioError(error, 'syncing', this.#settings.directory)
      }
    }
    return this.#written
  }

  /** Takes everything back. What cannot be deleted now is an orphan that the next open collects. */
  async abandon(): Promise<void> {
    const numbers = this.#written.map((table) => table.number)
    if (this.#builder !== undefined) {
      this.#builder.abandon()
      this.#builder = undefined
      numbers.push(this.#number)
    }
    for (const number of numbers) {
      await this.#fileSystem.unlink(tablePath(this.#settings.directory, number)).catch(() => undefined)
    }
  }

  async #checkFooter(path: string, sizeBytes: number): Promise<void> {
    const file = await this.#fileSystem.open(path, 'read')
    try {
      const footer = new Uint8Array(FOOTER_LENGTH)
      const length = readFullySync(file, footer, sizeBytes - FOOTER_LENGTH)
      if (length !== FOOTER_LENGTH)
        throw corruption('A table that was just written is cut off', path, sizeBytes)
      if (decodeFooter(footer).tableNumber !== this.#number) {
        throw corruption(
          'A table that was just written reads back as another one',
          path,
          sizeBytes - FOOTER_LENGTH,
        )
      }
    } finally {
      file.closeSync()
    }
  }
}

/** The metadata of a table out of its own properties. */
export function metadataOf(number: number, summary: TableSummary): TableMetadata {
  return {
    number,
    sizeBytes: summary.sizeBytes,
    entryCount: summary.entryCount,
    tombstoneCount: summary.tombstoneCount,
    smallest: summary.smallestKey,
    largest: summary.largestKey,
    smallestSequence: summary.smallestSequence,
    largestSequence: summary.largestSequence,
    earliestExpiry: summary.earliestExpiry,
    latestExpiry: summary.expiringCount === summary.entryCount ? summary.latestExpiry : NEVER,
    rawKeyBytes: summary.rawKeyBytes,
    rawValueBytes: summary.rawValueBytes,
    createdAt: summary.createdAt,
  }
}
