/**
 * A file system in memory that is as strict as the worst disk: nothing is durable before it is synced, and
 * {@link MemoryFileSystem.crash} shows what a power loss may leave.
 *
 * Owned here: paths, names and open files. What is durable and what is pending is kept in the inodes
 * (memory-inode.ts), what survives a crash is decided in memory-crash.ts.
 * A sync takes effect when its promise resolves, not when it is called: who forgets to await it is found out.
 */
import { copyOf } from '../base/bytes.js'
import type { ChunkedBytes } from './chunked-bytes.js'
import { errnoError } from './errno.js'
import {
  type File,
  type FileStatus,
  type FileSystem,
  type Lock,
  LockHeldError,
  type LockHolder,
  type OpenMode,
} from './file-system.js'
import { type CrashProfile, crashedRoot, type Random } from './memory-crash.js'
import { forkTree } from './memory-fork.js'
import {
  applyEntryChange,
  changesSyncedWith,
  DirectoryInode,
  type Entry,
  type EntryChange,
  FileInode,
  type Inode,
} from './memory-inode.js'

/** What {@link MemoryFileSystem} can be told. */
export interface MemoryFileSystemOptions {
  /**
   * `true` (the default) keeps what is durable apart from what is pending. `false` makes every change durable at once
   * and remembers nothing of it: half of the memory, for stores that end with their process.
   */
  readonly strict?: boolean
  /** What {@link FileSystem.hasPageCache} says. Default: the opposite of `strict`. */
  readonly hasPageCache?: boolean
}

/** Counts that a file system shares with its open files. */
interface Ledger {
  readonly strict: boolean
  nextOrder: number
  openCount: number
}

/** An open file of a {@link MemoryFileSystem}. */
export class MemoryFile implements File {
  readonly #ledger: Ledger
  readonly #inode: FileInode
  readonly #mode: OpenMode
  readonly #path: string
  #closed = false

  /** @internal */
  constructor(ledger: Ledger, inode: FileInode, mode: OpenMode, path: string) {
    this.#ledger = ledger
    this.#inode = inode
    this.#mode = mode
    this.#path = path
    ledger.openCount++
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#bytes('read').read(target, position)
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.readSync(target, position)
  }

  writeSync(source: Uint8Array, position: number): number {
    this.#bytes('write').write(source, position)
    if (this.#ledger.strict && source.length > 0) {
      const order = this.#ledger.nextOrder++
      this.#inode.pending.push({ kind: 'write', order, position, bytes: copyOf(source) })
    }
    return source.length
  }

  async sync(): Promise<void> {
    this.#bytes('fdatasync')
    const order = this.#ledger.nextOrder
    await Promise.resolve()
    this.#inode.sync(order)
  }

  syncSync(): void {
    this.#bytes('fdatasync')
    this.#inode.sync(this.#ledger.nextOrder)
  }

  async truncate(sizeBytes: number): Promise<void> {
    if (sizeBytes < 0) throw errnoError('EINVAL', 'ftruncate', this.#path)
    this.#bytes('ftruncate').truncate(sizeBytes)
    if (this.#ledger.strict) {
      const order = this.#ledger.nextOrder++
      this.#inode.pending.push({ kind: 'truncate', order, size: sizeBytes })
    }
  }

  async size(): Promise<number> {
    return this.#bytes('fstat').size
  }

  async close(): Promise<void> {
    this.closeSync()
  }

  closeSync(): void {
    if (this.#closed) return
    this.#closed = true
    this.#ledger.openCount--
  }

  /**
   * What a failed `fsync` may do: readers go on seeing what was written, but it never reaches the device, although the
   * next sync succeeds.
   */
  dropUnsynced(): void {
    this.#inode.dropUnsynced()
  }

  #bytes(operation: 'read' | 'write' | 'fdatasync' | 'ftruncate' | 'fstat'): ChunkedBytes {
    if (this.#closed) throw errnoError('EBADF', operation, this.#path)
    if (this.#mode === 'read' && (operation === 'write' || operation === 'ftruncate')) {
      throw errnoError(operation === 'write' ? 'EBADF' : 'EINVAL', operation, this.#path)
    }
    return this.#inode.current
  }
}

/**
 * A file system in memory, for tests and for stores without a disk.
 *
 * @example
 * ```ts
 * const fileSystem = new MemoryFileSystem()
 * const store = await open('/db', { fileSystem })
 * await store.set('key', 'value', { durability: 'disk' })
 * const survived = fileSystem.crash('nothing', Math.random)
 * const reopened = await open('/db', { fileSystem: survived }) // has the key
 * ```
 */
export class MemoryFileSystem implements FileSystem {
  readonly hasPageCache: boolean
  readonly #ledger: Ledger
  readonly #locks = new Map<string, LockHolder>()
  #root = new DirectoryInode()
  #pending: EntryChange[] = []
  readonly #ids = new WeakMap<Inode, string>()
  #nextId = 1

  constructor(options: MemoryFileSystemOptions = {}) {
    const { strict = true, hasPageCache = !strict } = options
    this.hasPageCache = hasPageCache
    this.#ledger = { strict, nextOrder: 0, openCount: 0 }
  }

  /** How many files are open. */
  get openCount(): number {
    return this.#ledger.openCount
  }

  /**
   * What a crash at this moment would leave, as a file system of its own: everything in it is durable, nothing is open
   * or locked. This one goes on as if nothing had happened, so many crashes can be taken from one moment.
   * The outcome is a function of the state, the profile and what `random` returns.
   */
  crash(profile: CrashProfile, random: Random): MemoryFileSystem {
    const survived = new MemoryFileSystem({ strict: this.#ledger.strict, hasPageCache: this.hasPageCache })
    const applied = this.#ledger.strict ? profile : 'all'
    survived.#root = crashedRoot(this.#root, this.#pending, applied, random)
    return survived
  }

  /**
   * A file system in the same state, with nothing open or locked: what is there after `kill -9`. What was pending is
   * pending in both, and from now on each goes its own way.
   */
  fork(): MemoryFileSystem {
    const copy = new MemoryFileSystem({ strict: this.#ledger.strict, hasPageCache: this.hasPageCache })
    copy.#ledger.nextOrder = this.#ledger.nextOrder
    const { root, pending } = forkTree({ root: this.#root, pending: this.#pending })
    copy.#root = root
    copy.#pending = pending
    return copy
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    return this.openSync(path, mode)
  }

  openSync(path: string, mode: OpenMode): File {
    const entry = this.#entry(path, 'open')
    let inode = entry.directory.current.get(entry.name)
    if (mode === 'create') {
      if (inode !== undefined || entry.name === '') throw errnoError('EEXIST', 'open', path)
      inode = new FileInode()
      this.#change({ kind: 'add', order: this.#ledger.nextOrder++, inode, to: entry })
    }
    if (entry.name === '' || inode?.kind === 'directory') throw errnoError('EISDIR', 'open', path)
    if (inode === undefined) throw errnoError('ENOENT', 'open', path)
    return new MemoryFile(this.#ledger, inode, mode, path)
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#entry(from, 'rename')
    const inode = this.#existing(source, 'rename', from)
    const target = this.#entry(to, 'rename')
    const replaced = target.directory.current.get(target.name)
    if (replaced === inode) return
    if (target.name === '' || (inode.kind === 'directory' && holds(inode, target.directory))) {
      throw errnoError('EINVAL', 'rename', to)
    }
    if (replaced !== undefined) {
      if (inode.kind === 'directory' && replaced.kind === 'file') throw errnoError('ENOTDIR', 'rename', to)
      if (inode.kind === 'file' && replaced.kind === 'directory') throw errnoError('EISDIR', 'rename', to)
      if (replaced.kind === 'directory' && replaced.current.size > 0)
        throw errnoError('ENOTEMPTY', 'rename', to)
    }
    this.#change({
      kind: 'move',
      order: this.#ledger.nextOrder++,
      inode,
      from: source,
      to: target,
      source: this.#pending.findLast((change) => puts(change, inode, source)),
    })
  }

  async unlink(path: string): Promise<void> {
    const entry = this.#entry(path, 'unlink')
    const inode = this.#existing(entry, 'unlink', path)
    if (inode.kind === 'directory') throw errnoError('EISDIR', 'unlink', path)
    this.#change({ kind: 'remove', order: this.#ledger.nextOrder++, inode, from: entry })
  }

  async link(existing: string, created: string): Promise<void> {
    const inode = this.#existing(this.#entry(existing, 'link'), 'link', existing)
    if (inode.kind === 'directory') throw errnoError('EPERM', 'link', existing)
    const entry = this.#entry(created, 'link')
    if (entry.name === '' || entry.directory.current.has(entry.name))
      throw errnoError('EEXIST', 'link', created)
    this.#change({ kind: 'add', order: this.#ledger.nextOrder++, inode, to: entry })
  }

  async mkdir(path: string): Promise<void> {
    const names = namesIn(path)
    let directory = this.#root
    for (const [depth, name] of names.entries()) {
      let inode = directory.current.get(name)
      if (inode === undefined) {
        inode = new DirectoryInode()
        this.#change({ kind: 'add', order: this.#ledger.nextOrder++, inode, to: { directory, name } })
      } else if (inode.kind === 'file') {
        throw errnoError(depth === names.length - 1 ? 'EEXIST' : 'ENOTDIR', 'mkdir', path)
      }
      directory = inode
    }
  }

  async rmdir(path: string): Promise<void> {
    const entry = this.#entry(path, 'rmdir')
    if (entry.name === '') throw errnoError('EBUSY', 'rmdir', path)
    const inode = this.#existing(entry, 'rmdir', path)
    if (inode.kind === 'file') throw errnoError('ENOTDIR', 'rmdir', path)
    if (inode.current.size > 0) throw errnoError('ENOTEMPTY', 'rmdir', path)
    this.#change({ kind: 'remove', order: this.#ledger.nextOrder++, inode, from: entry })
  }

  async readdir(path: string): Promise<string[]> {
    return [...this.#directory(path, 'scandir').current.keys()]
  }

  async stat(path: string): Promise<FileStatus | undefined> {
    const inode = this.#find(path)
    if (inode === undefined) return undefined
    const sizeBytes = inode.kind === 'file' ? inode.current.size : 0
    return { kind: inode.kind, sizeBytes, fileId: this.#idOf(inode) }
  }

  async syncDir(path: string): Promise<void> {
    const directory = this.#directory(path, 'fsync')
    const order = this.#ledger.nextOrder
    await Promise.resolve()
    const issued = this.#pending.filter((change) => change.order < order)
    const synced = new Set(changesSyncedWith(issued, directory))
    for (const change of synced) applyEntryChange(change, ({ durable }) => durable)
    this.#pending = this.#pending.filter((change) => !synced.has(change))
  }

  async lock(path: string): Promise<Lock> {
    this.#entry(path, 'lock')
    const key = namesIn(path).join('/')
    const held = this.#locks.get(key)
    if (held !== undefined) throw new LockHeldError(held, true)
    // Only holders in this process can meet here, so when they took it says nothing.
    const holder: LockHolder = { pid: process.pid, host: 'memory', since: 0 }
    this.#locks.set(key, holder)
    return {
      release: async () => {
        if (this.#locks.get(key) === holder) this.#locks.delete(key)
      },
    }
  }

  async lockHolder(path: string): Promise<LockHolder | undefined> {
    return this.#locks.get(namesIn(path).join('/'))
  }

  #change(change: EntryChange): void {
    applyEntryChange(change, ({ current }) => current)
    if (this.#ledger.strict) this.#pending.push(change)
    else applyEntryChange(change, ({ durable }) => durable)
  }

  /** Where the name of `path` stands or would stand; the name of the root is empty. */
  #entry(path: string, operation: string): Entry {
    const names = namesIn(path)
    const name = names.pop() ?? ''
    let directory = this.#root
    for (const one of names) {
      const inode = directory.current.get(one)
      if (inode === undefined) throw errnoError('ENOENT', operation, path)
      if (inode.kind === 'file') throw errnoError('ENOTDIR', operation, path)
      directory = inode
    }
    return { directory, name }
  }

  #existing(entry: Entry, operation: string, path: string): Inode {
    const inode = entry.directory.current.get(entry.name)
    if (inode === undefined) throw errnoError(entry.name === '' ? 'EBUSY' : 'ENOENT', operation, path)
    return inode
  }

  #directory(path: string, operation: string): DirectoryInode {
    const entry = this.#entry(path, operation)
    if (entry.name === '') return this.#root
    const inode = this.#existing(entry, operation, path)
    if (inode.kind === 'file') throw errnoError('ENOTDIR', operation, path)
    return inode
  }

  /** A number for each inode that was ever looked at. */
  #idOf(inode: Inode): string {
    let id = this.#ids.get(inode)
    if (id === undefined) this.#ids.set(inode, (id = `${this.#nextId++}`))
    return id
  }

  #find(path: string): Inode | undefined {
    let inode: Inode | undefined = this.#root
    for (const name of namesIn(path)) {
      if (inode?.kind !== 'directory') return undefined
      inode = inode.current.get(name)
    }
    return inode
  }
}

/** The names in a path, on every platform: callers join paths as their platform does. */
function namesIn(path: string): string[] {
  return path.split(/[\\/]+/).filter((name) => name !== '' && name !== '.')
}

/** Whether `change` put `inode` where `entry` is. */
function puts(change: EntryChange, inode: Inode, entry: Entry): boolean {
  return (
    change.kind !== 'remove' &&
    change.inode === inode &&
    change.to.name === entry.name &&
    change.to.directory === entry.directory
  )
}

/** Whether `inside` is `directory` or lies below it. */
function holds(directory: DirectoryInode, inside: DirectoryInode): boolean {
  if (directory === inside) return true
  for (const child of directory.current.values()) {
    if (child.kind === 'directory' && holds(child, inside)) return true
  }
  return false
}
