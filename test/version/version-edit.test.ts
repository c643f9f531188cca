import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_FOUND_NUMBER } from '../../src/base/entry.js'
import { VarveError } from '../../src/base/errors.js'
import { packMessage } from '../../src/base/message-pack.js'
import { decodeVersionEdit, encodeVersionEdit } from '../../src/version/version-edit.js'
import { table } from './tables.js'

const count = fc.maxSafeInteger().map(Math.abs)
/** What a store counts on from. */
const counter = fc.integer({ min: 0, max: MAX_FOUND_NUMBER })
const moment = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.double({ noNaN: true, min: 0 }))
const ordered = <T>(one: fc.Arbitrary<T>, compare: (a: T, b: T) => number) =>
  fc.tuple(one, one).map((pair) => pair.sort(compare))
const tables = fc
  .record({
    number: counter.map((n) => n || 1),
    sizes: fc.tuple(count, count, count, count),
    entries: ordered(
      count.map((n) => n || 1),
      (a, b) => a - b,
    ),
    keys: ordered(fc.uint8Array({ maxLength: 300 }), Buffer.compare),
    sequences: ordered(counter, (a, b) => a - b),
    expiries: ordered(moment, (a, b) => a - b || 0),
  })
  .map(({ number, sizes, entries, keys, sequences, expiries }) => ({
    number,
    sizeBytes: sizes[0],
    entryCount: entries[1],
    tombstoneCount: entries[0],
    smallest: keys[0],
    largest: keys[1],
    smallestSequence: sequences[0],
    largestSequence: sequences[1],
    earliestExpiry: Number.isNaN(expiries[0]) ? 0 : expiries[0],
    latestExpiry: expiries[1],
    rawKeyBytes: sizes[1],
    rawValueBytes: sizes[2],
    createdAt: sizes[3],
  }))
const level = fc.nat(6)
const text = fc.string({ unit: 'binary', maxLength: 50 })
const edits = fc.record(
  {
    added: fc.array(fc.record({ level, table: tables }), { minLength: 1, maxLength: 20 }),
    removed: fc.array(fc.record({ level, number: counter.map((n) => n || 1) }), {
      minLength: 1,
      maxLength: 20,
    }),
    flushedSequence: counter,
    lastSequence: counter,
    logNumber: counter,
    logged: fc.boolean(),
    nextFileNumber: counter,
    properties: fc.dictionary(
      fc.stringMatching(/^[a-zA-Z.]{1,20}$/),
      text.map((one) => one.toWellFormed()),
      { noNullPrototype: true },
    ),
  },
  { requiredKeys: [] },
)

describe('a version edit', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(edits, (edit) => {
        expect(decodeVersionEdit(encodeVersionEdit(edit))).toEqual(edit)
      }),
    )
  })

  test('keeps no hold of the bytes that it came from', () => {
    const bytes = Uint8Array.from(encodeVersionEdit({ added: [{ level: 1, table: table(7, 1, 2) }] }))
    const edit = decodeVersionEdit(bytes)
    bytes.fill(0)
    expect(edit.added?.[0].table).toEqual(table(7, 1, 2))
  })

  test('that is damaged is an edit or CORRUPTION', () => {
    const check = (bytes: Uint8Array): void => {
      try {
        decodeVersionEdit(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(VarveError)
        expect(error).toMatchObject({ code: 'CORRUPTION' })
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), check))
    fc.assert(
      fc.property(edits, fc.nat(), fc.integer({ min: 1, max: 255 }), (edit, at, mask) => {
        const bytes = Uint8Array.from(encodeVersionEdit(edit))
        bytes[at % bytes.length] ^= mask
        check(bytes)
      }),
      { numRuns: 500 },
    )
  })

  const sound = [7, 8, 5, 1, Buffer.of(1), Buffer.of(2), 3, 4, 5, 6, 7, 8, 9]
  const withField = (index: number, value: unknown) => ({ added: [[0, sound.with(index, value as number)]] })
  test.each([
    ['an unknown field', { surprise: 1 }],
    ['no map', [1]],
    ['a table number 0', withField(0, 0)],
    ['a fraction', withField(1, 1.5)],
    ['a negative size', withField(1, -1)],
    ['no entries', withField(2, 0)],
    ['more tombstones than entries', withField(3, 6)],
    ['a key that is text', withField(4, 'a')],
    ['bounds the wrong way round', withField(4, Buffer.of(3))],
    ['sequences the wrong way round', withField(6, 5)],
    ['expiries the wrong way round', withField(8, 7)],
    ['a missing field', { added: [[0, sound.slice(1)]] }],
    ['a field too many', { added: [[0, [...sound, 1]]] }],
    ['a level too deep', { added: [[7, sound]] }],
    ['a removal without a level', { removed: [5] }],
    ['a sequence beyond 2^53', { lastSequence: 2 ** 53 }],
    ['a property that is no text', { properties: { a: 1 } }],
  ])('with %s is refused', (_, fields) => {
    expect(() => decodeVersionEdit(packMessage({ added: [[0, sound]] }))).not.toThrow()
    expect(() => decodeVersionEdit(packMessage(fields))).toThrow(
      expect.objectContaining({ code: 'CORRUPTION' }),
    )
  })
})
