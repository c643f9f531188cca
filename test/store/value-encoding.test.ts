import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type CustomValueEncoding,
  type ValueEncoding,
  valueEncodingOf,
} from '../../src/store/encodings/value-encoding.js'

const buffer = valueEncodingOf<Uint8Array | string>('buffer')
const utf8 = valueEncodingOf<string>('utf8')
const json = valueEncodingOf<unknown>('json')
const msgpack = valueEncodingOf<unknown>('msgpack')

/** Through bytes in the middle of others, which change afterwards: what was decoded must not. */
function roundTrip<V>(encoding: ValueEncoding<V>, value: V): V {
  const bytes = encoding.encode(value)
  const around = new Uint8Array(bytes.length + 7).fill(0xc1)
  around.set(bytes, 4)
  const decoded = encoding.decode(around, 4, 4 + bytes.length)
  around.fill(0)
  return decoded
}

const invalid = expect.objectContaining({ code: 'INVALID_VALUE' })

describe("'buffer'", () => {
  test('keeps bytes and takes strings as UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
        const decoded = roundTrip(buffer, value)
        expect(Buffer.isBuffer(decoded)).toBe(true)
        expect(Buffer.from(value).equals(decoded as Buffer)).toBe(true)
      }),
    )
    expect(roundTrip(buffer, 'häh')).toEqual(Buffer.from('häh'))
  })

  test('refuses everything else', () => {
    for (const value of [undefined, null, 1, {}, [1], new ArrayBuffer(1), new Uint16Array(1), true]) {
      expect(() => buffer.encode(value as never)).toThrow(invalid)
    }
  })
})

describe("'utf8'", () => {
  test('keeps strings', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(roundTrip(utf8, value)).toBe(value)
      }),
    )
  })

  test('refuses lone surrogates and what is no string', () => {
    for (const value of ['\ud800', 'a\udfff', undefined, null, 1, Buffer.from('a'), {}]) {
      expect(() => utf8.encode(value as never)).toThrow(invalid)
    }
  })
})

describe("'json'", () => {
  test('keeps what JSON can say', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(roundTrip(json, value)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('refuses what JSON cannot', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    for (const value of [undefined, () => 1, Symbol('a'), 1n, cyclic]) {
      expect(() => json.encode(value)).toThrow(invalid)
    }
  })

  test('says so when what is stored is no JSON', () => {
    expect(() => json.decode(Buffer.from('{"a":'), 0, 5)).toThrow(invalid)
    expect(() => json.decode(new Uint8Array(0), 0, 0)).toThrow(invalid)
  })
})

describe("'msgpack'", () => {
  test('keeps structured values, bytes, dates and large integers', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constant(null),
        fc.boolean(),
        // MessagePack as it is written here has one zero.
        fc.double().map((number) => (number === 0 ? 0 : number)),
        fc.integer(),
        fc.string({ unit: 'grapheme' }),
        fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
        fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          tie('value'),
          { maxKeys: 4, noNullPrototype: true },
        ),
      ),
    })).value
    fc.assert(
      fc.property(value, (one) => {
        expect(roundTrip(msgpack, one)).toEqual(one)
      }),
      { numRuns: 500 },
    )
    expect(roundTrip(msgpack, { big: 2n ** 60n })).toEqual({ big: 2n ** 60n })
  })

  test('brings sets, typed arrays, regular expressions, errors and large bigints back as what they were', () => {
    const values = [new Set([1, new Set(['a'])]), Float32Array.of(1.5, -2), /a+/gi, 2n ** 70n, -(2n ** 64n)]
    for (const value of values) expect(roundTrip(msgpack, { value })).toEqual({ value })
    expect(roundTrip(msgpack, new RangeError('far'))).toEqual(new RangeError('far'))
    const bytes = roundTrip(msgpack, new Uint8Array([1, 2, 3]))
    expect(bytes).toEqual(new Uint8Array([1, 2, 3]))
    expect(Buffer.isBuffer(roundTrip(msgpack, Buffer.from('a')))).toBe(true)
  })

  test('makes an object of a map, and of an instance, as the documentation says', () => {
    class Point {
      x = 1
    }
    expect(
      roundTrip(
        msgpack,
        new Map<unknown, number>([
          ['a', 1],
          [2, 3],
        ]),
      ),
    ).toEqual({ a: 1, 2: 3 })
    expect(roundTrip(msgpack, new Point())).toEqual({ x: 1 })
  })

  test.each([
    [
      'records, for which the decoder compiles code',
      [0x92, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01, 0x40, 0x02],
    ],
    ['a list that holds itself', [0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1]],
    ['a bundle of strings that lies elsewhere', [0xd6, 0x62, 0xff, 0xff, 0xff, 0x00, 0xc1, 0x01]],
    ['an error of no class', [0xd4, 0x65, 0, 0x93, 0xa7, ...Buffer.from('valueOf'), 0xa1, 0x78, 0xc0]],
    ['a list that is longer than its bytes', [0xdd, 0x02, 0, 0, 0]],
  ])('refuses %s', (_what, bytes) => {
    expect(() => msgpack.decode(Uint8Array.from(bytes), 0, bytes.length)).toThrow(invalid)
  })

  test('two values share nothing: not structure, not memory', () => {
    const first = msgpack.encode({ a: 1, b: Buffer.from('one') })
    const copy = Buffer.from(first)
    msgpack.encode({ a: 2, b: Buffer.from('two') })
    expect(copy.equals(first)).toBe(true)
    const stored = Buffer.from(first)
    const decoded = msgpack.decode(stored, 0, stored.length) as { b: Buffer }
    decoded.b.fill(0)
    expect(msgpack.decode(stored, 0, stored.length)).toEqual({ a: 1, b: Buffer.from('one') })
  })

  test('refuses what it cannot hold, and goes on', () => {
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    for (const value of [undefined, cyclic, () => 1, Symbol('a')]) {
      expect(() => msgpack.encode(value)).toThrow(invalid)
      expect(roundTrip(msgpack, { still: ['fine'] })).toEqual({ still: ['fine'] })
    }
  })

  test('says so when what is stored is no MessagePack', () => {
    for (const bytes of [[], [0x92, 1], [0x01, 0x02], [0xd9, 5, 65]]) {
      expect(() => msgpack.decode(Uint8Array.from(bytes), 0, bytes.length)).toThrow(invalid)
    }
  })
})

describe('an encoding of your own', () => {
  const numbers: CustomValueEncoding<number> = {
    encode: (value) => Uint8Array.of(value),
    decode: (bytes) => bytes[0],
  }

  test('gets a copy that it may keep', () => {
    let kept: Buffer | undefined
    const encoding = valueEncodingOf<number>({
      ...numbers,
      decode(bytes) {
        kept = bytes
        return bytes[0]
      },
    })
    expect(roundTrip(encoding, 7)).toBe(7)
    expect(kept).toEqual(Buffer.from([7]))
  })

  test('that throws or gives no bytes is an invalid value', () => {
    const failing: CustomValueEncoding<number> = {
      encode() {
        throw new Error('mine')
      },
      decode() {
        throw new Error('mine too')
      },
    }
    const encoding = valueEncodingOf(failing)
    expect(() => encoding.encode(1)).toThrow(invalid)
    expect(() => encoding.decode(new Uint8Array(1), 0, 1)).toThrow(invalid)
    expect(() => valueEncodingOf({ ...numbers, encode: () => 'text' as never }).encode(1)).toThrow(invalid)
  })

  test('needs both functions', () => {
    const { encode, decode } = numbers
    for (const bad of [
      { encode },
      { decode },
      { encode: 1, decode: 2 },
      {},
      null,
      5,
      'utf-8',
      'toString',
      [encode, decode],
    ]) {
      expect(() => valueEncodingOf(bad as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    }
  })
})

test('what cannot be written is told as what it is', () => {
  const told = (text: string) => expect.objectContaining({ message: expect.stringContaining(text) })
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  expect(() => msgpack.encode(cyclic)).toThrow(told('contains itself'))
  expect(() => utf8.encode(5 as never)).toThrow(told('not 5'))
  expect(() => buffer.encode([1] as never)).toThrow(told('not an array'))
})
