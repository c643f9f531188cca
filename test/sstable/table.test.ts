import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { Kind, NEVER } from '../../src/base/entry.js'
import { hash32 } from '../../src/base/hash.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { whenResident } from '../../src/iterator/not-resident.js'
import { BlockFetcher } from '../../src/sstable/block-fetcher.js'
import type { TableBuilderSettings } from '../../src/sstable/table-builder.js'
import { TableBuilder } from '../../src/sstable/table-builder.js'
import { TableCursor } from '../../src/sstable/table-cursor.js'
import {
  backward,
  blockingFetcher,
  buildTable,
  bytesOf,
  DATABASE_ID,
  type Entry,
  entriesArbitrary,
  entryAt,
  expiringValue,
  forward,
  foundUnder,
  keyArbitrary,
  nothingFound,
  numberedEntries,
  openTables,
  pathOf,
  placeOf,
  textOf,
  texts,
} from './table-fixture.js'

const MAX = Number.MAX_SAFE_INTEGER

/** Tiny blocks and partitions, so that few entries make many of them. */
const settingsArbitrary: fc.Arbitrary<Partial<TableBuilderSettings>> = fc.record({
  blockSize: fc.constantFrom(1, 40, 200, 4096),
  compression: fc.constantFrom('none', 'snappy', 'gzip'),
  filterBitsPerKey: fc.constantFrom(0, 1, 10),
  indexOneLevelLimit: fc.constantFrom(0, 300, 65_536),
  indexPartitionSize: fc.constantFrom(1, 100, 8192),
})

const cacheSizeArbitrary = fc.constantFrom(0, 700, 1 << 20)

function openOne(entries: readonly Entry[], settings: Partial<TableBuilderSettings>, cacheSize: number) {
  const fileSystem = new MemoryFileSystem({ strict: false })
  const summary = buildTable(fileSystem, entries, settings)
  const tables = openTables(fileSystem, { cacheSize })
  const fetcher = blockingFetcher(tables)
  const reader = fetcher.table(1, summary.sizeBytes)
  return { fileSystem, summary, tables, fetcher, reader }
}

/** The places that tell an order apart: each entry's, a step in front and behind, and some keys. */
function placesAround(entries: readonly Entry[], keys: readonly Uint8Array[]) {
  return [
    ...entries.flatMap(({ key, sequence }) => [
      { key, sequence },
      { key, sequence: Math.max(0, sequence - 1) },
      { key, sequence: MAX },
    ]),
    ...keys.map((key) => ({ key, sequence: MAX })),
  ]
}

describe('a table', () => {
  it('gives back its entries forward, backward, by seek and by get', () => {
    fc.assert(
      fc.property(
        entriesArbitrary(150),
        fc.array(keyArbitrary, { maxLength: 10 }),
        settingsArbitrary,
        cacheSizeArbitrary,
        (entries, keys, settings, cacheSize) => {
          const { fetcher, reader } = openOne(entries, settings, cacheSize)
          const cursor = new TableCursor(reader, fetcher)
          expect(texts(forward(cursor))).toEqual(texts(entries))
          expect(texts(backward(cursor))).toEqual(texts(entries))
          const found = nothingFound()
          for (const { key, sequence } of placesAround(entries, keys)) {
            const expected = entries[placeOf(entries, key, sequence)]
            cursor.seek(key, 0, key.length, sequence)
            expect(cursor.valid && textOf(entryAt(cursor))).toBe(expected !== undefined && textOf(expected))
            const hash = hash32(key, 0, key.length)
            const has = reader.get(key, 0, key.length, sequence, hash, fetcher, found)
            expect(has).toBe(expected !== undefined && Buffer.compare(expected.key, key) === 0)
            if (has) expect(textOf(foundUnder(key, found))).toBe(textOf(expected))
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('turns around anywhere', () => {
    fc.assert(
      fc.property(
        entriesArbitrary(60),
        settingsArbitrary,
        fc.array(fc.boolean(), { maxLength: 80 }),
        fc.nat(59),
        (entries, settings, moves, start) => {
          const { fetcher, reader } = openOne(entries, settings, 0)
          const cursor = new TableCursor(reader, fetcher)
          let place = start % entries.length
          const { key, sequence } = entries[place]
          cursor.seek(key, 0, key.length, sequence)
          for (const onward of moves) {
            expect(textOf(entryAt(cursor))).toBe(textOf(entries[place]))
            place += onward ? 1 : -1
            if (onward) cursor.next()
            else cursor.prev()
            if (place < 0 || place >= entries.length) {
              expect(cursor.valid).toBe(false)
              return
            }
          }
        },
      ),
    )
  })

  it('answers the same without blocking, whatever the cache has room for', async () => {
    await fc.assert(
      fc.asyncProperty(
        entriesArbitrary(80),
        settingsArbitrary,
        cacheSizeArbitrary,
        fc.boolean(),
        async (entries, settings, cacheSize, reuse) => {
          const fileSystem = new MemoryFileSystem({ strict: false })
          const { sizeBytes } = buildTable(fileSystem, entries, settings)
          const tables = openTables(fileSystem, { cacheSize })
          const fetcher = new BlockFetcher(tables, { blocking: false })
          const reader = await whenResident(() => fetcher.table(1, sizeBytes))
          let cursor = new TableCursor(reader, fetcher)
          /** Runs a step that begins with a seek; sometimes with a cursor of its own each time. */
          const step = async (run: () => void) => {
            await whenResident(() => {
              if (!reuse) cursor = new TableCursor(reader, fetcher)
              run()
            })
            fetcher.settle()
          }
          const scanned: Entry[] = []
          await step(() => cursor.seekToFirst())
          while (cursor.valid) {
            const entry = entryAt(cursor)
            scanned.push(entry)
            await step(() => {
              cursor.seek(entry.key, 0, entry.key.length, entry.sequence)
              cursor.next()
            })
          }
          expect(texts(scanned)).toEqual(texts(entries))
          await step(() => cursor.seekToLast())
          expect(textOf(entryAt(cursor))).toBe(textOf(entries[entries.length - 1]))
          const found = nothingFound()
          for (const entry of entries) {
            const { key, sequence } = entry
            const hash = hash32(key, 0, key.length)
            await step(() => {
              expect(reader.get(key, 0, key.length, sequence, hash, fetcher, found)).toBe(true)
              expect(textOf(foundUnder(key, found))).toBe(textOf(entry))
            })
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  it('finds each of many versions of a key that fill many blocks, and what is around them', () => {
    const versions: Entry[] = []
    for (let sequence = 500; sequence > 0; sequence -= 2) {
      versions.push({ key: bytesOf('k'), sequence, kind: Kind.put, value: bytesOf(`version ${sequence}`) })
    }
    const entries = [
      { key: bytesOf('a'), sequence: 3, kind: Kind.put, value: bytesOf('first') },
      ...versions,
      { key: bytesOf('ka'), sequence: 1, kind: Kind.put, value: bytesOf('last') },
    ]
    for (const indexOneLevelLimit of [0, 65_536]) {
      const { fetcher, reader } = openOne(
        entries,
        { blockSize: 100, indexOneLevelLimit, indexPartitionSize: 90 },
        0,
      )
      expect(reader.indexLevels).toBe(indexOneLevelLimit === 0 ? 2 : 1)
      const cursor = new TableCursor(reader, fetcher)
      for (let sequence = 0; sequence <= 501; sequence++) {
        cursor.seek(bytesOf('k'), 0, 1, sequence)
        expect(textOf(entryAt(cursor))).toBe(textOf(entries[placeOf(entries, bytesOf('k'), sequence)]))
      }
    }
  })

  it('gives a value larger than a block one of its own', () => {
    const entries = numberedEntries(6).map((entry, i) => ({
      ...entry,
      value: new Uint8Array(i === 3 ? 9000 : 10),
    }))
    const { summary } = openOne(entries, { blockSize: 4096 }, 0)
    expect(summary.dataBlockCount).toBe(3)
  })

  it('stores a block raw that does not compress, and compresses one that does', () => {
    const noise = Uint8Array.from({ length: 3000 }, (_, i) => Math.imul(i * i + 7, 2654435761) >>> 13)
    const entryWith = (value: Uint8Array) => [{ key: bytesOf('k'), sequence: 1, kind: Kind.put, value }]
    for (const compression of ['snappy', 'gzip'] as const) {
      expect(openOne(entryWith(noise), { compression }, 0).reader.dataEnd).toBeGreaterThan(3000)
      expect(openOne(entryWith(new Uint8Array(3000)), { compression }, 0).reader.dataEnd).toBeLessThan(500)
    }
  })

  it('knows its properties', () => {
    const put = { kind: Kind.put, value: bytesOf('four') }
    const entries = [
      { key: bytesOf('a'), sequence: 9, ...put },
      { key: bytesOf('a'), sequence: 8, kind: Kind.delete, value: bytesOf('') },
      { key: bytesOf('bb'), sequence: 4, kind: Kind.putWithExpiry, value: expiringValue(5000, bytesOf('x')) },
      {
        key: bytesOf('ccc'),
        sequence: 12,
        kind: Kind.putWithExpiry,
        value: expiringValue(3000, bytesOf('y')),
      },
    ]
    const { reader, summary } = openOne(entries, { compression: 'snappy', blockSize: 30 }, 0)
    expect(reader.properties).toEqual({
      expiryIndexOffset: expect.any(Number),
      expiryIndexSize: expect.any(Number),
      entryCount: 4,
      tombstoneCount: 1,
      expiringCount: 2,
      dataBlockCount: 4,
      smallestKey: bytesOf('a'),
      largestKey: bytesOf('ccc'),
      smallestSequence: 4,
      largestSequence: 12,
      earliestExpiry: 3000,
      latestExpiry: 5000,
      rawKeyBytes: 7,
      rawValueBytes: 22,
      createdAt: 1234,
      compression: 'snappy',
      filterBitsPerKey: 10,
    })
    expect(summary).toEqual({ ...reader.properties, sizeBytes: reader.sizeBytes })
    const { earliestExpiry, latestExpiry } = openOne(entries.slice(0, 2), {}, 0).reader.properties
    expect([earliestExpiry, latestExpiry]).toEqual([NEVER, NEVER])
  })

  it('estimates where a key is and where it can be split', () => {
    const entries = numberedEntries(2000)
    for (const indexOneLevelLimit of [0, 1 << 20]) {
      const { reader } = openOne(entries, { indexOneLevelLimit, indexPartitionSize: 60, blockSize: 500 }, 0)
      const offsetOf = (text: string) => reader.approximateOffset(bytesOf(text), 0, text.length)
      expect(offsetOf('a')).toBe(0)
      expect(offsetOf('z')).toBe(reader.dataEnd)
      expect(Math.abs(offsetOf('key01000') / reader.dataEnd - 0.5)).toBeLessThan(0.02)
      const fences = reader.fences()
      expect(fences.length).toBeGreaterThan(10)
      for (const [i, { key, dataOffset }] of fences.entries()) {
        expect(reader.approximateOffset(key, 0, key.length)).toBe(dataOffset)
        if (i > 0) expect(dataOffset).toBeGreaterThan(fences[i - 1].dataOffset)
      }
      for (const most of [1, 2, 7, fences.length, 10_000]) {
        const some = reader.fences(most)
        expect(some.length).toBeLessThanOrEqual(most)
        expect(some.length).toBeGreaterThan(Math.min(most, fences.length) / 2)
        expect(some.at(-1)?.key).toEqual(fences.at(-1)?.key)
        for (const [i, { key, dataOffset }] of some.entries()) {
          const before =
            i === 0 ? -1 : fences.findIndex((fence) => compareKeys(fence.key, some[i - 1].key) === 0)
          expect(fences.some((fence) => compareKeys(fence.key, key) === 0)).toBe(true)
          expect(dataOffset).toBe(fences[before + 1].dataOffset)
        }
      }
    }
  })
})

describe('a table builder', () => {
  function newBuilder(): TableBuilder {
    const file = new MemoryFileSystem().openSync(pathOf(1), 'create')
    return new TableBuilder(file, {
      databaseId: DATABASE_ID,
      tableNumber: 1,
      compression: 'none',
      createdAt: 0,
    })
  }

  it('refuses entries out of order', () => {
    const key = bytesOf('bc')
    const builder = newBuilder()
    builder.add(key, 1, 2, 5, Kind.put, key, 0, 0)
    expect(() => builder.add(key, 0, 1, 5, Kind.put, key, 0, 0)).toThrow(/in order/)
    expect(() => builder.add(key, 1, 2, 5, Kind.put, key, 0, 0)).toThrow(/in order/)
    expect(() => builder.add(key, 1, 2, 6, Kind.put, key, 0, 0)).toThrow(/in order/)
    builder.add(key, 1, 2, 4, Kind.put, key, 0, 0)
  })

  it('estimates its size closely and compares its last key', () => {
    const builder = newBuilder()
    const entries = numberedEntries(3000)
    for (const { key, sequence, kind, value } of entries) {
      builder.add(key, 0, key.length, sequence, kind, value, 0, value.length)
      expect(builder.compareLastKey(key, 0, key.length)).toBe(0)
    }
    expect(builder.compareLastKey(bytesOf('a'), 0, 1)).toBeGreaterThan(0)
    const estimate = builder.estimatedSizeBytes
    const { sizeBytes } = builder.finish()
    expect(Math.abs(estimate - sizeBytes)).toBeLessThan(sizeBytes * 0.05)
  })

  it('makes the file durable and closes it; abandons it closed', () => {
    const fileSystem = new MemoryFileSystem()
    const entries = numberedEntries(3)
    const { sizeBytes } = buildTable(fileSystem, entries)
    expect(fileSystem.openCount).toBe(0)
    expect(sizeBytes).toBeGreaterThan(0)
    const file = fileSystem.openSync(pathOf(2), 'create')
    const settings = { databaseId: DATABASE_ID, tableNumber: 2, compression: 'none', createdAt: 0 } as const
    const abandoned = new TableBuilder(file, settings)
    abandoned.abandon()
    abandoned.abandon()
    expect(fileSystem.openCount).toBe(0)
  })
})
