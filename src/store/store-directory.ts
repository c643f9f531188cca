/** The directory of a store: finding or making it, keeping out of somebody else's, and locking it. */
import * as nodePath from 'node:path'
import { ioError, VarveError } from '../base/errors.js'
import { LOCK_NAME, parseFileName } from '../base/file-names.js'
import type { Clock } from '../env/clock.js'
import { type FileSystem, type Lock, LockHeldError } from '../env/file-system.js'

/** How long to wait between two attempts at a lock. */
const LOCK_RETRY_MS = 20

/** Makes sure that there is a directory that a store may be in. Throws `NOT_FOUND`, `INVALID_ARGUMENT`. */
export async function prepareDirectory(
  directory: string,
  createIfMissing: boolean,
  fileSystem: FileSystem,
): Promise<void> {
  try {
    const status = await fileSystem.stat(directory)
    if (status === undefined) {
      if (!createIfMissing) throw notFound(directory)
      await makeDirectory(directory, fileSystem)
    } else if (status.kind !== 'directory') {
      throw new VarveError(
        'INVALID_ARGUMENT',
        `${directory} is a file. A store needs a directory of its own.`,
        {
          path: directory,
        },
      )
    }
    await refuseForeignDirectory(directory, fileSystem)
  } catch (error) {
    throw ioError(error, 'opening', directory)
  }
}

/** Makes the directory and those above it that are missing, each with a durable name. */
async function makeDirectory(directory: string, fileSystem: FileSystem): Promise<void> {
  const made: string[] = []
  for (let path = directory; (await fileSystem.stat(path)) === undefined; path = nodePath.dirname(path))
    made.push(path)
  await fileSystem.mkdir(directory)
  for (const path of made.reverse()) await fileSystem.syncDir(nodePath.dirname(path))
}

/** A directory without a store must be empty: somebody else's files are not mixed with ours. */
async function refuseForeignDirectory(directory: string, fileSystem: FileSystem): Promise<void> {
  const names = await fileSystem.readdir(directory)
  const foreign = names.find((name) => parseFileName(name) === undefined)
  if (foreign === undefined || names.some((name) => parseFileName(name)?.kind === 'current')) return
  // Beside a store's own files a missing CURRENT is damage, which recovery tells of.
  if (names.some((name) => isStoreFile(name))) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${directory} holds files that are not a store's, such as ${JSON.stringify(foreign)}. Give the store a directory of its own.`,
    { path: directory },
  )
}

function isStoreFile(name: string): boolean {
  const kind = parseFileName(name)?.kind
  return kind === 'wal' || kind === 'sst' || kind === 'manifest'
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
  const { pid, host, since } = error.holder
  return new VarveError(
    'LOCKED',
    `The store in ${directory} is open in process ${pid} on ${host} since ${new Date(since).toISOString()}. ` +
      'Close it there, or wait for it with lockTimeout.',
    { path: `${directory}/${LOCK_NAME}`, cause: error },
  )
}
