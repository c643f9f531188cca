import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { keyEncodingOf } from '../../src/store/encodings/key-encoding.js'
import { byteRangeOf, isEmptyRange, type KeyRange, prefixEnd, successorOf } from '../../src/store/range.js'

const encoding = keyEncodingOf<Uint8Array>('buffer')

const keyArbitrary = fc
  .array(fc.constantFrom(0, 1, 0xfe, 0xff), { maxLength: 3 })
  .map((bytes) => Uint8Array.from(bytes))

/** Every key of up to three of the bytes that decide something, and a few longer ones. */
const universe: Uint8Array[] = [new Uint8Array(0)]
for (let from = 0, length = 1; length <= 3; length++) {
  const to = universe.length
  for (let i = from; i < to; i++)
    for (const byte of [0, 1, 0xfe, 0xff]) universe.push(Uint8Array.of(...universe[i], byte))
  from = to
}
universe.push(
  Uint8Array.of(0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0xff, 0xff, 0xff, 0),
  Uint8Array.of(0, 0, 0, 0),
)

function isInside(key: Uint8Array, range: KeyRange<Uint8Array>): boolean {
  return (
    (range.gte === undefined || compareKeys(key, range.gte) >= 0) &&
    (range.gt === undefined || compareKeys(key, range.gt) > 0) &&
    (range.lte === undefined || compareKeys(key, range.lte) <= 0) &&
    (range.lt === undefined || compareKeys(key, range.lt) < 0) &&
    (range.prefix === undefined || compareKeys(key.subarray(0, range.prefix.length), range.prefix) === 0)
  )
}

describe('byteRangeOf', () => {
  test('is exact: all bounds hold together, for every byte value', () => {
    const bound = fc.option(keyArbitrary, { nil: undefined })
    fc.assert(
      fc.property(bound, bound, bound, bound, bound, (gte, gt, lte, lt, prefix) => {
        const range = { gte, gt, lte, lt, prefix }
        const bytes = byteRangeOf(range, encoding)
        const { lower, upper } = bytes
        for (const key of universe) {
          const inside =
            (lower === undefined || compareKeys(key, lower) >= 0) &&
            (upper === undefined || compareKeys(key, upper) < 0)
          if (inside !== isInside(key, range))
            expect.fail(`${Buffer.from(key).toString('hex')} of ${JSON.stringify(range)}`)
          if (inside) expect(isEmptyRange(bytes)).toBe(false)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('is unbounded without bounds, with undefined ones and with the empty prefix', () => {
    expect(byteRangeOf({}, encoding)).toEqual({ lower: undefined, upper: undefined })
    expect(byteRangeOf({ gte: undefined, lt: undefined, prefix: undefined }, encoding)).toEqual({
      lower: undefined,
      upper: undefined,
    })
    const { lower, upper } = byteRangeOf({ prefix: new Uint8Array(0) }, encoding)
    expect(lower === undefined || lower.length === 0).toBe(true)
    expect(upper).toBeUndefined()
  })

  test('keeps no reference to the bounds that it was given', () => {
    const gte = Uint8Array.of(5)
    const { lower } = byteRangeOf({ gte, lt: Uint8Array.of(9) }, encoding)
    gte[0] = 99
    expect(lower).toEqual(Uint8Array.of(5))
  })

  test('refuses what is no range, and bounds that are no keys', () => {
    for (const range of [null, 'a', 5]) {
      expect(() => byteRangeOf(range as never, encoding)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    }
    for (const name of ['gte', 'gt', 'lte', 'lt', 'prefix']) {
      expect(() => byteRangeOf({ [name]: 'text' } as never, encoding)).toThrow(
        expect.objectContaining({ code: 'INVALID_KEY' }),
      )
    }
  })
})

test('successorOf and prefixEnd', () => {
  expect(successorOf(Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2, 0))
  expect(successorOf(new Uint8Array(0))).toEqual(Uint8Array.of(0))
  expect(prefixEnd(Uint8Array.of(1, 0xff, 0xff))).toEqual(Uint8Array.of(2))
  expect(prefixEnd(Uint8Array.of(0xff))).toBeUndefined()
  expect(prefixEnd(new Uint8Array(0))).toBeUndefined()
})
