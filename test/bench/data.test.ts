/** What the benchmarks write: keys that are all different, values that compress to about half at every size, requests as popular as they should be. */
import { compressSync } from 'snappy'
import { describe, expect, test } from 'vitest'
import { keyAt, LONGEST_KEY, sequentialKey, variedKey } from '../../bench/data/keys.js'
import { Values } from '../../bench/data/values.js'
import { zipfianTrace } from '../../bench/data/zipfian.js'

const KEYS = 100_000

describe('keys', () => {
  test.each([
    ['random', (index: number) => keyAt(index, 7)],
    ['sequential', sequentialKey],
    ['of every length', (index: number) => variedKey(index, 7)],
  ])('%s never come twice', (_name, keyOf) => {
    const keys = new Set(Array.from({ length: KEYS }, (_, index) => keyOf(index)))
    expect(keys.size).toBe(KEYS)
  })

  test('of every length have from 1 to 1,000 bytes, a third of them in each power of ten', () => {
    const lengths = Array.from({ length: KEYS }, (_, index) => variedKey(index, 7).length)
    expect(Math.min(...lengths)).toBe(1)
    expect(Math.max(...lengths)).toBeGreaterThan(0.99 * LONGEST_KEY)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(LONGEST_KEY)
    for (const [from, to] of [
      [0, 10],
      [10, 100],
      [100, 1000],
    ]) {
      const share = lengths.filter((length) => length > from && length <= to).length / KEYS
      expect(share).toBeCloseTo(1 / 3, 1)
    }
  })

  test('in sequence are in order', () => {
    expect(sequentialKey(999) < sequentialKey(1000)).toBe(true)
  })
})

describe('values', () => {
  test.each([100, 1024, 65_536, 2 ** 20])('of %d bytes compress to about half', (length) => {
    const values = new Values(7, { length })
    for (const index of [0, 1, 1_000_003]) {
      const value = values.at(index)
      expect(value).toHaveLength(length)
      expect(compressSync(value).length / length).toBeCloseTo(0.55, 1)
    }
  })

  test.each([100, 1024, 65_536])('of %d bytes share nothing with their neighbours', (length) => {
    const values = new Values(7, { length })
    const together = Buffer.concat(Array.from({ length: 4 }, (_, index) => values.at(index)))
    expect(compressSync(together).length / together.length).toBeGreaterThan(0.5)
  })
})

test('the most popular of a zipfian trace comes as often as it should', () => {
  const trace = zipfianTrace({ keys: 1000, requests: KEYS, exponent: 0.99, seed: 7 })
  const sum = Array.from({ length: 1000 }, (_, rank) => 1 / (rank + 1) ** 0.99).reduce((a, b) => a + b)
  for (const rank of [0, 1, 9]) {
    const share = trace.filter((one) => one === rank).length / KEYS
    expect(share).toBeCloseTo(1 / (rank + 1) ** 0.99 / sum, 2)
  }
})
