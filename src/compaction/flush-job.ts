/** The flush: writes frozen memtables as one level-0 table. A function of its description. */
import { mergeCursors } from '../iterator/merging-cursor.js'
import { Memtable, type MemtableImage } from '../memtable/memtable.js'
import type { TableMetadata } from '../version/table-metadata.js'
import { CompactionIterator } from './compaction-iterator.js'
import { type JobEnvironment, type TableSettings, TableWriter } from './table-writer.js'

/** Structured-cloneable; the memtables' memory is shared. */
export interface FlushInput {
  readonly tables: TableSettings
  readonly memtables: readonly MemtableImage[]
  readonly tableNumber: number
  /** See `DropRules`. */
  readonly pinned: readonly number[]
  readonly now: number
  /** In ms since 1970. */
  readonly createdAt: number
}

export interface FlushOutput {
  /** `undefined` when nothing of the memtables was left to write. */
  readonly table: TableMetadata | undefined
}

export async function runFlush(environment: JobEnvironment, input: FlushInput): Promise<FlushOutput> {
  const cursor = mergeCursors(input.memtables.flatMap((image) => Memtable.attach(image).cursors()))
  const entries = new CompactionIterator(cursor, { pinned: input.pinned, bottommost: false, now: input.now })
  const writer = new TableWriter(environment.fileSystem, input.tables, input.createdAt)
  try {
    for (entries.seekToFirst(); entries.valid; entries.next()) {
      if (!writer.open) await writer.begin(input.tableNumber)
      if (writer.add(entries)) await environment.pause()
    }
    await writer.end()
    return { table: (await writer.finish())[0] }
  } catch (error) {
    await writer.abandon()
    throw error
  }
}
