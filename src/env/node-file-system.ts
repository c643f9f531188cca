/**
 * The machine's file system. The only file that imports `node:fs`.
 *
 * A descriptor is closed only when no asynchronous call is in flight on it: the system may give its number to
 * another file at once, and a late call would then reach the wrong file. For the same reason every call on a closed
 * file is refused here, with `EBADF`.
 */
import * as fs from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { errnoOf } from '../base/errors.js'
import { errnoError } from './errno.js'
import type { File, FileStatus, FileSystem, Lock, LockHolder, OpenMode } from './file-system.js'
import {
  acquireLockFile,
  type DirectoryIdentity,
  findLockHolder,
  type LockFilePrimitives,
  startTimeIn,
} from './lock-file.js'
import { SystemClock } from './system-clock.js'

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants
/**
 * Only a file in its directory is opened: no symbolic link, which could lead anywhere, and a pipe is not waited for. Where
 * the system has no such flags they are undefined, hence 0.
 */
const ONLY_FILES = fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

const flags: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | ONLY_FILES,
  create: O_RDWR | O_CREAT | O_EXCL | ONLY_FILES,
  modify: O_RDWR | ONLY_FILES,
}

/** Node refuses to move 2 GiB and more at once, which a log segment with a large batch may have. */
const MOST_BYTES = 2 ** 30

/** How much of `bytes` is moved by one call. */
function atMost({ length }: Uint8Array): number {
  return Math.min(length, MOST_BYTES)
}

class NodeFile implements File {
  readonly #path: string
  readonly #descriptor: number
  #inFlight = 0
  #closed = false
  #closing: Promise<void> | undefined
  #settleClose: ((error: Error | null) => void) | undefined

  constructor(path: string, descriptor: number) {
    this.#path = path
    this.#descriptor = descriptor
  }

  readSync(target: Uint8Array, position: number): number {
    this.#assertOpen('read')
    return fs.readSync(this.#descriptor, target, 0, atMost(target), position)
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#run<number>('read', (done) => {
      fs.read(this.#descriptor, target, 0, atMost(target), position, done)
    })
  }

  writeSync(source: Uint8Array, position: number): number {
    this.#assertOpen('write')
    return fs.writeSync(this.#descriptor, source, 0, atMost(source), position)
  }

  sync(): Promise<void> {
    return this.#run<void>('fdatasync', (done) => fs.fdatasync(this.#descriptor, done))
  }

  syncSync(): void {
    this.#assertOpen('fdatasync')
    fs.fdatasyncSync(this.#descriptor)
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#run<void>('ftruncate', (done) => fs.ftruncate(this.#descriptor, sizeBytes, done))
  }

  async size(): Promise<number> {
    const status = await this.#run<fs.Stats>('fstat', (done) => fs.fstat(this.#descriptor, done))
    return status.size
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve, reject) => {
      if (this.#closed) return resolve()
      this.#closed = true
      this.#settleClose = (error) => (error ? reject(error) : resolve())
      if (this.#inFlight === 0) this.#closeDescriptor()
    })
    return this.#closing
  }

  closeSync(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#inFlight === 0) fs.closeSync(this.#descriptor)
  }

  #assertOpen(operation: string): void {
    if (this.#closed) throw errnoError('EBADF', operation, this.#path)
  }

  /** One promise around one callback of `node:fs`. */
  #run<T>(operation: string, start: (done: (error: Error | null, result?: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#assertOpen(operation)
      start((error, result) => {
        this.#inFlight--
        if (this.#closed && this.#inFlight === 0) this.#closeDescriptor()
        if (error) reject(error)
        else resolve(result as T)
      })
      // Counted after the call: an argument that it refuses throws and never calls back.
      this.#inFlight++
    })
  }

  #closeDescriptor(): void {
    const settle = this.#settleClose
    // After `closeSync` with a call in flight nobody waits for the outcome any more.
    fs.close(this.#descriptor, (error) => settle?.(error ?? null))
  }
}

/** The machine's file system. */
export class NodeFileSystem implements FileSystem {
  readonly hasPageCache = true

  open(path: string, mode: OpenMode): Promise<File> {
    return new Promise((resolve, reject) => {
      fs.open(path, flags[mode], (error, descriptor) => {
        if (error) reject(error)
        else resolve(new NodeFile(path, descriptor))
      })
    })
  }

  openSync(path: string, mode: OpenMode): File {
    return new NodeFile(path, fs.openSync(path, flags[mode]))
  }

  rename(from: string, to: string): Promise<void> {
    return fs.promises.rename(from, to)
  }

  unlink(path: string): Promise<void> {
    return fs.promises.unlink(path)
  }

  link(existing: string, created: string): Promise<void> {
    return fs.promises.link(existing, created)
  }

  async mkdir(path: string): Promise<void> {
    try {
      await fs.promises.mkdir(path)
    } catch (error) {
      if ((await this.stat(path, true))?.kind === 'directory') return
      const parent = dirname(path)
      if (errnoOf(error) !== 'ENOENT' || (await this.stat(parent, true)) !== undefined) throw error
      // Step by step: Node's own recursion never ends where nothing can be made though all above is there, as in /proc.
      await this.mkdir(parent)
      await this.mkdir(path)
    }
  }

  rmdir(path: string): Promise<void> {
    return fs.promises.rmdir(path)
  }

  readdir(path: string): Promise<string[]> {
    return fs.promises.readdir(path)
  }

  async stat(path: string, follow = false): Promise<FileStatus | undefined> {
    try {
      const { stat, lstat } = fs.promises
      // File numbers of some file systems are beyond what a JS number holds.
      const status = await (follow ? stat : lstat)(path, { bigint: true })
      const kind = status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other'
      return { kind, sizeBytes: Number(status.size), fileId: `${status.dev}:${status.ino}` }
    } catch (error) {
      const errno = errnoOf(error)
      // ENOTDIR: something above is a file, so there is nothing at `path` either.
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
      throw error
    }
  }

  async syncDir(path: string): Promise<void> {
    // Windows can neither open a directory as a file nor sync it; its file systems log names by themselves.
    const windows = process.platform === 'win32'
    let directory: fs.promises.FileHandle
    try {
      directory = await fs.promises.open(path, fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0))
    } catch (error) {
      if (windows && ['EISDIR', 'EPERM', 'EACCES'].includes(errnoOf(error) ?? '')) return
      throw error
    }
    try {
      await directory.sync()
    } catch (error) {
      // EINVAL anywhere: a file system that does not know how to sync a directory, such as some network shares.
      const errno = errnoOf(error)
      if (errno !== 'EINVAL' && !(windows && (errno === 'EPERM' || errno === 'EISDIR'))) throw error
    } finally {
      await directory.close()
    }
  }

  lock(path: string): Promise<Lock> {
    return acquireLockFile(path, lockPrimitives)
  }

  lockHolder(path: string): Promise<LockHolder | undefined> {
    return findLockHolder(path, lockPrimitives)
  }
}

/** More than the record of a holder takes. */
const MOST_LOCK_BYTES = 64 * 1024

/** The text of a lock file, no more of it than a record takes. What is no file has none, and a pipe is not waited for. */
async function readTextIfAny(path: string): Promise<string | undefined> {
  let file: fs.promises.FileHandle
  try {
    file = await fs.promises.open(path, flags.read)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT') return undefined
    if (errno === 'ELOOP') return ''
    throw error
  }
  try {
    const bytes = Buffer.alloc(MOST_LOCK_BYTES)
    let length = 0
    for (let more = 1; more > 0 && length < bytes.length; length += more) {
      more = (await file.read(bytes, length, bytes.length - length)).bytesRead
    }
    return bytes.toString('utf8', 0, length)
  } finally {
    await file.close()
  }
}

/** `/proc` where there is one; elsewhere nothing is known, which the lock takes for a living holder. */
async function readProc(path: string): Promise<string | undefined> {
  try {
    return await fs.promises.readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

/** A new file with all of `text`, or none. */
async function createWhole(path: string, text: string): Promise<void> {
  const file = await fs.promises.open(path, 'wx')
  try {
    await file.writeFile(text)
  } catch (error) {
    await fs.promises.rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

/** One byte of a file that holds `text`. It is the file that was read which is written: the name may have gone to another. */
async function overwriteByte(path: string, text: string, position: number, byte: string): Promise<void> {
  const file = await fs.promises.open(path, flags.modify)
  try {
    if ((await file.readFile('utf8')) === text) await file.write(byte, position)
  } finally {
    await file.close()
  }
}

async function directoryIdentity(path: string): Promise<DirectoryIdentity | undefined> {
  try {
    const { dev, ino, birthtimeNs } = await fs.promises.stat(path, { bigint: true })
    return { device: `${dev}`, inode: `${ino}`, born: `${birthtimeNs}` }
  } catch {
    return undefined
  }
}

const clock = new SystemClock()

const lockPrimitives: LockFilePrimitives = {
  host: hostname(),
  readText: readTextIfAny,
  create: createWhole,
  link: (existing, created) => fs.promises.link(existing, created),
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (path) => fs.promises.rm(path, { force: true }),
  overwrite: overwriteByte,
  directory: directoryIdentity,
  now: () => clock.now(),
  pause: (ms) => new Promise((resolve) => clock.after(ms, resolve, true)),
  bootId: async () => (await readProc('/proc/sys/kernel/random/boot_id'))?.trim(),
  startTime: async (pid) => startTimeIn(await readProc(`/proc/${pid}/stat`)),
}
