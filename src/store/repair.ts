/**
 * `repair`: makes a sound store out of what can be read of a damaged one, in a directory of its own.
 *
 * The damaged store is not touched. The new one is written as `<out>.tmp`, where a file says that it is unfinished, made
 * durable, and renamed: so `out` is a whole store from the moment that it is there.
 */
import * as nodePath from 'node:path'
import { corruption, errnoOf, ioError, VarveError } from '../base/errors.js'
import { temporaryName } from '../base/file-names.js'
import { closeQuietly, type FileSystem, writeFullySync } from '../env/file-system.js'
import { NodeFileSystem } from '../env/node-file-system.js'
import { SystemClock } from '../env/system-clock.js'
import { findBasis } from '../repair/basis.js'
import { DamageFindings } from '../repair/damage.js'
import type { Loss, Uncertainty } from '../repair/loss.js'
import { type OnProgress, Progress } from '../repair/progress.js'
import { type Rebuilt, rebuild } from '../repair/rebuild.js'
import { writeCheckpoint } from '../version/checkpoint.js'
import { listDirectory } from '../version/recover-state.js'
import { checkOptionNames } from './option-names.js'
import { removeTree } from './snapshots/snapshot-directory.js'
import { makeDirectory } from './store-directory.js'
import { checkPath, refuseMissing, refuseOpen, type ToolOptions } from './verify.js'

/** Options of `repair`. */
export interface RepairOptions extends ToolOptions {
  /** Where the new store is made: a directory that is not there yet, or empty. */
  readonly out: string
  /** Called after each file of the damaged store. */
  readonly onProgress?: OnProgress
}

/** What a repair came to: plain data. */
export interface RepairReport {
  /** Whether nothing is lost and nothing uncertain: the new store holds what the old one held. */
  readonly complete: boolean
  /** The damaged store. */
  readonly path: string
  /** The new one. */
  readonly out: string
  /** The MANIFEST that said which tables count; `undefined` when there was none and all tables were merged. */
  readonly manifest: string | undefined
  /** Tables that are as they were, that were written anew, and of which nothing could be read. */
  readonly tablesKept: number
  readonly tablesRewritten: number
  readonly tablesLost: number
  /** Commits and operations that only the log held. */
  readonly logGroups: number
  readonly logOperations: number
  /** Entries in the tables of the new store: all versions of a key and tombstones among them. */
  readonly entries: number
  /** What could not be read: which keys and which sequence numbers, at most. */
  readonly lost: readonly Loss[]
  /** Losses that were too many to list; 0 unless there are more than 10,000. */
  readonly omitted: number
  /** Why what was brought back may be more or other than what the store held. */
  readonly uncertain: readonly Uncertainty[]
}

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['out', 'onProgress', 'fileSystem'])

/** Stands in a directory that is being written. A store that is opened deletes it. */
const MARKER_NAME = temporaryName('UNFINISHED')

/**
 * Makes a sound store in `out` of what can be read of the store in `path`, which must be closed and is left as it is.
 *
 * Everything that is whole is kept; of a damaged table the blocks that can be read, of a damaged log the records. The
 * report names what is lost. Snapshots are not taken along: each is a store that can be repaired by itself.
 *
 * Rejects with `LOCKED`, `NOT_FOUND`, `EXISTS` when there is something in `out`, `INVALID_ARGUMENT`, `CORRUPTION` when no file
 * tells what store it is of, `UNSUPPORTED_FORMAT`, `IO_ERROR`, `NO_SPACE`; then there is nothing in `out`. What the disk does not give
 * back (`EIO`) is lost, like what is damaged; every other failure to read makes it reject, and costs nothing.
 *
 * @example
 * ```ts
 * const { complete, lost } = await repair('./data', { out: './data.repaired' })
 * ```
 */
export async function repair(path: string, options: RepairOptions): Promise<RepairReport> {
  const directory = checkPath('repair', path)
  checkOptionNames('repair', options, KNOWN_OPTIONS)
  const { out: to, onProgress } = options
  if (typeof to !== 'string' || to === '') {
    throw new VarveError(
      'INVALID_ARGUMENT',
      'repair takes { out }: the directory in which to make the new store.',
    )
  }
  const out = nodePath.resolve(to)
  if (out === directory || out.startsWith(`${directory}${nodePath.sep}`) || out.startsWith(`${directory}/`)) {
    throw new VarveError('INVALID_ARGUMENT', `${out} is in the damaged store, which repair does not change.`)
  }
  const fileSystem = options.fileSystem ?? new NodeFileSystem()
  await refuseMissing(fileSystem, directory)
  await refuseOpen(fileSystem, directory)
  await refuseTaken(fileSystem, out)
  const unfinished = temporaryName(out)
  await removeLeftOver(fileSystem, unfinished)
  try {
    await begin(fileSystem, unfinished)
    const { rebuilt, manifest } = await write(fileSystem, directory, unfinished, onProgress)
    await publish(fileSystem, unfinished, out)
    return reportOf(directory, out, manifest, rebuilt)
  } catch (error) {
    await removeUnfinished(fileSystem, unfinished).catch(() => undefined)
    throw ioError(error, 'repairing', directory)
  }
}

async function write(
  fileSystem: FileSystem,
  source: string,
  target: string,
  onProgress: OnProgress | undefined,
): Promise<{ rebuilt: Rebuilt; manifest: string | undefined }> {
  const names = await listDirectory(fileSystem, source)
  const basis = await findBasis(fileSystem, source, names, new DamageFindings(source))
  const { databaseId, epoch } = basis
  if (databaseId === undefined) {
    throw corruption('No file tells which store this was: nothing can be read', source)
  }
  const rebuilt = await rebuild({
    fileSystem,
    source,
    names,
    basis,
    databaseId,
    target,
    now: new SystemClock().now(),
    progress: new Progress(fileSystem, onProgress),
  })
  await writeCheckpoint(fileSystem, target, databaseId, epoch + 1, rebuilt.state)
  return { rebuilt, manifest: rebuilt.byManifest ? basis.manifest : undefined }
}

function reportOf(path: string, out: string, manifest: string | undefined, rebuilt: Rebuilt): RepairReport {
  const { losses, state, tablesKept, tablesRewritten, tablesLost, logGroups, logOperations } = rebuilt
  const uncertain = [...losses.uncertainties].sort()
  let entries = 0
  for (const { table } of state.version.tables()) entries += table.entryCount
  return {
    complete: losses.list.length === 0 && uncertain.length === 0,
    path,
    out,
    manifest,
    tablesKept,
    tablesRewritten,
    tablesLost,
    logGroups,
    logOperations,
    entries,
    lost: losses.list,
    omitted: losses.omitted,
    uncertain,
  }
}

/** Throws `EXISTS` unless there is nothing at `out`, or an empty directory. */
async function refuseTaken(fileSystem: FileSystem, out: string): Promise<void> {
  try {
    const status = await fileSystem.stat(out)
    if (status === undefined) return
    if (status.kind === 'directory' && (await fileSystem.readdir(out)).length === 0) return
  } catch (error) {
    throw ioError(error, 'examining', out)
  }
  throw new VarveError(
    'EXISTS',
    `There is something in ${out} already. Name a directory that is not there yet.`,
    {
      path: out,
    },
  )
}

/** Removes what an earlier repair that was cut short has left. Throws `EXISTS` when it is somebody else's. */
async function removeLeftOver(fileSystem: FileSystem, unfinished: string): Promise<void> {
  try {
    const status = await fileSystem.stat(unfinished)
    if (status !== undefined) await refuseForeign(fileSystem, unfinished, status.kind)
    await removeUnfinished(fileSystem, unfinished)
  } catch (error) {
    throw ioError(error, 'removing', unfinished)
  }
}

/** Makes the directory in which the store is written. */
async function begin(fileSystem: FileSystem, unfinished: string): Promise<void> {
  try {
    await makeDirectory(unfinished, fileSystem)
    const marker = await fileSystem.open(`${unfinished}/${MARKER_NAME}`, 'create')
    try {
      writeFullySync(marker, Buffer.from('A repair is writing here, or was cut short.\n'), 0)
    } finally {
      await closeQuietly(marker)
    }
    // Nothing else may be there without the marker. Its name is all that counts.
    await fileSystem.syncDir(unfinished)
  } catch (error) {
    throw ioError(error, 'making', unfinished)
  }
}

/** Only a directory that a repair has made is removed. */
async function refuseForeign(fileSystem: FileSystem, path: string, kind: string): Promise<void> {
  const names = kind === 'directory' ? await fileSystem.readdir(path) : ['a file']
  if (names.length === 0 || names.includes(MARKER_NAME)) return
  throw new VarveError(
    'EXISTS',
    `${path}, where the new store would be written, is somebody else's. Remove it first.`,
    { path },
  )
}

/**
 * Removes an unfinished store; what says that it is one goes last. It may have had the name of a finished one: that this is gone
 * is durable first, or a crash could bring it back over what is left.
 */
async function removeUnfinished(fileSystem: FileSystem, path: string): Promise<void> {
  if ((await fileSystem.stat(path)) === undefined) return
  await fileSystem.syncDir(nodePath.dirname(path))
  for (const name of await fileSystem.readdir(path)) {
    if (name !== MARKER_NAME) await removeTree(fileSystem, `${path}/${name}`)
  }
  await fileSystem.syncDir(path)
  await removeTree(fileSystem, path)
}

/** Gives the finished store, in which everything is durable, its name. */
async function publish(fileSystem: FileSystem, unfinished: string, out: string): Promise<void> {
  try {
    await fileSystem.rmdir(out)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
  await fileSystem.rename(unfinished, out)
  try {
    await fileSystem.syncDir(nodePath.dirname(out))
  } catch (error) {
    await fileSystem.rename(out, unfinished)
    throw error
  }
  // From here on the store is there; a marker that stays, or comes back, is deleted when it is opened.
  await fileSystem.unlink(`${out}/${MARKER_NAME}`).catch(() => undefined)
}
