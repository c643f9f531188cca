import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { isTombstone, Kind } from '../../src/base/entry.js'
import { CompactionIterator, type DropRules } from '../../src/compaction/compaction-iterator.js'
import { mergeCursors } from '../../src/iterator/merging-cursor.js'
import { ArrayCursor, compareEntries, type Entry, entry, lineOf, runsArbitrary } from '../iterator/runs.js'

interface Kept extends Entry {
  readonly startsKey: boolean
}

function compacted(runs: readonly Entry[][], rules: DropRules): { kept: Kept[]; inputCount: number } {
  const iterator = new CompactionIterator(mergeCursors(runs.map((run) => new ArrayCursor(run))), rules)
  const kept: Kept[] = []
  for (iterator.seekToFirst(); iterator.valid; iterator.next()) {
    const value = iterator.valueBytes.slice(iterator.valueStart, iterator.valueEnd)
    const { sequence, kind, startsKey } = iterator
    const key = iterator.keyBytes.slice(iterator.keyStart, iterator.keyEnd)
    const source = runs.flat().find((one) => one.sequence === sequence)
    const expiresAt = kind === Kind.putWithExpiry ? (source?.expiresAt ?? 0) : Number.POSITIVE_INFINITY
    kept.push({ key, sequence, kind, value, expiresAt, startsKey })
  }
  return { kept, inputCount: iterator.inputCount }
}

/** What a reader at `sequence` sees at `now`, one line a key. */
function visible(entries: readonly Entry[], sequence: number, now: number): string {
  const lines: string[] = []
  let last: Uint8Array | undefined
  for (const one of [...entries].sort(compareEntries)) {
    if (one.sequence > sequence || (last !== undefined && compareKeys(last, one.key) === 0)) continue
    last = one.key
    if (!isTombstone(one.kind) && one.expiresAt > now) lines.push(lineOf(one))
  }
  return lines.join('\n')
}

const rulesArbitrary: fc.Arbitrary<DropRules> = fc.record({
  pinned: fc.uniqueArray(fc.nat(45), { maxLength: 4 }).map((pins) => pins.sort((a, b) => a - b)),
  bottommost: fc.boolean(),
  now: fc.integer({ min: -1, max: 101 }),
})

describe('CompactionIterator', () => {
  test('no reader sees a difference: neither at a pinned moment nor now, nor later', () => {
    fc.assert(
      fc.property(runsArbitrary(40), rulesArbitrary, fc.nat(40), (runs, rules, oldest) => {
        // What is older lies in deeper levels, unless there are none.
        const below = rules.bottommost ? [] : runs.flat().filter(({ sequence }) => sequence <= oldest)
        const above = rules.bottommost
          ? runs
          : runs.map((run) => run.filter(({ sequence }) => sequence > oldest))
        const { kept, inputCount } = compacted(above, rules)
        expect(inputCount).toBe(above.flat().length)
        for (const sequence of [...rules.pinned, 40, 41, 100]) {
          // Only pinned moments, and those behind everything that was written, have readers.
          for (const now of [rules.now, rules.now + 20, 200]) {
            expect(visible([...kept, ...below], sequence, now)).toBe(
              visible([...above.flat(), ...below], sequence, now),
            )
          }
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('keeps no more than one version of a key for each moment that has a reader, in order', () => {
    fc.assert(
      fc.property(runsArbitrary(40), rulesArbitrary, (runs, rules) => {
        const { kept } = compacted(runs, rules)
        expect(kept.map(lineOf)).toEqual([...kept].sort(compareEntries).map(lineOf))
        for (const [i, one] of kept.entries()) {
          const isSame = i > 0 && compareKeys(kept[i - 1].key, one.key) === 0
          expect(one.startsKey).toBe(!isSame)
          if (!isSame) continue
          // A pin tells it from the version before it.
          const newer = kept[i - 1].sequence
          expect(rules.pinned.some((pin) => pin >= one.sequence && pin < newer)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('at the bottom, without pins, only what lives is left, with its value', () => {
    fc.assert(
      fc.property(runsArbitrary(40), fc.nat(100), (runs, now) => {
        const { kept } = compacted(runs, { pinned: [], bottommost: true, now })
        expect(kept.map(lineOf).join('\n')).toBe(visible(runs.flat(), 100, now))
      }),
      { numRuns: 300 },
    )
  })

  test('drops a tombstone at the bottom only when no pin is older', () => {
    const key = Buffer.from('k')
    const runs = [[entry(key, 9, Kind.delete), entry(key, 3, Kind.put)]]
    const keptWith = (pinned: number[], bottommost = true): string[] =>
      compacted(runs, { pinned, bottommost, now: 0 }).kept.map(lineOf)
    expect(keptWith([])).toEqual([])
    expect(keptWith([9])).toEqual([])
    expect(keptWith([2])).toEqual(['6b@9 0 '])
    expect(keptWith([3])).toEqual(['6b@9 0 ', '6b@3 1 v3'])
    expect(keptWith([8])).toEqual(['6b@9 0 ', '6b@3 1 v3'])
    expect(keptWith([], false)).toEqual(['6b@9 0 '])
  })

  test('turns what has expired into a tombstone where something older may be below', () => {
    const key = Buffer.from('k')
    const runs = [[entry(key, 9, Kind.putWithExpiry, 50)]]
    const keptAt = (now: number, bottommost: boolean): string[] =>
      compacted(runs, { pinned: [], bottommost, now }).kept.map(
        ({ kind, value }) => `${kind} ${value.length}`,
      )
    expect(keptAt(49, false)).toEqual([`${Kind.putWithExpiry} 10`])
    expect(keptAt(50, false)).toEqual([`${Kind.delete} 0`])
    expect(keptAt(50, true)).toEqual([])
  })
})
