/** `verify`: the check of a whole store, its snapshots too, as one report. Reads only. */
import * as nodePath from 'node:path'
import { corruption, ioError, VarveError } from '../base/errors.js'
import { LOCK_NAME, SNAPSHOTS_NAME } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { NodeFileSystem } from '../env/node-file-system.js'
import { type Finding, Findings } from '../repair/finding.js'
import { type OnProgress, Progress } from '../repair/progress.js'
import { type DirectoryCensus, type LiveStore, verifyDirectory } from '../repair/verify-directory.js'
import type { Engine } from './engine.js'
import { checkOptionNames } from './option-names.js'
import { listSnapshotIds, snapshotsPath } from './snapshots/snapshot-directory.js'
import { readSnapshotFacts } from './snapshots/snapshot-facts.js'
import { copyAdvice } from './store-directory.js'

/** Options of `verify` and `store.verify()`. */
export interface VerifyOptions {
  /** Called after each file. */
  readonly onProgress?: OnProgress
}

/** Options of the tools that work on a closed store. */
export interface ToolOptions {
  /** Default: the machine's. */
  readonly fileSystem?: FileSystem
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['onProgress', 'fileSystem'])

/** What a check found: plain data. */
export interface VerifyReport {
  /** Whether there is nothing but notes: no error, no warning. */
  readonly ok: boolean
  /** The directory, as an absolute path. */
  readonly path: string
  /** Files that were read whole: tables and log segments, those of snapshots too. */
  readonly files: number
  /** Their bytes. */
  readonly bytes: number
  /** Tables of the store itself, and the entries in them: all versions of a key and tombstones among them. */
  readonly tables: number
  readonly entries: number
  /** Segments of the log. */
  readonly segments: number
  /** Snapshots that were checked. */
  readonly snapshots: number
  /** Everything that was found. */
  readonly findings: readonly Finding[]
  /** Findings that were too many to list; 0 unless there are more than 10,000. */
  readonly omitted: number
}

/**
 * Checks every byte of a closed store, and of its snapshots, that matters: CURRENT, MANIFEST, log, tables, and how they
 * fit together. Writes nothing, and goes on behind whatever it finds.
 *
 * Rejects with `LOCKED` when the store is open (use `store.verify()` there), `NOT_FOUND`, `INVALID_ARGUMENT`, and with
 * `IO_ERROR` when the directory cannot be listed. Damage is no error: it is in the report.
 *
 * @example
 * ```ts
 * const { ok, findings } = await verify('./data')
 * for (const { severity, file, what } of findings) console.log(severity, file, what)
 * ```
 */
export async function verify(path: string, options: VerifyOptions & ToolOptions = {}): Promise<VerifyReport> {
  const directory = checkPath('verify', path)
  checkOptionNames('verify', options, KNOWN_OPTIONS)
  const fileSystem = options.fileSystem ?? new NodeFileSystem()
  await refuseMissing(fileSystem, directory)
  await refuseOpen(fileSystem, directory, '; an open store has verify() itself')
  return run(fileSystem, directory, options, undefined, (work) => work())
}

/** Runs `work` while no snapshot is made or deleted. */
type Alone = <T>(work: () => Promise<T>) => Promise<T>

/** The same for the store of `engine`, while it is used. */
export async function verifyOpen(
  engine: Engine,
  alone: Alone,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  checkOptionNames('verify', options, KNOWN_OPTIONS)
  const { fileSystem, tableSettings, versions, wal } = engine.parts
  const state = versions.capture()
  try {
    const live: LiveStore = {
      databaseId: versions.databaseId,
      state,
      extents: () => wal?.extents ?? [],
    }
    return await run(fileSystem, tableSettings.directory, options, live, alone)
  } finally {
    state.version.unpin()
  }
}

/** The directory that a tool is to work on. */
export function checkPath(tool: string, path: string): string {
  if (typeof path === 'string' && path !== '') return nodePath.resolve(path)
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${tool} takes the path of a store's directory as its first argument.`,
  )
}

/** Throws `NOT_FOUND` when there is no such directory. */
export async function refuseMissing(fileSystem: FileSystem, directory: string): Promise<void> {
  let kind: string | undefined
  try {
    kind = (await fileSystem.stat(directory, true))?.kind
  } catch (error) {
    throw ioError(error, 'examining', directory)
  }
  if (kind === 'directory') return
  throw new VarveError('NOT_FOUND', `There is no store in ${directory}.`, { path: directory })
}

/** Throws `LOCKED` when a living process has the store open; `advice` ends the message. */
export async function refuseOpen(fileSystem: FileSystem, directory: string, advice = ''): Promise<void> {
  const path = `${directory}/${LOCK_NAME}`
  try {
    const holder = await fileSystem.lockHolder(path)
    if (holder === undefined) return
    const { pid, host, since } = holder
    throw new VarveError(
      'LOCKED',
      `The store in ${directory} is open in process ${pid} on ${host} since ${new Date(since).toISOString()}. Close it there first${advice}.${copyAdvice(directory, holder)}`,
      { path },
    )
  } catch (error) {
    throw ioError(error, 'reading', path)
  }
}

async function run(
  fileSystem: FileSystem,
  directory: string,
  { onProgress }: VerifyOptions,
  live: LiveStore | undefined,
  alone: Alone,
): Promise<VerifyReport> {
  const findings = new Findings(directory)
  const progress = new Progress(fileSystem, onProgress)
  const own = await verifyDirectory({
    fileSystem,
    directory,
    findings,
    progress,
    ...(live === undefined ? {} : { live }),
  })
  const snapshots = await verifySnapshots(fileSystem, directory, findings, progress, alone)
  return {
    ok: findings.areHarmless,
    path: directory,
    files: progress.filesDone,
    bytes: progress.bytesDone,
    ...own,
    snapshots,
    findings: findings.list,
    omitted: findings.omitted,
  } satisfies VerifyReport & DirectoryCensus
}

/** Checks each snapshot as the store that it is, and none that is deleted before its turn; returns how many there are. */
async function verifySnapshots(
  fileSystem: FileSystem,
  directory: string,
  findings: Findings,
  progress: Progress,
  alone: Alone,
): Promise<number> {
  let count = 0
  for (const id of (await listSnapshotIds(fileSystem, directory)).sort()) {
    await alone(async () => {
      if (!(await listSnapshotIds(fileSystem, directory)).includes(id)) return
      const path = `${snapshotsPath(directory)}/${id}`
      const below = findings.below(`${SNAPSHOTS_NAME}/${id}`)
      if (await verifySnapshot(fileSystem, path, below, progress)) count++
    })
  }
  return count
}

/** Whether there is a store in `path`, damaged or not. */
async function verifySnapshot(
  fileSystem: FileSystem,
  path: string,
  findings: Findings,
  progress: Progress,
): Promise<boolean> {
  try {
    if ((await readSnapshotFacts(fileSystem, path)) === undefined)
      throw corruption('SNAPSHOT is missing, so this is no snapshot', `${path}/SNAPSHOT`)
  } catch (error) {
    findings.addError('error', 'snapshot-damaged', error, 'SNAPSHOT')
  }
  try {
    await verifyDirectory({ fileSystem, directory: path, findings, progress })
    return true
  } catch (error) {
    findings.addError('error', 'snapshot-damaged', error, 'CURRENT')
    return false
  }
}
