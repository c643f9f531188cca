/**
 * A second file system in memory in the same state as a first: what is durable and what is pending stay apart, as after
 * `kill -9`, when the page cache outlives the process. Bytes are shared until one of the two writes them.
 */
import { present } from '../base/assert.js'
import { DirectoryInode, type Entry, type EntryChange, FileInode, type Inode } from './memory-inode.js'

/** A directory tree and the changes of its names that are not durable. */
export interface Tree {
  readonly root: DirectoryInode
  readonly pending: readonly EntryChange[]
}

/** A tree like `tree` that shares nothing that changes with it. */
export function forkTree({ root, pending }: Tree): { root: DirectoryInode; pending: EntryChange[] } {
  const copies = new Map<Inode, Inode>()
  const copyDirectory = (directory: DirectoryInode): DirectoryInode => {
    const known = copies.get(directory)
    if (known?.kind === 'directory') return known
    const copy = new DirectoryInode()
    copies.set(directory, copy)
    for (const [name, inode] of directory.current) copy.current.set(name, copyInode(inode))
    for (const [name, inode] of directory.durable) copy.durable.set(name, copyInode(inode))
    return copy
  }
  const copyInode = (inode: Inode): Inode => {
    if (inode.kind === 'directory') return copyDirectory(inode)
    let copy = copies.get(inode)
    if (copy === undefined) copies.set(inode, (copy = copyFile(inode)))
    return copy
  }
  const changes = new Map<EntryChange, EntryChange>()
  const copyEntry = ({ directory, name }: Entry): Entry => ({ directory: copyDirectory(directory), name })
  const copyChange = (change: EntryChange): EntryChange => {
    const { kind, order } = change
    const inode = copyInode(change.inode)
    if (kind === 'add') return { kind, order, inode, to: copyEntry(change.to) }
    if (kind === 'remove') return { kind, order, inode, from: copyEntry(change.from) }
    // The change that a move rests on is older, or durable by now.
    const source = change.source === undefined ? undefined : changes.get(change.source)
    return { kind, order, inode, from: copyEntry(change.from), to: copyEntry(change.to), source }
  }
  const copiedRoot = copyDirectory(root)
  for (const change of pending) changes.set(change, copyChange(change))
  return { root: copiedRoot, pending: pending.map((change) => present(changes.get(change), 'it was copied')) }
}

function copyFile(file: FileInode): FileInode {
  const copy = new FileInode(file.current.clone(), file.durable.clone())
  copy.pending = file.pending.slice()
  return copy
}
