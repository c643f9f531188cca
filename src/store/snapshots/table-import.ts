/**
 * Brings tables of another directory into the store's: by a second name for the file where the number is free or the
 * same file stands there already, otherwise by rewriting the table under a new number.
 *
 * A table's checksums are salted with its database and its number, so a file can only ever keep both. A number may be
 * taken by another table when the other directory was opened as a store and has gone its own way since.
 * A table of its own says what of all that is to be gone again.
 */
import { compareKeys } from '../../base/bytes.js'
import { NEVER } from '../../base/entry.js'
import { ioError } from '../../base/errors.js'
import { tablePath } from '../../compaction/table-writer.js'
import { closeQuietly, type FileSystem, readFully } from '../../env/file-system.js'
import { linkOrCopy } from '../../env/link-or-copy.js'
import { Memtable } from '../../memtable/memtable.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import { type GroupBuffer, OPERATIONS_START } from '../../wal/group-buffer.js'
import { OperationReader } from '../../wal/operation.js'
import { arenasFor, type EngineParts } from '../engine-parts.js'

const COMPARE_BYTES = 256 * 1024

export class TableImport {
  readonly #parts: EngineParts
  readonly #source: { readonly directory: string; readonly databaseId: Uint8Array }
  readonly #made: number[] = []

  /** @param source - the other directory, whose tables nobody changes meanwhile */
  constructor(parts: EngineParts, source: { readonly directory: string; readonly databaseId: Uint8Array }) {
    this.#parts = parts
    this.#source = source
  }

  /** The numbers of the files that were made. */
  get made(): readonly number[] {
    return this.#made
  }

  /** The metadata under which the store may name the table; `undefined` when there is nothing in it. */
  async bring(table: TableMetadata): Promise<TableMetadata | undefined> {
    const { versions, fileSystem, tableSettings } = this.#parts
    const { directory, databaseId } = this.#source
    const isOurs =
      compareKeys(databaseId, versions.databaseId) === 0 && table.number < versions.peekFileNumber()
    if (!isOurs) return this.#rewrite(table)
    const source = tablePath(directory, table.number)
    const target = tablePath(tableSettings.directory, table.number)
    if ((await statusOf(fileSystem, target)) === undefined) {
      await linkOrCopy(fileSystem, source, target)
      this.#made.push(table.number)
      return table
    }
    return (await areSame(fileSystem, source, target)) ? table : this.#rewrite(table)
  }

  /** A level-0 table of `operations`, if there are any; the first one has the sequence number `firstSequence`. */
  async write(operations: GroupBuffer, firstSequence: number): Promise<TableMetadata | undefined> {
    if (operations.count === 0) return undefined
    const { settings, versions, executor, jobs, tableSettings, clock } = this.#parts
    const needed = Memtable.bytesNeeded(operations.count, operations.length)
    const memtable = Memtable.create(arenasFor(settings), settings.shardCount, needed)
    try {
      const reader = new OperationReader().reset(operations.bytes, OPERATIONS_START, operations.length)
      let sequence = firstSequence
      while (reader.next()) {
        const { bytes, kind, keyStart, keyEnd, valueStart, valueEnd } = reader
        memtable.insert(bytes, keyStart, keyEnd, sequence++, kind, bytes, valueStart, valueEnd)
      }
      memtable.freeze()
      const tableNumber = versions.nextFileNumber()
      const { table } = await executor.execute(jobs.flush, {
        tables: tableSettings,
        memtables: [memtable.image],
        tableNumber,
        pinned: [],
        now: -NEVER,
        createdAt: clock.now(),
      })
      this.#made.push(tableNumber)
      return table
    } finally {
      memtable.unpin()
    }
  }

  async #rewrite(table: TableMetadata): Promise<TableMetadata | undefined> {
    const { versions, executor, jobs, tableSettings, clock } = this.#parts
    const { tables } = await executor.execute(jobs.compaction, {
      tables: tableSettings,
      source: this.#source,
      runs: [[table]],
      tableNumbers: [versions.nextFileNumber()],
      targetFileSize: Number.MAX_SAFE_INTEGER,
      grandparents: [],
      maxGrandparentBytes: Number.MAX_SAFE_INTEGER,
      pinned: [],
      bottommost: false,
      // Whoever is told of what expires is to be told of these too.
      now: -NEVER,
      createdAt: clock.now(),
      cancel: new Int32Array(new SharedArrayBuffer(4)),
    })
    for (const { number } of tables) this.#made.push(number)
    return tables[0]
  }
}

/** Whether two files hold the same bytes; two names of one file do. */
async function areSame(fileSystem: FileSystem, one: string, other: string): Promise<boolean> {
  const [status, otherStatus] = [await statusOf(fileSystem, one), await statusOf(fileSystem, other)]
  if (status?.fileId !== undefined && status.fileId === otherStatus?.fileId) return true
  if (status?.sizeBytes !== otherStatus?.sizeBytes) return false
  try {
    const file = await fileSystem.open(one, 'read')
    try {
      const otherFile = await fileSystem.open(other, 'read')
      try {
        const [bytes, otherBytes] = [new Uint8Array(COMPARE_BYTES), new Uint8Array(COMPARE_BYTES)]
        for (let at = 0; ; ) {
          const length = await readFully(file, bytes, at)
          const otherLength = await readFully(otherFile, otherBytes, at)
          if (compareKeys(bytes.subarray(0, length), otherBytes.subarray(0, otherLength)) !== 0) return false
          if (length === 0) return true
          at += length
        }
      } finally {
        await closeQuietly(otherFile)
      }
    } finally {
      await closeQuietly(file)
    }
  } catch (error) {
    throw ioError(error, 'comparing', other)
  }
}

async function statusOf(fileSystem: FileSystem, path: string): ReturnType<FileSystem['stat']> {
  try {
    return await fileSystem.stat(path)
  } catch (error) {
    throw ioError(error, 'examining', path)
  }
}
