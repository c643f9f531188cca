/**
 * What the thread that has a store open and the threads that are attached to it say to each other.
 *
 * The owner tells each attached thread every new read state, in order, before anything that depends on it: the memtables
 * as shared memory, the tables by name. Attached threads read by themselves and tell when they have let a state go.
 * Everything that writes is a call, which the owner answers. Keys and values travel as bytes.
 */

import type { TransferredError } from '../../env/error-transfer.js'
import type { MemtableImage } from '../../memtable/memtable.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import type { KeyEncodingName } from '../encodings/key-encoding.js'
import type { ValueEncodingName } from '../encodings/value-encoding.js'
import type { StoreEvents } from '../events.js'
import type { Durability, Settings } from '../options.js'
import type { ByteRange } from '../range.js'
import type { SnapshotInfo } from '../snapshots/snapshot-info.js'
import type { SnapshotOptions } from '../snapshots/snapshots.js'
import type { StoreStatistics } from '../statistics/statistics.js'
import type { VerifyOptions, VerifyReport } from '../verify.js'
import type { WatchOptions } from '../watch/watch-options.js'

/** Made by `store.share()`, taken by `attach`: to be posted to a thread as it is. */
export interface ShareHandle {
  /** The version of this protocol. */
  readonly varve: 1
  readonly name: string
  readonly threadId: number
  /** The directory of the store. */
  readonly path: string
  readonly databaseId: Uint8Array
  readonly settings: Settings
  readonly keyEncoding: KeyEncodingName
  /** undefined: one of the user's own, which cannot be posted. */
  readonly valueEncoding: ValueEncodingName | undefined
  /** Whether the store is on a file system that the user has given. */
  readonly hasOwnFileSystem: boolean
  /** Word 0: the number of the newest read state; -1 when the store is closed. */
  readonly control: SharedArrayBuffer
}

/** A read state on its way to an attached thread. */
export interface StateNote {
  /** Counts read states. */
  readonly epoch: number
  /** The sequence number of the last write when the state became the newest. */
  readonly base: number
  /** Word 0: how many more writes of the active memtable are visible. */
  readonly visible: SharedArrayBuffer
  /** The active memtable first, then the frozen ones, newest first. */
  readonly memtables: readonly MemtableImage[]
  /** The numbers of the tables, level by level. */
  readonly levels: readonly (readonly number[])[]
  /** The tables of which the thread has not been told. */
  readonly tables: readonly TableMetadata[]
}

/** Operations as a commit group holds them. */
export interface Operations {
  readonly bytes: Uint8Array
  readonly count: number
  readonly durability: Durability
}

/** Operations that are valid only if nothing of what was read has changed. */
export interface ConditionalOperations extends Operations {
  /** What was read was read at this moment, of this read state. */
  readonly epoch: number
  readonly sequence: number
  readonly keys: readonly Uint8Array[]
  readonly ranges: readonly ByteRange[]
}

/** An event on its way to an attached thread: errors and removals as what can be posted. */
export interface EventNote {
  readonly event: keyof StoreEvents
  readonly payload?: unknown
  readonly error?: TransferredError
  readonly removed?: { readonly key: Uint8Array; readonly value: Uint8Array }
}

/** What an attached thread wants to watch. */
export interface RemoteWatch {
  readonly target: Uint8Array | ByteRange
  readonly options: Omit<WatchOptions, 'signal'>
  /** The last write that the thread has seen: behind it begins what it watches, unless `options.from` says otherwise. */
  readonly seen: number
}

/** The part of a store whose arguments and answers can be posted as they are. */
export interface Upkeep {
  flush(): Promise<void>
  sync(): Promise<void>
  resume(): Promise<void>
  stats(): StoreStatistics
  verify(options?: VerifyOptions): Promise<VerifyReport>
  snapshot(options?: SnapshotOptions): Promise<SnapshotInfo>
  snapshots(): Promise<SnapshotInfo[]>
  deleteSnapshot(id: string): Promise<void>
  restoreSnapshot(idOrPath: string): Promise<void>
}
