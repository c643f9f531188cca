/**
 * The descriptor of a table: opened when it is needed, closed when the table cache wants it back, opened again when
 * a reader that is still in use needs it again.
 *
 * Invariant: at most one descriptor is open for new reads; one that was released closes as soon as the last
 * asynchronous read on it has ended, and never before.
 */
import { readError, VarveError } from '../base/errors.js'
import { closeQuietlySync, type File, readFully, readFullySync } from '../env/file-system.js'

/** Opens files within the bound on open files. */
export interface DescriptorKeeper {
  open(path: string): Promise<File>
  openSync(path: string): File
  /** Told as soon as a table has a descriptor, so that it can be released. */
  opened(table: TableFile): void
}

/** An open descriptor and the asynchronous reads under way on it. */
interface Descriptor {
  readonly file: File
  reads: number
  released: boolean
}

export class TableFile {
  readonly number: number
  readonly path: string
  readonly #keeper: DescriptorKeeper
  #descriptor: Descriptor | undefined
  #opening: Promise<Descriptor> | undefined
  /** Reads that wait for {@link #opening}. */
  #readsWaiting = 0
  #closed = false

  constructor(number: number, path: string, keeper: DescriptorKeeper) {
    this.number = number
    this.path = path
    this.#keeper = keeper
  }

  /** Reads until `target` is full or the file ends; returns the bytes read. */
  readSync(target: Uint8Array, position: number): number {
    this.#assertOpen()
    try {
      const descriptor = this.#descriptor ?? this.#take(this.#keeper.openSync(this.path))
      return readFullySync(descriptor.file, target, position)
    } catch (error) {
      throw readError(error, this.path)
    }
  }

  /** {@link readSync} without blocking. */
  async read(target: Uint8Array, position: number): Promise<number> {
    this.#assertOpen()
    try {
      let descriptor = this.#descriptor
      if (descriptor === undefined) {
        this.#readsWaiting++
        descriptor = await this.#open()
      } else descriptor.reads++
      try {
        return await readFully(descriptor.file, target, position)
      } finally {
        descriptor.reads--
        if (descriptor.released && descriptor.reads === 0) closeQuietlySync(descriptor.file)
      }
    } catch (error) {
      throw readError(error, this.path)
    }
  }

  /** Opens the file if it is not, so that reads need its name no more for as long as it is not released. */
  async hold(): Promise<void> {
    this.#assertOpen()
    try {
      if (this.#descriptor === undefined) await this.#open()
    } catch (error) {
      throw readError(error, this.path)
    }
  }

  /** Closes the descriptor, at once or behind the reads under way; a later read opens another one. */
  release(): void {
    const descriptor = this.#descriptor
    if (descriptor === undefined) return
    this.#descriptor = undefined
    descriptor.released = true
    if (descriptor.reads === 0) closeQuietlySync(descriptor.file)
  }

  /** {@link release} for good, even though someone may hold on to it: later reads are refused with `CLOSED`. */
  close(): void {
    this.#closed = true
    this.release()
  }

  /** One opening at a time, whoever waits for it. */
  #open(): Promise<Descriptor> {
    this.#opening ??= this.#openOnce()
    return this.#opening
  }

  /**
   * Counts the reads that wait as begun at once, not when each wakes up: by then another table may have taken the
   * descriptor's place, and the two would take it from each other for ever.
   */
  async #openOnce(): Promise<Descriptor> {
    try {
      const file = await this.#keeper.open(this.path)
      if (this.#closed || this.#descriptor !== undefined) closeQuietlySync(file)
      this.#assertOpen()
      // A blocking read may have come first.
      const descriptor = this.#descriptor ?? this.#take(file)
      descriptor.reads += this.#readsWaiting
      return descriptor
    } finally {
      this.#readsWaiting = 0
      this.#opening = undefined
    }
  }

  #take(file: File): Descriptor {
    const descriptor = { file, reads: 0, released: false }
    this.#descriptor = descriptor
    this.#keeper.opened(this)
    return descriptor
  }

  #assertOpen(): void {
    if (!this.#closed) return
    throw new VarveError('CLOSED', 'The store is closed, or has done with this SSTable.', { path: this.path })
  }
}
