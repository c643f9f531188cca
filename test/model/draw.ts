/** Draws runs by chance, so that fast-check can make a failing one small. */
import fc from 'fast-check'
import type { Persistence, StoreOptions } from '../../src/index.js'
import { CRASH_PROFILES } from '../../src/testing.js'
import {
  type Command,
  type Crash,
  type Death,
  type Durability,
  EVERYTHING,
  type PointRead,
  type Projection,
  type Range,
  type Run,
  type Step,
  type TransactionStep,
  type Weights,
  type Write,
} from './commands.js'

type Conditional = Command & { kind: 'conditional' }

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

/** Few different ones, so that the clock comes to stand exactly where something expires. */
const duration = pick(1, 5, 50, 100, 200, 500, 1000, 1500)

const durability = pick<Durability | undefined>(undefined, undefined, 'memory', 'os', 'disk')
const wait = fc.boolean()

const ttl = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: duration },
  { weight: 2, arbitrary: fc.constant(5000) },
)

function writeOf(rank: fc.Arbitrary<number>): fc.Arbitrary<Write> {
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

function conditionalOf(rank: fc.Arbitrary<number>): fc.Arbitrary<Command> {
  return fc.record({
    kind: fc.constant('conditional' as const),
    what: pick<Conditional['what']>(
      'setNX',
      'update',
      'update',
      'compareAndSet',
      'increment',
      'expire',
      'persist',
    ),
    rank,
    size,
    ttl,
    durability,
    wait,
    outcome: pick<Conditional['outcome']>('set', 'set', 'set', 'delete', 'throw'),
    guess: pick<Conditional['guess']>('right', 'right', 'wrong', 'absent'),
  })
}

function transactionOf(rank: fc.Arbitrary<number>, range: fc.Arbitrary<Range>): fc.Arbitrary<Command> {
  const step: fc.Arbitrary<TransactionStep> = fc.oneof(
    { weight: 4, arbitrary: writeOf(rank) },
    { weight: 3, arbitrary: fc.record({ kind: pick('get' as const, 'exists' as const), rank }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('scan' as const), range }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('outside' as const), rank, size }) },
  )
  return fc.record({
    kind: fc.constant('transaction' as const),
    steps: fc.array(step, { maxLength: 8 }),
    throws: fc.oneof(
      { weight: 6, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    disturbed: fc.nat(2),
    retries: pick(0, 1, 10),
    durability,
    wait,
  })
}

function watchingOf(rank: fc.Arbitrary<number>, range: fc.Arbitrary<Range>): fc.Arbitrary<Command> {
  const target = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('key' as const), rank }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('range' as const),
        range: fc.oneof(range, fc.constant(EVERYTHING)),
      }),
    },
  )
  const from = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: fc.integer({ min: -2, max: 20 }) },
    { weight: 2, arbitrary: fc.constant('bookmark' as const) },
  )
  const opening = fc.record({
    kind: fc.constant('openWatcher' as const),
    target,
    from,
    buffer: pick(undefined, undefined, 1, 4),
    previous: fc.boolean(),
  })
  const reading = fc.record({
    kind: fc.constant('readWatcher' as const),
    which: fc.nat(3),
    count: fc.integer({ min: 1, max: 30 }),
  })
  return fc.oneof(
    { weight: 3, arbitrary: opening },
    { weight: 6, arbitrary: reading },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('closeWatcher' as const), which: fc.nat(3) }) },
  )
}

const snapshotting: fc.Arbitrary<Command> = fc.record({
  kind: pick('snapshot', 'snapshot', 'snapshot', 'restore', 'restore', 'deleteSnapshot', 'openSnapshot'),
  name: pick('a', 'a', 'a', 'b'),
  wait,
})

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
    'ttl',
  )
  const as = optional(pick<Persistence>('wal', 'hybrid', 'snapshot'), 40)
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
    { weight: 9, arbitrary: conditionalOf(rank) },
    { weight: 4, arbitrary: transactionOf(rank, range) },
    { weight: 10, arbitrary: watchingOf(rank, range) },
    { weight: 5, arbitrary: snapshotting },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), wait }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('clearRange' as const), range, durability, wait }),
    },
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
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: duration }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('jump' as const), ms: pick(-1500, -100, -1, 100, 1000) }),
    },
    { weight: weights.reopen, arbitrary: fc.record({ kind: fc.constant('reopen' as const), as }) },
    {
      weight: weights.crash,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        crash: crashOf(60),
        recovery: fc.array(crashOf(40), { maxLength: 2 }),
        as,
      }),
    },
  )
}

const options: fc.Arbitrary<StoreOptions> = fc.record({
  // Mostly small: memtables that wait become one table, and it takes tables to have compactions.
  memtableSize: pick(1024, 1024, 1024, 2048, 4096),
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
  cleanupInterval: pick(0, 100, 100, 1000),
  valueEncoding: pick('buffer' as const, 'utf8' as const),
  persistence: pick<Persistence>('wal', 'hybrid', 'hybrid', 'snapshot'),
  snapshotInterval: pick(0, 0, 1000),
})

/** Runs over a pool of so many keys and prefixes. */
export function runOf(keys: number, prefixes: number, weights: Weights): fc.Arbitrary<Run> {
  return fc.record({
    seed: fc.nat(),
    options,
    listens: fc.boolean(),
    slowness: pick(0, 1, 3),
    creation: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(crashOf(30), { maxLength: 2 }) },
    ),
    commands: fc.array(commandOf(keys, prefixes, weights), { minLength: 1, maxLength: 90, size: 'max' }),
  })
}
