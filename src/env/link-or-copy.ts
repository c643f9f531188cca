/** A second name for a table's file where that is possible, a second file where it is not. */
import { errnoOf, ioError } from '../base/errors.js'
import { temporaryName } from '../base/file-names.js'
import { closeQuietly, type FileSystem, readFully, writeFullySync } from './file-system.js'

/** Another device, a file system without links, or too many of them. */
const LINKS_IMPOSSIBLE: ReadonlySet<string | undefined> = new Set([
  'EXDEV',
  'EPERM',
  'ENOSYS',
  'EMLINK',
  'ENOTSUP',
  'EOPNOTSUPP',
])

const COPY_BYTES = 256 * 1024

/**
 * Makes `to` the same file as `from`, or a copy whose bytes are durable; the name is the caller's to sync. A copy gets
 * its name when it is whole.
 */
export async function linkOrCopy(fileSystem: FileSystem, from: string, to: string): Promise<void> {
  try {
    await fileSystem.link(from, to)
  } catch (error) {
    if (!LINKS_IMPOSSIBLE.has(errnoOf(error))) throw ioError(error, 'linking', to)
    const unfinished = temporaryName(to)
    try {
      await copy(fileSystem, from, unfinished)
      await fileSystem.rename(unfinished, to)
    } catch (failure) {
      await fileSystem.unlink(unfinished).catch(() => undefined)
      throw ioError(failure, 'copying', to)
    }
  }
}

async function copy(fileSystem: FileSystem, from: string, to: string): Promise<void> {
  const source = await fileSystem.open(from, 'read')
  try {
    const target = await fileSystem.open(to, 'create')
    try {
      const buffer = new Uint8Array(COPY_BYTES)
      for (let at = 0; ; ) {
        const length = await readFully(source, buffer, at)
        if (length === 0) break
        writeFullySync(target, buffer.subarray(0, length), at)
        at += length
      }
      await target.sync()
    } finally {
      await closeQuietly(target)
    }
  } finally {
    await closeQuietly(source)
  }
}
