/** Writes the MANIFEST and CURRENT of a checkpoint: a directory that opens as a store of its own. */
import { ioError } from '../base/errors.js'
import type { FileSystem } from '../env/file-system.js'
import { prepareCurrent, publishCurrent } from './current-file.js'
import type { ManifestState } from './manifest-state.js'
import { ManifestWriter } from './manifest-writer.js'

/**
 * Writes a MANIFEST of `state` and a CURRENT into `directory`, where the tables that it names already are, and makes
 * all names in it durable. The checkpoint needs no WAL segment. `databaseId` must be that of the tables' store:
 * their checksums are salted with it.
 */
export async function writeCheckpoint(
  fileSystem: FileSystem,
  directory: string,
  databaseId: Uint8Array,
  epoch: number,
  state: ManifestState,
): Promise<void> {
  const number = state.nextFileNumber
  const complete = {
    ...state,
    logged: false,
    logSynced: undefined,
    logNumber: number,
    nextFileNumber: number + 1,
  }
  const writer = await ManifestWriter.create(fileSystem, directory, { databaseId, number, epoch }, complete)
  try {
    const sealedLength = await writer.seal()
    await prepareCurrent(fileSystem, directory, { databaseId, epoch, manifestNumber: number, sealedLength })
    await publishCurrent(fileSystem, directory)
    await fileSystem.syncDir(directory)
  } catch (error) {
    throw ioError(error, 'writing a checkpoint to', directory)
  } finally {
    await writer.close()
  }
}
