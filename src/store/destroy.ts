/**
 * `destroy`: deletes a store, its snapshots too, and nothing else.
 *
 * What must always hold: a file goes only when its name is one that a store gives (base/file-names) and it is a file; a
 * directory only when it is empty then. CURRENT goes first and durably: what a crash leaves behind is refused by `open` and
 * can be destroyed again, never taken for a store that holds less. Snapshots go before the other files, by
 * which the store is still known.
 */

import { errnoOf, ioError, VarveError } from '../base/errors.js'
import { CURRENT_NAME, LOCK_NAME, parseFileName, SNAPSHOTS_NAME } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { NodeFileSystem } from '../env/node-file-system.js'
import { SystemClock } from '../env/system-clock.js'
import { checkOptionNames } from './option-names.js'
import { isSnapshotId, isUnfinishedName, listSnapshotIds } from './snapshots/snapshot-directory.js'
import { takeLock } from './store-directory.js'
import { checkPath, refuseMissing, refuseOpen, type ToolOptions } from './verify.js'

/** What {@link destroy} did. */
export interface DestroyReport {
  /** Files that were deleted, those of snapshots too, and their bytes. */
  readonly files: number
  readonly bytes: number
  /** What was left because it is not the store's: paths in the directory. Empty when the directory is gone too. */
  readonly left: readonly string[]
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof ToolOptions>(['fileSystem'])

/**
 * Deletes a closed store with its snapshots, and its directory unless there is anything in it that is not the store's: that
 * is left, and reported.
 *
 * Rejects with `LOCKED` when the store, or a snapshot, is open for writing, `NOT_FOUND` when there is none,
 * `INVALID_ARGUMENT`, `IO_ERROR`. When it fails midway or the process dies, `open` refuses what is left and `destroy` may be called again.
 * Read-only stores keep nobody from destroying; they go on with the tables that they have open.
 *
 * @example
 * ```ts
 * const { left } = await destroy('./data')
 * if (left.length > 0) console.log('not the store’s:', left)
 * ```
 */
export async function destroy(path: string, options: ToolOptions = {}): Promise<DestroyReport> {
  const directory = checkPath('destroy', path)
  checkOptionNames('destroy', options, OPTION_NAMES)
  const fileSystem = options.fileSystem ?? new NodeFileSystem()
  await refuseMissing(fileSystem, directory)
  try {
    if (!(await holdsStore(fileSystem, directory))) {
      throw new VarveError('NOT_FOUND', `There is no store in ${directory}; nothing was deleted.`, {
        path: directory,
      })
    }
    const lock = await takeLock(directory, 0, { fileSystem, clock: new SystemClock() })
    let report: DestroyReport
    try {
      const destruction = new Destruction(fileSystem, directory)
      await destruction.refuseOpenSnapshots()
      await destruction.run()
      const { files, bytes, left } = destruction
      report = { files, bytes, left: left.sort() }
    } finally {
      await lock.release()
    }
    if (report.left.length === 0) await removeEmpty(fileSystem, directory)
    return report
  } catch (error) {
    throw ioError(error, 'destroying', directory)
  }
}

/** Whether there is a file that is in nothing but a store. */
async function holdsStore(fileSystem: FileSystem, directory: string): Promise<boolean> {
  for (const name of await fileSystem.readdir(directory)) {
    const kind = parseFileName(name)?.kind
    const proves = kind === 'current' || kind === 'manifest' || kind === 'wal' || kind === 'sst'
    if (proves && (await fileSystem.stat(`${directory}/${name}`))?.kind === 'file') return true
  }
  return false
}

class Destruction {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly left: string[] = []
  files = 0
  bytes = 0

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem
    this.#directory = directory
  }

  /** Throws `LOCKED` when a snapshot is open as a store. */
  async refuseOpenSnapshots(): Promise<void> {
    for (const id of await listSnapshotIds(this.#fileSystem, this.#directory)) {
      const path = `${SNAPSHOTS_NAME}/${id}`
      if (await this.#isSnapshot(SNAPSHOTS_NAME, id)) await refuseOpen(this.#fileSystem, this.#pathOf(path))
    }
  }

  /**
   * Destroys what is in `inside`, which is a store or a snapshot: CURRENT, durably; its snapshots; everything else. The path
   * is relative to the store's directory, and empty or ends with a slash.
   */
  async run(inside = ''): Promise<void> {
    const names = await this.#fileSystem.readdir(this.#pathOf(inside))
    if (names.includes(CURRENT_NAME)) {
      await this.#destroyFile(`${inside}${CURRENT_NAME}`)
      await this.#fileSystem.syncDir(this.#pathOf(inside))
    }
    if (names.includes(SNAPSHOTS_NAME)) await this.#destroySnapshots(`${inside}${SNAPSHOTS_NAME}`)
    for (const name of names) {
      const path = `${inside}${name}`
      if (name === CURRENT_NAME || name === SNAPSHOTS_NAME) continue
      if (parseFileName(name) === undefined) this.left.push(path)
      // Our own lock goes when it is released.
      else if (path !== LOCK_NAME && !(await this.#destroyFile(path))) this.left.push(path)
    }
    await this.#fileSystem.syncDir(this.#pathOf(inside))
  }

  async #destroySnapshots(path: string): Promise<void> {
    if (await this.#destroyFile(path)) return
    for (const name of await this.#fileSystem.readdir(this.#pathOf(path))) {
      const snapshot = `${path}/${name}`
      if (!(await this.#isSnapshot(path, name))) {
        this.left.push(snapshot)
      } else if (!(await this.#destroyFile(snapshot))) {
        await this.run(`${snapshot}/`)
        await removeEmpty(this.#fileSystem, this.#pathOf(snapshot))
      }
    }
    await removeEmpty(this.#fileSystem, this.#pathOf(path))
  }

  /** Whether `name` in the directory of snapshots is one, whole or what is left of one: of an empty one, its name. */
  async #isSnapshot(snapshots: string, name: string): Promise<boolean> {
    const path = this.#pathOf(`${snapshots}/${name}`)
    if ((await this.#fileSystem.stat(path))?.kind !== 'directory') return false
    const inside = await this.#fileSystem.readdir(path)
    if (inside.length === 0) return isSnapshotId(name) || isUnfinishedName(name)
    return inside.some((file) => parseFileName(file) !== undefined)
  }

  /** Deletes a file, or a link but not what it leads to; false for a directory. */
  async #destroyFile(path: string): Promise<boolean> {
    const status = await this.#fileSystem.stat(this.#pathOf(path))
    try {
      await this.#fileSystem.unlink(this.#pathOf(path))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true
      if (status?.kind !== 'directory') throw error
      return false
    }
    this.files++
    this.bytes += status?.sizeBytes ?? 0
    return true
  }

  #pathOf(path: string): string {
    return `${this.#directory}/${path}`
  }
}

/** Removes a directory, unless something is in it. */
async function removeEmpty(fileSystem: FileSystem, path: string): Promise<void> {
  try {
    await fileSystem.rmdir(path)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST' && errno !== 'ENOENT') throw error
  }
}
