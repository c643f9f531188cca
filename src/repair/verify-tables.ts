/** Checks tables against what the MANIFEST says of them, and each in itself. */
import { compareKeys } from '../base/bytes.js'
import { readError, type VarveError } from '../base/errors.js'
import { sstName } from '../base/file-names.js'
import { BlockCache } from '../cache/block-cache.js'
import { metadataOf, tablePath } from '../compaction/table-writer.js'
import type { FileSystem } from '../env/file-system.js'
import { TableCache } from '../sstable/table-cache.js'
import type { TableReader } from '../sstable/table-reader.js'
import { verifyTable } from '../sstable/verify-table.js'
import type { TableMetadata } from '../version/table-metadata.js'
import type { Findings } from './finding.js'

/** Merging all tables of a store reads them side by side, with as few descriptors as this. */
const MAX_OPEN_FILES = 16

/** A table cache that keeps few files open and no block: for reading each table once. */
export function tablesOf(
  fileSystem: FileSystem,
  pathOf: (number: number) => string,
  databaseId: Uint8Array,
  onFilterDamage?: (path: string, error: VarveError) => void,
): TableCache {
  return new TableCache({
    fileSystem,
    databaseId,
    pathOf,
    maxOpenFiles: MAX_OPEN_FILES,
    blockCache: new BlockCache(0),
    ...(onFilterDamage === undefined ? {} : { onFilterDamage }),
  })
}

/** Checks one table of the version. */
export async function checkTable(
  fileSystem: FileSystem,
  directory: string,
  databaseId: Uint8Array,
  table: TableMetadata,
  findings: Findings,
): Promise<void> {
  const name = sstName(table.number)
  const whole = {
    keys: { gte: table.smallest, lte: table.largest },
    sequences: { first: table.smallestSequence, last: table.largestSequence },
  }
  const tables = tablesOf(
    fileSystem,
    (number) => tablePath(directory, number),
    databaseId,
    (_path, error) => findings.addError('warning', 'filter-damaged', error, name),
  )
  try {
    if ((await fileSystem.stat(`${directory}/${name}`)) === undefined) {
      findings.add('error', 'table-missing', name, 'A table that the MANIFEST names is missing', whole)
      return
    }
    let reader: TableReader
    try {
      reader = await tables.open(table.number, table.sizeBytes)
    } catch (error) {
      findings.addError('error', 'table-damaged', error, name, whole)
      return
    }
    for (const what of mismatches(reader, table)) findings.add('error', 'table-mismatch', name, what, whole)
    for await (const { error, keys } of verifyTable(reader)) {
      if (keys === undefined) findings.addError('error', 'table-damaged', error, name)
      else findings.addError('error', 'block-damaged', error, name, { keys, sequences: whole.sequences })
    }
  } catch (error) {
    findings.addError('error', 'table-damaged', readError(error, `${directory}/${name}`), name, whole)
  } finally {
    tables.close()
  }
}

/** Where a table and its metadata contradict each other. */
function* mismatches({ properties }: TableReader, table: TableMetadata): Generator<string> {
  const counts = [
    'entryCount',
    'tombstoneCount',
    'smallestSequence',
    'largestSequence',
    'earliestExpiry',
    'rawKeyBytes',
    'rawValueBytes',
    'createdAt',
  ] as const
  for (const name of counts) {
    if (table[name] !== properties[name])
      yield `The MANIFEST claims ${table[name]} for '${name}', the table ${properties[name]}`
  }
  if (compareKeys(table.smallest, properties.smallestKey) !== 0)
    yield 'MANIFEST and table disagree on the smallest key'
  if (compareKeys(table.largest, properties.largestKey) !== 0)
    yield 'MANIFEST and table disagree on the largest key'
}

/** What a table tells of itself, where no MANIFEST does. Throws `CORRUPTION`, `IO_ERROR`. */
export async function tableOnDisk(
  fileSystem: FileSystem,
  directory: string,
  databaseId: Uint8Array,
  number: number,
): Promise<TableMetadata> {
  const path = tablePath(directory, number)
  const tables = tablesOf(fileSystem, () => path, databaseId)
  try {
    const sizeBytes = (await fileSystem.stat(path))?.sizeBytes ?? 0
    const { properties } = await tables.open(number, sizeBytes)
    return metadataOf(number, { ...properties, sizeBytes })
  } catch (error) {
    throw readError(error, path)
  } finally {
    tables.close()
  }
}
