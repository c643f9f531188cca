/**
 * The compaction: merges tables into new ones. A function of its description, run in a worker thread in production
 * and inline under test.
 *
 * Output tables end at the first new user key behind the target size, or where they would overlap too much of the
 * level below: all versions of a user key are in one table, which is what keeps the levels disjoint.
 */
import { compareBytes } from '../base/bytes.js'
import { VarveError } from '../base/errors.js'
import { BlockCache } from '../cache/block-cache.js'
import { ConcatenatingCursor } from '../iterator/concatenating-cursor.js'
import type { Cursor } from '../iterator/cursor.js'
import { mergeCursors } from '../iterator/merging-cursor.js'
import { BlockFetcher } from '../sstable/block-fetcher.js'
import { TableCache } from '../sstable/table-cache.js'
import { TableCursor } from '../sstable/table-cursor.js'
import type { TableMetadata } from '../version/table-metadata.js'
import { CompactionIterator } from './compaction-iterator.js'
import { type JobEnvironment, type TableSettings, TableWriter, tablePath } from './table-writer.js'

/** Structured-cloneable. */
export interface CompactionInput {
  readonly tables: TableSettings
  /** Where the inputs are, if not where the output goes. */
  readonly source?: { readonly directory: string; readonly databaseId: Uint8Array }
  /** Each a run of its own: tables of level 0 one by one, tables of a deeper level together. */
  readonly runs: readonly (readonly TableMetadata[])[]
  /** Numbers for the output; when they run out, the last table takes the rest. */
  readonly tableNumbers: readonly number[]
  readonly targetFileSize: number
  /** The tables of the level below the output in the range. */
  readonly grandparents: readonly TableMetadata[]
  readonly maxGrandparentBytes: number
  /** See `DropRules`. */
  readonly pinned: readonly number[]
  readonly bottommost: boolean
  readonly now: number
  /** In ms since 1970. */
  readonly createdAt: number
  /** Word 0 becomes 1 when the store wants the job to end. */
  readonly cancel: Int32Array
}

export interface CompactionOutput {
  readonly tables: readonly TableMetadata[]
  readonly inputEntries: number
}

/** Inputs are read once, front to back: a cache would only push out what is read again. */
const MAX_OPEN_INPUTS = 64

export async function runCompaction(
  environment: JobEnvironment,
  input: CompactionInput,
): Promise<CompactionOutput> {
  const { directory, databaseId } = input.source ?? input.tables
  const tables = new TableCache({
    fileSystem: environment.fileSystem,
    databaseId,
    pathOf: (number) => tablePath(directory, number),
    maxOpenFiles: MAX_OPEN_INPUTS,
    filters: false,
    blockCache: new BlockCache(0),
  })
  const writer = new TableWriter(environment.fileSystem, input.tables, input.createdAt)
  try {
    const entries = new CompactionIterator(mergeCursors(inputCursors(tables, input)), input)
    await writeTables(environment, input, entries, writer)
    return { tables: await writer.finish(), inputEntries: entries.inputCount }
  } catch (error) {
    await writer.abandon()
    throw error
  } finally {
    tables.close()
  }
}

function inputCursors(tables: TableCache, input: CompactionInput): Cursor[] {
  const fetcher = new BlockFetcher(tables, { blocking: true, fillCache: false })
  const open = (table: TableMetadata): Cursor =>
    new TableCursor(fetcher.table(table.number, table.sizeBytes), fetcher)
  return input.runs.map((run) => (run.length === 1 ? open(run[0]) : new ConcatenatingCursor(run, open)))
}

async function writeTables(
  environment: JobEnvironment,
  input: CompactionInput,
  entries: CompactionIterator,
  writer: TableWriter,
): Promise<void> {
  const cut = new GrandparentCut(input.grandparents, input.maxGrandparentBytes)
  let nextNumber = 0
  for (entries.seekToFirst(); entries.valid; entries.next()) {
    if (entries.startsKey && writer.open && nextNumber < input.tableNumbers.length) {
      const isCut = cut.passes(entries.keyBytes, entries.keyStart, entries.keyEnd)
      if (isCut || writer.tableBytes >= input.targetFileSize) {
        await writer.end()
        cut.reset()
      }
    }
    if (!writer.open) await writer.begin(input.tableNumbers[nextNumber++])
    if (!writer.add(entries)) continue
    await environment.pause()
    if (Atomics.load(input.cancel, 0) !== 0) throw new VarveError('ABORTED', 'The compaction was called off.')
  }
  await writer.end()
}

/** Says where an output table must end so that it overlaps at most so many bytes of the level below. */
class GrandparentCut {
  readonly #tables: readonly TableMetadata[]
  readonly #maxBytes: number
  #index = 0
  #overlapBytes = 0

  constructor(tables: readonly TableMetadata[], maxBytes: number) {
    this.#tables = tables
    this.#maxBytes = maxBytes
  }

  reset(): void {
    this.#overlapBytes = 0
  }

  /** Whether the table in hand must end before this key; keys come in order. */
  passes(key: Uint8Array, start: number, end: number): boolean {
    while (this.#index < this.#tables.length) {
      const { largest, sizeBytes } = this.#tables[this.#index]
      if (compareBytes(key, start, end, largest, 0, largest.length) <= 0) break
      this.#overlapBytes += sizeBytes
      this.#index++
    }
    return this.#overlapBytes > this.#maxBytes
  }
}
