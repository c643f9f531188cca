/** The options of a store: what they are, their defaults, and the check of what a user gives. */
import { shown, VarveError } from '../base/errors.js'
import type { Clock } from '../env/clock.js'
import type { Executor } from '../env/executor.js'
import type { FileSystem } from '../env/file-system.js'
import type { KeyEncodingName, KeyOf } from './encodings/key-encoding.js'
import type { AnyValueEncoding, ValueEncodingName, ValueOf } from './encodings/value-encoding.js'
import type { BoundSettings } from './eviction/bound.js'
import { MOST_ENTRIES } from './eviction/entry-directory.js'
import type { EvictionPolicyName } from './eviction/eviction-policy.js'
import { LEAST_MEMORY_LIMIT, planMemory, usualFlushBytes } from './memory-budget.js'
import { flag, GiB, integer, KiB, MiB } from './option-checks.js'
import { checkOptionNames } from './option-names.js'

/**
 * When the promise of a write resolves.
 * `'memory'`: applied in this process. `'os'`: handed to the operating system, so it survives `kill -9`.
 * `'disk'`: on the device, so it survives a power loss.
 */
export type Durability = 'memory' | 'os' | 'disk'

/**
 * What survives the process. `'none'`: nothing, the store lives in memory. `'wal'`: every write is logged.
 * `'snapshot'`: no log; what was written since the last flush or snapshot is lost in a crash, and what is found is one
 * consistent moment. `'hybrid'`: a log, and a snapshot every `snapshotInterval`.
 */
export type Persistence = 'none' | 'wal' | 'snapshot' | 'hybrid'

/** Of which iterators and views it is recorded where they were made. */
export type LeakDetection = 'sampled' | 'all'

/** How data blocks are compressed. `true` means `'snappy'`, `false` means `'none'`. */
export type CompressionOption = 'snappy' | 'gzip' | 'none' | boolean

/** All options; sizes in bytes, times in milliseconds. */
export interface StoreOptions<
  KE extends KeyEncodingName = KeyEncodingName,
  VE extends ValueEncodingName | AnyValueEncoding = ValueEncodingName | AnyValueEncoding,
  K = KeyOf<KE>,
  V = ValueOf<VE>,
> {
  // What changes behaviour

  /** Default `'utf8'`. */
  readonly keyEncoding?: KE
  /** Default `'buffer'`: takes `Uint8Array` or string, gives `Buffer`. */
  readonly valueEncoding?: VE
  /** The largest encoded key. Default 65,535, which is also the most. */
  readonly maxKeySize?: number
  /** The largest encoded value. Default 64 MiB; at most 1 GiB. */
  readonly maxValueSize?: number
  /**
   * The most live entries, and the most bytes of their keys and values. Default: no bound. With a bound, all keys are held
   * in memory, and there are at most 8,388,608 entries; see docs/bounded.md.
   */
  readonly maxEntries?: number
  readonly maxBytes?: number
  /**
   * Which entry makes room: the least recently used one, the least frequently used one, any, or the one nearest to its
   * expiry. Default `'none'`: a write past the bound fails with `STORE_FULL`.
   */
  readonly evictionPolicy?: EvictionPolicyName
  /** Is called with each entry that was removed to make room. */
  onEvict?(key: K, value: V): void
  /** Default `'hybrid'`. An existing store may be opened in another mode than before, but not with `'none'`. */
  readonly persistence?: Persistence
  /** For `'snapshot'` and `'hybrid'`: how often a snapshot is taken if something has changed; 0: never. Default 300,000. */
  readonly snapshotInterval?: number
  /** How many of the snapshots that the store took by itself are kept. Default 2. */
  readonly snapshotRetention?: number
  /** Default `'os'`. Per write too. */
  readonly durability?: Durability
  /** For `'memory'` and `'os'`: at most this long until the log is on the device; 0 turns it off. Default 1000. */
  readonly syncInterval?: number
  /** Milliseconds until an entry expires that was written without a `ttl`; 0: never. Default 0. */
  readonly defaultTtl?: number
  /** Expired entries, which nobody sees, are removed and announced at least this often; 0: never. Default 60,000. */
  readonly cleanupInterval?: number
  /** Is called with each entry that was removed because it had expired, once. */
  onExpire?(key: K, value: V): void
  /** Make the store if it is not there. Default true. */
  readonly createIfMissing?: boolean
  /** Fail with `EXISTS` if the store is there. Default false. */
  readonly errorIfExists?: boolean
  /**
   * Open for reading only, beside a writer and any number of other readers: takes no lock, writes nothing. Default false.
   * {@link ReadOnlyStore} tells what it sees.
   */
  readonly readOnly?: boolean
  /** How long to wait for the lock of another process. Default 0: fail at once with `LOCKED`. */
  readonly lockTimeout?: number

  // What changes performance

  /**
   * The most that the process may take beyond bare Node.js, in bytes, kept to within a fifth: what `memtableSize` and `cacheSize`
   * are not given is derived from it, and indexes and filters get their share. Kept from 160 MiB on; at least 16 MiB. Default: no limit.
   */
  readonly memoryLimit?: number
  /** Memtable shards, a power of two from 1 to 256. Default 4. */
  readonly shardCount?: number
  /** The size at which a memtable is frozen and flushed. Default 4 MiB. */
  readonly memtableSize?: number
  /** The bytes of decompressed blocks kept in memory. Default 32 MiB; 0 turns the cache off. */
  readonly cacheSize?: number
  /** The uncompressed size of a data block. Default 4096. */
  readonly blockSize?: number
  /** The size of the tables that a compaction writes. Default 8 MiB. */
  readonly targetFileSize?: number
  /** The size at which a log segment is closed and the next one begins. Default 16 MiB. */
  readonly walSegmentSize?: number
  /** Level-0 tables that start a compaction. Default 4. */
  readonly level0CompactionTrigger?: number
  /** How much larger each level is than the one above it. Default 10. */
  readonly levelSizeMultiplier?: number
  /** The most table files that are open at once. Default 512. */
  readonly maxOpenFiles?: number
  /** Bits of the bloom filter for each key; 0: no filter. Default 10, which errs once in a hundred. */
  readonly filterBitsPerKey?: number
  /** Default `'snappy'`. A block that compresses badly is stored as it is. */
  readonly compression?: CompressionOption

  /**
   * Of which iterators, views and transactions it is recorded where they were made, for leak reports and `stats()`: `'all'`, at some
   * ten microseconds each, or `'sampled'`, one every 10 ms. Default `'sampled'`.
   */
  readonly leakDetection?: LeakDetection
  /** Whether latencies are measured. Default true. */
  readonly metrics?: boolean

  // What the store runs on

  /** Default: Node's. `varve/testing` exports one in memory. */
  readonly fileSystem?: FileSystem
  /** Default: the system's. */
  readonly clock?: Clock
  /** Where flush and compaction run. Default: a worker thread on Node's file system, inline on any other. */
  readonly executor?: Executor
  /** Random numbers in [0, 1), for the database id. Default: cryptographic. */
  readonly random?: () => number
}

/** Settings after defaults and checks. */
export interface Settings {
  readonly bound: BoundSettings | undefined
  readonly maxKeySize: number
  readonly maxValueSize: number
  readonly persistence: Persistence
  /** 0: none are taken. */
  readonly snapshotIntervalMs: number
  readonly snapshotRetention: number
  readonly durability: Durability
  readonly syncIntervalMs: number
  readonly defaultTtlMs: number
  /** 0: never. */
  readonly cleanupIntervalMs: number
  readonly createIfMissing: boolean
  readonly errorIfExists: boolean
  readonly readOnly: boolean
  readonly lockTimeoutMs: number
  readonly shardCount: number
  /** `undefined`: none. */
  readonly memoryLimit: number | undefined
  readonly memtableSize: number
  /** See `MemtableSizes`. */
  readonly flushBytes: number
  readonly cacheSize: number
  /** What indexes and filters of open tables may take; `undefined`: whatever they take. */
  readonly tableMemory: number | undefined
  readonly blockSize: number
  readonly targetFileSize: number
  readonly walSegmentSize: number
  readonly level0CompactionTrigger: number
  readonly levelSizeMultiplier: number
  readonly maxOpenFiles: number
  readonly filterBitsPerKey: number
  readonly compression: 'snappy' | 'gzip' | 'none'
  readonly leakDetection: LeakDetection
  readonly metrics: boolean
}

const POLICIES: readonly EvictionPolicyName[] = ['none', 'lru', 'lfu', 'random', 'ttl']

/** A duration option: a number of milliseconds, 0 or more. */
export function checkDuration(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `${name} must be a number of milliseconds, 0 or more, not ${shown(value)}.`,
    )
  }
  return value
}

/** A durability option. */
export function checkDurability(value: Durability | undefined, fallback: Durability): Durability {
  if (value === undefined) return fallback
  if (value !== 'memory' && value !== 'os' && value !== 'disk') {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `durability must be 'memory', 'os' or 'disk', not ${shown(value)}.`,
    )
  }
  return value
}

/** The persistence option. */
export function checkPersistence(value: Persistence | undefined): Persistence {
  if (value === undefined) return 'hybrid'
  if (value !== 'none' && value !== 'wal' && value !== 'snapshot' && value !== 'hybrid') {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `persistence must be 'none', 'wal', 'snapshot' or 'hybrid', not ${shown(value)}.`,
    )
  }
  return value
}

/** The bound; undefined when there is none. */
function checkBound({ maxEntries, maxBytes, evictionPolicy }: StoreOptions): BoundSettings | undefined {
  const policy = evictionPolicy ?? 'none'
  if (!POLICIES.includes(policy)) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `evictionPolicy must be 'none', 'lru', 'lfu', 'random' or 'ttl', not ${shown(policy)}.`,
    )
  }
  if (maxEntries === undefined && maxBytes === undefined) {
    if (policy === 'none') return undefined
    throw new VarveError(
      'INVALID_ARGUMENT',
      `evictionPolicy ${shown(policy)} makes room in a bounded store. Set maxEntries or maxBytes too.`,
    )
  }
  return {
    maxEntries: integer('maxEntries', maxEntries, MOST_ENTRIES, 1, MOST_ENTRIES),
    maxBytes: integer('maxBytes', maxBytes, Infinity, 1, Number.MAX_SAFE_INTEGER),
    policy,
  }
}

/** The sizes of what holds memory, derived from the limit where there is one. */
function checkMemory(
  options: StoreOptions,
  persistence: Persistence,
): Pick<Settings, 'memoryLimit' | 'memtableSize' | 'flushBytes' | 'cacheSize' | 'tableMemory'> {
  const memtableSize = integer('memtableSize', options.memtableSize, 4 * MiB, KiB, GiB)
  const cacheSize = integer('cacheSize', options.cacheSize, 32 * MiB, 0, 64 * GiB)
  if (options.memoryLimit === undefined) {
    const flushBytes = usualFlushBytes(memtableSize)
    return { memoryLimit: undefined, memtableSize, flushBytes, cacheSize, tableMemory: undefined }
  }
  if (persistence === 'none') {
    throw new VarveError(
      'INVALID_ARGUMENT',
      'A store without a disk holds everything in memory, whatever memoryLimit says. Bound it with maxBytes.',
    )
  }
  const memoryLimit = integer('memoryLimit', options.memoryLimit, 0, LEAST_MEMORY_LIMIT, 1024 * GiB)
  const given = {
    ...(options.memtableSize === undefined ? {} : { memtableSize }),
    ...(options.cacheSize === undefined ? {} : { cacheSize }),
  }
  return { memoryLimit, ...planMemory(memoryLimit, given) }
}

function checkLeakDetection(value: LeakDetection | undefined): LeakDetection {
  if (value === undefined || value === 'sampled' || value === 'all') return value ?? 'sampled'
  throw new VarveError('INVALID_ARGUMENT', `leakDetection must be 'sampled' or 'all', not ${shown(value)}.`)
}

function checkReadOnly({ readOnly, errorIfExists }: StoreOptions, persistence: Persistence): boolean {
  if (!flag('readOnly', readOnly, false)) return false
  if (persistence === 'none') {
    throw new VarveError(
      'INVALID_ARGUMENT',
      "readOnly opens a store on disk, and persistence 'none' has none. Leave one of the two out.",
    )
  }
  if (errorIfExists === true) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      'readOnly opens a store that is there, which errorIfExists refuses. Leave one of the two out.',
    )
  }
  return true
}

function checkCompression(value: CompressionOption | undefined): 'snappy' | 'gzip' | 'none' {
  if (value === undefined || value === true || value === 'snappy') return 'snappy'
  if (value === false || value === 'none') return 'none'
  if (value === 'gzip') return 'gzip'
  throw new VarveError('INVALID_ARGUMENT', "compression must be 'snappy', 'gzip', 'none', true or false.")
}

/** What the store runs on is called later, where a wrong one would fail in a strange place. */
function checkSurroundings({ fileSystem, clock, executor, random, onExpire, onEvict }: StoreOptions): void {
  const refuse = (name: string, what: string): never => {
    throw new VarveError('INVALID_ARGUMENT', `${name} must be ${what}.`)
  }
  if (fileSystem !== undefined && typeof fileSystem?.open !== 'function') refuse('fileSystem', 'a FileSystem')
  if (clock !== undefined && typeof clock?.now !== 'function') refuse('clock', 'a Clock')
  if (executor !== undefined && typeof executor?.execute !== 'function') refuse('executor', 'an Executor')
  if (onExpire !== undefined && typeof onExpire !== 'function') refuse('onExpire', 'a function')
  if (onEvict !== undefined && typeof onEvict !== 'function') refuse('onEvict', 'a function')
  if (random !== undefined && typeof random !== 'function') refuse('random', 'a function like Math.random')
}

/** The names of all options, so that a misspelt one is refused rather than ignored. */
export const STORE_OPTION_NAMES: ReadonlySet<string> = new Set<keyof StoreOptions>([
  'keyEncoding',
  'valueEncoding',
  'maxKeySize',
  'maxValueSize',
  'maxEntries',
  'maxBytes',
  'evictionPolicy',
  'onEvict',
  'persistence',
  'snapshotInterval',
  'snapshotRetention',
  'durability',
  'syncInterval',
  'defaultTtl',
  'cleanupInterval',
  'onExpire',
  'createIfMissing',
  'errorIfExists',
  'readOnly',
  'lockTimeout',
  'shardCount',
  'memoryLimit',
  'memtableSize',
  'cacheSize',
  'blockSize',
  'targetFileSize',
  'walSegmentSize',
  'level0CompactionTrigger',
  'levelSizeMultiplier',
  'maxOpenFiles',
  'filterBitsPerKey',
  'compression',
  'leakDetection',
  'metrics',
  'fileSystem',
  'clock',
  'executor',
  'random',
])

/** Checks what the user gave and fills in the defaults; throws `INVALID_ARGUMENT`. */
export function resolveSettings(options: StoreOptions): Settings {
  checkOptionNames('a store', options, STORE_OPTION_NAMES)
  checkSurroundings(options)
  const shardCount = integer('shardCount', options.shardCount, 4, 1, 256)
  if ((shardCount & (shardCount - 1)) !== 0) {
    throw new VarveError('INVALID_ARGUMENT', `shardCount must be a power of two, not ${shardCount}.`)
  }
  const persistence = checkPersistence(options.persistence)
  const snapshotIntervalMs = checkDuration('snapshotInterval', options.snapshotInterval, 300_000)
  return {
    bound: checkBound(options),
    persistence,
    snapshotIntervalMs: persistence === 'snapshot' || persistence === 'hybrid' ? snapshotIntervalMs : 0,
    snapshotRetention: integer('snapshotRetention', options.snapshotRetention, 2, 1, 10_000),
    maxKeySize: integer('maxKeySize', options.maxKeySize, 64 * KiB - 1, 1, 64 * KiB - 1),
    maxValueSize: integer('maxValueSize', options.maxValueSize, 64 * MiB, 1, GiB),
    durability: checkDurability(options.durability, 'os'),
    syncIntervalMs: checkDuration('syncInterval', options.syncInterval, 1000),
    defaultTtlMs: checkDuration('defaultTtl', options.defaultTtl, 0),
    cleanupIntervalMs: checkDuration('cleanupInterval', options.cleanupInterval, 60_000),
    createIfMissing: flag('createIfMissing', options.createIfMissing, true),
    errorIfExists: flag('errorIfExists', options.errorIfExists, false),
    readOnly: checkReadOnly(options, persistence),
    lockTimeoutMs: checkDuration('lockTimeout', options.lockTimeout, 0),
    shardCount,
    ...checkMemory(options, persistence),
    blockSize: integer('blockSize', options.blockSize, 4 * KiB, 64, 4 * MiB),
    targetFileSize: integer('targetFileSize', options.targetFileSize, 8 * MiB, KiB, 4 * GiB),
    walSegmentSize: integer('walSegmentSize', options.walSegmentSize, 16 * MiB, KiB, GiB),
    level0CompactionTrigger: integer('level0CompactionTrigger', options.level0CompactionTrigger, 4, 1, 64),
    levelSizeMultiplier: integer('levelSizeMultiplier', options.levelSizeMultiplier, 10, 2, 100),
    maxOpenFiles: integer('maxOpenFiles', options.maxOpenFiles, 512, 1, 1_000_000),
    filterBitsPerKey: integer('filterBitsPerKey', options.filterBitsPerKey, 10, 0, 64),
    compression: checkCompression(options.compression),
    leakDetection: checkLeakDetection(options.leakDetection),
    metrics: flag('metrics', options.metrics, true),
  }
}
