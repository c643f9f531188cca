import { describe, expect, it } from 'vitest'
import { hash32 } from '../../src/base/hash.js'
import { BlockCache } from '../../src/cache/block-cache.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { whenResident } from '../../src/iterator/not-resident.js'
import type { Block } from '../../src/sstable/block.js'
import { BlockFetcher } from '../../src/sstable/block-fetcher.js'
import { TableCache } from '../../src/sstable/table-cache.js'
import { TableCursor } from '../../src/sstable/table-cursor.js'
import {
  blockingFetcher,
  buildTable,
  DATABASE_ID,
  forward,
  nothingFound,
  numberedEntries,
  openTables,
  pathOf,
  textOf,
  texts,
} from './table-fixture.js'

const entries = numberedEntries(200)

/** A file system with tables 1 to `count`, all the same. */
function tablesIn(fileSystem: MemoryFileSystem, count: number): number {
  let sizeBytes = 0
  for (let tableNumber = 1; tableNumber <= count; tableNumber++) {
    sizeBytes = buildTable(fileSystem, entries, { tableNumber, blockSize: 200 }).sizeBytes
  }
  return sizeBytes
}

describe('the table cache', () => {
  it('keeps at most so many files open, while all cursors read on', () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 8)
    const tables = openTables(fileSystem, { maxOpenFiles: 2, cacheSize: 0 })
    const fetcher = blockingFetcher(tables)
    const cursors = Array.from(
      { length: 8 },
      (_, i) => new TableCursor(fetcher.table(i + 1, sizeBytes), fetcher),
    )
    for (const cursor of cursors) cursor.seekToFirst()
    for (const entry of entries) {
      for (const cursor of cursors) {
        expect(cursor.sequence).toBe(entry.sequence)
        cursor.next()
        expect(fileSystem.openCount).toBeLessThanOrEqual(2)
      }
    }
    expect(tables.count).toBe(2)
    tables.close()
    expect(fileSystem.openCount).toBe(0)
  })

  it('keeps indexes and filters within a bound, and one table however large', () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 5)
    const one = openTables(fileSystem).openSync(1, sizeBytes).memoryBytes
    const cacheOf = (maxMemoryBytes: number): TableCache =>
      new TableCache({
        fileSystem,
        databaseId: DATABASE_ID,
        pathOf,
        maxOpenFiles: 100,
        maxMemoryBytes,
        blockCache: new BlockCache<Block>(0),
      })
    for (const [bytes, kept] of [
      [5 * one, 5],
      [3 * one + 5, 3],
      [Math.floor(one / 2), 1],
    ]) {
      const tables = cacheOf(bytes)
      for (let number = 1; number <= 5; number++) {
        expect(
          forward(new TableCursor(tables.openSync(number, sizeBytes), blockingFetcher(tables))),
        ).toHaveLength(entries.length)
      }
      expect(tables.count).toBe(kept)
      expect(fileSystem.openCount - 1).toBe(kept)
      tables.close()
    }
  })

  it('reads no filters for who needs none', () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 1)
    const tables = new TableCache({
      fileSystem,
      databaseId: DATABASE_ID,
      pathOf,
      maxOpenFiles: 1,
      filters: false,
      blockCache: new BlockCache<Block>(0),
    })
    expect(tables.openSync(1, sizeBytes).filter).toBeUndefined()
    expect(openTables(fileSystem).openSync(1, sizeBytes).filter).toBeDefined()
  })

  it('has one reader of a table, even while it is evicted and in use', () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 3)
    const tables = openTables(fileSystem, { maxOpenFiles: 1, cacheSize: 0 })
    const first = tables.openSync(1, sizeBytes)
    tables.openSync(2, sizeBytes)
    tables.openSync(3, sizeBytes)
    expect(tables.resident(1)).toBe(first)
    expect(forward(new TableCursor(first, blockingFetcher(tables)))).toHaveLength(entries.length)
    expect(fileSystem.openCount).toBe(1)
  })

  it('keeps the bound and leaks nothing under asynchronous reads', async () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 6)
    const tables = openTables(fileSystem, { maxOpenFiles: 2, cacheSize: 0 })
    const found = nothingFound()
    const gets = Array.from({ length: 120 }, async (_, i) => {
      const fetcher = new BlockFetcher(tables, { blocking: false })
      const { key, sequence } = entries[(i * 37) % entries.length]
      await whenResident(() => {
        const reader = fetcher.table((i % 6) + 1, sizeBytes)
        expect(reader.get(key, 0, key.length, sequence, hash32(key, 0, key.length), fetcher, found)).toBe(
          true,
        )
        expect(found.sequence).toBe(sequence)
      })
    })
    await Promise.all(gets)
    expect(fileSystem.openCount).toBeLessThanOrEqual(2)
    tables.close()
    expect(fileSystem.openCount).toBe(0)
    await expect(tables.open(1, sizeBytes)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('ends reads of tables that take the only descriptor from each other', async () => {
    for (let turns = 0; turns < 8; turns++) {
      const memory = new MemoryFileSystem({ strict: false })
      const sizeBytes = tablesIn(memory, 5)
      // Else the reads would starve whatever could end the test.
      const fileSystem = new FaultFileSystem(memory, {
        observe: ({ index }) => {
          if (index > 1_000) throw new Error('the reads go on for ever')
        },
      })
      const tables = openTables(fileSystem, { maxOpenFiles: 1, cacheSize: 0 })
      const reads: Promise<Uint8Array>[] = []
      for (const reader of [1, 2, 3, 4, 5].map((number) => tables.openSync(number, sizeBytes))) {
        reads.push(reader.read(0, 100))
        for (let turn = 0; turn < turns; turn++) await undefined
      }
      expect((await Promise.all(reads)).map(({ length }) => length)).toEqual([100, 100, 100, 100, 100])
      tables.close()
      expect(memory.openCount).toBe(0)
    }
  })

  it('closes behind the reads that are under way', async () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 1)
    const tables = openTables(fileSystem, { cacheSize: 0 })
    const reader = await tables.open(1, sizeBytes)
    const reading = reader.read(0, 100)
    const opening = tables.open(1, sizeBytes)
    tables.close()
    expect((await reading).length).toBe(100)
    await opening
    expect(fileSystem.openCount).toBe(0)
    await expect(reader.read(0, 1)).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => reader.readSync(0, 1)).toThrow(/closed/)
  })

  it('opens a table once for all who ask at the same time', async () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 1)
    const tables = openTables(fileSystem)
    const readers = await Promise.all([tables.open(1, sizeBytes), tables.open(1, sizeBytes)])
    expect(readers[0]).toBe(readers[1])
    const racing = openTables(fileSystem)
    const asynchronous = racing.open(1, sizeBytes)
    const blocking = racing.openSync(1, sizeBytes)
    expect(await asynchronous).toBe(blocking)
    expect(fileSystem.openCount).toBe(2)
  })

  it('forgets an obsolete table and closes its file', () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 1)
    const tables = openTables(fileSystem)
    tables.openSync(1, sizeBytes)
    tables.evict(1)
    expect([fileSystem.openCount, tables.count, tables.resident(1)]).toEqual([0, 0, undefined])
  })

  it('leaves nothing open when an opening fails', async () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 1)
    const tables = openTables(fileSystem)
    expect(() => tables.openSync(1, sizeBytes - 1)).toThrow(/bytes long/)
    await expect(tables.open(1, sizeBytes - 1)).rejects.toMatchObject({ code: 'CORRUPTION' })
    expect(fileSystem.openCount).toBe(0)
  })

  it('gives descriptors back when the process has run out of them', async () => {
    const memory = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(memory, 9)
    const fileSystem = new FaultFileSystem(memory, { descriptorQuota: 4 })
    const blockCache = new BlockCache<Block>(0)
    const tables = new TableCache({
      fileSystem,
      databaseId: DATABASE_ID,
      pathOf,
      maxOpenFiles: 100,
      blockCache,
    })
    for (let number = 1; number <= 5; number++) tables.openSync(number, sizeBytes)
    for (let number = 6; number <= 9; number++) await tables.open(number, sizeBytes)
    expect(memory.openCount).toBeLessThanOrEqual(4)
    tables.close()
    expect(memory.openCount).toBe(0)
  })

  it('turns a failed read into a typed error and reads on afterwards', () => {
    const memory = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(memory, 1)
    const fileSystem = new FaultFileSystem(memory)
    const blockCache = new BlockCache<Block>(0)
    const tables = new TableCache({
      fileSystem,
      databaseId: DATABASE_ID,
      pathOf,
      maxOpenFiles: 4,
      blockCache,
    })
    const fetcher = blockingFetcher(tables)
    const cursor = new TableCursor(fetcher.table(1, sizeBytes), fetcher)
    fileSystem.fail({ kind: 'read', errno: 'EIO' })
    expect(() => cursor.seekToFirst()).toThrow(/EIO while reading/)
    fileSystem.heal()
    expect(texts(forward(cursor))).toEqual(entries.map(textOf))
  })

  it('keeps blocks cached while a table is closed and opened again', () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const sizeBytes = tablesIn(fileSystem, 2)
    const tables = openTables(fileSystem, { maxOpenFiles: 1, cacheSize: 1 << 20 })
    const fetcher = blockingFetcher(tables)
    const key = tables.openSync(1, sizeBytes).firstCacheKey
    tables.openSync(2, sizeBytes)
    expect(fetcher.table(1, sizeBytes).firstCacheKey).toBe(key)
    expect(fetcher.table(2, sizeBytes).firstCacheKey).toBe(key + sizeBytes)
  })
})

describe('reading ahead', () => {
  it('reads a long table in few reads, either way, and a single place in one', async () => {
    const many = numberedEntries(20_000, 100)
    const memory = new MemoryFileSystem({ strict: false })
    const { sizeBytes, dataBlockCount } = buildTable(memory, many)
    let reads = 0
    const fileSystem = new FaultFileSystem(memory, {
      observe: ({ kind }) => {
        if (kind === 'read') reads++
      },
    })
    const blockCache = new BlockCache<Block>(0)
    const tables = new TableCache({
      fileSystem,
      databaseId: DATABASE_ID,
      pathOf,
      maxOpenFiles: 4,
      blockCache,
    })
    const fetcher = blockingFetcher(tables)
    const reader = fetcher.table(1, sizeBytes)
    const readsOf = (run: () => void) => {
      reads = 0
      run()
      return reads
    }
    expect(
      readsOf(() => expect(forward(new TableCursor(reader, fetcher))).toHaveLength(20_000)),
    ).toBeLessThan(20)
    const backward = readsOf(() => {
      const cursor = new TableCursor(reader, fetcher)
      for (cursor.seekToLast(); cursor.valid; ) cursor.prev()
    })
    expect(backward).toBeLessThan(20)
    const { key } = many[7777]
    expect(readsOf(() => new TableCursor(reader, fetcher).seek(key, 0, key.length, 1e9))).toBe(1)
    expect(dataBlockCount).toBeGreaterThan(500)
  })
})
