/** Where commits are written down before they are in tables: a log, or nothing. */
import type { GroupBuffer } from '../../wal/group-buffer.js'
import type { CommitFollower } from '../watch/commit-follower.js'

export interface CommitJournal {
  /** The files behind it, their bytes, and the last sequence number that is on the device. */
  readonly segmentCount: number
  readonly sizeBytes: number
  readonly syncedSequence: number
  /** Whether what is in memory had better become tables before the store is closed. */
  readonly wantsTables: boolean
  /** What to wait for before anything can be appended; `undefined` when it can. */
  ready(): Promise<void> | undefined
  /** Takes a group before it is applied; so many of its writers will wait for {@link sync}. Throws when it could not be taken. */
  append(operations: GroupBuffer, firstSequence: number, diskWriters: number): void
  /** Takes what was applied and is not taken yet. Throws when it could not be. */
  catchUp(): void
  /** Takes operations that are applied already. */
  appendLater(operations: GroupBuffer, firstSequence: number): void
  /** Resolves when everything that was applied before the call is on the device. */
  sync(): Promise<void>
  /** Nothing up to `sequence` counts any more: what is not written down yet is dropped, the rest is not followed. */
  forget(sequence: number): void
  /** Begins anew, so that what is old can be released once tables hold it. */
  rotate(): Promise<void>
  /** Begins anew and rests on nothing before it: tables hold everything up to `sequence`, the last one so far, durably. */
  restart(sequence: number): Promise<void>
  /** Drops what tables hold durably. */
  release(upToSequence: number): Promise<void>
  /** Reads what was committed from sequence number `next` on, as far as it is held. */
  follow(next: number): CommitFollower
  /** Takes what was applied and is not written down yet: for the end of the store. */
  settle(): Promise<void>
  close(): Promise<void>
}
