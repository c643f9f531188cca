/**
 * Restoring: puts what another directory holds in the place of everything in the store.
 *
 * The tables are brought into the store's directory first, where no version names them. Then one edit, durable before
 * anybody sees it, removes all tables of the store, adds those, and puts the flushed sequence number behind everything
 * that was ever logged. So a crash finds the old store or the restored one: before the edit the new files are orphans,
 * behind it the old ones are, and the log holds nothing that counts. The restore takes a sequence number of its own.
 * What does not fit into a bounded store is removed by the same edit: no reader and no crash finds more than the bound.
 */
import { ioError, shown, VarveError } from '../../base/errors.js'
import { hasCurrent } from '../../version/current-file.js'
import { recoverState } from '../../version/recover-state.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import { Version } from '../../version/version.js'
import type { Engine } from '../engine.js'
import { ReadState } from '../reading/read-state.js'
import { openEngine } from '../recovery.js'
import { TableImport } from './table-import.js'

/** Restores the store of `engine` from the store or snapshot in `path`, which the caller has locked. */
export async function restoreFrom(engine: Engine, path: string): Promise<void> {
  const { fileSystem, versions, obsoleteTables, tableSettings } = engine.parts
  const { databaseId, state } = await recoverState(fileSystem, path)
  checkKeyEncoding(path, state.properties, versions.properties)
  const tables = new TableImport(engine.parts, { directory: path, databaseId })
  await obsoleteTables.hold()
  try {
    const added: AddedTables = []
    for (const { level, table } of state.version.tables()) {
      const brought = await tables.bring(table)
      if (brought !== undefined) added.push({ level, table: brought })
    }
    const last = Math.max(state.lastSequence, state.flushedSequence)
    const fitted = await fitToBound(engine, tables, added, last)
    await fileSystem.syncDir(tableSettings.directory)
    await engine.replaceContents(fitted.added, fitted.last, fitted.adopt)
  } catch (error) {
    await engine.parts.discardTables(tables.made.filter((number) => !versions.needs(number)))
    throw ioError(error, 'restoring', path)
  } finally {
    obsoleteTables.release((number) => versions.needs(number))
  }
}

type AddedTables = { readonly level: number; readonly table: TableMetadata }[]

/**
 * Makes what is restored fit into the bound of the store, if it has one, by a table that removes the rest. Its sequence
 * numbers follow `last`, the last one so far. Throws `STORE_FULL` when nothing may go.
 */
async function fitToBound(
  { bound }: Engine,
  tables: TableImport,
  added: AddedTables,
  last: number,
): Promise<{ added: AddedTables; last: number; adopt?: () => void }> {
  if (bound === undefined) return { added, last }
  const readState = new ReadState([], Version.empty().apply({ added }))
  const { removals, adopt } = await bound.fit({ readState, sequence: last })
  const table = await tables.write(removals, last + 1)
  return {
    added: table === undefined ? added : [...added, { level: 0, table }],
    last: last + removals.count,
    adopt,
  }
}

/** Throws `NOT_FOUND` when there is no store in `path`. */
export async function checkStoreIn(engine: Engine, path: string): Promise<void> {
  if (await hasCurrent(engine.parts.fileSystem, path)) return
  throw new VarveError('NOT_FOUND', `There is no snapshot in ${path}. snapshots() lists the store's own.`, {
    path,
  })
}

/**
 * Brings what a log in `path` holds into tables and gives that log up. A snapshot has none, unless it was opened as a
 * store. Throws `LOCKED` when it is open as one.
 */
export async function settleLog(engine: Engine, path: string): Promise<void> {
  const { fileSystem, clock, executor, settings, versions } = engine.parts
  const { state } = await recoverState(fileSystem, path)
  if (!state.logged) return
  checkKeyEncoding(path, state.properties, versions.properties)
  const opened = await openEngine(
    path,
    // The snapshot stays what it is, whatever of it fits into this store.
    { ...settings, bound: undefined, persistence: 'snapshot', createIfMissing: false, errorIfExists: false },
    {},
    { fileSystem, clock, executor, newDatabaseId: () => versions.databaseId, random: engine.parts.random },
  )
  try {
    await opened.engine.close()
  } finally {
    await opened.lock.release()
  }
}

/** Keys of another encoding would be read as nonsense. */
function checkKeyEncoding(
  path: string,
  theirs: Readonly<Record<string, string>>,
  ours: Readonly<Record<string, string>>,
): void {
  if (theirs.keyEncoding === ours.keyEncoding) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `The snapshot in ${path} has keyEncoding ${shown(theirs.keyEncoding)}, this store '${ours.keyEncoding}'.`,
    { path },
  )
}
