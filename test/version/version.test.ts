import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { overlaps } from '../../src/version/table-metadata.js'
import { Version } from '../../src/version/version.js'
import { key, table } from './tables.js'

/** A version whose level 2 holds disjoint tables with gaps, and whose level 0 holds tables that overlap. */
const versions = fc
  .tuple(
    fc
      .uniqueArray(fc.integer({ min: 0, max: 200 }), { maxLength: 20 })
      .map((keys) => keys.sort((a, b) => a - b)),
    fc.array(fc.tuple(fc.nat(200), fc.nat(30)), { maxLength: 6 }),
  )
  .map(([bounds, ranges]) => {
    const deep = bounds.flatMap((from, index) =>
      index % 2 === 0 ? [table(100 + index, from, bounds[index + 1] ?? from)] : [],
    )
    const shallow = ranges.map(([from, length], index) => table(index + 1, from, from + length))
    const added = [
      ...deep.toReversed().map((one) => ({ level: 2, table: one })),
      ...shallow.map((one) => ({ level: 0, table: one })),
    ]
    return Version.empty().apply({ added })
  })

describe('a version', () => {
  test('finds the tables of a range as a scan does', () => {
    const bound = fc.option(fc.nat(240), { nil: undefined })
    fc.assert(
      fc.property(versions, bound, bound, fc.constantFrom(0, 2), (version, from, to, level) => {
        const start = from === undefined ? undefined : key(from)
        const end = to === undefined ? undefined : key(to)
        if (start !== undefined && end !== undefined && compareKeys(start, end) > 0) return
        const expected = version.levels[level].filter((one) => overlaps(one, start, end))
        expect(version.tablesOverlapping(level, start, end)).toEqual(expected)
        if (start !== undefined && end !== undefined)
          expect(version.hasOverlap(level, start, end)).toBe(expected.length > 0)
      }),
      { numRuns: 500 },
    )
  })

  test('finds the one table of a key, given whole or inside other bytes', () => {
    fc.assert(
      fc.property(versions, fc.nat(240), (version, n) => {
        const expected = version.levels[2].find((one) => overlaps(one, key(n), key(n)))
        expect(version.findTable(2, key(n))).toBe(expected)
        expect(version.findTable(2, Uint8Array.of(9, ...key(n), 9), 1, 5)).toBe(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('keeps level 0 newest first and the others in key order', () => {
    const version = Version.empty().apply({
      added: [
        { level: 0, table: table(3, 1, 9) },
        { level: 0, table: table(9, 1, 9, { smallestSequence: 300, largestSequence: 399 }) },
        { level: 0, table: table(5, 1, 9) },
        { level: 1, table: table(7, 20, 29) },
        { level: 1, table: table(8, 1, 9) },
      ],
    })
    expect(version.levels[0].map(({ number }) => number)).toEqual([5, 9, 3])
    expect(version.levels[1].map(({ number }) => number)).toEqual([8, 7])
    expect(version.tableCount).toBe(5)
    expect(version.levelBytes).toEqual([3_000, 2_000, 0, 0, 0, 0, 0])
    expect(version.totalBytes).toBe(5_000)
  })

  test('does not change when an edit makes another one of it', () => {
    const first = Version.empty().apply({ added: [{ level: 1, table: table(1, 1, 9) }] })
    const second = first.apply({
      removed: [{ level: 1, number: 1 }],
      added: [{ level: 2, table: table(1, 1, 9) }],
    })
    expect(first.levels[1]).toHaveLength(1)
    expect(second.levels[1]).toHaveLength(0)
    expect(second.levels[0]).toBe(first.levels[0])
  })

  const base = Version.empty().apply({ added: [{ level: 1, table: table(1, 10, 20) }] })
  test.each([
    ['removes what is not there', { removed: [{ level: 1, number: 2 }] }],
    ['removes from a wrong level', { removed: [{ level: 2, number: 1 }] }],
    ['adds a table twice', { added: [{ level: 1, table: table(1, 30, 40) }] }],
    ['adds a table that stands in another level', { added: [{ level: 2, table: table(1, 30, 40) }] }],
    ['adds a table that overlaps its level', { added: [{ level: 1, table: table(2, 20, 30) }] }],
    ['adds a table whose bounds are the wrong way round', { added: [{ level: 1, table: table(2, 40, 30) }] }],
    ['names a level that there is not', { added: [{ level: 7, table: table(2, 40, 50) }] }],
  ])('refuses an edit that %s', (_, edit) => {
    expect(() => base.apply(edit)).toThrow(/invariant/)
  })

  test('tells when the last pin is gone', () => {
    const released: Version[] = []
    const version = Version.empty((one) => released.push(one))
      .pin()
      .pin()
    version.unpin()
    expect(version.pinned).toBe(true)
    expect(released).toEqual([])
    version.unpin()
    expect(version.pinned).toBe(false)
    expect(released).toEqual([version])
    expect(() => version.unpin()).toThrow(/once for each pin/)
  })
})
