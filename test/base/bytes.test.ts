import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as bytes from '../../src/base/bytes.js'
import { crc32, fileSalt, portableCrc32, salted } from '../../src/base/checksum.js'
import { expiryOf, Kind, NEVER, userValueStart, writeExpiry } from '../../src/base/entry.js'
import { hash32 } from '../../src/base/hash.js'

const {
  compareBytes,
  compareKeys,
  copyBytes,
  readU32,
  readU64,
  VarintReader,
  writeU32,
  writeU64,
  writeVarint,
} = bytes

const slice = fc.uint8Array({ maxLength: 90 })

describe('bytes', () => {
  test('compare as Buffer does, wherever they lie', () => {
    fc.assert(
      fc.property(slice, slice, fc.nat(3), (a, b, shift) => {
        const shifted = Uint8Array.of(...new Array(shift).fill(9), ...a, 7)
        expect(Math.sign(compareBytes(shifted, shift, shift + a.length, b, 0, b.length))).toBe(
          Buffer.compare(a, b),
        )
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(a, b))
        expect(compareKeys(a, a.slice())).toBe(0)
      }),
    )
  })

  test('are copied exactly, short and long runs alike', () => {
    for (let length = 0; length < 150; length++) {
      const source = Uint8Array.from({ length: length + 4 }, (_, i) => i)
      const target = new Uint8Array(length + 4).fill(255)
      copyBytes(source, 2, 2 + length, target, 1)
      expect(Buffer.from(target.subarray(1, 1 + length)).equals(source.subarray(2, 2 + length))).toBe(true)
      expect([target[0], target[length + 1]]).toEqual([255, 255])
    }
  })
})

describe('integers', () => {
  const safe = fc.oneof(
    fc.maxSafeNat(),
    fc.nat(300),
    fc.constantFrom(0, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  )

  test('of fixed width round trip, little-endian', () => {
    fc.assert(
      fc.property(safe, (value) => {
        const target = Buffer.alloc(10, 0xaa)
        writeU64(target, 1, value)
        expect(readU64(target, 1)).toBe(value)
        expect(target.readBigUInt64LE(1)).toBe(BigInt(value))
        writeU32(target, 1, value % 2 ** 32)
        expect(readU32(target, 1)).toBe(value % 2 ** 32)
        expect([target[0], target[9]]).toEqual([0xaa, 0xaa])
      }),
    )
  })

  test('of variable width round trip in as few bytes as there can be', () => {
    fc.assert(
      fc.property(fc.array(safe, { minLength: 1, maxLength: 5 }), (values) => {
        const target = new Uint8Array(50)
        let at = 0
        for (const value of values) {
          const next = writeVarint(target, at, value)
          expect(next - at).toBe(Math.max(1, Math.ceil(value.toString(2).length / 7)))
          at = next
        }
        const reader = new VarintReader(target, 0, at)
        expect(values.map(() => reader.read())).toEqual(values)
        expect(reader.position).toBe(at)
        expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'CORRUPTION' }))
      }),
    )
  })

  test('of variable width that are cut off or too large are corruption', () => {
    for (const damaged of [
      [],
      [0x80],
      [0xff, 0xff],
      new Array(8).fill(0xff),
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    ]) {
      const reader = new VarintReader(Uint8Array.from(damaged))
      expect(() => reader.read()).toThrow(expect.objectContaining({ code: 'CORRUPTION' }))
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (random) => {
        const reader = new VarintReader(random)
        try {
          const value = reader.read()
          expect(Number.isSafeInteger(value) && value >= 0).toBe(true)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPTION' })
        }
        expect(reader.position).toBeLessThanOrEqual(random.length)
      }),
    )
  })
})

describe('checksums', () => {
  test('are CRC-32, native or not', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926)
    fc.assert(
      fc.property(slice, slice, fc.nat(2 ** 31), (a, b, initial) => {
        expect(portableCrc32(a, initial)).toBe(crc32(a, initial))
        expect(crc32(b, crc32(a))).toBe(crc32(Buffer.concat([a, b])))
      }),
    )
  })

  test('are other ones in another store, another file and another place', () => {
    const identities = [new Uint8Array(16), new Uint8Array(16).fill(1)]
    const salts = new Set<number>()
    for (const identity of identities) {
      for (const number of [1, 2, 3, 2 ** 32 + 1, 2 ** 40]) {
        for (const offset of [0, 1, 4096, 2 ** 32, 2 ** 32 + 1, 2 ** 33])
          salts.add(salted(fileSalt(identity, number), offset))
      }
    }
    expect(salts.size).toBe(2 * 5 * 6)
    const data = Buffer.from('the same bytes')
    expect(new Set([...salts].map((salt) => crc32(data, salt))).size).toBe(salts.size)
  })
})

test('hash32 is MurmurHash3_x86_32, wherever the bytes lie', () => {
  // Reference values of the algorithm with the seed 0x9747b28c.
  expect(hash32(Buffer.from(''), 0, 0)).toBe(0xebb6c228)
  expect(hash32(Buffer.from('aaaa'), 0, 4)).toBe(0x5a97808a)
  expect(hash32(Buffer.from('aaa'), 0, 3)).toBe(0x283e0130)
  expect(hash32(Buffer.from('aa'), 0, 2)).toBe(0x5d211726)
  expect(hash32(Buffer.from('a'), 0, 1)).toBe(0x7fa09ea6)
  expect(hash32(Buffer.from('Hello, world!'), 0, 13)).toBe(0x24884cba)
  fc.assert(
    fc.property(slice, fc.nat(3), (key, shift) => {
      const shifted = Uint8Array.of(...new Array(shift).fill(9), ...key, 7)
      expect(hash32(shifted, shift, shift + key.length)).toBe(hash32(key, 0, key.length))
    }),
  )
})

test('an expiry stands in front of the value of its kind only', () => {
  const stored = new Uint8Array(13)
  writeExpiry(stored, 2, 1_700_000_000_123.5)
  expect(expiryOf(Kind.putWithExpiry, stored, 2)).toBe(1_700_000_000_123.5)
  expect(expiryOf(Kind.put, stored, 2)).toBe(NEVER)
  expect(expiryOf(Kind.delete, stored, 2)).toBe(NEVER)
  expect(userValueStart(Kind.putWithExpiry, 2)).toBe(10)
  expect(userValueStart(Kind.put, 2)).toBe(2)
})
