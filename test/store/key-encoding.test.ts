import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { SearchKey } from '../../src/memtable/search-key.js'
import {
  type KeyEncoding,
  type KeyEncodingName,
  keyEncodingOf,
  type OrderedKey,
} from '../../src/store/encodings/key-encoding.js'
import { prefixEnd } from '../../src/store/range.js'

const utf8 = keyEncodingOf<string>('utf8')
const buffer = keyEncodingOf<Uint8Array>('buffer')
const ordered = keyEncodingOf<OrderedKey>('ordered')

// One for all, so that what a longer key left behind would be seen.
const target = new SearchKey(1)

function encode<K>(encoding: KeyEncoding<K>, key: K): Uint8Array {
  encoding.encode(key, target)
  return target.bytes.slice(0, target.length)
}

function encodePrefix<K>(encoding: KeyEncoding<K>, prefix: K): Uint8Array {
  encoding.encodePrefix(prefix, target)
  return target.bytes.slice(0, target.length)
}

/** From the middle of other bytes, which change afterwards: what was decoded must not. */
function decode<K>(encoding: KeyEncoding<K>, bytes: Uint8Array): K {
  const around = new Uint8Array(bytes.length + 5).fill(0x41)
  around.set(bytes, 3)
  const key = encoding.decode(around, 3, 3 + bytes.length)
  around.fill(0xee)
  return key
}

const textArbitrary = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.string({
    unit: fc.constantFrom('\0', '\u0001', 'a', '\x7f', '\x80', '\xff', '\uffff', '\u{10ffff}'),
    maxLength: 5,
  }),
  fc.string({ unit: fc.constantFrom('a', 'é', '水', '😀'), minLength: 44, maxLength: 52 }),
)

const numberArbitrary = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.constantFrom(
    0,
    -0,
    1,
    -1,
    255,
    256,
    Number.MIN_VALUE,
    -Number.MIN_VALUE,
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
  ),
  fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, 2 ** 53 - 1, -(2 ** 53)),
)

const bigintArbitrary = fc.oneof(
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
  fc.constantFrom(
    0n,
    1n,
    -1n,
    255n,
    256n,
    -255n,
    -256n,
    65535n,
    65536n,
    -65536n,
    2n ** 2000n,
    -(2n ** 2000n),
  ),
)

const dateArbitrary = fc.oneof(
  fc.date({ noInvalidDate: true }),
  fc.constantFrom(new Date(0), new Date(-1), new Date(1), new Date(8.64e15), new Date(-8.64e15)),
)

const scalarArbitrary: fc.Arbitrary<OrderedKey> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  numberArbitrary,
  bigintArbitrary,
  dateArbitrary,
  textArbitrary,
)

const orderedArbitrary: fc.Arbitrary<OrderedKey> = fc.letrec<{ key: OrderedKey }>((tie) => ({
  key: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    { weight: 3, arbitrary: scalarArbitrary },
    { weight: 2, arbitrary: fc.array(tie('key'), { maxLength: 3 }) },
  ),
})).key

function rankOf(key: OrderedKey): number {
  if (key === null) return 0
  if (typeof key === 'boolean') return key ? 2 : 1
  if (typeof key === 'number') return 3
  if (key instanceof Date) return 4
  if (typeof key === 'bigint') return 5
  return typeof key === 'string' ? 6 : 7
}

/** The natural order: by kind, then by value; strings by code point, arrays element by element. */
function compareNaturally(a: OrderedKey, b: OrderedKey): number {
  const byKind = rankOf(a) - rankOf(b)
  if (byKind !== 0) return byKind
  if (typeof a === 'string') return compareKeys(Buffer.from(a), Buffer.from(b as string))
  if (Array.isArray(a)) {
    const other = b as readonly OrderedKey[]
    for (let i = 0; i < Math.min(a.length, other.length); i++) {
      const byElement = compareNaturally(a[i], other[i])
      if (byElement !== 0) return byElement
    }
    return a.length - other.length
  }
  const [x, y] = [a as number, b as number]
  return x < y ? -1 : x > y ? 1 : 0
}

describe("'utf8'", () => {
  test('round trips and sorts by code point', () => {
    fc.assert(
      fc.property(textArbitrary, textArbitrary, (a, b) => {
        expect(decode(utf8, encode(utf8, a))).toBe(a)
        const byCodePoint = [...a].map((c) => c.codePointAt(0) ?? 0)
        const other = [...b].map((c) => c.codePointAt(0) ?? 0)
        let expected = byCodePoint.length - other.length
        const at = byCodePoint.findIndex((point, i) => i < other.length && point !== other[i])
        if (at >= 0) expected = byCodePoint[at] - other[at]
        expect(Math.sign(compareKeys(encode(utf8, a), encode(utf8, b)))).toBe(Math.sign(expected))
      }),
      { numRuns: 1000 },
    )
  })

  test('agrees with Node for every length around the border of its own loop', () => {
    for (let length = 0; length < 100; length++) {
      for (const text of ['x'.repeat(length), `${'x'.repeat(length)}é`, `é${'x'.repeat(length)}`]) {
        expect(Buffer.from(encode(utf8, text)).equals(Buffer.from(text)), text).toBe(true)
      }
    }
  })

  test('refuses lone surrogates wherever they stand, and what is no string', () => {
    for (const key of ['\ud800', 'a\udc00', `${'x'.repeat(60)}\ud800`, '\udc00\ud800']) {
      expect(() => encode(utf8, key)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
    }
    for (const key of [undefined, null, 1, {}, Buffer.from('a'), ['a'], Symbol('a'), new String('a')]) {
      expect(() => encode(utf8, key as never)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
    }
  })
})

describe("'buffer'", () => {
  test('keeps bytes as they are, in a Buffer of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (key) => {
        const decoded = decode(buffer, encode(buffer, key))
        expect(Buffer.isBuffer(decoded)).toBe(true)
        expect(compareKeys(decoded, key)).toBe(0)
      }),
    )
  })

  test('takes every view of bytes, and nothing else', () => {
    const backing = Buffer.from('0123456789')
    expect(Buffer.from(encode(buffer, backing.subarray(2, 5))).toString()).toBe('234')
    for (const key of [
      undefined,
      null,
      'a',
      1,
      [1, 2],
      new ArrayBuffer(2),
      new Uint16Array(2),
      new DataView(new ArrayBuffer(1)),
    ]) {
      expect(() => encode(buffer, key as never)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
    }
  })
})

describe("'ordered'", () => {
  test('round trips', () => {
    fc.assert(
      fc.property(orderedArbitrary, (key) => {
        // −0 is 0: the two are equal in every order.
        const positive = (one: OrderedKey): OrderedKey =>
          Array.isArray(one) ? one.map(positive) : one === 0 ? 0 : one
        expect(decode(ordered, encode(ordered, key))).toEqual(positive(key))
      }),
      { numRuns: 2000 },
    )
  })

  test('sorts as the keys do', () => {
    fc.assert(
      fc.property(orderedArbitrary, orderedArbitrary, (a, b) => {
        const [x, y] = [encode(ordered, a), encode(ordered, b)]
        expect(Math.sign(compareKeys(x, y))).toBe(Math.sign(compareNaturally(a, b)))
      }),
      { numRuns: 5000 },
    )
  })

  test('sorts neighbours of one kind, alone and inside arrays', () => {
    for (const kind of [numberArbitrary, bigintArbitrary, dateArbitrary, textArbitrary]) {
      fc.assert(
        fc.property(fc.tuple(kind, kind), fc.constantFrom(0, 1, 2), ([a, b], depth) => {
          let [x, y]: OrderedKey[] = [a, b]
          for (let i = 0; i < depth; i++) [x, y] = [[x, 'tail'], [y]]
          expect(Math.sign(compareKeys(encode(ordered, x), encode(ordered, y)))).toBe(
            Math.sign(compareNaturally(x, y)),
          )
        }),
        { numRuns: 1000 },
      )
    }
  })

  test('has one encoding for 0 and −0', () => {
    expect(encode(ordered, -0)).toEqual(encode(ordered, 0))
    expect(encode(ordered, [-0])).toEqual(encode(ordered, [0]))
    expect(Object.is(decode(ordered, encode(ordered, -0)), 0)).toBe(true)
  })

  test('a prefix stands for exactly the arrays that begin with its elements', () => {
    const element = fc.oneof(scalarArbitrary, fc.array(scalarArbitrary, { maxLength: 2 }))
    const array = fc.array(element, { maxLength: 3 })
    const few = fc.array(
      fc.constantFrom<OrderedKey>('', '\0', 'a', 'a\0', 'ab', 0, 1, null, [], [''], 0n, 1n),
      { maxLength: 3 },
    )
    const pair = fc.oneof(fc.tuple(array, array), fc.tuple(few, few))
    fc.assert(
      fc.property(pair, fc.boolean(), ([prefix, tail], isJoined) => {
        const key = isJoined ? [...prefix, ...tail] : tail
        const begins =
          key.length >= prefix.length && prefix.every((one, i) => compareNaturally(one, key[i]) === 0)
        const from = encodePrefix(ordered, prefix)
        const to = prefixEnd(from)
        const bytes = encode(ordered, key)
        const inside = compareKeys(bytes, from) >= 0 && (to === undefined || compareKeys(bytes, to) < 0)
        expect(inside).toBe(begins)
      }),
      { numRuns: 3000 },
    )
    for (const scalar of ['zzz', 5, null, 7n, new Date()]) {
      expect(compareKeys(encode(ordered, scalar), encodePrefix(ordered, []))).toBeLessThan(0)
    }
  })

  test('refuses what has no place in an order', () => {
    const sparse = new Array<OrderedKey>(2)
    const cyclic: OrderedKey[] = []
    cyclic.push(cyclic)
    const bad: unknown[] = [
      undefined,
      Number.NaN,
      new Date(Number.NaN),
      '\ud800',
      Symbol('a'),
      () => 1,
      {},
      new Map(),
      Buffer.from('a'),
      new Number(1),
      sparse,
      cyclic,
    ]
    for (const key of bad) {
      expect(() => encode(ordered, key as never)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
      expect(() => encode(ordered, ['a', [key]] as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_KEY' }),
      )
    }
  })

  test('takes a prefix that is an array only', () => {
    expect(() => encodePrefix(ordered, 'user')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => encodePrefix(ordered, [Number.NaN])).toThrow(
      expect.objectContaining({ code: 'INVALID_KEY' }),
    )
  })

  test('decodes what another store with other bytes would show it, or says no with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        try {
          ordered.decode(bytes, 0, bytes.length)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPTION' })
        }
      }),
      { numRuns: 500 },
    )
  })
})

test('there are three encodings, and whatever else is asked for is named in the refusal', () => {
  for (const name of ['utf-8', '', 'toString', 'constructor', 5, 5n, Symbol('x'), {}, Object.create(null)]) {
    expect(() => keyEncodingOf(name as KeyEncodingName)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('keyEncoding') }),
    )
  }
})
