/**
 * A file system that takes its time: each asynchronous operation waits for a few turns of the event loop, as many as
 * `turns` says, before and behind its effect. So that background work and callers interleave in many ways.
 */
import type { File, FileStatus, FileSystem, Lock, OpenMode } from '../../src/testing.js'
import { turn } from './turns.js'

export class SlowFileSystem implements FileSystem {
  readonly #inner: FileSystem
  readonly #turns: () => number

  constructor(inner: FileSystem, turns: () => number) {
    this.#inner = inner
    this.#turns = turns
  }

  get hasPageCache(): boolean {
    return this.#inner.hasPageCache === true
  }

  async #slowly<T>(operation: () => Promise<T>): Promise<T> {
    for (let left = this.#turns(); left > 0; left--) await turn()
    const result = await operation()
    for (let left = this.#turns(); left > 0; left--) await turn()
    return result
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    return this.#wrap(await this.#slowly(() => this.#inner.open(path, mode)))
  }

  openSync(path: string, mode: OpenMode): File {
    return this.#wrap(this.#inner.openSync(path, mode))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#slowly(() => this.#inner.rename(from, to))
  }

  unlink(path: string): Promise<void> {
    return this.#slowly(() => this.#inner.unlink(path))
  }

  link(existing: string, created: string): Promise<void> {
    return this.#slowly(() => this.#inner.link(existing, created))
  }

  mkdir(path: string): Promise<void> {
    return this.#slowly(() => this.#inner.mkdir(path))
  }

  rmdir(path: string): Promise<void> {
    return this.#slowly(() => this.#inner.rmdir(path))
  }

  readdir(path: string): Promise<string[]> {
    return this.#slowly(() => this.#inner.readdir(path))
  }

  stat(path: string): Promise<FileStatus | undefined> {
    return this.#slowly(() => this.#inner.stat(path))
  }

  syncDir(path: string): Promise<void> {
    return this.#slowly(() => this.#inner.syncDir(path))
  }

  async lockHolder(): Promise<undefined> {}

  /** A lock that nobody else meets: the holder before died, or let go. */
  async lock(): Promise<Lock> {
    return { release: async () => undefined }
  }

  #wrap(file: File): File {
    return {
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position) => this.#slowly(() => file.read(target, position)),
      writeSync: (source, position) => file.writeSync(source, position),
      sync: () => this.#slowly(() => file.sync()),
      syncSync: () => file.syncSync(),
      truncate: (sizeBytes) => this.#slowly(() => file.truncate(sizeBytes)),
      size: () => file.size(),
      close: () => this.#slowly(() => file.close()),
      closeSync: () => file.closeSync(),
    }
  }
}
