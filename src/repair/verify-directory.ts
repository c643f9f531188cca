/**
 * Checks the files of one store: CURRENT, MANIFESTs, the log, every table, and what does not belong. Reads only, and
 * never stops at the first finding; in memory are one table's index, one log segment and the findings at a time.
 */
import { ioError } from '../base/errors.js'
import { LOCK_NAME, parseFileName, sstName, walName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { knownLog, type ManifestState } from '../version/manifest-state.js'
import { listDirectory } from '../version/recover-state.js'
import type { TableMetadata } from '../version/table-metadata.js'
import { surveySegment, verifyLog } from '../wal/verify-log.js'
import type { SegmentExtent } from '../wal/wal-format.js'
import { type Basis, findBasis } from './basis.js'
import { Findings } from './finding.js'
import type { Progress } from './progress.js'
import { checkTable, tableOnDisk } from './verify-tables.js'

/** What an open store knows of itself, against which its files are checked. */
export interface LiveStore {
  readonly databaseId: Uint8Array
  /** Its version is pinned. */
  readonly state: ManifestState
  /** The segments of the log as they are now, and what of each was accepted. */
  readonly extents: () => readonly SegmentExtent[]
}

export interface DirectoryCheck {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly findings: Findings
  readonly progress: Progress
  /** Given when the store is open in this process. */
  readonly live?: LiveStore
}

/** What was looked at. */
export interface DirectoryCensus {
  readonly tables: number
  /** Entries in tables, all versions and tombstones among them, as the MANIFEST tells. */
  readonly entries: number
  readonly segments: number
}

/** Throws `NOT_FOUND` when there is no store, `IO_ERROR` when the directory cannot be listed. */
export async function verifyDirectory(check: DirectoryCheck): Promise<DirectoryCensus> {
  const { fileSystem, directory, findings, progress, live } = check
  const names = await listDirectory(fileSystem, directory)
  const basis =
    live === undefined
      ? await findBasis(fileSystem, directory, names, findings)
      : await basisBesideWriter(check, live)
  const state = live?.state ?? basis.state
  const databaseId = live?.databaseId ?? basis.databaseId
  const named = state === undefined ? undefined : [...state.version.tables()].map(({ table }) => table)
  const tables = named ?? (await tablesOnDisk(check, names, databaseId))
  await progress.begin(directory, [
    ...tables.map(({ number }) => sstName(number)),
    ...names.filter((name) => parseFileName(name)?.kind === 'wal'),
  ])
  if (databaseId !== undefined) {
    for (const table of tables) {
      await checkTable(fileSystem, directory, databaseId, table, findings)
      progress.done(sstName(table.number))
    }
  }
  const segments = await checkLog(check, names, databaseId, state)
  if (live === undefined) await checkNames(check, names, state)
  return {
    tables: tables.length,
    entries: tables.reduce((sum, table) => sum + table.entryCount, 0),
    segments,
  }
}

/** The MANIFEST of an open store may be rolled while it is read: then it is read again. */
async function basisBesideWriter(check: DirectoryCheck, live: LiveStore): Promise<Basis> {
  const { fileSystem, directory, findings } = check
  for (let attempt = 1; ; attempt++) {
    const found = new Findings(directory)
    const names = await listDirectory(fileSystem, directory)
    const basis = await findBasis(fileSystem, directory, names, found)
    if (found.areHarmless || attempt === MAX_ATTEMPTS) {
      // Files come and go beside a writer: what is left over now may be gone.
      findings.addAll(found.list.filter(({ severity }) => severity !== 'note'))
      return { ...basis, databaseId: live.databaseId }
    }
  }
}

const MAX_ATTEMPTS = 4

/** Without a MANIFEST every table that opens stands for itself. */
async function tablesOnDisk(
  { fileSystem, directory, findings }: DirectoryCheck,
  names: readonly string[],
  databaseId: Uint8Array | undefined,
): Promise<TableMetadata[]> {
  const tables: TableMetadata[] = []
  for (const name of names) {
    const parsed = parseFileName(name)
    if (parsed?.kind !== 'sst' || databaseId === undefined) continue
    try {
      tables.push(await tableOnDisk(fileSystem, directory, databaseId, parsed.number))
    } catch (error) {
      findings.addError('error', 'table-damaged', error, name)
    }
  }
  return tables
}

async function checkLog(
  check: DirectoryCheck,
  names: readonly string[],
  databaseId: Uint8Array | undefined,
  state: ManifestState | undefined,
): Promise<number> {
  const { fileSystem, directory, findings, progress, live } = check
  if (databaseId === undefined) return 0
  const place = { fileSystem, directory, databaseId }
  if (live !== undefined) return checkLiveLog(check, live)
  const numbers = names.flatMap((name) => {
    const parsed = parseFileName(name)
    return parsed?.kind === 'wal' ? [parsed.number] : []
  })
  const add = ({ error, isTorn, sequences }: Awaited<ReturnType<typeof surveySegment>>[number]): void =>
    findings.addError(
      isTorn ? 'note' : 'error',
      isTorn ? 'log-torn' : 'log-damaged',
      error,
      'the log',
      sequences === undefined ? {} : { sequences },
    )
  if (state === undefined) {
    for (const number of numbers) {
      for (const problem of await surveySegment(place, number)) add(problem)
      progress.done(walName(number))
    }
    return numbers.length
  }
  const counting = numbers.filter((number) => state.logged || number >= state.logNumber)
  const known = knownLog(state)
  const log = verifyLog({
    ...place,
    numbers: counting,
    fromSequence: state.flushedSequence,
    ...(known === undefined ? {} : { known }),
  })
  let step = await log.next()
  for (; !step.done; step = await log.next()) add(step.value)
  for (const number of numbers) progress.done(walName(number))
  const used = step.value?.segments.map(({ number }) => number) ?? counting
  for (const number of numbers) {
    if (!used.includes(number))
      findings.add('note', 'log-left-over', walName(number), 'A segment that the log does not need')
  }
  return used.length
}

/** Checks what the store has written so far. A segment that it deletes meanwhile is done with. */
async function checkLiveLog(
  { fileSystem, directory, findings }: DirectoryCheck,
  live: LiveStore,
): Promise<number> {
  const extents = [...live.extents()]
  const { databaseId } = live
  for (const { number, length } of extents) {
    const problems = await surveySegment({ fileSystem, directory, databaseId }, number, length, length)
    if (!live.extents().some((extent) => extent.number === number)) continue
    for (const { error, sequences } of problems) {
      findings.addError(
        'error',
        'log-damaged',
        error,
        walName(number),
        sequences === undefined ? {} : { sequences },
      )
    }
  }
  return extents.length
}

/** Tells of names that the store does not need. */
async function checkNames(
  { fileSystem, directory, findings }: DirectoryCheck,
  names: readonly string[],
  state: ManifestState | undefined,
): Promise<void> {
  const named = new Set(
    state === undefined ? [] : [...state.version.tables()].map(({ table }) => table.number),
  )
  for (const name of names) {
    const parsed = parseFileName(name)
    if (parsed === undefined) findings.add('note', 'foreign-file', name, "A file that is not the store's")
    else if (parsed.kind === 'temporary')
      findings.add('note', 'temporary-file', name, 'A file that was being written; the next open deletes it')
    else if (parsed.kind === 'sst' && state !== undefined && !named.has(parsed.number))
      findings.add('note', 'table-left-over', name, 'A table that no version names; the next open deletes it')
  }
  if (!names.includes(LOCK_NAME)) return
  try {
    if ((await fileSystem.lockHolder(`${directory}/${LOCK_NAME}`)) === undefined)
      findings.add(
        'note',
        'stale-lock',
        LOCK_NAME,
        'A lock that nobody holds: its process is gone, or it came along with a copy; the next open takes it over',
      )
  } catch (error) {
    findings.addError('note', 'unreadable', ioError(error, 'reading', `${directory}/${LOCK_NAME}`), LOCK_NAME)
  }
}
