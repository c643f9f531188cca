import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { isTombstone, Kind } from '../../src/base/entry.js'
import { mergeCursors } from '../../src/iterator/merging-cursor.js'
import { whenResident } from '../../src/iterator/not-resident.js'
import { VisibleCursor } from '../../src/iterator/visible-cursor.js'
import {
  ArrayCursor,
  compareEntries,
  type Entry,
  entry,
  keyArbitrary,
  nowArbitrary,
  runsArbitrary,
} from './runs.js'

/** What a reader at `sequence` sees at `now`: key → value, in key order. */
function visible(entries: readonly Entry[], sequence: number, now: number): string[] {
  const lines: string[] = []
  let last: Uint8Array | undefined
  for (const one of [...entries].sort(compareEntries)) {
    if (one.sequence > sequence || (last !== undefined && compareKeys(last, one.key) === 0)) continue
    last = one.key
    if (!isTombstone(one.kind) && one.expiresAt > now) {
      lines.push(`${Buffer.from(one.key).toString('hex')}=v${one.sequence}`)
    }
  }
  return lines
}

function lineAt(cursor: VisibleCursor): string {
  const value = Buffer.from(cursor.valueBytes.subarray(cursor.valueStart, cursor.valueEnd)).toString('latin1')
  expect(value).toBe(`v${cursor.sequence}`)
  return `${Buffer.from(cursor.copyKey()).toString('hex')}=${value}`
}

function over(runs: readonly Entry[][], sequence: number, now: number): VisibleCursor {
  return new VisibleCursor(mergeCursors(runs.map((run) => new ArrayCursor(run))), sequence, now)
}

const sequenceArbitrary = fc.nat(45)

describe('VisibleCursor', () => {
  test('shows of each key the newest version, in both directions, without tombstones and what has expired', () => {
    fc.assert(
      fc.property(runsArbitrary(40), sequenceArbitrary, nowArbitrary, (runs, sequence, now) => {
        const expected = visible(runs.flat(), sequence, now)
        const cursor = over(runs, sequence, now)
        const forwards: string[] = []
        for (cursor.seekToFirst(); cursor.valid; cursor.next()) forwards.push(lineAt(cursor))
        expect(forwards).toEqual(expected)
        const backwards: string[] = []
        for (cursor.seekToLast(); cursor.valid; cursor.prev()) backwards.push(lineAt(cursor))
        expect(backwards.reverse()).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('goes on from any key, forwards and backwards', () => {
    fc.assert(
      fc.property(
        runsArbitrary(40),
        sequenceArbitrary,
        nowArbitrary,
        keyArbitrary,
        (runs, sequence, now, key) => {
          const all = visible(runs.flat(), sequence, now)
          const hex = Buffer.from(key).toString('hex')
          // In byte order hexadecimal digits sort as the bytes do.
          const split = all.findIndex((line) => line.slice(0, line.indexOf('=')) >= hex)
          const at = split < 0 ? all.length : split
          const cursor = over(runs, sequence, now)
          const behind: string[] = []
          for (cursor.seek(key, 0, key.length); cursor.valid; cursor.next()) behind.push(lineAt(cursor))
          expect(behind).toEqual(all.slice(at))
          const before: string[] = []
          for (cursor.seekBefore(key, 0, key.length); cursor.valid; cursor.prev()) before.push(lineAt(cursor))
          expect(before.reverse()).toEqual(all.slice(0, at))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('finds everything when what it needs is not in memory, wherever that strikes', async () => {
    await fc.assert(
      fc.asyncProperty(
        runsArbitrary(30),
        sequenceArbitrary,
        fc.infiniteStream(fc.boolean()),
        fc.boolean(),
        async (runs, sequence, missing, isReverse) => {
          const cursor = new VisibleCursor(
            mergeCursors(runs.map((run) => new ArrayCursor(run, () => missing.next().value))),
            sequence,
            50,
          )
          const lines: string[] = []
          let last: Uint8Array | undefined
          let positioned = false
          const step = (): boolean => {
            const wasPositioned = positioned
            positioned = false
            if (wasPositioned) {
              if (isReverse) cursor.prev()
              else cursor.next()
            } else if (isReverse) {
              if (last === undefined) cursor.seekToLast()
              else cursor.seekBefore(last, 0, last.length)
            } else if (last === undefined) {
              cursor.seekToFirst()
            } else {
              const successor = Uint8Array.of(...last, 0)
              cursor.seek(successor, 0, successor.length)
            }
            positioned = cursor.valid
            return cursor.valid
          }
          while (await whenResident(step)) {
            lines.push(lineAt(cursor))
            last = cursor.copyKey()
          }
          if (isReverse) lines.reverse()
          expect(lines).toEqual(visible(runs.flat(), sequence, 50))
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('entries out of order, which only a forged table holds', () => {
  const outOfOrder = expect.objectContaining({ code: 'CORRUPTION' })
  const one = (key: string, sequence: number) => entry(Buffer.from(key), sequence, Kind.put)

  test('are refused in both directions, so that a scan that seeks its place again ends', () => {
    const cursor = over([[one('b', 1), one('a', 2)]], 10, 0)
    cursor.seekToFirst()
    expect(() => cursor.next()).toThrow(outOfOrder)
    expect(() => cursor.seekToLast()).toThrow(outOfOrder)
  })

  test('are refused where a seek lands on the wrong side of its key', () => {
    class Astray extends ArrayCursor {
      override seek(): void {
        this.seekToFirst()
      }
    }
    const a = Buffer.from('a')
    const b = Buffer.from('b')
    const cursor = () => new VisibleCursor(new Astray([one('a', 1), one('c', 2)]), 10, 0)
    expect(() => cursor().seek(b, 0, 1)).toThrow(outOfOrder)
    expect(() => cursor().seek(a, 0, 1)).not.toThrow()
  })
})
