import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { packMessage, unpackMessage } from '../../src/base/message-pack.js'

const numbers = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }).filter((n) => !Object.is(n, -0)),
)
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    numbers,
    tie('list'),
    tie('map'),
  ),
  list: fc.array(tie('value'), { maxLength: 20 }),
  map: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie('value'), { noNullPrototype: true }),
})).value

describe('structured values', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(unpackMessage(packMessage(value))).toEqual(value)
      }),
    )
  })

  test('hold byte strings of every length', () => {
    for (const length of [0, 1, 255, 256, 65_535, 65_536]) {
      const value = new Uint8Array(length).fill(7)
      const decoded = unpackMessage(packMessage([value])) as Uint8Array[]
      expect(Buffer.compare(decoded[0], value)).toBe(0)
    }
  })

  test('that are damaged are a value or CORRUPTION, at once', () => {
    const check = (bytes: Uint8Array): void => {
      try {
        unpackMessage(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(VarveError)
        expect((error as VarveError).code).toBe('CORRUPTION')
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), check), { numRuns: 2_000 })
    fc.assert(
      fc.property(plain, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, mask) => {
        const bytes = Uint8Array.from(packMessage(value))
        bytes[at % bytes.length] ^= mask
        check(bytes)
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['a huge array', [0xdd, 0x01, 0xff, 0xff, 0xff]],
    ['a huge byte string', [0xc6, 0x7f, 0xff, 0xff, 0xff]],
    ['a huge map', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['endless nesting', Array.from({ length: 1_000 }, () => 0x91)],
    ['an extension', [0xd4, 0x01, 0x00]],
    ['something behind it', [0x01, 0x02]],
    ['nothing', []],
  ])('are refused with %s', (_, bytes) => {
    expect(() => unpackMessage(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: 'CORRUPTION' }),
    )
  })
})
