import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { ConcatenatingCursor } from '../../src/iterator/concatenating-cursor.js'
import { whenResident } from '../../src/iterator/not-resident.js'
import {
  ArrayCursor,
  checkWalk,
  compareEntries,
  type Entry,
  lineAt,
  lineOf,
  movesArbitrary,
  runsArbitrary,
} from './runs.js'

interface Table {
  readonly largest: Uint8Array
  readonly entries: readonly Entry[]
}

/** Cuts a sorted run into tables at user keys, as a level is; some tables may be empty but for their bounds. */
function cut(entries: readonly Entry[], sizes: readonly number[]): Table[] {
  const tables: Table[] = []
  let at = 0
  for (let i = 0; at < entries.length; i++) {
    let end = Math.min(entries.length, at + (sizes[i % sizes.length] ?? 1))
    while (end < entries.length && compareKeys(entries[end - 1].key, entries[end].key) === 0) end++
    tables.push({ largest: entries[end - 1].key, entries: entries.slice(at, end) })
    at = end
  }
  return tables
}

const sizesArbitrary = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 })

describe('ConcatenatingCursor', () => {
  test('agrees with one sorted run on any walk', () => {
    fc.assert(
      fc.property(runsArbitrary(40, 1), sizesArbitrary, movesArbitrary, ([run], sizes, moves) => {
        const tables = cut(run, sizes)
        checkWalk(new ConcatenatingCursor(tables, ({ entries }) => new ArrayCursor(entries)), run, moves)
      }),
      { numRuns: 500 },
    )
  })

  test('opens a table when it comes to it, and only then', () => {
    const opened: Table[] = []
    const keys = ['a', 'b', 'c', 'd'].map((key) => Buffer.from(key))
    const tables = keys.map((key, i) => ({
      largest: key,
      entries: [{ key, sequence: i + 1, kind: 1, value: key, expiresAt: 0 }],
    }))
    const cursor = new ConcatenatingCursor(tables, (table) => {
      opened.push(table)
      return new ArrayCursor(table.entries)
    })
    cursor.seek(keys[2], 0, 1, 100)
    expect(opened).toEqual([tables[2]])
    cursor.next()
    expect(opened).toEqual([tables[2], tables[3]])
    cursor.next()
    expect(cursor.valid).toBe(false)
    cursor.seek(Buffer.from('e'), 0, 1, 100)
    expect(cursor.valid).toBe(false)
    expect(opened).toHaveLength(2)
  })

  test('walks over tables that hold nothing at their bound', () => {
    const key = Buffer.from('b')
    const tables: Table[] = [
      { largest: Buffer.from('a'), entries: [] },
      { largest: key, entries: [{ key, sequence: 1, kind: 1, value: key, expiresAt: 0 }] },
      { largest: Buffer.from('c'), entries: [] },
    ]
    const cursor = new ConcatenatingCursor(tables, ({ entries }) => new ArrayCursor(entries))
    cursor.seekToFirst()
    expect(cursor.valid && lineAt(cursor)).toBe('62@1 1 b')
    cursor.next()
    expect(cursor.valid).toBe(false)
    cursor.seekToLast()
    expect(cursor.valid && lineAt(cursor)).toBe('62@1 1 b')
    cursor.prev()
    expect(cursor.valid).toBe(false)
  })

  test('a table that could not be opened, or an entry that was not there, is found by the next seek', async () => {
    await fc.assert(
      fc.asyncProperty(
        runsArbitrary(30, 1),
        sizesArbitrary,
        fc.infiniteStream(fc.boolean()),
        async ([run], sizes, missing) => {
          const tables = cut(run, sizes)
          let failures = 3
          const cursor = new ConcatenatingCursor(tables, ({ entries }) => {
            if (failures-- > 0) throw new Error('too many open files')
            return new ArrayCursor(entries, () => missing.next().value)
          })
          const lines: string[] = []
          for (const { key, sequence } of run) {
            const seek = (): string => {
              cursor.seek(key, 0, key.length, sequence)
              return lineAt(cursor)
            }
            let line: string | undefined
            for (let attempt = 0; attempt < 4 && line === undefined; attempt++)
              line = await whenResident(seek).catch(() => undefined)
            lines.push(line ?? 'never found')
          }
          expect(lines).toEqual([...run].sort(compareEntries).map(lineOf))
        },
      ),
    )
  })
})
