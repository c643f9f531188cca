/** Deletes MANIFESTs that are not the live one. */
import { ioError, type VarveError } from '../base/errors.js'
import { parseFileName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'

/** Where they are, and who is told of failures. */
export interface ManifestDirectory {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly onBackgroundError?: (error: VarveError) => void
}

/** Deletes the MANIFESTs among `names` but the live one; what cannot be deleted now is collected at the next open. */
export async function deleteManifests(
  { fileSystem, directory, onBackgroundError }: ManifestDirectory,
  names: readonly string[],
  liveNumber: number | undefined,
): Promise<void> {
  for (const name of names) {
    const parsed = parseFileName(name)
    if (parsed?.kind !== 'manifest' || parsed.number === liveNumber) continue
    const path = `${directory}/${name}`
    try {
      await fileSystem.unlink(path)
    } catch (error) {
      onBackgroundError?.(ioError(error, 'deleting', path))
    }
  }
}
