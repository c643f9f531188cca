/**
 * What is left of a file system in memory after the power went: the crash model of docs/reliability.md.
 *
 * Durable bytes and names always survive; each profile decides what happens to the pending changes. A change of a
 * file is torn apart into 512-byte sectors, because that is what a device writes at once. Damage never reaches beyond
 * the bytes that an unsynced write covers: what was synced and not written since is safe.
 */
import { present } from '../base/assert.js'
import type { ChunkedBytes } from './chunked-bytes.js'
import {
  applyChange,
  applyEntryChange,
  DirectoryInode,
  type EntryChange,
  type FileChange,
  FileInode,
  type Inode,
  withSources,
} from './memory-inode.js'

/**
 * What happens to changes that were not synced:
 * - `'nothing'`: none survives.
 * - `'all'`: every one survives, as after `kill -9`.
 * - `'prefix'`: the oldest survive, in the order in which they were made; the write at the boundary may be cut.
 * - `'random'`: any subset, of a write any subset of its sectors.
 * - `'torn'`: as `'random'`, and a sector that did not survive may be half written or partly garbage.
 * - `'garbage'`: a sector may become zeros or garbage, and a file may be longer than its data.
 * - `'metadata-first'`: every name and no data; a file may have its size without its bytes.
 * - `'data-first'`: all data, no name.
 * - `'names'`: all data, and each change of a name or not.
 * - `'unlinks-first'`: all data, and of the names those that went, but none that came.
 */
export type CrashProfile =
  | 'nothing'
  | 'all'
  | 'prefix'
  | 'random'
  | 'torn'
  | 'garbage'
  | 'metadata-first'
  | 'data-first'
  | 'names'
  | 'unlinks-first'

/** Every {@link CrashProfile}. */
export const CRASH_PROFILES: readonly CrashProfile[] = [
  'nothing',
  'all',
  'prefix',
  'random',
  'torn',
  'garbage',
  'metadata-first',
  'data-first',
  'names',
  'unlinks-first',
]

/** A source of chance: numbers from 0 to below 1. */
export type Random = () => number

const SECTOR_LENGTH = 512
/** The most bytes by which `'garbage'` makes a file longer than its data. */
const MAX_STALE_LENGTH = 4096

/** The directory tree below `root` after a crash; shares nothing that changes with the old one. */
export function crashedRoot(
  root: DirectoryInode,
  pending: readonly EntryChange[],
  profile: CrashProfile,
  random: Random,
): DirectoryInode {
  const fate = chooseFate(root, pending, profile, random)
  const names = new Map<DirectoryInode, Map<string, Inode>>()
  const namesOf = (directory: DirectoryInode): Map<string, Inode> => {
    let own = names.get(directory)
    if (own === undefined) names.set(directory, (own = new Map(directory.durable)))
    return own
  }
  for (const change of withSources(pending, fate.keepsEntry)) applyEntryChange(change, namesOf)
  return rebuild(root, namesOf, fate.bytesOf)
}

/** How one crash treats each pending change. */
interface Fate {
  keepsEntry(change: EntryChange): boolean
  bytesOf(file: FileInode): ChunkedBytes
}

function chooseFate(
  root: DirectoryInode,
  pending: readonly EntryChange[],
  profile: CrashProfile,
  random: Random,
): Fate {
  switch (profile) {
    case 'nothing':
      return { keepsEntry: () => false, bytesOf: (file) => file.durable.clone() }
    case 'all':
      return { keepsEntry: () => true, bytesOf: (file) => file.current.clone() }
    case 'data-first':
      return { keepsEntry: () => false, bytesOf: (file) => replay(file, applyChange) }
    case 'names':
      return { keepsEntry: () => random() < 0.5, bytesOf: (file) => replay(file, applyChange) }
    case 'unlinks-first':
      return {
        keepsEntry: (change) => change.kind === 'remove',
        bytesOf: (file) => replay(file, applyChange),
      }
    case 'metadata-first':
      return { keepsEntry: () => true, bytesOf: (file) => sizesOnly(file, random) }
    case 'prefix':
      return prefixFate(root, pending, random)
    default: {
      const kept = random()
      return {
        keepsEntry: () => random() < kept,
        bytesOf: (file) => scattered(file, profile, kept, random),
      }
    }
  }
}

function prefixFate(root: DirectoryInode, pending: readonly EntryChange[], random: Random): Fate {
  const orders = pending.map((change) => change.order)
  for (const file of reachableFiles(root, pending))
    for (const change of file.pending) orders.push(change.order)
  orders.sort((a, b) => a - b)
  const boundary = orders[Math.floor(random() * (orders.length + 1))] ?? Number.POSITIVE_INFINITY
  const cut = random()
  return {
    keepsEntry: (change) => change.order < boundary,
    bytesOf: (file) =>
      replay(file, (bytes, change) => {
        if (change.order < boundary) applyChange(bytes, change)
        else if (change.order === boundary && change.kind === 'write') {
          bytes.write(change.bytes.subarray(0, Math.floor(change.bytes.length * cut)), change.position)
        }
      }),
  }
}

/** The durable bytes of a file, with what `survive` makes of each pending change. */
function replay(file: FileInode, survive: (bytes: ChunkedBytes, change: FileChange) => void): ChunkedBytes {
  const bytes = file.durable.clone()
  for (const change of file.pending) survive(bytes, change)
  return bytes
}

function sizesOnly(file: FileInode, random: Random): ChunkedBytes {
  return replay(file, (bytes, change) => {
    if (random() < 0.5) return
    if (change.kind === 'truncate') bytes.truncate(change.size)
    else bytes.truncate(Math.max(bytes.size, change.position + change.bytes.length))
  })
}

function scattered(
  file: FileInode,
  profile: 'random' | 'torn' | 'garbage',
  kept: number,
  random: Random,
): ChunkedBytes {
  if (file.pending.length === 0) return file.durable.clone()
  const bytes = replay(file, (target, change) => {
    if (change.kind === 'truncate') {
      if (random() < kept) applyChange(target, change)
      return
    }
    const end = change.position + change.bytes.length
    for (let at = change.position; at < end; ) {
      const next = Math.min(end, at - (at % SECTOR_LENGTH) + SECTOR_LENGTH)
      const sector = change.bytes.subarray(at - change.position, next - change.position)
      if (random() < kept) target.write(sector, at)
      else if (profile === 'torn') tear(target, sector, at, random)
      else if (profile === 'garbage') spoil(target, sector.length, at, random)
      at = next
    }
  })
  if (profile === 'garbage') spoil(bytes, Math.floor(random() * MAX_STALE_LENGTH), bytes.size, random)
  return bytes
}

/** A part of a sector at its beginning or its end; the rest is as it was, or garbage. */
function tear(target: ChunkedBytes, sector: Uint8Array, at: number, random: Random): void {
  const cut = Math.floor(random() * sector.length)
  const choice = random()
  if (choice < 0.25) return
  if (choice < 0.5) target.write(garbage(sector.length, random), at)
  if (random() < 0.5) target.write(sector.subarray(0, cut), at)
  else target.write(sector.subarray(cut), at + cut)
}

/** Zeros, garbage, or what was there. */
function spoil(target: ChunkedBytes, length: number, at: number, random: Random): void {
  const choice = random()
  if (choice < 1 / 3) target.write(new Uint8Array(length), at)
  else if (choice < 2 / 3) target.write(garbage(length, random), at)
}

function garbage(length: number, random: Random): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = random() * 256
  return bytes
}

/** Every file that a crash could bring to light. */
function reachableFiles(root: DirectoryInode, pending: readonly EntryChange[]): Set<FileInode> {
  const files = new Set<FileInode>()
  const directories = new Set<DirectoryInode>()
  const visit = (inode: Inode): void => {
    if (inode.kind === 'file') {
      files.add(inode)
    } else if (!directories.has(inode)) {
      directories.add(inode)
      for (const child of inode.durable.values()) visit(child)
    }
  }
  visit(root)
  for (const change of pending) visit(change.inode)
  return files
}

/** A tree of its own, in which everything is durable. */
function rebuild(
  root: DirectoryInode,
  namesOf: (directory: DirectoryInode) => ReadonlyMap<string, Inode>,
  bytesOf: (file: FileInode) => ChunkedBytes,
): DirectoryInode {
  const rebuilt = new Map<Inode, Inode>()
  const visit = (inode: Inode): void => {
    if (rebuilt.has(inode)) return
    if (inode.kind === 'file') {
      const bytes = bytesOf(inode)
      rebuilt.set(inode, new FileInode(bytes, bytes.clone()))
      return
    }
    const copy = new DirectoryInode()
    rebuilt.set(inode, copy)
    for (const [name, child] of namesOf(inode)) {
      visit(child)
      const childCopy = present(rebuilt.get(child), 'a visited inode is rebuilt')
      copy.current.set(name, childCopy)
      copy.durable.set(name, childCopy)
    }
  }
  visit(root)
  const copy = rebuilt.get(root)
  return copy?.kind === 'directory' ? copy : new DirectoryInode()
}
