/** What a run of the model tests consists of: plain data, so that a failing run can be shrunk and printed. */
import fc from 'fast-check'
import type { StoreOptions } from '../../src/index.js'
import { CRASH_PROFILES, type CrashProfile } from '../../src/testing.js'

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

export type Projection = 'entries' | 'keys' | 'values'

export type Step =
  | { readonly kind: 'next' | 'all' | 'loop' | 'loopSync' | 'close' }
  | { readonly kind: 'nextMany' | 'nextManySync'; readonly count: number }
  | { readonly kind: 'overlapping'; readonly count: number }
  | { readonly kind: 'seek'; readonly rank: number }

export type PointRead = 'get' | 'getSync' | 'getMany' | 'getManySync' | 'exists' | 'existsSync' | 'getEntry'

/** `'kill'`: the process dies, what the file system holds is still there, and still not durable. */
export type Death = CrashProfile | 'kill'

export interface Crash {
  readonly profile: Death
  /** The operations of the file system until then. */
  readonly after: number
}

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
  | { readonly kind: 'clear'; readonly wait: boolean }
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
  | { readonly kind: 'advance' | 'jump'; readonly ms: number }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'crash'; readonly crash: Crash; readonly recovery: readonly Crash[] }

/** A run: what the store is like, the source of chance, and what happens. */
export interface Run {
  readonly seed: number
  readonly options: StoreOptions
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

const pick = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values)

function rankOf(keys: number): fc.Arbitrary<number> {
  const last = keys - 1
  // A few keys are written over and over.
  return fc.oneof({ weight: 3, arbitrary: fc.nat(Math.min(8, last)) }, { weight: 2, arbitrary: fc.nat(last) })
}

const size = fc.oneof(
  { weight: 6, arbitrary: fc.nat(24) },
  { weight: 3, arbitrary: fc.integer({ min: 100, max: 400 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1500, max: 5000 }) },
)

/** `arbitrary` in so many of a hundred cases, else `undefined`. */
function optional<T>(arbitrary: fc.Arbitrary<T>, percent: number): fc.Arbitrary<T | undefined> {
  return fc.oneof(
    { weight: 100 - percent, arbitrary: fc.constant(undefined) },
    { weight: percent, arbitrary },
  )
}

const durability = pick<Durability | undefined>(undefined, undefined, 'memory', 'os', 'disk')
const wait = fc.boolean()

function writeOf(rank: fc.Arbitrary<number>): fc.Arbitrary<Write> {
  const ttl = fc.oneof(
    { weight: 8, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 2000 }) },
  )
  return fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), rank, size, ttl }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), rank }) },
  )
}

function rangeOf(rank: fc.Arbitrary<number>, prefixes: number): fc.Arbitrary<Range> {
  const bound = optional(rank, 33)
  return fc
    .record({
      gte: bound,
      gt: optional(rank, 15),
      lte: optional(rank, 15),
      lt: bound,
      prefix: optional(fc.nat(prefixes - 1), 25),
      reverse: fc.boolean(),
      limit: optional(fc.nat(12), 30),
      filter: fc.boolean(),
    })
    .map((range) =>
      // Mostly few bounds at once, so that most ranges hold something.
      range.gt !== undefined && range.gte !== undefined
        ? { ...range, gt: undefined, prefix: undefined }
        : range,
    )
}

export function crashOf(most: number): fc.Arbitrary<Crash> {
  return fc.record({ profile: pick<Death>(...CRASH_PROFILES, 'kill'), after: fc.nat(most) })
}

function stepOf(rank: fc.Arbitrary<number>): fc.Arbitrary<Step> {
  const count = fc.integer({ min: 1, max: 20 })
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: pick('nextMany' as const, 'nextManySync' as const), count }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('next' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('seek' as const), rank }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('overlapping' as const), count }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: pick('all' as const, 'loop' as const, 'loopSync' as const, 'close' as const),
      }),
    },
  )
}

function commandOf(keys: number, prefixes: number, weights: Weights): fc.Arbitrary<Command> {
  const rank = rankOf(keys)
  const write = writeOf(rank)
  const range = rangeOf(rank, prefixes)
  const through = optional(fc.nat(3), 50)
  const reads = pick<PointRead>(
    'get',
    'getSync',
    'getMany',
    'getManySync',
    'exists',
    'existsSync',
    'getEntry',
  )
  return fc.oneof(
    { weight: 14, arbitrary: fc.record({ kind: fc.constant('write' as const), write, durability, wait }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('batch' as const),
        writes: fc.array(write, { maxLength: 8 }),
        durability,
        wait,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('fill' as const),
        from: fc.nat(keys - 1),
        count: fc.integer({ min: 5, max: 25 }),
        size: fc.integer({ min: 20, max: 700 }),
        wait,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), wait }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('invalid' as const), what: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('audit' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('openView' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: pick('sync' as const, 'flush' as const), wait }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('compact' as const),
        range: optional(range, 50),
        wait,
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        how: reads,
        ranks: fc.array(rank, { minLength: 1, maxLength: 4 }),
        through,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('closeView' as const), which: fc.nat(3) }) },
    {
      weight: weights.iterate,
      arbitrary: fc.record({
        kind: fc.constant('openIterator' as const),
        range,
        projection: pick<Projection>('entries', 'entries', 'keys', 'values'),
        through,
      }),
    },
    {
      weight: 2 * weights.iterate,
      arbitrary: fc.record({
        kind: fc.constant('stepIterator' as const),
        which: fc.nat(5),
        step: stepOf(rank),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(1500) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('jump' as const), ms: fc.integer({ min: -2000, max: 2000 }) }),
    },
    { weight: weights.reopen, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
    {
      weight: weights.crash,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        crash: crashOf(60),
        recovery: fc.array(crashOf(40), { maxLength: 2 }),
      }),
    },
  )
}

const options: fc.Arbitrary<StoreOptions> = fc.record({
  memtableSize: pick(1024, 2048, 4096),
  blockSize: pick(64, 128, 256),
  targetFileSize: pick(1024, 2048),
  walSegmentSize: pick(1024, 4096),
  level0CompactionTrigger: fc.constant(2),
  levelSizeMultiplier: pick(2, 4),
  shardCount: pick(1, 2, 4),
  cacheSize: pick(0, 4096, 1 << 20),
  // Few: then it is up to the garbage collector how often a table is opened, and a crash may come elsewhere in a replay.
  maxOpenFiles: pick(1, 64, 64, 64),
  filterBitsPerKey: pick(0, 10),
  compression: pick(
    'none' as const,
    'none' as const,
    'none' as const,
    'snappy' as const,
    'snappy' as const,
    'snappy' as const,
    'gzip' as const,
  ),
  durability: pick<Durability>('memory', 'os', 'disk'),
  syncInterval: pick(0, 100),
  defaultTtl: pick(0, 0, 0, 5000),
  // Sweeps are writes that the model does not know of.
  cleanupInterval: fc.constant(0),
})

/** Runs over a pool of so many keys and prefixes. */
export function runOf(keys: number, prefixes: number, weights: Weights): fc.Arbitrary<Run> {
  return fc.record({
    seed: fc.nat(),
    options,
    slowness: pick(0, 1, 3),
    creation: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(crashOf(30), { maxLength: 2 }) },
    ),
    commands: fc.array(commandOf(keys, prefixes, weights), { minLength: 1, maxLength: 60, size: 'max' }),
  })
}
