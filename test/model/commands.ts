/** What a run of the model tests consists of: plain data, so that a failing run can be shrunk and printed. */
import type { Persistence, StoreOptions } from '../../src/index.js'
import type { CrashProfile } from '../../src/testing.js'

export type Durability = 'memory' | 'os' | 'disk'

/** `size` is about the bytes of the value; `ttl` in ms. */
export type Write =
  | { readonly kind: 'set'; readonly rank: number; readonly size: number; readonly ttl: number | undefined }
  | { readonly kind: 'delete'; readonly rank: number }

/** Bounds by rank, the prefix by its index. */
export interface Range {
  readonly gte: number | undefined
  readonly gt: number | undefined
  readonly lte: number | undefined
  readonly lt: number | undefined
  readonly prefix: number | undefined
  readonly reverse: boolean
  readonly limit: number | undefined
  /** Lets only entries pass whose value has an even number. */
  readonly filter: boolean
}

/** The range of all keys. */
export const EVERYTHING: Range = {
  gte: undefined,
  gt: undefined,
  lte: undefined,
  lt: undefined,
  prefix: undefined,
  reverse: false,
  limit: undefined,
  filter: false,
}

export type Projection = 'entries' | 'keys' | 'values'

export type Step =
  | { readonly kind: 'next' | 'all' | 'loop' | 'loopSync' | 'close' }
  | { readonly kind: 'nextMany' | 'nextManySync'; readonly count: number }
  | { readonly kind: 'overlapping'; readonly count: number }
  | { readonly kind: 'seek'; readonly rank: number }

export type PointRead =
  | 'get'
  | 'getSync'
  | 'getMany'
  | 'getManySync'
  | 'exists'
  | 'existsSync'
  | 'getEntry'
  | 'ttl'

export type TransactionStep =
  | Write
  | { readonly kind: 'get' | 'exists'; readonly rank: number }
  | { readonly kind: 'scan'; readonly range: Range }
  /** A write beside the transaction, in the runs that are to be disturbed. */
  | { readonly kind: 'outside'; readonly rank: number; readonly size: number }

/** `'kill'`: the process dies, what the file system holds is still there, and still not durable. */
export type Death = CrashProfile | 'kill'

export interface Crash {
  readonly profile: Death
  /** The operations of the file system until then. */
  readonly after: number
}

export type WatchTarget =
  | { readonly kind: 'key'; readonly rank: number }
  | { readonly kind: 'range'; readonly range: Range }

/** Which reader: the store, or one of the open views. */
export type Through = number | undefined

export type Command =
  | {
      readonly kind: 'write'
      readonly write: Write
      readonly durability: Durability | undefined
      readonly wait: boolean
    }
  | {
      readonly kind: 'batch'
      readonly writes: readonly Write[]
      readonly durability: Durability | undefined
      readonly wait: boolean
    }
  | {
      readonly kind: 'fill'
      readonly from: number
      readonly count: number
      readonly size: number
      readonly wait: boolean
    }
  | {
      readonly kind: 'conditional'
      readonly what: 'setNX' | 'update' | 'compareAndSet' | 'increment' | 'expire' | 'persist'
      readonly rank: number
      readonly size: number
      readonly ttl: number | undefined
      readonly durability: Durability | undefined
      readonly wait: boolean
      /** What an update or a compareAndSet comes to. */
      readonly outcome: 'set' | 'delete' | 'throw'
      /** What a compareAndSet expects. */
      readonly guess: 'right' | 'wrong' | 'absent'
    }
  | {
      readonly kind: 'transaction'
      readonly steps: readonly TransactionStep[]
      readonly throws: boolean
      /** How often it is run with the writes beside it. */
      readonly disturbed: number
      readonly retries: number
      readonly durability: Durability | undefined
      readonly wait: boolean
    }
  | { readonly kind: 'clear'; readonly wait: boolean }
  | {
      readonly kind: 'clearRange'
      readonly range: Range
      readonly durability: Durability | undefined
      readonly wait: boolean
    }
  | { readonly kind: 'invalid'; readonly what: number }
  | { readonly kind: 'settle' | 'openView' | 'audit' }
  | { readonly kind: 'sync' | 'flush'; readonly wait: boolean }
  | { readonly kind: 'compact'; readonly range: Range | undefined; readonly wait: boolean }
  | {
      readonly kind: 'read'
      readonly how: PointRead
      readonly ranks: readonly number[]
      readonly through: Through
    }
  | { readonly kind: 'closeView'; readonly which: number }
  | {
      readonly kind: 'openIterator'
      readonly range: Range
      readonly projection: Projection
      readonly through: Through
    }
  | { readonly kind: 'stepIterator'; readonly which: number; readonly step: Step }
  | {
      readonly kind: 'openWatcher'
      readonly target: WatchTarget
      /** From so many commits back (less than one: ahead of the store), or where the last watcher ended. */
      readonly from: number | 'bookmark' | undefined
      readonly buffer: number | undefined
      readonly previous: boolean
    }
  | { readonly kind: 'readWatcher'; readonly which: number; readonly count: number }
  | { readonly kind: 'closeWatcher'; readonly which: number }
  | {
      readonly kind: 'snapshot' | 'deleteSnapshot' | 'openSnapshot' | 'restore'
      readonly name: string
      readonly wait: boolean
    }
  | { readonly kind: 'advance' | 'jump'; readonly ms: number }
  /** `as`: in which mode the store is opened then; as before unless told. */
  | { readonly kind: 'reopen'; readonly as: Persistence | undefined }
  | {
      readonly kind: 'crash'
      readonly crash: Crash
      readonly recovery: readonly Crash[]
      readonly as: Persistence | undefined
    }

/** A run: what the store is like, the source of chance, and what happens. */
export interface Run {
  readonly seed: number
  readonly options: StoreOptions
  /** Whether somebody is told of what expires. */
  readonly listens: boolean
  /** How slow the file system is: 0 not at all. */
  readonly slowness: number
  /** Crashes while the store is made. */
  readonly creation: readonly Crash[]
  readonly commands: readonly Command[]
}

/** How often some commands are drawn. */
export interface Weights {
  readonly crash: number
  readonly reopen: number
  readonly iterate: number
}
