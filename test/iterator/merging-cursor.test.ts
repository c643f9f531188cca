import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Kind } from '../../src/base/entry.js'
import type { Cursor } from '../../src/iterator/cursor.js'
import { mergeCursors } from '../../src/iterator/merging-cursor.js'
import { NotResident, whenResident } from '../../src/iterator/not-resident.js'
import {
  ArrayCursor,
  checkWalk,
  compareEntries,
  entry,
  lineAt,
  lineOf,
  movesArbitrary,
  runsArbitrary,
} from './runs.js'

function merged(runs: Parameters<typeof lineOf>[0][][]): Cursor {
  return mergeCursors(runs.map((run) => new ArrayCursor(run as never)))
}

describe('MergingCursor', () => {
  test('is one sorted run in both directions', () => {
    fc.assert(
      fc.property(runsArbitrary(40, 7), (runs) => {
        const sorted = runs.flat().sort(compareEntries).map(lineOf)
        const cursor = merged(runs)
        const forwards: string[] = []
        for (cursor.seekToFirst(); cursor.valid; cursor.next()) forwards.push(lineAt(cursor))
        expect(forwards).toEqual(sorted)
        const backwards: string[] = []
        for (cursor.seekToLast(); cursor.valid; cursor.prev()) backwards.push(lineAt(cursor))
        expect(backwards.reverse()).toEqual(sorted)
      }),
      { numRuns: 200 },
    )
  })

  test('agrees with one sorted run on any walk with seeks and turns', () => {
    fc.assert(
      fc.property(runsArbitrary(40), movesArbitrary, (runs, moves) => {
        checkWalk(merged(runs), runs.flat(), moves)
      }),
      { numRuns: 500 },
    )
  })

  test('after something was not in memory a seek goes on from anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        runsArbitrary(30),
        fc.infiniteStream(fc.boolean()),
        fc.boolean(),
        async (runs, missing, isReverse) => {
          const cursor = mergeCursors(runs.map((run) => new ArrayCursor(run, () => missing.next().value)))
          const sorted = runs.flat().sort(compareEntries)
          if (isReverse) sorted.reverse()
          const lines: string[] = []
          let last: (typeof sorted)[number] | undefined
          let positioned = false
          // As a driver does it: every step finds its own place again.
          const step = (): string | undefined => {
            const wasPositioned = positioned
            positioned = false
            if (wasPositioned) {
              if (isReverse) cursor.prev()
              else cursor.next()
            } else if (last === undefined) {
              if (isReverse) cursor.seekToLast()
              else cursor.seekToFirst()
            } else {
              cursor.seek(last.key, 0, last.key.length, last.sequence)
              if (isReverse) cursor.prev()
              else cursor.next()
            }
            positioned = cursor.valid
            return cursor.valid ? lineAt(cursor) : undefined
          }
          for (;;) {
            const line = await whenResident(step)
            if (line === undefined) break
            lines.push(line)
            last = sorted[lines.length - 1]
          }
          expect(lines).toEqual(sorted.map(lineOf))
        },
      ),
      { numRuns: 200 },
    )
  })

  test('hands a single child out as it is, and is empty without children', () => {
    const only = new ArrayCursor([])
    expect(mergeCursors([only])).toBe(only)
    const none = mergeCursors([])
    none.seekToFirst()
    expect(none.valid).toBe(false)
    none.seekToLast()
    expect(none.valid).toBe(false)
    none.seek(new Uint8Array(1), 0, 1, 1)
    expect(none.valid).toBe(false)
  })

  test('describes an entry in bytes that stay when the cursor moves on', () => {
    const [a, b] = ['a', 'b'].map((key, i) => entry(Buffer.from(key), i + 1, Kind.put))
    const cursor = merged([[a], [b]])
    cursor.seekToFirst()
    const { keyBytes, keyStart, keyEnd } = cursor
    cursor.next()
    expect(Buffer.from(keyBytes.subarray(keyStart, keyEnd)).toString()).toBe('a')
  })
})

describe('whenResident', () => {
  test('loads and tries again until the step is through', async () => {
    const loaded: number[] = []
    const result = await whenResident(() => {
      if (loaded.length < 3) {
        throw new NotResident(async () => {
          loaded.push(loaded.length)
        })
      }
      return 'done'
    })
    expect(result).toBe('done')
    expect(loaded).toEqual([0, 1, 2])
  })

  test('passes on the failure of a step and of a load', async () => {
    const failure = new Error('broken')
    await expect(
      whenResident(() => {
        throw failure
      }),
    ).rejects.toBe(failure)
    const load = async (): Promise<void> => {
      throw failure
    }
    await expect(
      whenResident(() => {
        throw new NotResident(load)
      }),
    ).rejects.toBe(failure)
  })
})
