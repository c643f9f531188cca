/**
 * Deletes the files of tables that no version names any more.
 *
 * While it is held, nothing is deleted, so that a table that went can come back (a restore does that); what was to be
 * deleted meanwhile goes at the release, unless a version names it again.
 */
import { errnoOf, ioError, type VarveError } from '../base/errors.js'
import { tablePath } from '../compaction/table-writer.js'
import type { FileSystem } from '../env/file-system.js'

export class ObsoleteTables {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #onError: (error: VarveError) => void
  /** Told of each table that is deleted. */
  onDelete: ((number: number) => void) | undefined
  readonly #unlinking = new Set<Promise<void>>()
  /** While held: what is to go. */
  #kept: number[] | undefined

  constructor(fileSystem: FileSystem, directory: string, onError: (error: VarveError) => void) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.#onError = onError
  }

  delete(numbers: readonly number[]): void {
    if (this.#kept !== undefined) {
      this.#kept.push(...numbers)
      return
    }
    for (const number of numbers) {
      this.onDelete?.(number)
      const unlinking = this.#unlink(number).finally(() => this.#unlinking.delete(unlinking))
      this.#unlinking.add(unlinking)
    }
  }

  /** Deletes nothing from now on; resolves when nothing is being deleted any more. */
  async hold(): Promise<void> {
    this.#kept = []
    await this.settled()
  }

  /** Resolves when what is being deleted now is gone, or has resisted. */
  async settled(): Promise<void> {
    await Promise.all(this.#unlinking)
  }

  /** Deletes what came since {@link hold} and is not needed again. */
  release(isNeeded: (number: number) => boolean): void {
    const kept = this.#kept ?? []
    this.#kept = undefined
    this.delete(kept.filter((number) => !isNeeded(number)))
  }

  async #unlink(number: number): Promise<void> {
    const path = tablePath(this.#directory, number)
    try {
      await this.#fileSystem.unlink(path)
    } catch (error) {
      // One that resists is an orphan, which the next open collects.
      if (errnoOf(error) !== 'ENOENT') this.#onError(ioError(error, 'deleting', path))
    }
  }
}
