/**
 * What a file system in memory is made of: files and directories, each with what is durable and what is pending.
 *
 * Invariants, which the crash simulation rests on:
 * - the current state is the durable state with all pending operations applied in order (except after
 *   {@link FileInode.dropUnsynced}, the model of a failed sync);
 * - pending operations are numbered through over the whole file system, in the order in which they were issued.
 */
import { ChunkedBytes } from './chunked-bytes.js'

/** A change of a file that is not durable yet. */
export type FileChange =
  | { readonly kind: 'write'; readonly order: number; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly order: number; readonly size: number }

/** A file: bytes without a name. */
export class FileInode {
  readonly kind = 'file'
  /** What every reader sees: the page cache. */
  readonly current: ChunkedBytes
  /** What is on the device for certain. */
  readonly durable: ChunkedBytes
  pending: FileChange[] = []

  constructor(current = new ChunkedBytes(), durable = new ChunkedBytes()) {
    this.current = current
    this.durable = durable
  }

  /** Makes all changes before `order` durable. */
  sync(order: number): void {
    let synced = 0
    while (synced < this.pending.length && this.pending[synced].order < order) {
      applyChange(this.durable, this.pending[synced++])
    }
    if (synced > 0) this.pending = this.pending.slice(synced)
  }

  /** Forgets that unsynced changes were ever to reach the device: readers see them, but no sync brings them there. */
  dropUnsynced(): void {
    this.pending = []
  }
}

/** Applies a change to the bytes of a file. */
export function applyChange(bytes: ChunkedBytes, change: FileChange): void {
  if (change.kind === 'write') bytes.write(change.bytes, change.position)
  else bytes.truncate(change.size)
}

/** A directory: names of files and directories. */
export class DirectoryInode {
  readonly kind = 'directory'
  readonly current: Map<string, Inode>
  readonly durable: Map<string, Inode>

  constructor(current = new Map<string, Inode>(), durable = new Map<string, Inode>()) {
    this.current = current
    this.durable = durable
  }
}

export type Inode = FileInode | DirectoryInode

/** One place where a name stands. */
export interface Entry {
  readonly directory: DirectoryInode
  readonly name: string
}

/**
 * A change of names that is not durable yet. `add` and `remove` change one entry, `move` two at once.
 * `source` is the pending change that put the inode where a `move` took it from: a move never persists without it.
 */
export type EntryChange =
  | { readonly kind: 'add'; readonly order: number; readonly inode: Inode; readonly to: Entry }
  | { readonly kind: 'remove'; readonly order: number; readonly inode: Inode; readonly from: Entry }
  | {
      readonly kind: 'move'
      readonly order: number
      readonly inode: Inode
      readonly from: Entry
      readonly to: Entry
      readonly source: EntryChange | undefined
    }

/** The names of a directory, as a change is to be applied to them. */
type NamesOf = (directory: DirectoryInode) => Map<string, Inode>

/**
 * Applies a change of names. Changes before it may be missing, so an entry is removed only while it still names
 * the inode that the change was about.
 */
export function applyEntryChange(change: EntryChange, namesOf: NamesOf): void {
  if (change.kind !== 'add') {
    const names = namesOf(change.from.directory)
    if (names.get(change.from.name) === change.inode) names.delete(change.from.name)
  }
  if (change.kind !== 'remove') namesOf(change.to.directory).set(change.to.name, change.inode)
}

/** The changes among `pending` that `chosen` holds, together with those that they cannot persist without, in order. */
export function withSources(
  pending: readonly EntryChange[],
  chosen: (change: EntryChange) => boolean,
): EntryChange[] {
  const kept = new Set<EntryChange>()
  for (const change of pending) {
    if (!chosen(change)) continue
    for (let next: EntryChange | undefined = change; next !== undefined && !kept.has(next); ) {
      kept.add(next)
      next = next.kind === 'move' ? next.source : undefined
    }
  }
  return pending.filter((change) => kept.has(change))
}

/**
 * The changes among `pending` that become durable when `directory` is synced, in order. A move between two directories
 * takes along everything that happened before it in either: names must never go back behind what was durable.
 */
export function changesSyncedWith(pending: readonly EntryChange[], directory: DirectoryInode): EntryChange[] {
  const directories = new Set([directory])
  const synced: EntryChange[] = []
  for (const change of pending.toReversed()) {
    const touched = directoriesOf(change)
    if (!touched.some((one) => directories.has(one))) continue
    for (const one of touched) directories.add(one)
    synced.push(change)
  }
  return synced.reverse()
}

function directoriesOf(change: EntryChange): DirectoryInode[] {
  if (change.kind === 'add') return [change.to.directory]
  if (change.kind === 'remove') return [change.from.directory]
  return [change.from.directory, change.to.directory]
}
