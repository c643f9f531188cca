/** The directory of a store: finding or making it, keeping out of somebody else's, and locking it. */
import * as nodePath from 'node:path'
import { errnoOf, ioError, printable, shown, VarveError } from '../base/errors.js'
import { CURRENT_NAME, LOCK_NAME, parseFileName } from '../base/file-names.js'
import type { Clock } from '../env/clock.js'
import {
  type FileStatus,
  type FileSystem,
  type Lock,
  LockHeldError,
  type LockHolder,
} from '../env/file-system.js'

/** The longest path of a holder that a message tells. */
const MAX_PATH_LENGTH = 1024

/** How long to wait between two attempts at a lock. */
const LOCK_RETRY_MS = 20

/** Makes sure that there is a directory that a store may be in. Throws `NOT_FOUND`, `INVALID_ARGUMENT`. */
export async function prepareDirectory(
  directory: string,
  createIfMissing: boolean,
  fileSystem: FileSystem,
): Promise<void> {
  try {
    const status = await fileSystem.stat(directory, true)
    if (status === undefined) {
      if (!createIfMissing) throw notFound(directory)
      await makeDirectory(directory, fileSystem)
    } else if (status.kind !== 'directory') {
      throw noDirectory(directory)
    }
    const names = await fileSystem.readdir(directory)
    refuseForeignDirectory(directory, names)
    if (status !== undefined && !names.includes(CURRENT_NAME)) await syncName(directory, fileSystem)
  } catch (error) {
    throw ioError(error, 'opening', directory)
  }
}

/**
 * Makes the directory and those above it that are missing, from the top, each with a durable name before the next: so of
 * those that a killed process has made, only the last may be without.
 */
export async function makeDirectory(directory: string, fileSystem: FileSystem): Promise<void> {
  const missing: string[] = []
  let path = directory
  for (; (await fileSystem.stat(path, true)) === undefined; path = nodePath.dirname(path)) missing.push(path)
  await syncName(path, fileSystem)
  for (const made of missing.reverse()) {
    await fileSystem.mkdir(made)
    await fileSystem.syncDir(nodePath.dirname(made))
  }
}

/** Makes the name of a directory durable that was there: a process may have made it and been killed. */
async function syncName(directory: string, fileSystem: FileSystem): Promise<void> {
  try {
    await fileSystem.syncDir(nodePath.dirname(directory))
  } catch (error) {
    // What we may not open is not where we made anything.
    const errno = errnoOf(error)
    if (errno !== 'EACCES' && errno !== 'EPERM') throw error
  }
}

/** Throws `NOT_FOUND` or `INVALID_ARGUMENT` when there is no directory that a store may be in. Makes nothing. */
export async function requireDirectory(directory: string, fileSystem: FileSystem): Promise<void> {
  let status: FileStatus | undefined
  try {
    status = await fileSystem.stat(directory, true)
  } catch (error) {
    throw ioError(error, 'opening', directory)
  }
  if (status === undefined)
    throw new VarveError('NOT_FOUND', `There is no store in ${directory}.`, { path: directory })
  if (status.kind !== 'directory') throw noDirectory(directory)
}

/** A directory without a store must be empty: somebody else's files are not mixed with ours. */
function refuseForeignDirectory(directory: string, names: readonly string[]): void {
  const foreign = names.find((name) => parseFileName(name) === undefined)
  if (foreign === undefined || names.some((name) => parseFileName(name)?.kind === 'current')) return
  // Beside a store's own files a missing CURRENT is damage, which recovery tells of.
  if (names.some((name) => isStoreFile(name))) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${directory} holds files that are not a store's, such as ${shown(foreign)}. Give the store a directory of its own.`,
    { path: directory },
  )
}

function isStoreFile(name: string): boolean {
  const kind = parseFileName(name)?.kind
  return kind === 'wal' || kind === 'sst' || kind === 'manifest'
}

function noDirectory(directory: string): VarveError {
  return new VarveError('INVALID_ARGUMENT', `${directory} is a file. A store needs a directory of its own.`, {
    path: directory,
  })
}

/** The error for a store that may not be made. */
export function notFound(directory: string): VarveError {
  return new VarveError('NOT_FOUND', `There is no store in ${directory}, and createIfMissing is false.`, {
    path: directory,
  })
}

/** Takes the lock of the store in `directory`; tries for `lockTimeoutMs` before it throws `LOCKED`. */
export async function takeLock(
  directory: string,
  lockTimeoutMs: number,
  { fileSystem, clock }: { readonly fileSystem: FileSystem; readonly clock: Clock },
): Promise<Lock> {
  const path = `${directory}/${LOCK_NAME}`
  const deadline = clock.monotonic() + lockTimeoutMs
  for (;;) {
    try {
      return await fileSystem.lock(path)
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw ioError(error, 'locking', path)
      if (clock.monotonic() >= deadline) throw lockedError(directory, error)
    }
    await new Promise<void>((resolve) => clock.after(LOCK_RETRY_MS, resolve, true))
  }
}

function lockedError(directory: string, error: LockHeldError): VarveError {
  const advice = error.isOwn
    ? 'Share the Store that open() gave there, or close it first.'
    : 'Close it there, or wait for it with lockTimeout.'
  return new VarveError(
    'LOCKED',
    `The store in ${directory} is open: its lock is ${error.message}. ${advice}${copyAdvice(directory, error.holder)}`,
    { path: `${directory}/${LOCK_NAME}`, cause: error },
  )
}

/** What to add where a lock may be that of another directory, of which `directory` is a copy. */
export function copyAdvice(directory: string, { directory: its }: LockHolder): string {
  if (its === undefined || its === directory) return ''
  return ` It was opened as ${printable(its, MAX_PATH_LENGTH)}. Only if this directory is a copy of that one, delete LOCK in the copy.`
}

/** A store that was written with other encodings would be read as nonsense. */
export function checkFacts(
  directory: string,
  found: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(wanted)) {
    if (found[name] === undefined || found[name] === value) continue
    throw new VarveError(
      'INVALID_ARGUMENT',
      `The store in ${directory} was made with ${name} ${shown(found[name])}. Open it with that, not with '${value}'.`,
      { path: directory },
    )
  }
}
