/**
 * A file system whose every call is a step that a test sees before it is made, and may leave out: the place to take crashes,
 * to turn off a sync, to let one fail.
 */
import {
  type File,
  type FileStatus,
  type FileSystem,
  type Lock,
  type LockHolder,
  MemoryFile,
  type OpenMode,
  type OperationKind,
} from '../../src/testing.js'

/** One call. */
export interface Step {
  readonly kind: OperationKind
  readonly path: string
  /** The second path of a rename or link. */
  readonly to?: string
  readonly mode?: OpenMode
  /** Of a write. */
  readonly bytes?: Uint8Array
  readonly position?: number
  /** Whether the call blocks. */
  readonly blocking?: boolean
}

/** `'skip'`: the call does nothing and succeeds. `'fail'`: it fails; unsynced bytes never reach the device. */
export type Verdict = 'make' | 'skip' | 'fail'

/** Whether a step changes anything: between two of these, all crashes are alike. */
export function changes({ kind, mode }: Step): boolean {
  switch (kind) {
    case 'open':
      return mode === 'create'
    case 'read':
    case 'size':
    case 'close':
    case 'readdir':
    case 'stat':
    case 'lock':
    case 'unlock':
      return false
    default:
      return true
  }
}

export class StepFileSystem implements FileSystem {
  readonly #inner: FileSystem
  /** Sees each step before it is made. */
  readonly #onStep: (step: Step) => Verdict

  constructor(inner: FileSystem, onStep: (step: Step) => Verdict) {
    this.#inner = inner
    this.#onStep = onStep
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    this.#step({ kind: 'open', path, mode })
    return this.#wrap(await this.#inner.open(path, mode), path)
  }

  openSync(path: string, mode: OpenMode): File {
    this.#step({ kind: 'open', path, mode, blocking: true })
    return this.#wrap(this.#inner.openSync(path, mode), path)
  }

  async rename(from: string, to: string): Promise<void> {
    if (this.#step({ kind: 'rename', path: from, to })) await this.#inner.rename(from, to)
  }

  async unlink(path: string): Promise<void> {
    if (this.#step({ kind: 'unlink', path })) await this.#inner.unlink(path)
  }

  async link(existing: string, created: string): Promise<void> {
    if (this.#step({ kind: 'link', path: existing, to: created })) await this.#inner.link(existing, created)
  }

  async mkdir(path: string): Promise<void> {
    if (this.#step({ kind: 'mkdir', path })) await this.#inner.mkdir(path)
  }

  async rmdir(path: string): Promise<void> {
    if (this.#step({ kind: 'rmdir', path })) await this.#inner.rmdir(path)
  }

  readdir(path: string): Promise<string[]> {
    return this.#inner.readdir(path)
  }

  stat(path: string): Promise<FileStatus | undefined> {
    return this.#inner.stat(path)
  }

  async syncDir(path: string): Promise<void> {
    if (this.#step({ kind: 'syncDir', path })) await this.#inner.syncDir(path)
  }

  lockHolder(path: string): Promise<LockHolder | undefined> {
    return this.#inner.lockHolder(path)
  }

  lock(path: string): Promise<Lock> {
    return this.#inner.lock(path)
  }

  /** Whether the call is to be made. */
  #step(step: Step, file?: File): boolean {
    const verdict = this.#onStep(step)
    if (verdict === 'fail') {
      if (file instanceof MemoryFile) file.dropUnsynced()
      throw Object.assign(new Error(`EIO: told to fail, ${step.kind} '${step.path}'`), { code: 'EIO' })
    }
    return verdict === 'make'
  }

  #wrap(file: File, path: string): File {
    return {
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position) => file.read(target, position),
      writeSync: (bytes, position) => {
        return this.#step({ kind: 'write', path, bytes, position })
          ? file.writeSync(bytes, position)
          : bytes.length
      },
      sync: async () => {
        if (this.#step({ kind: 'sync', path }, file)) await file.sync()
      },
      syncSync: () => {
        if (this.#step({ kind: 'sync', path, blocking: true }, file)) file.syncSync()
      },
      truncate: async (sizeBytes) => {
        if (this.#step({ kind: 'truncate', path })) await file.truncate(sizeBytes)
      },
      size: () => file.size(),
      close: () => file.close(),
      closeSync: () => file.closeSync(),
    }
  }
}
