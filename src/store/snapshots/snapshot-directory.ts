/**
 * The directory of a store's snapshots: which names stand in it, and what is left of one that was cut short.
 *
 * `snapshots/<id>` is a whole snapshot, always: it is made as `snapshots/<id>.tmp` and renamed when everything in it is
 * durable, and renamed back before anything in it is deleted. So every `*.tmp` is of no account.
 */
import { errnoOf, ioError, VarveError } from '../../base/errors.js'
import { SNAPSHOTS_NAME, temporaryName } from '../../base/file-names.js'
import type { FileSystem } from '../../env/file-system.js'

/** Letters, digits and `._-`, beginning with a letter or digit: never a path, on no platform. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** Whether `text` can be the id of a snapshot. */
export function isSnapshotId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text) && !text.endsWith('.tmp') && !text.endsWith('.')
}

/** Whether `name` is that of a snapshot whose making or deletion is under way, or was cut short. */
export function isUnfinishedName(name: string): boolean {
  return name.endsWith('.tmp') && isSnapshotId(name.slice(0, -'.tmp'.length))
}

/** Throws `INVALID_ARGUMENT` when `text` cannot be the id of a snapshot. */
export function checkSnapshotId(what: string, text: unknown): string {
  if (isSnapshotId(text)) return text
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${what} must be 1 to 100 letters, digits, '.', '_' or '-', begin with a letter or digit, and not end in '.' or '.tmp'.`,
  )
}

/** The id of a snapshot without a name; `number` is one that no other snapshot of the store has. */
export function generatedId(createdAt: number, number: number): string {
  const moment = new Date(createdAt).toISOString().replace(/[-:]|\.\d+/g, '')
  return `${moment}-${String(number).padStart(6, '0')}`
}

/** Where the snapshots of the store in `directory` are. */
export function snapshotsPath(directory: string): string {
  return `${directory}/${SNAPSHOTS_NAME}`
}

/** Makes a new, empty directory for a snapshot that is not whole yet. */
export async function beginSnapshot(fileSystem: FileSystem, directory: string, id: string): Promise<string> {
  const parent = snapshotsPath(directory)
  const path = `${parent}/${temporaryName(id)}`
  try {
    await fileSystem.mkdir(parent)
    if ((await fileSystem.stat(parent))?.kind !== 'directory') {
      throw new VarveError('IO_ERROR', `${parent} is a link, which is not followed. Remove it.`, {
        path: parent,
      })
    }
    // Also when it was there: nobody knows whether its name is durable.
    await fileSystem.syncDir(directory)
    await removeLeftover(fileSystem, parent, path)
    await fileSystem.mkdir(path)
  } catch (error) {
    throw ioError(error, 'making', path)
  }
  return path
}

/** Gives a snapshot in which everything is durable its name. */
export async function publishSnapshot(
  fileSystem: FileSystem,
  directory: string,
  id: string,
): Promise<string> {
  const parent = snapshotsPath(directory)
  const path = `${parent}/${id}`
  try {
    await fileSystem.rename(temporaryName(path), path)
    await fileSystem.syncDir(parent)
  } catch (error) {
    throw ioError(error, 'publishing', path)
  }
  return path
}

/** Takes the name of a snapshot away, durably, and then deletes its files. */
export async function removeSnapshot(fileSystem: FileSystem, directory: string, id: string): Promise<void> {
  const parent = snapshotsPath(directory)
  const path = `${parent}/${id}`
  const doomed = temporaryName(path)
  try {
    await removeLeftover(fileSystem, parent, doomed)
    await fileSystem.rename(path, doomed)
    await fileSystem.syncDir(parent)
    await removeTree(fileSystem, doomed)
  } catch (error) {
    throw ioError(error, 'deleting', path)
  }
}

/** The ids of the snapshots that are there, in no order. */
export async function listSnapshotIds(fileSystem: FileSystem, directory: string): Promise<string[]> {
  const parent = snapshotsPath(directory)
  try {
    if ((await fileSystem.stat(parent))?.kind !== 'directory') return []
    return (await fileSystem.readdir(parent)).filter(isSnapshotId)
  } catch (error) {
    throw ioError(error, 'listing', parent)
  }
}

/** Deletes what is left of snapshots whose making or deletion was cut short, and makes durable what is there. */
export async function collectSnapshotLeftovers(fileSystem: FileSystem, directory: string): Promise<void> {
  const parent = snapshotsPath(directory)
  if ((await fileSystem.stat(parent))?.kind !== 'directory') return
  // A process that was killed may have named one, or taken a name away, and not come to sync that. Without it a crash
  // might bring the name of a snapshot back whose files are gone.
  await fileSystem.syncDir(parent)
  const names = await fileSystem.readdir(parent)
  for (const name of names.filter(isUnfinishedName)) await removeTree(fileSystem, `${parent}/${name}`)
}

/** Deletes what an attempt of before has left at `path`, if it has: its sync may have failed, so it is made again. */
async function removeLeftover(fileSystem: FileSystem, parent: string, path: string): Promise<void> {
  if ((await fileSystem.stat(path)) === undefined) return
  await fileSystem.syncDir(parent)
  await removeTree(fileSystem, path)
}

/** Deletes `path` and everything in it. A symbolic link goes; what it leads to stays. */
export async function removeTree(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    await fileSystem.unlink(path)
    return
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return
    // A directory, told in the words of Linux or of others.
    if (errno !== 'EISDIR' && errno !== 'EPERM') throw error
    if ((await fileSystem.stat(path))?.kind !== 'directory') throw error
  }
  for (const name of await fileSystem.readdir(path)) await removeTree(fileSystem, `${path}/${name}`)
  await fileSystem.rmdir(path)
}

/** The bytes of the files in a snapshot. */
export async function sizeOfSnapshot(fileSystem: FileSystem, path: string): Promise<number> {
  let sizeBytes = 0
  try {
    for (const name of await fileSystem.readdir(path)) {
      const status = await fileSystem.stat(`${path}/${name}`)
      if (status?.kind === 'file') sizeBytes += status.sizeBytes
    }
  } catch (error) {
    throw ioError(error, 'measuring', path)
  }
  return sizeBytes
}
