import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../src/base/hash.js'
import { FilterBuilder, TableFilter } from '../../src/sstable/filter.js'
import { referenceFilter } from '../../src/sstable/reference-filter.js'
import { bytesOf } from './table-fixture.js'

function hashOf(index: number): number {
  const key = bytesOf(`user:${index}`)
  return hash32(key, 0, key.length)
}

function filterOf(count: number, bitsPerKey: number): { filter: TableFilter; payload: Uint8Array } {
  const builder = new FilterBuilder(bitsPerKey)
  for (let i = 0; i < count; i++) builder.add(hashOf(i))
  expect(builder.sizeBytes).toBe(builder.finish().length)
  const payload = builder.finish()
  return { filter: new TableFilter(payload), payload }
}

/** The share of absent keys that the filter lets through. */
function falsePositives(filter: TableFilter): number {
  let passed = 0
  for (let i = 0; i < 20_000; i++) if (filter.mayContain(hashOf(1e6 + i))) passed++
  return passed / 20_000
}

describe('a table filter', () => {
  it('knows every key that was added, for any number of keys and bits', () => {
    for (const count of [0, 1, 2, 100, 5000]) {
      for (const bitsPerKey of [1, 10, 25]) {
        const { filter, payload } = filterOf(count, bitsPerKey)
        const theirs = referenceFilter(payload)
        for (let i = 0; i < count; i++) {
          expect(filter.mayContain(hashOf(i))).toBe(true)
          expect(theirs(hashOf(i))).toBe(true)
        }
      }
    }
  })

  it('lets about 1 of 100 absent keys through at 10 bits a key', () => {
    for (const count of [20, 1000, 100_000]) {
      expect(falsePositives(filterOf(count, 10).filter)).toBeLessThan(0.017)
    }
    expect(falsePositives(filterOf(10_000, 5).filter)).toBeGreaterThan(0.05)
  })

  it('answers as the package does, whatever the bits', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 50 }),
        (bits, hashCount, hashes) => {
          // Mostly ones, or hardly a key would get through.
          const payload = Uint8Array.of(...bits.map((byte, i) => (i % 4 === 0 ? byte : 0xff)), hashCount)
          const [ours, theirs] = [new TableFilter(payload), referenceFilter(payload)]
          expect(hashes.map((hash) => ours.mayContain(hash))).toEqual(hashes.map((hash) => theirs(hash)))
        },
      ),
    )
  })

  it('places bits as docs/format/sstable.md says', () => {
    const { payload } = filterOf(300, 10)
    const bits = (payload.length - 1) * 8
    expect(payload[payload.length - 1]).toBe(7)
    const expected = new Uint8Array(payload.length - 1)
    for (let key = 0; key < 300; key++) {
      const hash = hashOf(key)
      const delta = ((hash >>> 17) | (hash << 15)) >>> 0
      for (let i = 0; i < 7; i++) {
        const position = ((hash + i * delta) % 2 ** 32) % bits
        expected[position >> 3] |= 1 << (position & 7)
      }
    }
    expect(payload.slice(0, -1)).toEqual(expected)
  })

  it('refuses what is no filter', () => {
    for (const payload of [[], [1], [1, 2, 0], [1, 2, 31]]) {
      expect(() => new TableFilter(Uint8Array.from(payload))).toThrow(/filter block/)
    }
  })
})
