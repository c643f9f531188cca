/**
 * A file system that fails as told: around any other, for tests of what happens when the disk does.
 *
 * Every call counts as one operation, in the order in which the calls are made, before it can fail. A fault takes
 * the place of the call, which is then not made (but a close is, as in an operating system, where the descriptor is gone; and so
 * is an unlock: whoever lets a lock go knows that it has).
 */
import { errnoError } from './errno.js'
import { type Fault, FaultPlan, type FaultSpec, type Operation, type OperationKind } from './fault-plan.js'
import type { File, FileStatus, FileSystem, Lock, LockHolder, OpenMode } from './file-system.js'
import { MemoryFile } from './memory-file-system.js'

/** What {@link FaultFileSystem} can be told; everything can be changed later but `log`. */
export interface FaultFileSystemOptions {
  /** Keeps every operation in {@link FaultFileSystem.log}. */
  readonly log?: boolean
  /** Sees every operation before it is made: the place to take a crash. What it throws is thrown by the operation. */
  readonly observe?: (operation: Operation) => void
  /** How many bytes a read or write of `length` bytes may move; at least one is moved. */
  readonly shorten?: (kind: 'read' | 'write', length: number) => number
  /** When so many bytes were written in total, writes fail with `ENOSPC`. */
  readonly byteQuota?: number
  /** When so many files are open, opening fails with `EMFILE`. */
  readonly descriptorQuota?: number
}

/** A bit that reads see flipped. */
interface BitFlip {
  readonly path: RegExp
  readonly offset: number
  readonly mask: number
}

/**
 * A file system that fails as told.
 *
 * @example
 * ```ts
 * const fileSystem = new FaultFileSystem(new MemoryFileSystem())
 * fileSystem.fail({ kind: 'sync', path: /\.wal$/, errno: 'EIO' }) // the next sync of a log fails
 * fileSystem.byteQuota = fileSystem.bytesWritten + 100 // and soon the disk is full
 * ```
 */
export class FaultFileSystem implements FileSystem {
  /** Bytes that may be written in total; raise it to make room. */
  byteQuota: number
  /** Files that may be open at once. */
  descriptorQuota: number
  shorten: ((kind: 'read' | 'write', length: number) => number) | undefined
  observe: ((operation: Operation) => void) | undefined
  /** The operations so far, if the option `log` asks for it. */
  readonly log: readonly Operation[]
  readonly #inner: FileSystem
  readonly #plan: FaultPlan
  #flips: BitFlip[] = []
  #bytesWritten = 0
  #openCount = 0

  constructor(inner: FileSystem, options: FaultFileSystemOptions = {}) {
    this.#inner = inner
    this.byteQuota = options.byteQuota ?? Number.POSITIVE_INFINITY
    this.descriptorQuota = options.descriptorQuota ?? Number.POSITIVE_INFINITY
    this.shorten = options.shorten
    this.observe = options.observe
    this.#plan = new FaultPlan(options.log ?? false)
    this.log = this.#plan.log
  }

  get hasPageCache(): boolean {
    return this.#inner.hasPageCache === true
  }

  /** How many operations there have been. */
  get operations(): number {
    return this.#plan.operations
  }

  /** How many bytes were written in total. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /** How many files are open through this file system. */
  get openCount(): number {
    return this.#openCount
  }

  /** Plans a fault; the answer tells whether it has struck and takes it back. */
  fail(spec: FaultSpec): Fault {
    return this.#plan.add(spec)
  }

  /** Makes every read of byte `offset` of a file whose path matches see bit `bit` (0 to 7) flipped. */
  flipBit(path: RegExp, offset: number, bit = 0): void {
    this.#flips.push({ path, offset, mask: 1 << bit })
  }

  /** Takes back all faults, flipped bits and quotas. */
  heal(): void {
    this.#plan.clear()
    this.#flips = []
    this.shorten = undefined
    this.byteQuota = Number.POSITIVE_INFINITY
    this.descriptorQuota = Number.POSITIVE_INFINITY
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    this.#beforeOpen(path)
    // Counted before waiting, so that opens at the same time cannot exceed the quota together.
    this.#openCount++
    try {
      return this.#wrap(await this.#inner.open(path, mode), path)
    } catch (error) {
      this.#openCount--
      throw error
    }
  }

  openSync(path: string, mode: OpenMode): File {
    this.#beforeOpen(path)
    const file = this.#inner.openSync(path, mode)
    this.#openCount++
    return this.#wrap(file, path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#before('rename', from, to)
    return this.#inner.rename(from, to)
  }

  async unlink(path: string): Promise<void> {
    this.#before('unlink', path)
    return this.#inner.unlink(path)
  }

  async link(existing: string, created: string): Promise<void> {
    this.#before('link', existing, created)
    return this.#inner.link(existing, created)
  }

  async mkdir(path: string): Promise<void> {
    this.#before('mkdir', path)
    return this.#inner.mkdir(path)
  }

  async rmdir(path: string): Promise<void> {
    this.#before('rmdir', path)
    return this.#inner.rmdir(path)
  }

  async readdir(path: string): Promise<string[]> {
    this.#before('readdir', path)
    return this.#inner.readdir(path)
  }

  async stat(path: string, follow?: boolean): Promise<FileStatus | undefined> {
    this.#before('stat', path)
    return this.#inner.stat(path, follow)
  }

  async syncDir(path: string): Promise<void> {
    this.#before('syncDir', path)
    return this.#inner.syncDir(path)
  }

  async lockHolder(path: string): Promise<LockHolder | undefined> {
    this.#before('stat', path)
    return this.#inner.lockHolder(path)
  }

  async lock(path: string): Promise<Lock> {
    this.#before('lock', path)
    const lock = await this.#inner.lock(path)
    return {
      release: async () => {
        try {
          this.#before('unlock', path)
        } finally {
          await lock.release()
        }
      },
    }
  }

  /** Counts the operation; throws if it is to fail. */
  #before(kind: OperationKind, path: string, to?: string): void {
    const { operation, fault } = this.#plan.next(kind, path, to)
    this.observe?.(operation)
    if (fault !== undefined) throw errnoError(fault.errno, kind, path)
  }

  #beforeOpen(path: string): void {
    this.#before('open', path)
    if (this.#openCount >= this.descriptorQuota) throw errnoError('EMFILE', 'open', path)
  }

  #wrap(file: File, path: string): File {
    let closed = false
    const beforeClose = (): unknown => {
      closed = true
      this.#openCount--
      try {
        this.#before('close', path)
        return undefined
      } catch (error) {
        return error
      }
    }
    return {
      readSync: (target, position) => {
        this.#before('read', path)
        return this.#flip(path, target, position, file.readSync(this.#shortened('read', target), position))
      },
      read: async (target, position) => {
        this.#before('read', path)
        return this.#flip(path, target, position, await file.read(this.#shortened('read', target), position))
      },
      writeSync: (source, position) => {
        this.#before('write', path)
        const room = this.byteQuota - this.#bytesWritten
        if (room <= 0 && source.length > 0) throw errnoError('ENOSPC', 'write', path)
        const written = file.writeSync(this.#shortened('write', source).subarray(0, room), position)
        this.#bytesWritten += written
        return written
      },
      sync: async () => {
        this.#beforeSync(file, path)
        return file.sync()
      },
      syncSync: () => {
        this.#beforeSync(file, path)
        file.syncSync()
      },
      truncate: async (sizeBytes) => {
        this.#before('truncate', path)
        return file.truncate(sizeBytes)
      },
      size: async () => {
        this.#before('size', path)
        return file.size()
      },
      close: async () => {
        if (closed) return
        const error = beforeClose()
        await file.close()
        if (error !== undefined) throw error
      },
      closeSync: () => {
        if (closed) return
        const error = beforeClose()
        file.closeSync()
        if (error !== undefined) throw error
      },
    }
  }

  #beforeSync(file: File, path: string): void {
    const { operation, fault } = this.#plan.next('sync', path)
    this.observe?.(operation)
    if (fault === undefined) return
    if (fault.dropUnsynced && file instanceof MemoryFile) file.dropUnsynced()
    throw errnoError(fault.errno, 'fdatasync', path)
  }

  #shortened(kind: 'read' | 'write', bytes: Uint8Array): Uint8Array {
    if (this.shorten === undefined || bytes.length === 0) return bytes
    return bytes.subarray(0, Math.max(1, this.shorten(kind, bytes.length)))
  }

  #flip(path: string, target: Uint8Array, position: number, length: number): number {
    for (const flip of this.#flips) {
      const at = flip.offset - position
      if (at >= 0 && at < length && path.search(flip.path) >= 0) target[at] ^= flip.mask
    }
    return length
  }
}
