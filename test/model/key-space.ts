/**
 * The keys that the model tests use: for each key encoding a fixed pool, sorted by an order of its own that owes nothing
 * to the engine. A key is known by its rank in the pool, so the model compares numbers.
 */
import type { OrderedKey } from '../../src/index.js'

export interface KeySpace<K> {
  readonly encoding: 'buffer' | 'utf8' | 'ordered'
  /** Ascending. */
  readonly keys: readonly K[]
  /** Prefixes to ask for; not all are keys. */
  readonly prefixes: readonly K[]
  startsWith(key: K, prefix: K): boolean
  /** The same text for the same key. */
  identify(key: K): string
}

/**
 * A pool of keys with a way back from a key to its rank.
 *
 * To the tests a key is opaque; it goes by the type `string`, whatever it is.
 */
export class RankedKeys {
  readonly encoding: KeySpace<unknown>['encoding']
  readonly count: number
  readonly prefixCount: number
  readonly #space: KeySpace<unknown>
  readonly #ranks = new Map<string, number>()

  constructor(space: KeySpace<unknown>) {
    this.#space = space
    this.encoding = space.encoding
    this.count = space.keys.length
    this.prefixCount = space.prefixes.length
    space.keys.forEach((key, rank) => {
      this.#ranks.set(space.identify(key), rank)
    })
    if (this.#ranks.size !== space.keys.length) throw new Error('a pool names each key once')
  }

  /** The key of a rank; bytes are a copy of their own. */
  key(rank: number): string {
    return opaque(this.#space.keys[rank])
  }

  prefix(index: number): string {
    return opaque(this.#space.prefixes[index])
  }

  startsWith(rank: number, prefix: number): boolean {
    return this.#space.startsWith(this.#space.keys[rank], this.#space.prefixes[prefix])
  }

  /** Whether a key or prefix is no bytes at all. */
  isEmpty(key: unknown): boolean {
    return (typeof key === 'string' && this.encoding === 'utf8') || Buffer.isBuffer(key)
      ? key.length === 0
      : false
  }

  rankOf(key: unknown): number {
    const rank = this.#ranks.get(this.#space.identify(key))
    if (rank === undefined) throw new Error(`a key came back that was never written: ${String(key)}`)
    return rank
  }
}

function opaque(key: unknown): string {
  return (Buffer.isBuffer(key) ? Buffer.from(key) : key) as string
}

/** What a caller may do with bytes that it gave away or was given. */
export function spoil(bytes: unknown): void {
  if (Buffer.isBuffer(bytes)) bytes.fill(0x99)
}

function rankedKeys<K>(space: KeySpace<K>): RankedKeys {
  return new RankedKeys(space as unknown as KeySpace<unknown>)
}

const LONG = 'p'.repeat(90)

const bufferPool: Buffer[] = [
  [],
  [0],
  [0, 0],
  [0, 0xff],
  [0xfe],
  [0xfe, 0xff],
  [0xff],
  [0xff, 0],
  [0xff, 0xff],
  [0xff, 0xff, 0xff],
  [0x7f],
  [0x80],
]
  .map((bytes) => Buffer.from(bytes))
  .concat(
    ['a', 'aa', 'ab', 'abc', 'abd', 'b', LONG, `${LONG}\0`, `${LONG}a`, `${LONG}b`, `${LONG}bb`].map((text) =>
      Buffer.from(text),
    ),
    Array.from({ length: 41 }, (_, i) => Buffer.from(`key/${String(i).padStart(3, '0')}`)),
  )

export const bufferKeys = rankedKeys<Buffer>({
  encoding: 'buffer',
  keys: bufferPool.sort(Buffer.compare),
  prefixes: ['', 'a', 'ab', 'key/', 'key/01', 'key/9', LONG, `${LONG}b`]
    .map((text) => Buffer.from(text))
    .concat([[0], [0xfe], [0xff], [0xff, 0xff], [0x42]].map((bytes) => Buffer.from(bytes))),
  startsWith: (key, prefix) => key.subarray(0, prefix.length).equals(prefix),
  identify: (key) => key.toString('hex'),
})

/** Code points ascending is the order of UTF-8 bytes; that of JavaScript's strings is another. */
function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a, (character) => character.codePointAt(0) ?? 0)
  const right = Array.from(b, (character) => character.codePointAt(0) ?? 0)
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i] !== right[i]) return left[i] - right[i]
  }
  return left.length - right.length
}

export const utf8Keys = rankedKeys<string>({
  encoding: 'utf8',
  keys: [
    ...[
      '',
      '\0',
      '\0\0',
      'a',
      'aa',
      'ab',
      'abc',
      'b',
      'z',
      '\x7f',
      '\x80',
      'é',
      'éa',
      '߿',
      'ࠀ',
      '\uffff',
      '😀',
      '😀😀',
    ],
    ...['\u{10ffff}', 'aé', 'a😀', 'a\uffff', LONG, `${LONG}\0`, `${LONG}a`, `${LONG}é`, `${LONG}😀`],
    ...Array.from({ length: 37 }, (_, i) => `key/${String(i).padStart(3, '0')}`),
  ].sort(compareCodePoints),
  prefixes: ['', 'a', 'ab', 'key/', 'key/01', 'key/9', LONG, 'é', '😀', '\uffff', '\0', '\u{10ffff}'],
  startsWith: (key, prefix) => key.startsWith(prefix),
  identify: (key) => key,
})

/** null < false < true < numbers < dates < bigints < strings < arrays. */
function typeRank(key: OrderedKey): number {
  if (key === null) return 0
  if (key === false) return 1
  if (key === true) return 2
  if (typeof key === 'number') return 3
  if (typeof key === 'bigint') return 5
  if (key instanceof Date) return 4
  return typeof key === 'string' ? 6 : 7
}

function compareOrdered(a: OrderedKey, b: OrderedKey): number {
  const types = typeRank(a) - typeRank(b)
  if (types !== 0) return types
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const order = compareOrdered(a[i], b[i])
      if (order !== 0) return order
    }
    return a.length - b.length
  }
  if (typeof a === 'string' && typeof b === 'string') return compareCodePoints(a, b)
  const [left, right] = [a, b] as [number, number]
  return left < right ? -1 : left > right ? 1 : 0
}

function identifyOrdered(key: OrderedKey): string {
  if (Array.isArray(key)) return `[${key.map(identifyOrdered).join()}]`
  if (key instanceof Date) return `date ${key.getTime()}`
  return typeof key === 'string' ? JSON.stringify(key) : `${typeof key} ${String(key)}`
}

const orderedPool: OrderedKey[] = [
  ...[
    null,
    false,
    true,
    Number.NEGATIVE_INFINITY,
    -1e300,
    -2,
    -1.5,
    -1,
    0,
    5e-324,
    0.5,
    1,
    2,
    10,
    255,
    256,
    1e10,
  ],
  ...[Number.POSITIVE_INFINITY, -(10n ** 30n), -256n, -255n, -1n, 0n, 1n, 255n, 256n, 10n ** 30n],
  ...[
    new Date(-1),
    new Date(0),
    new Date(1e12),
    '',
    'a',
    'aa',
    'b',
    'é',
    '😀',
    '\uffff',
    '\0',
    LONG,
    `${LONG}x`,
  ],
  ...([
    [],
    [''],
    ['user'],
    ['user', 7],
    ['user', 7, 'x'],
    ['user', 7, []],
    ['user', 70],
    ['user', '7'],
  ] as const),
  ...([
    ['users'],
    ['user', 8],
    ['user', -1],
    ['user', 7n],
    [null],
    [[]],
    [[], 'a'],
    [['a', 1]],
    ['a\0b'],
    ['a'],
  ] as const),
]

export const orderedKeys = rankedKeys<OrderedKey>({
  encoding: 'ordered',
  keys: orderedPool.sort(compareOrdered),
  prefixes: [[], ['user'], ['user', 7], ['us'], ['a'], [null], [[]], ['user', 7, 'x']],
  startsWith: (key, prefix) =>
    Array.isArray(key) &&
    Array.isArray(prefix) &&
    key.length >= prefix.length &&
    prefix.every((element, i) => compareOrdered(key[i], element) === 0),
  identify: identifyOrdered,
})
