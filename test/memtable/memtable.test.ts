import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { type FoundEntry, Kind } from '../../src/base/entry.js'
import { hash32 } from '../../src/base/hash.js'
import type { Cursor } from '../../src/iterator/cursor.js'
import { mergeCursors } from '../../src/iterator/merging-cursor.js'
import { ArenaPool } from '../../src/memtable/arena.js'
import { Memtable } from '../../src/memtable/memtable.js'
import { SearchKey } from '../../src/memtable/search-key.js'
import {
  compareEntries,
  type Entry,
  entryAt,
  keyArbitrary,
  lineOf,
  sequenceArbitrary,
  writesArbitrary,
} from './entries.js'

function insertAll(memtable: Memtable, entries: readonly Entry[]): void {
  for (const { key, sequence, kind, value } of entries) {
    memtable.insert(key, 0, key.length, sequence, kind, value, 0, value.length)
  }
}

function filled(entries: readonly Entry[], shardCount: number): Memtable {
  const payload = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  const memtable = Memtable.create(
    new ArenaPool(0),
    shardCount,
    Memtable.bytesNeeded(entries.length, payload),
  )
  insertAll(memtable, entries)
  return memtable
}

function all(cursor: Cursor): string[] {
  const entries: string[] = []
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) entries.push(lineOf(entryAt(cursor)))
  return entries
}

const nothing: FoundEntry = {
  sequence: 0,
  kind: 0,
  valueBytes: new Uint8Array(0),
  valueStart: 0,
  valueEnd: 0,
}

function find(memtable: Memtable, key: Uint8Array, sequence: number): string | undefined {
  const target = new SearchKey()
  target.set(key, 0, key.length)
  const found = { ...nothing }
  if (!memtable.find(target, hash32(key, 0, key.length), sequence, found)) return undefined
  return lineOf({
    sequence: found.sequence,
    kind: found.kind,
    value: found.valueBytes.slice(found.valueStart, found.valueEnd),
  })
}

const shardCounts = fc.constantFrom(1, 2, 4, 16)

describe('Memtable', () => {
  test('agrees with a sorted array, whatever the number of shards; the room that it asks for is enough', () => {
    fc.assert(
      fc.property(writesArbitrary(100), shardCounts, (writes, shardCount) => {
        const memtable = filled(writes, shardCount)
        const sorted = [...writes].sort(compareEntries).map(lineOf)
        expect(memtable.cursors()).toHaveLength(shardCount)
        const cursor = mergeCursors(memtable.cursors())
        expect(all(cursor)).toEqual(sorted)
        const backwards: string[] = []
        for (cursor.seekToLast(); cursor.valid; cursor.prev()) backwards.push(lineOf(entryAt(cursor)))
        expect(backwards.reverse()).toEqual(sorted)
        expect(memtable.entryCount).toBe(writes.length)
        expect(memtable.tombstoneCount).toBe(writes.filter(({ kind }) => kind === Kind.delete).length)
        expect(memtable.firstSequence).toBe(writes.at(0)?.sequence ?? 0)
        expect(memtable.lastSequence).toBe(writes.at(-1)?.sequence ?? 0)
        expect(memtable.sizeBytes).toBeLessThanOrEqual(memtable.capacityBytes)
      }),
    )
  })

  test('finds what is visible at a sequence number', () => {
    fc.assert(
      fc.property(
        writesArbitrary(60),
        shardCounts,
        fc.array(fc.tuple(keyArbitrary, sequenceArbitrary)),
        (writes, shardCount, probes) => {
          const memtable = filled(writes, shardCount)
          const own = writes.flatMap(({ key, sequence }): [Uint8Array, number][] => [
            [key, sequence],
            [key, sequence - 1],
            [key, Number.MAX_SAFE_INTEGER],
          ])
          for (const [key, sequence] of [...probes, ...own]) {
            const newest = writes
              .filter((entry) => entry.sequence <= sequence && compareKeys(entry.key, key) === 0)
              .at(-1)
            const expected = newest && lineOf({ ...newest, key: undefined })
            expect(find(memtable, key, sequence)).toBe(expected)
          }
        },
      ),
    )
  })

  test('walks back and forth from any place in one shard', () => {
    fc.assert(
      fc.property(writesArbitrary(40), keyArbitrary, fc.array(fc.boolean()), (writes, key, steps) => {
        const sorted = [...writes].sort(compareEntries)
        const [cursor] = filled(writes, 1).cursors()
        cursor.seek(key, 0, key.length, Number.MAX_SAFE_INTEGER)
        let at = sorted.findIndex((entry) => compareKeys(entry.key, key) >= 0)
        if (at < 0) at = sorted.length
        for (const isForward of steps) {
          expect(cursor.valid).toBe(at >= 0 && at < sorted.length)
          if (!cursor.valid) return
          expect(lineOf(entryAt(cursor))).toBe(lineOf(sorted[at]))
          if (isForward) cursor.next()
          else cursor.prev()
          at += isForward ? 1 : -1
        }
      }),
    )
  })

  test('a cursor sees what is inserted while it stands', () => {
    const memtable = Memtable.create(new ArenaPool(1 << 14), 1)
    const put = (text: string, sequence: number): void => {
      const key = Buffer.from(text)
      memtable.insert(key, 0, key.length, sequence, Kind.put, key, 0, key.length)
    }
    put('b', 1)
    const [cursor] = memtable.cursors()
    cursor.seekToFirst()
    put('c', 2)
    put('a', 3)
    cursor.next()
    expect(Buffer.from(entryAt(cursor).key).toString()).toBe('c')
    cursor.prev()
    cursor.prev()
    expect(Buffer.from(entryAt(cursor).key).toString()).toBe('a')
  })

  test.each([1, 4])(
    'samples evenly: all entries when few are there, some otherwise (%i shards)',
    (shardCount) => {
      const entries = Array.from({ length: 8000 }, (_, i): Entry => {
        const key = Buffer.from(String(i).padStart(5, '0'))
        return { key, sequence: i + 1, kind: Kind.put, value: Buffer.alloc(i % 7) }
      })
      const memtable = filled(entries, shardCount)
      const textOf = ({ key }: { key: Uint8Array }): string => Buffer.from(key).toString()
      expect(memtable.sample(8000).map(textOf).sort()).toEqual(entries.map(textOf))
      expect(memtable.sample(1e6)).toHaveLength(8000)
      const some = memtable.sample(200)
      expect(some.length).toBeGreaterThan(100)
      expect(some.length).toBeLessThan(1600)
      const lower = some.filter((entry) => textOf(entry) < '04000').length
      expect(Math.abs(lower / some.length - 0.5)).toBeLessThan(0.15)
      for (const { key, sizeBytes } of some) expect(sizeBytes).toBe(5 + (Number(textOf({ key })) % 7))
      expect(filled([], shardCount).sample(5)).toEqual([])
    },
  )

  test('is read through its image, which shares the memory', () => {
    fc.assert(
      fc.property(writesArbitrary(60), shardCounts, (writes, shardCount) => {
        const memtable = filled(writes, shardCount)
        const attached = Memtable.attach(memtable.image)
        expect(all(mergeCursors(attached.cursors()))).toEqual([...writes].sort(compareEntries).map(lineOf))
        for (const { key, sequence } of writes) {
          expect(find(attached, key, sequence)).toEqual(find(memtable, key, sequence))
        }
      }),
      { numRuns: 50 },
    )
  })

  test('its image reaches another thread as shared memory', async () => {
    const memtable = filled(
      [{ key: Uint8Array.of(1, 2), sequence: 7, kind: Kind.put, value: Buffer.from('shared!') }],
      2,
    )
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads')
       const bytes = Buffer.from(workerData.buffer)
       parentPort.postMessage(bytes.includes('shared!'))
       new Uint8Array(workerData.buffer)[0] = 99`,
      { eval: true, workerData: memtable.image },
    )
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    expect(await new Promise((resolve) => worker.once('message', resolve))).toBe(true)
    await exited
    expect(new Uint8Array(memtable.image.buffer)[0]).toBe(99)
  })

  test('links with atomic stores once another thread may read it', () => {
    const memtable = Memtable.create(new ArenaPool(4096), 1)
    const store = vi.spyOn(Atomics, 'store')
    // Of each entry: at least the link to it; behind the first, the back link as well. The height of the list may grow.
    const storesFor = (sequence: number): number => {
      store.mockClear()
      insertAll(memtable, [
        { key: Uint8Array.of(9 - sequence), sequence, kind: Kind.put, value: Uint8Array.of() },
      ])
      return store.mock.calls.length
    }
    try {
      expect([storesFor(1), storesFor(2), storesFor(3)]).toEqual([0, 0, 0])
      void memtable.image
      expect(storesFor(4)).toBeGreaterThanOrEqual(2)
    } finally {
      store.mockRestore()
    }
  })

  test('takes a value that is far larger than its usual size', () => {
    const pool = new ArenaPool(4096)
    const value = new Uint8Array(3_000_000).fill(5)
    const key = Uint8Array.of(1)
    const needed = Memtable.bytesNeeded(1, value.length + 1)
    expect(Memtable.create(pool, 4).hasRoom(needed)).toBe(false)
    const memtable = Memtable.create(pool, 4, needed)
    expect(memtable.hasRoom(needed)).toBe(true)
    memtable.insert(key, 0, 1, 1, Kind.put, value, 0, value.length)
    expect(find(memtable, key, 1) === lineOf({ sequence: 1, kind: Kind.put, value })).toBe(true)
  })

  test('grows in sequence order only, and not once it is frozen', () => {
    const entry = { key: Uint8Array.of(1), sequence: 5, kind: Kind.put, value: Uint8Array.of() }
    const memtable = Memtable.create(new ArenaPool(4096), 1)
    insertAll(memtable, [entry])
    expect(() => insertAll(memtable, [entry])).toThrow('sequence order')
    memtable.freeze()
    expect(memtable.frozen).toBe(true)
    expect(() => insertAll(memtable, [{ ...entry, sequence: 6 }])).toThrow('frozen')
  })

  test('needs a power of two of shards', () => {
    expect(() => Memtable.create(new ArenaPool(4096), 3)).toThrow('power of two')
  })

  test('gives its arena back when the last pin is gone, and not before', () => {
    const pool = new ArenaPool(8192)
    const memtable = Memtable.create(pool, 1)
    const { buffer } = memtable.image
    memtable.pin()
    memtable.unpin()
    expect(Memtable.create(pool, 1).image.buffer).not.toBe(buffer)
    memtable.unpin()
    const next = Memtable.create(pool, 1)
    expect(next.image.buffer).toBe(buffer)
    expect(all(mergeCursors(next.cursors()))).toEqual([])
    expect(() => memtable.unpin()).toThrow('once')
    expect(() => memtable.pin()).toThrow('not pinned again')
  })
})
