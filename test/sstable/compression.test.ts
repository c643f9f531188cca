import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { copyOf } from '../../src/base/bytes.js'
import { VarveError } from '../../src/base/errors.js'
import { CompressionKind, compress, decompress } from '../../src/sstable/compression.js'

const payload = Uint8Array.from({ length: 1500 }, (_, i) => (i % 100 < 30 ? (i * i) >> 9 : 97))

function codeOf(error: unknown): string | undefined {
  return error instanceof VarveError ? error.code : undefined
}

/** Decompresses; anything but a payload or `CORRUPTION` fails the test. */
function decompressOrRefuse(bytes: Uint8Array, kind: number): void {
  try {
    decompress(bytes, kind)
  } catch (error) {
    if (codeOf(error) !== 'CORRUPTION') throw error
  }
}

describe.each(['snappy', 'gzip'] as const)('%s', (compression) => {
  const kind = CompressionKind[compression]
  const compressed = compress(payload, compression) ?? new Uint8Array(0)

  it('gives back what it was given', () => {
    expect(compressed.length).toBeLessThan(payload.length / 2)
    expect(decompress(compressed, kind)).toEqual(payload)
    // Hot loops must not see two kinds of arrays.
    expect(Object.getPrototypeOf(decompress(compressed, kind))).toBe(Uint8Array.prototype)
  })

  it('gives back what shrinks the most', () => {
    const zeros = new Uint8Array(1 << 20)
    const small = compress(zeros, compression) ?? zeros
    expect(Buffer.compare(decompress(small, kind), zeros)).toBe(0)
  })

  it('leaves alone what does not shrink by an eighth', () => {
    expect(
      compress(
        Uint8Array.from({ length: 40 }, (_, i) => i * 37),
        compression,
      ),
    ).toBeUndefined()
  })

  it('refuses damage as CORRUPTION', () => {
    for (let bit = 0; bit < compressed.length * 8; bit++) {
      const flipped = copyOf(compressed)
      flipped[bit >> 3] ^= 1 << (bit & 7)
      decompressOrRefuse(flipped, kind)
    }
    for (let length = 0; length < compressed.length; length++)
      decompressOrRefuse(compressed.slice(0, length), kind)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => decompressOrRefuse(bytes, kind)))
  })
})

describe('a claim that cannot be', () => {
  it('takes no memory in snappy, which would take all of it at once', () => {
    const hostile = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0)
    expect(() => decompress(hostile, CompressionKind.snappy)).toThrow(/claims to hold more than it can/)
  })

  it('takes no memory in gzip, which takes it as it goes', () => {
    const hostile = new Uint8Array([...gzipSync(payload).subarray(0, -4), 0xff, 0xff, 0xff, 0xff])
    expect(() => decompress(hostile, CompressionKind.gzip)).toThrow(/does not decompress/)
  })
})

describe('a compression kind that is unknown', () => {
  it('is CORRUPTION', () => {
    expect(() => decompress(payload, 9)).toThrow(/kind 9/)
  })
})
