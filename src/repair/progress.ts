/** Tells how far a long piece of work has come, by files and their bytes. */
import type { FileSystem } from '../env/file-system.js'

/** What a progress callback is told. */
export interface ProgressReport {
  /** The file that was done last, relative to the store's directory. */
  readonly file: string
  readonly filesDone: number
  /** Files that are known to be ahead; grows when the work comes to a snapshot. */
  readonly filesTotal: number
  readonly bytesDone: number
  readonly bytesTotal: number
}

/** Called after each file. What it throws ends the work. */
export type OnProgress = (progress: ProgressReport) => void

export class Progress {
  readonly #fileSystem: FileSystem
  readonly #onProgress: OnProgress | undefined
  #sizes = new Map<string, number>()
  #filesDone = 0
  #filesTotal = 0
  #bytesDone = 0
  #bytesTotal = 0

  constructor(fileSystem: FileSystem, onProgress?: OnProgress) {
    this.#fileSystem = fileSystem
    this.#onProgress = onProgress
  }

  get filesDone(): number {
    return this.#filesDone
  }

  get bytesDone(): number {
    return this.#bytesDone
  }

  /** Announces the files of a directory that will be looked at. */
  async begin(directory: string, names: readonly string[]): Promise<void> {
    this.#sizes = new Map()
    for (const name of new Set(names)) {
      const status = await this.#fileSystem.stat(`${directory}/${name}`).catch(() => undefined)
      this.#sizes.set(name, status?.sizeBytes ?? 0)
      this.#filesTotal++
      this.#bytesTotal += status?.sizeBytes ?? 0
    }
  }

  done(name: string): void {
    const sizeBytes = this.#sizes.get(name)
    if (sizeBytes === undefined) return
    this.#sizes.delete(name)
    this.#filesDone++
    this.#bytesDone += sizeBytes
    this.#onProgress?.({
      file: name,
      filesDone: this.#filesDone,
      filesTotal: this.#filesTotal,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
    })
  }
}
