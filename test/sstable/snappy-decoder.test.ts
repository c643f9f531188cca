import fc from 'fast-check'
import { compressSync, uncompressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { decodeSmallSnappy, LARGEST_SMALL } from '../../src/sstable/snappy-decoder.js'

/** What both decoders make of `bytes`, undefined for a refusal. */
function both(bytes: Uint8Array): [Buffer | undefined, Buffer | undefined] {
  let ours: Uint8Array | undefined
  try {
    ours = decodeSmallSnappy(bytes)
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== 'CORRUPTION') throw error
  }
  let theirs: Buffer | string | undefined
  try {
    theirs = uncompressSync(bytes)
  } catch {
    // Refused.
  }
  return [
    ours && Buffer.from(ours),
    theirs === undefined ? undefined : Buffer.from(theirs as unknown as Uint8Array),
  ]
}

/** Payloads with repetitions near and far, short and long. */
const payloads = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .record({ byte: fc.nat(255), times: fc.nat(300) })
        .map(({ byte, times }) => Buffer.alloc(times, byte)),
      fc
        .record({ word: fc.uint8Array({ minLength: 1, maxLength: 9 }), times: fc.nat(80) })
        .map(({ word, times }) => Buffer.concat(Array.from({ length: times }, () => word))),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat([...parts, ...parts.slice(0, 5)]).subarray(0, LARGEST_SMALL))

/** An element, and how many bytes it makes. */
interface Element {
  readonly bytes: readonly number[]
  readonly makes: number
}

const literalBytes = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength })
const shortLiteral = literalBytes(60).map((bytes) => ({
  bytes: [(bytes.length - 1) << 2, ...bytes],
  makes: bytes.length,
}))
const longLiteral = fc.tuple(literalBytes(300), fc.integer({ min: 2, max: 4 })).map(([bytes, width]) => {
  const length = bytes.length - 1
  return {
    bytes: [(59 + width) << 2, ...[length & 0xff, length >> 8, 0, 0].slice(0, width), ...bytes],
    makes: bytes.length,
  }
})
/** A copy of `kind`, 1 to 3, from up to `back` bytes back. */
const copy = (kind: number, back: number) => {
  return fc
    .tuple(fc.integer({ min: 4, max: kind === 1 ? 11 : 64 }), fc.integer({ min: 0, max: back }))
    .map(([makes, offset]) => ({
      bytes:
        kind === 1
          ? [1 | ((makes - 4) << 2), offset]
          : [kind | ((makes - 1) << 2), offset, ...[0, 0, 0].slice(0, 2 ** (kind - 1) - 1)],
      makes,
    }))
}

/** Elements written by hand, of the kinds that the encoder never writes, too. A copy may reach too far back. */
const elements = fc
  .tuple(
    fc.oneof(longLiteral, shortLiteral),
    fc.array(fc.oneof(shortLiteral, longLiteral, copy(1, 12), copy(2, 12), copy(3, 12), copy(2, 90)), {
      maxLength: 12,
    }),
  )
  .map(([first, rest]): readonly Element[] => [first, ...rest])

describe('the decoder of small blocks', () => {
  it('gives back what the package compressed', () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const [ours] = both(compressSync(payload) as Buffer)
        expect(ours && Buffer.compare(ours, payload)).toBe(0)
      }),
    )
  })

  it('makes of any elements what the package makes of them, or refuses them as it does', () => {
    const outcomes = { accepted: 0, refused: 0 }
    const wrongs = fc.tuple(fc.constantFrom(0, 0, 0, -1, 1), fc.constantFrom(0, 0, 0, 1, 2))
    fc.assert(
      fc.property(elements, wrongs, (parts, [more, cutOff]) => {
        const length = parts.reduce<number>((sum, { makes }) => sum + makes, more)
        const body = parts.flatMap(({ bytes }) => bytes)
        const bytes = [(length & 0x7f) | 0x80, length >> 7, ...body.slice(0, body.length - cutOff)]
        const [ours, theirs] = both(Uint8Array.from(bytes))
        expect(ours).toEqual(theirs)
        outcomes[ours === undefined ? 'refused' : 'accepted']++
      }),
      { numRuns: 3000 },
    )
    expect(Math.min(outcomes.accepted, outcomes.refused)).toBeGreaterThan(200)
  })

  it('refuses damage as the package does', () => {
    const compressed = compressSync(Buffer.from('a value, a value and a value again; '.repeat(20))) as Buffer
    let refused = 0
    for (let bit = 0; bit < compressed.length * 8; bit++) {
      const flipped = Uint8Array.from(compressed)
      flipped[bit >> 3] ^= 1 << (bit & 7)
      const [ours, theirs] = both(flipped)
      expect(ours).toEqual(theirs)
      if (ours === undefined) refused++
    }
    for (let length = 0; length < compressed.length; length++) {
      const [ours, theirs] = both(Uint8Array.from(compressed.subarray(0, length)))
      expect(ours).toEqual(theirs)
      if (ours === undefined) refused++
    }
    expect(refused).toBeGreaterThan(compressed.length)
  })

  it('refuses what would reach beyond its memory', () => {
    const claimed = [0x80, 0x80, 0x02]
    const literal = new Array<number>(LARGEST_SMALL - 10).fill(7)
    const length = literal.length - 1
    const start = [...claimed, 61 << 2, length & 0xff, length >> 8, ...literal]
    const copies = new Array<number[]>(3).fill([2 | (63 << 2), 4, 0]).flat()
    expect(() => decodeSmallSnappy(Uint8Array.from([...start, ...copies].slice(0, LARGEST_SMALL)))).toThrow(
      VarveError,
    )
    // A literal of which nothing is there, behind as many bytes as there can be.
    const cutOff = [
      ...claimed,
      ...literal.flatMap(() => [0, 7]).slice(0, LARGEST_SMALL - 6),
      61 << 2,
      0xff,
      0x3f,
    ]
    expect(cutOff.length).toBe(LARGEST_SMALL)
    expect(() => decodeSmallSnappy(Uint8Array.from(cutOff))).toThrow(VarveError)
  })

  it('leaves what is large to the package', () => {
    const zeros = Buffer.alloc(LARGEST_SMALL + 1)
    expect(decodeSmallSnappy(Uint8Array.from(compressSync(zeros) as Buffer))).toBeUndefined()
    const [largest] = both(compressSync(zeros.subarray(1)) as Buffer)
    expect(largest?.equals(zeros.subarray(1))).toBe(true)
  })
})
