import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { Arena } from '../../src/memtable/arena.js'
import { SearchKey } from '../../src/memtable/search-key.js'
import { MAX_NODE_OVERHEAD, SkipList } from '../../src/memtable/skip-list.js'
import {
  compareEntries,
  type Entry,
  keyArbitrary,
  lineOf,
  sequenceArbitrary,
  writesArbitrary,
} from './entries.js'

function insertAll(list: SkipList, entries: readonly Entry[]): void {
  for (const { key, sequence, kind, value } of entries) {
    list.insert(key, 0, key.length, sequence, kind, value, 0, value.length)
  }
}

function read(arena: Arena, list: SkipList, node: number): string | undefined {
  if (node === 0) return undefined
  const keyStart = list.keyStart(node)
  const valueStart = list.valueStart(node)
  return lineOf({
    key: arena.bytes.slice(keyStart, keyStart + list.keyLength(node)),
    sequence: list.sequenceOf(node),
    kind: list.kindOf(node),
    value: arena.bytes.slice(valueStart, valueStart + list.valueLength(node)),
  })
}

function searchKey(key: Uint8Array): SearchKey {
  const target = new SearchKey(1)
  target.set(key, 0, key.length)
  return target
}

/** An arena whose memory holds what an earlier memtable left there. */
function dirtyArena(capacityBytes: number): Arena {
  const arena = Arena.allocate(capacityBytes)
  arena.bytes.fill(0xa5)
  return arena
}

describe('SkipList', () => {
  test('agrees with a sorted array, forwards and backwards', () => {
    fc.assert(
      fc.property(writesArbitrary(120), (writes) => {
        const arena = dirtyArena(1 << 17)
        const list = SkipList.create(arena)
        insertAll(list, writes)
        const sorted = [...writes].sort(compareEntries)
        const forwards: (string | undefined)[] = []
        for (let node = list.first(); node !== 0; node = list.next(node))
          forwards.push(read(arena, list, node))
        expect(forwards).toEqual(sorted.map(lineOf))
        const backwards: (string | undefined)[] = []
        for (let node = list.last(); node !== 0; node = list.prev(node))
          backwards.push(read(arena, list, node))
        expect(backwards.reverse()).toEqual(sorted.map(lineOf))
      }),
      { numRuns: 100 },
    )
  })

  test('finds the newest version at a sequence number, and the place to seek to', () => {
    fc.assert(
      fc.property(
        writesArbitrary(60),
        fc.array(fc.tuple(keyArbitrary, sequenceArbitrary), { minLength: 5 }),
        (writes, probes) => {
          const arena = dirtyArena(1 << 16)
          const list = SkipList.create(arena)
          insertAll(list, writes)
          const sorted = [...writes].sort(compareEntries)
          const all = [
            ...probes,
            ...writes.flatMap(
              ({ key, sequence }) =>
                [
                  [key, sequence],
                  [key, sequence - 1],
                ] as [Uint8Array, number][],
            ),
          ]
          for (const [key, sequence] of all) {
            const target = { key, sequence, kind: 0, value: key }
            const place = sorted.find((entry) => compareEntries(entry, target) >= 0)
            const visible = place !== undefined && compareKeys(place.key, key) === 0 ? place : undefined
            expect(read(arena, list, list.seek(searchKey(key), sequence))).toBe(place && lineOf(place))
            expect(read(arena, list, list.find(searchKey(key), sequence))).toBe(visible && lineOf(visible))
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  test('takes no more than the overhead that it names, for any entry', () => {
    fc.assert(
      fc.property(writesArbitrary(60), (writes) => {
        const arena = Arena.allocate(1 << 16)
        const list = SkipList.create(arena)
        for (const entry of writes) {
          const before = arena.usedBytes
          insertAll(list, [entry])
          const payload = entry.key.length + entry.value.length
          expect(arena.usedBytes - before).toBeLessThanOrEqual(payload + MAX_NODE_OVERHEAD)
        }
      }),
    )
  })

  test('stays balanced: a search in many ascending keys is short', () => {
    const arena = Arena.allocate(8 << 20)
    const list = SkipList.create(arena)
    const key = new Uint8Array(4)
    const insertFrom = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        new DataView(key.buffer).setUint32(0, i)
        list.insert(key, 0, 4, i + 1, 1, key, 0, 0)
      }
    }
    insertFrom(0, 100_000)
    // The heights of nodes: about three quarters have one link, and none has so many that all would be walked.
    const bytesANode = (arena.usedBytes - SkipList.headBytes) / 100_000
    expect(bytesANode).toBeGreaterThan(28 + 4)
    expect(bytesANode).toBeLessThan(28 + 4 * 2)
    const began = performance.now()
    for (let i = 0; i < 100_000; i++) {
      new DataView(key.buffer).setUint32(0, (i * 7919) % 100_000)
      if (list.find(searchKey(key), Number.MAX_SAFE_INTEGER) === 0) throw new Error(`key ${i} is gone`)
    }
    // A list that had become a chain would take minutes.
    expect(performance.now() - began).toBeLessThan(5000)
  })

  test('is found again by its index in the same memory', () => {
    const arena = dirtyArena(1 << 12)
    const lists = [SkipList.create(arena), SkipList.create(arena), SkipList.create(arena)]
    const key = Uint8Array.of(1)
    for (const [i, list] of lists.entries()) list.insert(key, 0, 1, i + 1, 1, Uint8Array.of(i), 0, 1)
    const other = new Arena(arena.buffer)
    for (let i = 0; i < 3; i++) {
      const list = SkipList.attach(other, i)
      expect(read(other, list, list.find(searchKey(key), 10))).toBe(`01@${i + 1} 1 0${i}`)
      expect(list.first()).toBe(list.last())
    }
  })
})

describe('SearchKey', () => {
  test('pads with zeros to a word, also when it is used again for a shorter key', () => {
    const target = new SearchKey(4)
    target.set(Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9), 0, 8)
    target.set(Uint8Array.of(1, 2, 3, 4, 5), 1, 4)
    expect(target.length).toBe(3)
    expect([...target.bytes.subarray(0, 4)]).toEqual([2, 3, 4, 0])
  })

  test('grows for a key of any length', () => {
    const target = new SearchKey(1)
    const key = new Uint8Array(100_003).fill(7)
    target.set(key, 0, key.length)
    expect(target.bytes.subarray(0, target.length)).toEqual(key)
    expect(target.words.length * 4).toBeGreaterThanOrEqual(100_004)
  })
})
