/**
 * The versions that a read-only store still reads from, and their tables, which are held open: the writer may delete the
 * files meanwhile.
 *
 * What must always hold: a number stands for one table among all versions that are pinned; a table that none of them names
 * is forgotten, so that another one may come under its number. At most `maxTables` are held; one beyond that may be gone
 * when it is read.
 */
import { compareKeys } from '../base/bytes.js'
import { corruption, errnoOf, VarveError } from '../base/errors.js'
import { tablePath } from '../compaction/table-writer.js'
import type { TableCache } from '../sstable/table-cache.js'
import type { TableMetadata } from '../version/table-metadata.js'
import { Version } from '../version/version.js'

/** Tables that are opened at once. */
const CONCURRENCY = 16

export class HeldVersions {
  readonly #tableCache: TableCache
  readonly #maxTables: number
  readonly #directory: string
  /** Those that are pinned, and their tables by number. */
  readonly #versions = new Set<Version>()
  readonly #tables = new Map<number, TableMetadata>()

  constructor(tableCache: TableCache, maxTables: number, directory: string) {
    this.#tableCache = tableCache
    this.#maxTables = maxTables
    this.#directory = directory
  }

  /** A version with the tables of `version` and one pin. */
  adopt({ levels }: Version): Version {
    const version = new Version(levels, (released) => this.#release(released)).pin()
    for (const { table } of version.tables()) {
      const known = this.#tables.get(table.number)
      // A number is given once, unless a snapshot that has gone its own way was restored.
      if (known !== undefined && !areSame(known, table)) throw replacedStore(this.#directory)
    }
    for (const { table } of version.tables()) this.#tables.set(table.number, table)
    this.#versions.add(version)
    return version
  }

  /** Opens the tables of `version`, those that are rewritten soonest first. A damaged one is told of when it is read. */
  async open(version: Version): Promise<void> {
    const tables = [...version.tables()].slice(0, this.#maxTables).reverse()
    const open = async (): Promise<void> => {
      for (let next = tables.pop(); next !== undefined; next = tables.pop()) {
        const { number, sizeBytes } = next.table
        try {
          await this.#tableCache.hold(number, sizeBytes)
        } catch (error) {
          if (!(error instanceof VarveError) || errnoOf(error.cause) !== 'ENOENT') continue
          throw corruption('A table is missing', tablePath(this.#directory, number), undefined, error)
        }
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, open))
  }

  #release(version: Version): void {
    this.#versions.delete(version)
    const needed = new Set<number>()
    for (const other of this.#versions) for (const { table } of other.tables()) needed.add(table.number)
    for (const { table } of version.tables()) {
      if (needed.has(table.number)) continue
      this.#tables.delete(table.number)
      this.#tableCache.evict(table.number)
    }
  }
}

/** The error for a directory that is not what it was, in a way in which no writer changes it. */
export function replacedStore(directory: string): VarveError {
  return new VarveError(
    'ABORTED',
    `Another store, or another copy of it, has taken the place of the one that was opened in ${directory}. Close this one and open it again.`,
    { path: directory },
  )
}

function areSame(one: TableMetadata, other: TableMetadata): boolean {
  return (
    one.sizeBytes === other.sizeBytes &&
    one.entryCount === other.entryCount &&
    one.smallestSequence === other.smallestSequence &&
    one.largestSequence === other.largestSequence &&
    one.createdAt === other.createdAt &&
    compareKeys(one.smallest, other.smallest) === 0 &&
    compareKeys(one.largest, other.largest) === 0
  )
}
