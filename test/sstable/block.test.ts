import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_FOUND_NUMBER } from '../../src/base/entry.js'
import { VarveError } from '../../src/base/errors.js'
import { hash32 } from '../../src/base/hash.js'
import { Block } from '../../src/sstable/block.js'
import { BlockBuilder } from '../../src/sstable/block-builder.js'
import { BlockCursor } from '../../src/sstable/block-cursor.js'
import {
  backward,
  bytesOf,
  type Entry,
  entriesArbitrary,
  entryAt,
  forward,
  foundUnder,
  keyArbitrary,
  nothingFound,
  numberedEntries,
  placeOf,
  textOf,
  texts,
} from './table-fixture.js'

function payloadOf(entries: readonly Entry[], builder = new BlockBuilder(64)): Uint8Array {
  for (const { key, sequence, kind, value } of entries) {
    builder.add(key, 0, key.length, sequence, kind, value, 0, value.length)
  }
  const payload = builder.finish().slice()
  builder.reset()
  return payload
}

function lookUp(block: Block, key: Uint8Array, sequence: number): string | undefined {
  const found = nothingFound()
  if (!block.find(key, 0, key.length, sequence, hash32(key, 0, key.length), found)) return undefined
  return textOf(foundUnder(key, found))
}

function cursorOver(payload: Uint8Array): BlockCursor {
  const cursor = new BlockCursor()
  cursor.reset(new Block(payload))
  return cursor
}

describe('a block', () => {
  it('gives back its entries, forward and backward', () => {
    const builder = new BlockBuilder(16)
    fc.assert(
      fc.property(entriesArbitrary(200), (entries) => {
        const cursor = cursorOver(payloadOf(entries, builder))
        expect(texts(forward(cursor))).toEqual(texts(entries))
        expect(texts(backward(cursor))).toEqual(texts(entries))
      }),
      { numRuns: 100 },
    )
  })

  it('finds the first entry at or behind a place, for blocks of any size', () => {
    fc.assert(
      fc.property(entriesArbitrary(300), fc.array(keyArbitrary, { maxLength: 20 }), (entries, keys) => {
        const cursor = cursorOver(payloadOf(entries))
        const places = [
          ...entries.flatMap(({ key, sequence }) =>
            [-1, 0, 1].map((by) => ({ key, sequence: sequence + by })),
          ),
          ...keys.flatMap((key) => [0, 5, Number.MAX_SAFE_INTEGER].map((sequence) => ({ key, sequence }))),
        ]
        for (const { key, sequence } of places) {
          const place = placeOf(entries, key, sequence)
          cursor.seek(key, 0, key.length, sequence)
          expect(cursor.valid).toBe(place < entries.length)
          if (cursor.valid) expect(textOf(entryAt(cursor))).toBe(textOf(entries[place]))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('finds the newest version of a key at or before a sequence number, at the first lookup and at later ones', () => {
    fc.assert(
      fc.property(entriesArbitrary(300), fc.array(keyArbitrary, { maxLength: 10 }), (entries, keys) => {
        const block = new Block(payloadOf(entries))
        const places = [
          ...entries.flatMap(({ key, sequence }) =>
            [-1, 0, 1].map((by) => ({ key, sequence: sequence + by })),
          ),
          ...keys.map((key) => ({ key, sequence: Number.MAX_SAFE_INTEGER })),
        ]
        for (const { key, sequence } of places) {
          const expected = entries[placeOf(entries, key, sequence)]
          const isThere = expected !== undefined && Buffer.compare(expected.key, key) === 0
          expect(lookUp(block, key, sequence)).toEqual(isThere ? textOf(expected) : undefined)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('has fingerprints of its keys from the first lookup on, and charges for them before', () => {
    const block = new Block(payloadOf(numberedEntries(100)))
    const { memoryBytes } = block
    const { length } = block.bytes
    const sequence = Number.MAX_SAFE_INTEGER
    for (const index of [1, 2, 3]) {
      expect(lookUp(block, bytesOf(`key0000${index}`), sequence)).toBeDefined()
      expect(block.bytes.length).toBe(length + 100)
      expect(block.memoryBytes).toBe(memoryBytes)
    }
  })

  it('takes keys that lie inside a larger array', () => {
    const entries = numberedEntries(50)
    const cursor = cursorOver(payloadOf(entries))
    cursor.seek(bytesOf('<<key00017>>'), 2, 10, Number.MAX_SAFE_INTEGER)
    expect(textOf(entryAt(cursor))).toBe(textOf(entries[17]))
  })

  it('has u32 offsets when it is too large for u16', () => {
    const entries = numberedEntries(40, 2000)
    const payload = payloadOf(entries)
    expect(payload.length).toBeGreaterThan(0xffff)
    expect(texts(forward(cursorOver(payload)))).toEqual(texts(entries))
  })

  it('has u32 offsets from the first size that u16 cannot address', () => {
    for (let length = 65_490; length < 65_540; length++) {
      const entries = [{ key: bytesOf('k'), sequence: 7, kind: 1, value: new Uint8Array(length) }]
      expect(texts(forward(cursorOver(payloadOf(entries))))).toEqual(texts(entries))
    }
  })

  it('spends nothing on offsets when all entries have the same length', () => {
    const even = numberedEntries(100, 20)
    const uneven = even.map((entry, i) => (i === 99 ? { ...entry, value: entry.value.subarray(1) } : entry))
    expect(payloadOf(uneven).length - payloadOf(even).length).toBe(2 * 100 - 1)
    expect(texts(forward(cursorOver(payloadOf(even))))).toEqual(texts(even))
    expect(texts(backward(cursorOver(payloadOf(even))))).toEqual(texts(even))
    const block = new Block(payloadOf(even))
    for (const { key, sequence, ...rest } of even) {
      for (let time = 0; time < 2; time++)
        expect(lookUp(block, key, sequence)).toBe(textOf({ key, sequence, ...rest }))
    }
  })

  it('takes entries of the same length with their offsets too', () => {
    const even = numberedEntries(3, 20)
    const payload = payloadOf(even)
    const trailer = payload.length - 13
    const entryLength = 1 + even[0].key.length + 1 + 1 + 20
    const offsets = even.flatMap((_, i) => [i * entryLength, 0])
    const withOffsets = Uint8Array.of(
      ...payload.subarray(0, trailer),
      ...offsets,
      ...payload.subarray(trailer),
    )
    withOffsets[withOffsets.length - 1] &= ~16
    expect(texts(forward(cursorOver(withOffsets)))).toEqual(texts(even))
  })

  it('is refused when its entries cannot be even, or are not', () => {
    const uneven = payloadOf(
      numberedEntries(10).map((entry, i) => ({ ...entry, value: new Uint8Array(1 + (i & 1)) })),
    )
    const withoutOffsets = Uint8Array.of(...uneven.subarray(0, -13 - 20), ...uneven.subarray(-13))
    withoutOffsets[withoutOffsets.length - 1] |= 16
    expect(() => new Block(withoutOffsets)).toThrow(VarveError)
    const even = payloadOf(numberedEntries(10, 20))
    expect(() => new Block(even)).not.toThrow()
    even[even.length - 1] |= 1
    expect(() => new Block(even)).toThrow(VarveError)
    expect(() => new Block(Uint8Array.of(...new Uint8Array(12), 16))).toThrow(VarveError)
  })

  it('spends nothing on the sequence when all entries share one', () => {
    const same = numberedEntries(10).map((entry) => ({ ...entry, sequence: 2 ** 50 }))
    const different = same.map((entry, i) => ({ ...entry, sequence: 2 ** 50 + i }))
    expect(payloadOf(different).length - payloadOf(same).length).toBe(10)
  })
})

/** Uses everything of a block; what it finds must lie inside it. */
function useAll(block: Block): void {
  const cursor = new BlockCursor()
  cursor.reset(block)
  let steps = 0
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
    const inside = cursor.keyStart <= cursor.keyEnd && cursor.keyEnd < cursor.valueStart
    if (!inside || cursor.valueEnd > block.bytes.length || cursor.sequence > Number.MAX_SAFE_INTEGER) {
      expect.fail('an entry reaches out of its block')
    }
    steps++
  }
  expect(steps).toBe(block.count)
  for (cursor.seekToLast(); cursor.valid; cursor.prev()) steps--
  expect(steps).toBe(0)
  for (const key of ['', 'key00003', 'zzz']) {
    expect(block.search(bytesOf(key), 0, key.length, 5)).toBeLessThanOrEqual(block.count)
    for (let lookup = 0; lookup < 3; lookup++) lookUp(block, bytesOf(key), 5)
  }
}

function decodeOrRefuse(payload: Uint8Array): void {
  let block: Block
  try {
    block = new Block(payload)
  } catch (error) {
    if (error instanceof VarveError && error.code === 'CORRUPTION') return
    throw error
  }
  useAll(block)
}

describe('hostile blocks are refused or stay in bounds', () => {
  it('an entry that ends before the length of its value', () => {
    // Key of no bytes, kind, one narrow offset; the sequence column would serve as the length.
    const trailer = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1 << 1]
    expect(() => new Block(Uint8Array.of(0, 0, 50, 0, 0, ...trailer))).toThrow(/cut off/)
  })

  it('a key that is longer than any key, and an expiry that is no moment', () => {
    const long = { ...numberedEntries(1)[0], key: new Uint8Array(65_536) }
    expect(() => new Block(payloadOf([long]))).toThrow(/key is too long/)
    expect(new Block(payloadOf([{ ...long, key: new Uint8Array(65_535) }])).count).toBe(1)
    const never = {
      ...numberedEntries(1)[0],
      kind: 2,
      value: new Uint8Array(new Float64Array([Number.NaN]).buffer),
    }
    expect(() => new Block(payloadOf([never]))).toThrow(/expiry is no moment/)
  })

  const payload = payloadOf([
    ...numberedEntries(6),
    { key: new Uint8Array(200).fill(0x7a), sequence: 1 << 20, kind: 2, value: new Uint8Array(300) },
  ])

  it('with any bit flipped', () => {
    for (let bit = 0; bit < payload.length * 8; bit++) {
      const flipped = payload.slice()
      flipped[bit >> 3] ^= 1 << (bit & 7)
      decodeOrRefuse(flipped)
    }
  })

  it('cut off anywhere', () => {
    for (let length = 0; length < payload.length; length++) {
      decodeOrRefuse(payload.slice(0, length))
      decodeOrRefuse(payload.slice(length))
    }
  })

  it('with any byte replaced, and of any bytes', () => {
    fc.assert(
      fc.property(
        fc.nat(payload.length - 1),
        fc.nat(255),
        fc.nat(payload.length - 1),
        fc.nat(255),
        (a, x, b, y) => {
          const changed = payload.slice()
          changed[a] = x
          changed[b] = y
          decodeOrRefuse(changed)
        },
      ),
      { numRuns: 2000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), decodeOrRefuse), { numRuns: 2000 })
  })

  it('whose sequence numbers are unsafe integers', () => {
    const block = payloadOf([{ key: bytesOf('k'), sequence: MAX_FOUND_NUMBER, kind: 1, value: bytesOf('') }])
    block[block.length - 13 + 6] = 0x20
    expect(() => new Block(block)).toThrow(/sequence number/)
  })

  it('whose value is too short for its expiry', () => {
    const block = payloadOf([{ key: bytesOf('k'), sequence: 1, kind: 2, value: new Uint8Array(7) }])
    expect(() => new Block(block)).toThrow(/expiry/)
  })
})
