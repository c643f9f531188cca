/**
 * What the engine needs of a file system, and nothing more.
 *
 * Contract, for every implementation:
 * - Errors carry an errno name in `code` (`'ENOENT'`, `'EEXIST'`, `'ENOSPC'`, …).
 * - `write*` and `read*` may be short, as in POSIX; callers loop (`writeFully…`, `readFully…` below).
 * - Nothing is durable until `sync` of the file (its bytes) and `syncDir` of its directory (its name).
 * - Paths are absolute and were joined by the caller.
 */
import { printable } from '../base/errors.js'

/** `'read'`: an existing file. `'create'`: a new file, read and write; fails with `EEXIST`. `'modify'`: an existing file, read and write. */
export type OpenMode = 'read' | 'create' | 'modify'

/** What {@link FileSystem.stat} tells. */
export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'other'
  readonly sizeBytes: number
  /** The same for two names of one file and different for two files, where the file system can tell. */
  readonly fileId?: string
}

/** An open file. All access is positional. */
export interface File {
  /** Reads into `target` from byte `position`; returns the bytes read, 0 at the end. Blocks. */
  readSync(target: Uint8Array, position: number): number
  /** The same without blocking. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Writes `source` at byte `position`; returns the bytes written, perhaps fewer than given. Blocks. */
  writeSync(source: Uint8Array, position: number): number
  /** Makes all bytes and the size durable (`fdatasync`). */
  sync(): Promise<void>
  /** The same, blocking: for worker threads. */
  syncSync(): void
  truncate(sizeBytes: number): Promise<void>
  size(): Promise<number>
  /** Closes; idempotent; makes nothing durable. */
  close(): Promise<void>
  closeSync(): void
}

/** A held lock. */
export interface Lock {
  release(): Promise<void>
}

/** Who holds a lock. */
export interface LockHolder {
  readonly pid: number
  readonly host: string
  /** Milliseconds since 1970. */
  readonly since: number
  /** By which path it has the directory of the lock, if it told. */
  readonly directory?: string
}

/** The longest name that a host can have. */
const MAX_HOST_LENGTH = 255

/** Thrown by {@link FileSystem.lock} when a live holder has it. */
export class LockHeldError extends Error {
  readonly code = 'ELOCKED'
  readonly holder: LockHolder
  /** Whether this process holds it. */
  readonly isOwn: boolean

  constructor(holder: LockHolder, isOwn = false) {
    const { pid, since } = holder
    const host = printable(holder.host, MAX_HOST_LENGTH)
    const who = isOwn ? `this process (${pid} on ${host})` : `process ${pid} on ${host}`
    super(`held by ${who} since ${new Date(since).toISOString()}`)
    this.holder = holder
    this.isOwn = isOwn
  }
}

export interface FileSystem {
  /** Whether what was read or written lately is in memory, so that reading it again hardly blocks. Default false. */
  readonly hasPageCache?: boolean
  open(path: string, mode: OpenMode): Promise<File>
  /** The same, blocking: for synchronous reads and worker threads. */
  openSync(path: string, mode: OpenMode): File
  /** Replaces `to` if it is there. */
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** A second name for the same file; fails with `EEXIST`. */
  link(existing: string, created: string): Promise<void>
  /** Makes the directory and the missing ones above it; no error when it is there. */
  mkdir(path: string): Promise<void>
  /** Removes an empty directory. */
  rmdir(path: string): Promise<void>
  /** The names in a directory, in no order. */
  readdir(path: string): Promise<string[]>
  /**
   * `undefined` when there is nothing at `path`. A symbolic link is an `'other'`, unless `follow` asks for what it leads to,
   * which is for paths that the user has named: what is in a store's directory may not lead out of it.
   */
  stat(path: string, follow?: boolean): Promise<FileStatus | undefined>
  /** Makes the names in a directory durable. */
  syncDir(path: string): Promise<void>
  /** Takes the exclusive lock at `path` or throws {@link LockHeldError}; a dead holder's lock is taken over. */
  lock(path: string): Promise<Lock>
  /** Who holds the lock at `path`; `undefined` when nobody alive does. Writes nothing. */
  lockHolder(path: string): Promise<LockHolder | undefined>
}

/** Writes all of `source`, in as many writes as it takes. */
export function writeFullySync(file: File, source: Uint8Array, position: number): void {
  let written = file.writeSync(source, position)
  while (written < source.length) {
    const more = file.writeSync(source.subarray(written), position + written)
    if (more === 0) throw Object.assign(new Error('a write made no progress'), { code: 'EIO' })
    written += more
  }
}

/** Reads until `target` is full or the file ends; returns the bytes read. */
export function readFullySync(file: File, target: Uint8Array, position: number): number {
  let total = file.readSync(target, position)
  while (total < target.length) {
    const more = file.readSync(target.subarray(total), position + total)
    if (more === 0) break
    total += more
  }
  return total
}

/** {@link readFullySync} without blocking. */
export async function readFully(file: File, target: Uint8Array, position: number): Promise<number> {
  let total = await file.read(target, position)
  while (total < target.length) {
    const more = await file.read(target.subarray(total), position + total)
    if (more === 0) break
    total += more
  }
  return total
}

/** {@link closeQuietly}, blocking. */
export function closeQuietlySync(file: File): void {
  try {
    file.closeSync()
  } catch {
    // The descriptor is gone all the same.
  }
}

/** Closes; a failure is of no account to a reader, nor to a writer whose bytes were synced. */
export async function closeQuietly(file: File): Promise<void> {
  await file.close().catch(() => undefined)
}
