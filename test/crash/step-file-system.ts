/**
 * A file system whose every call is a step that a test sees before it is made, and may leave out: the place to take crashes,
 * to turn off a sync, to let one fail.
 */
import { errnoError } from '../../src/env/errno.js'
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

/**
 * `'skip'`: the call does nothing and succeeds. `'fail'`: it fails with `EIO`; unsynced bytes never reach the device.
 * `'make-and-fail'`: it is made, and fails all the same. `'impossible'`: the file system cannot do that. A function: the call succeeds at once, and is made late: when it
 * is true of a call, behind the one after that.
 */
export type Verdict = 'make' | 'skip' | 'fail' | 'make-and-fail' | 'impossible' | ((step: Step) => boolean)

/** Decides about the calls of one process. */
export type Judge = (step: Step) => Verdict

/** Lets every call be made. */
export const lenient: Judge = () => 'make'

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
  readonly #judge: Judge
  /** Calls that are put off, with what they wait for. */
  #postponed: { readonly until: (step: Step) => boolean; readonly call: () => unknown; isDue: boolean }[] = []

  #openCount = 0

  constructor(inner: FileSystem, judge: Judge) {
    this.#inner = inner
    this.#judge = judge
  }

  /** How many files the process has open. */
  get openCount(): number {
    return this.#openCount
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    return this.#wrap(
      await this.#step({ kind: 'open', path, mode }, () => this.#inner.open(path, mode)),
      path,
    )
  }

  openSync(path: string, mode: OpenMode): File {
    const step: Step = { kind: 'open', path, mode, blocking: true }
    return this.#wrap(
      this.#step(step, () => this.#inner.openSync(path, mode)),
      path,
    )
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step({ kind: 'rename', path: from, to }, () => this.#inner.rename(from, to))
  }

  async unlink(path: string): Promise<void> {
    await this.#step({ kind: 'unlink', path }, () => this.#inner.unlink(path))
  }

  async link(existing: string, created: string): Promise<void> {
    await this.#step({ kind: 'link', path: existing, to: created }, () => this.#inner.link(existing, created))
  }

  async mkdir(path: string): Promise<void> {
    await this.#step({ kind: 'mkdir', path }, () => this.#inner.mkdir(path))
  }

  async rmdir(path: string): Promise<void> {
    await this.#step({ kind: 'rmdir', path }, () => this.#inner.rmdir(path))
  }

  readdir(path: string): Promise<string[]> {
    return this.#inner.readdir(path)
  }

  stat(path: string): Promise<FileStatus | undefined> {
    return this.#inner.stat(path)
  }

  async syncDir(path: string): Promise<void> {
    await this.#step({ kind: 'syncDir', path }, () => this.#inner.syncDir(path))
  }

  lockHolder(path: string): Promise<LockHolder | undefined> {
    return this.#inner.lockHolder(path)
  }

  lock(path: string): Promise<Lock> {
    return this.#inner.lock(path)
  }

  /** Makes a call as it was judged, and behind it those that waited for it. */
  #step<T>(step: Step, call: () => T, file?: File): T {
    const verdict = this.#judge(step)
    if (verdict === 'make-and-fail') call()
    if (verdict === 'fail' || verdict === 'make-and-fail' || verdict === 'impossible') {
      if (verdict === 'fail' && file instanceof MemoryFile) file.dropUnsynced()
      throw errnoError(verdict === 'impossible' ? 'EXDEV' : 'EIO', step.kind, step.path)
    }
    if (verdict === 'make') {
      const result = call()
      this.#makePostponed(step)
      return result
    }
    if (typeof verdict === 'function') this.#postponed.push({ until: verdict, call, isDue: false })
    // What is skipped or put off returns nothing.
    return undefined as T
  }

  #makePostponed(step: Step): void {
    if (!changes(step)) return
    const due = this.#postponed.filter(({ isDue }) => isDue)
    this.#postponed = this.#postponed.filter(({ isDue }) => !isDue)
    for (const one of this.#postponed) one.isDue = one.until(step)
    for (const { call } of due) call()
  }

  #wrap(file: File, path: string): File {
    // A call that is put off may come behind the close, so the file below stays open.
    let wasPutOff = false
    let isOpen = true
    const close = (): void => {
      if (isOpen) this.#openCount--
      isOpen = false
    }
    this.#openCount++
    const sync = <T>(blocking: boolean, call: () => T): T => {
      const before = this.#postponed.length
      const result = this.#step({ kind: 'sync', path, blocking }, call, file)
      wasPutOff ||= this.#postponed.length > before
      return result
    }
    return {
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position) => file.read(target, position),
      writeSync: (bytes, position) =>
        this.#step({ kind: 'write', path, bytes, position }, () => file.writeSync(bytes, position)) ??
        bytes.length,
      sync: async () => sync(false, () => file.sync()),
      syncSync: () => sync(true, () => file.syncSync()),
      truncate: async (sizeBytes) => this.#step({ kind: 'truncate', path }, () => file.truncate(sizeBytes)),
      size: () => file.size(),
      close: async () => {
        close()
        if (!wasPutOff) await file.close()
      },
      closeSync: () => {
        close()
        if (!wasPutOff) file.closeSync()
      },
    }
  }
}
