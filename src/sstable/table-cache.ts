/**
 * The open tables, at most `maxOpenFiles` of them with at most `maxMemoryBytes` of indexes and filters, least recently used
 * first out.
 *
 * A reader that falls out loses its descriptor but stays good: whoever still uses it reads on, which opens the file
 * again and brings the reader back in here.
 *
 * Invariants: at most one reader of a table exists at a time; descriptors held for longer than a read are at most
 * `maxOpenFiles`.
 */
import { LRUCache } from 'lru-cache'
import { errnoOf, readError, VarveError } from '../base/errors.js'
import type { BlockCache } from '../cache/block-cache.js'
import type { File, FileSystem } from '../env/file-system.js'
import type { Block } from './block.js'
import type { ReadPace } from './read-pace.js'
import { type DescriptorKeeper, TableFile } from './table-file.js'
import { openTable, type TableContents, type TableIdentity } from './table-opening.js'
import { LookupStatistics, TableReader } from './table-reader.js'

export interface TableCacheSettings {
  readonly fileSystem: FileSystem
  readonly databaseId: Uint8Array
  /** The path of a table's file. */
  readonly pathOf: (number: number) => string
  /** At least 1. */
  readonly maxOpenFiles: number
  /** What indexes and filters of the tables that are kept open may take, in bytes. Default: whatever they take. */
  readonly maxMemoryBytes?: number | undefined
  readonly blockCache: BlockCache<Block>
  /** When who must not block may do so. Default: never. */
  readonly pace?: ReadPace | undefined
  /** The error for a table whose file is not there. Default: `CORRUPTION`, since some version still names it. */
  readonly missing?: (path: string, cause: unknown) => VarveError
  /** Whether filters are read: of no use to who reads whole tables. Default true. */
  readonly filters?: boolean
  /** Called when a table has to do without its filter. */
  readonly onFilterDamage?: (path: string, error: VarveError) => void
}

interface KnownTable {
  /** The reader, if someone still uses it. */
  readonly reader: WeakRef<TableReader>
  /** Kept while the reader comes and goes, so that blocks stay cached. */
  readonly firstCacheKey: number
}

export class TableCache {
  readonly blockCache: BlockCache<Block>
  readonly pace: ReadPace | undefined
  readonly lookupStatistics = new LookupStatistics()
  readonly #settings: TableCacheSettings
  readonly #keeper: DescriptorKeeper
  readonly #readers: LRUCache<number, TableReader>
  /** Every table that was opened and is not obsolete. */
  readonly #known = new Map<number, KnownTable>()
  readonly #opening = new Map<number, Promise<TableReader>>()
  #closed = false

  constructor(settings: TableCacheSettings) {
    this.#settings = settings
    this.blockCache = settings.blockCache
    this.pace = settings.pace
    const { maxOpenFiles, maxMemoryBytes } = settings
    this.#readers = new LRUCache<number, TableReader>({
      max: maxOpenFiles,
      ...(maxMemoryBytes === undefined
        ? {}
        : {
            maxSize: maxMemoryBytes,
            // One that is larger than everything is kept alone.
            sizeCalculation: (reader) => Math.min(reader.memoryBytes, maxMemoryBytes),
          }),
      dispose: (reader) => reader.file.release(),
    })
    this.#keeper = {
      open: (path) => this.#openFile(path),
      openSync: (path) => this.#openFileSync(path),
      opened: (table) => this.#revive(table.number),
    }
  }

  /** The reader of a table, if it is in memory. */
  resident(number: number): TableReader | undefined {
    return this.#readers.get(number) ?? this.#revive(number)
  }

  /** The reader of a table, from its file if need be. Blocks the thread. */
  openSync(number: number, sizeBytes: number): TableReader {
    const resident = this.resident(number)
    if (resident !== undefined) return resident
    const { file, identity } = this.#describe(number, sizeBytes)
    try {
      const steps = openTable(identity)
      let step = steps.next()
      while (!step.done) {
        const bytes = new Uint8Array(step.value.length)
        step = steps.next(bytes.subarray(0, file.readSync(bytes, step.value.offset)))
      }
      return this.#adopt(file, sizeBytes, step.value)
    } catch (error) {
      file.close()
      throw error
    }
  }

  /** {@link openSync} without blocking. */
  open(number: number, sizeBytes: number): Promise<TableReader> {
    const resident = this.resident(number)
    if (resident !== undefined) return Promise.resolve(resident)
    let opening = this.#opening.get(number)
    if (opening === undefined) {
      opening = this.#openOnce(number, sizeBytes).finally(() => this.#opening.delete(number))
      this.#opening.set(number, opening)
    }
    return opening
  }

  /** Opens a table so that, for as long as it is one of the `maxOpenFiles`, reading it needs the name of its file no more. */
  async hold(number: number, sizeBytes: number): Promise<void> {
    const reader = await this.open(number, sizeBytes)
    await reader.file.hold()
  }

  /** Forgets an obsolete table, whose file is about to be unlinked. */
  evict(number: number): void {
    this.#known.get(number)?.reader.deref()?.file.close()
    this.#readers.delete(number)
    this.#known.delete(number)
  }

  /** The tables that are open. */
  get count(): number {
    return this.#readers.size
  }

  /** About what all open tables hold in memory, the block cache aside. */
  get memoryBytes(): number {
    let total = 0
    for (const reader of this.#readers.values()) total += reader.memoryBytes
    return total
  }

  /** Closes all descriptors, behind the reads that are under way; later reads are refused. */
  close(): void {
    this.#closed = true
    for (const known of this.#known.values()) known.reader.deref()?.file.close()
    this.#readers.clear()
    this.#known.clear()
  }

  async #openOnce(number: number, sizeBytes: number): Promise<TableReader> {
    const { file, identity } = this.#describe(number, sizeBytes)
    try {
      const steps = openTable(identity)
      let step = steps.next()
      while (!step.done) {
        const bytes = new Uint8Array(step.value.length)
        step = steps.next(bytes.subarray(0, await file.read(bytes, step.value.offset)))
      }
      // A blocking open may have come first.
      const resident = this.resident(number)
      if (resident !== undefined) {
        file.close()
        return resident
      }
      return this.#adopt(file, sizeBytes, step.value)
    } catch (error) {
      file.close()
      throw error
    }
  }

  #describe(number: number, sizeBytes: number): { file: TableFile; identity: TableIdentity } {
    const { databaseId, pathOf, filters, onFilterDamage } = this.#settings
    const path = pathOf(number)
    this.#assertOpen(path)
    const file = new TableFile(number, path, this.#keeper)
    return { file, identity: { databaseId, number, sizeBytes, path, filter: filters, onFilterDamage } }
  }

  #adopt(file: TableFile, sizeBytes: number, contents: TableContents): TableReader {
    this.#assertOpen(file.path)
    const number = file.number
    const firstCacheKey = this.#known.get(number)?.firstCacheKey ?? this.blockCache.reserveKeys(sizeBytes)
    const reader = new TableReader(file, sizeBytes, contents, firstCacheKey, this.lookupStatistics)
    this.#known.set(number, { reader: new WeakRef(reader), firstCacheKey })
    this.#readers.set(number, reader)
    return reader
  }

  /** Brings back a reader that fell out while it was in use. */
  #revive(number: number): TableReader | undefined {
    const reader = this.#known.get(number)?.reader.deref()
    if (reader !== undefined) this.#readers.set(number, reader)
    return reader
  }

  async #openFile(path: string): Promise<File> {
    const { fileSystem } = this.#settings
    try {
      return await fileSystem.open(path, 'read').catch((error: unknown) => {
        if (!this.#makeRoom(error)) throw error
        return fileSystem.open(path, 'read')
      })
    } catch (error) {
      throw this.#openError(error, path)
    }
  }

  #openFileSync(path: string): File {
    const { fileSystem } = this.#settings
    try {
      try {
        return fileSystem.openSync(path, 'read')
      } catch (error) {
        if (!this.#makeRoom(error)) throw error
        return fileSystem.openSync(path, 'read')
      }
    } catch (error) {
      throw this.#openError(error, path)
    }
  }

  #openError(error: unknown, path: string): VarveError {
    if (errnoOf(error) !== 'ENOENT') return readError(error, path)
    return (this.#settings.missing ?? missingTable)(path, error)
  }

  /** Whether `error` is a shortage of descriptors; half of ours are given back then. */
  #makeRoom(error: unknown): boolean {
    const errno = errnoOf(error)
    if (errno !== 'EMFILE' && errno !== 'ENFILE') return false
    for (let i = Math.ceil(this.#readers.size / 2); i > 0; i--) this.#readers.pop()
    return true
  }

  #assertOpen(path: string): void {
    if (this.#closed) throw new VarveError('CLOSED', 'The store is closed.', { path })
  }
}

/** A table that is not there is damage: some version still names it. */
function missingTable(path: string, cause: unknown): VarveError {
  return new VarveError(
    'CORRUPTION',
    `The SSTable ${path} is missing. Restore a snapshot, or run repair().`,
    { cause, path },
  )
}
