import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { separatorBetween } from '../../src/sstable/separator.js'
import { bytesOf, keyArbitrary } from './table-fixture.js'

function between(last: Uint8Array, next: Uint8Array): Uint8Array {
  return separatorBetween(last, 0, last.length, next, 0, next.length)
}

describe('a separator', () => {
  it('is at or behind the last key, before the next one, and no longer than the last', () => {
    fc.assert(
      fc.property(keyArbitrary, keyArbitrary, (a, b) => {
        const order = compareKeys(a, b)
        fc.pre(order !== 0)
        const [last, next] = order < 0 ? [a, b] : [b, a]
        const separator = between(last, next)
        expect(compareKeys(last, separator)).toBeLessThanOrEqual(0)
        expect(compareKeys(separator, next)).toBeLessThan(0)
        expect(separator.length).toBeLessThanOrEqual(last.length)
      }),
      { numRuns: 1000 },
    )
  })

  it('is as short as what tells the keys apart', () => {
    const cases: [string, string, string][] = [
      ['user:1000', 'user:2000', 'user:2'],
      ['abcdef', 'abe', 'abd'],
      ['abcdef', 'abd', 'abcdef'],
      ['ab', 'abc', 'ab'],
      ['', 'x', ''],
    ]
    for (const [last, next, separator] of cases)
      expect(between(bytesOf(last), bytesOf(next))).toEqual(bytesOf(separator))
  })
})
