/** Files that are read and written as a whole. */
import { ioError, readError } from '../base/errors.js'
import { closeQuietly, type File, type FileSystem, readFully, writeFullySync } from './file-system.js'

/** The first `mostBytes` of the file at `path`; `undefined` when there is none. */
export async function readSmallFile(
  fileSystem: FileSystem,
  path: string,
  mostBytes: number,
): Promise<Uint8Array | undefined> {
  let file: File | undefined
  try {
    if ((await fileSystem.stat(path)) === undefined) return undefined
    file = await fileSystem.open(path, 'read')
    const bytes = new Uint8Array(mostBytes)
    return bytes.subarray(0, await readFully(file, bytes, 0))
  } catch (error) {
    throw readError(error, path)
  } finally {
    if (file !== undefined) await closeQuietly(file)
  }
}

/** Makes the file at `path`, which must not be there, and makes its bytes durable; its name is the caller's. */
export async function writeSmallFile(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  let file: File | undefined
  try {
    file = await fileSystem.open(path, 'create')
    writeFullySync(file, bytes, 0)
    await file.sync()
  } catch (error) {
    throw ioError(error, 'writing', path)
  } finally {
    if (file !== undefined) await closeQuietly(file)
  }
}
