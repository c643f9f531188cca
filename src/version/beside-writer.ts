/**
 * Reading a store's files beside a live writer, who may add, replace and delete them meanwhile.
 *
 * The writer changes CURRENT, the MANIFEST or the names of the log before anything that they name goes. So what looks like
 * damage, or is not there any more, counts only when all of these are still the same behind it.
 */
import { VarveError } from '../base/errors.js'
import { manifestName, parseFileName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { readCurrent } from './current-file.js'

/** How often a reader looks again when the files have changed under its hands. */
const ATTEMPTS = 20

/**
 * The outcome of `read`, which is run again while it fails and the store's files change. What `read` did before it
 * failed must not matter. Throws what `read` throws, and `ABORTED` when the writer is always faster.
 */
export async function readBesideWriter<T>(
  fileSystem: FileSystem,
  directory: string,
  read: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const before = await filesOf(fileSystem, directory)
    try {
      return await read()
    } catch (error) {
      if (before === (await filesOf(fileSystem, directory))) throw error
      if (attempt < ATTEMPTS) continue
      throw new VarveError(
        'ABORTED',
        `The files in ${directory} changed ${ATTEMPTS} times while they were read. Try again when less is written.`,
        { path: directory, cause: error },
      )
    }
  }
}

/** What the live MANIFEST is, and how long: a text that is another one when any edit has been added. */
export async function manifestStamp(fileSystem: FileSystem, directory: string): Promise<string | undefined> {
  const current = await readCurrent(fileSystem, directory).catch(() => undefined)
  if (current === undefined) return undefined
  const { manifestNumber, epoch, sealedLength, databaseId } = current
  const status = await fileSystem.stat(`${directory}/${manifestName(manifestNumber)}`).catch(() => undefined)
  return [
    manifestNumber,
    epoch,
    sealedLength,
    Buffer.from(databaseId).toString('hex'),
    status?.sizeBytes,
  ].join(' ')
}

async function filesOf(fileSystem: FileSystem, directory: string): Promise<string> {
  const stamp = await manifestStamp(fileSystem, directory)
  const names = await fileSystem.readdir(directory).catch(() => [])
  return [stamp, ...names.filter((name) => parseFileName(name)?.kind === 'wal').sort()].join(' ')
}
