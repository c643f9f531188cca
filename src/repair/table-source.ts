/** One table to be saved: its file, how it is read, and what of it cannot be. */
import { corruption, type VarveError } from '../base/errors.js'
import { sstName } from '../base/file-names.js'
import { metadataOf } from '../compaction/table-writer.js'
import type { FileSystem } from '../env/file-system.js'
import type { Block } from '../sstable/block.js'
import type { TableCache } from '../sstable/table-cache.js'
import type { TableReader } from '../sstable/table-reader.js'
import type { TableMetadata } from '../version/table-metadata.js'
import { asDamage } from './damage.js'
import {
  indexedBlocks,
  type KeyBounds,
  SalvageCursor,
  scannedBlocks,
  type TableLoss,
} from './salvage-table.js'

export interface TableSourceSettings {
  readonly fileSystem: FileSystem
  readonly databaseId: Uint8Array
  readonly number: number
  /** Where the file is; it may stand under another table's name. */
  readonly path: string
  /** Opens the table from there. The caller's, and open for as long as the source is read. */
  readonly tables: TableCache
  /** What the MANIFEST says; by default that of the file. */
  readonly sizeBytes?: number
}

export class TableSource {
  readonly name: string
  readonly losses: TableLoss[] = []
  /** Why the table cannot be opened: then blocks are looked for from its beginning. */
  readonly refusal: VarveError | undefined
  readonly #settings: TableSourceSettings
  readonly #reader: TableReader | undefined
  readonly #isThere: boolean
  #cursor: SalvageCursor | undefined

  private constructor(
    settings: TableSourceSettings,
    opened: { reader?: TableReader; refusal?: VarveError; isThere: boolean },
  ) {
    this.#settings = settings
    this.name = sstName(settings.number)
    this.#reader = opened.reader
    this.refusal = opened.refusal
    this.#isThere = opened.isThere
  }

  static async open(settings: TableSourceSettings): Promise<TableSource> {
    const { fileSystem, number, path, tables } = settings
    try {
      const status = await fileSystem.stat(path)
      if (status === undefined) {
        const refusal = corruption('A table that the MANIFEST names is missing', path)
        return new TableSource(settings, { refusal, isThere: false })
      }
      const reader = await tables.open(number, settings.sizeBytes ?? status.sizeBytes)
      return new TableSource(settings, { reader, isThere: true })
    } catch (error) {
      return new TableSource(settings, { refusal: asDamage(error, path), isThere: true })
    }
  }

  get path(): string {
    return this.#settings.path
  }

  /** What the table says of itself, when it can be opened. */
  get metadata(): TableMetadata | undefined {
    const reader = this.#reader
    return reader && metadataOf(this.#settings.number, { ...reader.properties, sizeBytes: reader.sizeBytes })
  }

  get largestSequence(): number {
    return this.#cursor?.largestSequence ?? 0
  }

  /** The entries that were read. */
  get entryCount(): number {
    return this.#cursor?.entryCount ?? 0
  }

  /** The last key that was read. */
  get lastKey(): Uint8Array | undefined {
    return this.entryCount === 0 ? undefined : this.#cursor?.lastKey
  }

  /**
   * Everything that can be read, front to back, once.
   * @param bounds - the keys that the store looks for in this table, where a MANIFEST tells: others were never seen
   */
  cursor(bounds?: KeyBounds): SalvageCursor {
    const disordered = corruption('Entries are out of order', this.path)
    const stray = corruption('Entries are outside of the keys that the MANIFEST tells of', this.path)
    this.#cursor ??= new SalvageCursor(this.#blocks(), bounds, (isInOrder) => {
      const error = isInOrder ? stray : disordered
      if (this.losses.at(-1)?.error !== error) this.losses.push({ error, keys: {} })
    })
    return this.#cursor
  }

  #blocks(): Iterator<Block> {
    const { fileSystem, databaseId, number } = this.#settings
    if (!this.#isThere) return [][Symbol.iterator]()
    if (this.#reader !== undefined) return indexedBlocks(this.#reader, (loss) => this.losses.push(loss))
    return scannedBlocks(fileSystem, this.path, databaseId, number)
  }
}
