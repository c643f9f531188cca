import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareKeys } from '../../src/base/bytes.js'
import { isTombstone, Kind } from '../../src/base/entry.js'
import { BlockCache } from '../../src/cache/block-cache.js'
import { type CompactionInput, runCompaction } from '../../src/compaction/compaction-job.js'
import { runFlush } from '../../src/compaction/flush-job.js'
import { jobsOn, jobTable } from '../../src/compaction/jobs.js'
import { type TableSettings, tablePath } from '../../src/compaction/table-writer.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { ArenaPool } from '../../src/memtable/arena.js'
import { Memtable } from '../../src/memtable/memtable.js'
import { BlockFetcher } from '../../src/sstable/block-fetcher.js'
import { TableCache } from '../../src/sstable/table-cache.js'
import { TableCursor } from '../../src/sstable/table-cursor.js'
import type { TableMetadata } from '../../src/version/table-metadata.js'
import { compareEntries, type Entry, entry, lineAt, lineOf, runsArbitrary } from '../iterator/runs.js'

const TABLES: TableSettings = {
  directory: '/store',
  databaseId: Uint8Array.from({ length: 16 }, (_, i) => i),
  blockSize: 256,
  compression: 'none',
  filterBitsPerKey: 10,
}

/** A file system with the store's directory, and how often a job has paused. */
async function makePlace(): Promise<{
  faults: FaultFileSystem
  memory: MemoryFileSystem
  environment: Parameters<typeof runFlush>[0]
  pauses: () => number
}> {
  const memory = new MemoryFileSystem()
  await memory.mkdir('/store')
  const faults = new FaultFileSystem(memory)
  let pauses = 0
  const pause = async (): Promise<void> => {
    pauses++
  }
  return { faults, memory, environment: { fileSystem: faults, pause }, pauses: () => pauses }
}

function memtableOf(entries: readonly Entry[]): Memtable {
  const payload = entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  const memtable = Memtable.create(new ArenaPool(0), 4, Memtable.bytesNeeded(entries.length, payload))
  for (const { key, sequence, kind, value } of [...entries].sort((a, b) => a.sequence - b.sequence)) {
    memtable.insert(key, 0, key.length, sequence, kind, value, 0, value.length)
  }
  memtable.freeze()
  return memtable
}

/** Writes a run as one table, with nothing dropped. */
async function writeTable(
  environment: Parameters<typeof runFlush>[0],
  entries: readonly Entry[],
  number: number,
): Promise<TableMetadata> {
  const pinned = entries.map(({ sequence }) => sequence).sort((a, b) => a - b)
  const { table } = await runFlush(environment, {
    tables: TABLES,
    memtables: [memtableOf(entries).image],
    tableNumber: number,
    pinned,
    now: -1,
    createdAt: 0,
  })
  if (table === undefined) throw new Error('a table was expected')
  return table
}

/** The entries of a table, through a table cache of its own. */
function readTable(memory: MemoryFileSystem, table: TableMetadata): string[] {
  const cache = new TableCache({
    fileSystem: memory,
    databaseId: TABLES.databaseId,
    pathOf: (number) => tablePath(TABLES.directory, number),
    maxOpenFiles: 1,
    blockCache: new BlockCache(0),
  })
  const fetcher = new BlockFetcher(cache, { blocking: true })
  const cursor = new TableCursor(fetcher.table(table.number, table.sizeBytes), fetcher)
  const lines: string[] = []
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) lines.push(lineAt(cursor))
  cache.close()
  return lines
}

function compactionOf(
  runs: readonly (readonly TableMetadata[])[],
  changes: Partial<CompactionInput> = {},
): CompactionInput {
  return {
    tables: TABLES,
    runs,
    tableNumbers: Array.from({ length: 50 }, (_, i) => 100 + i),
    targetFileSize: 1 << 20,
    grandparents: [],
    maxGrandparentBytes: Number.POSITIVE_INFINITY,
    pinned: [],
    bottommost: true,
    now: 0,
    createdAt: 0,
    cancel: new Int32Array(new SharedArrayBuffer(4)),
    ...changes,
  }
}

function numbered(from: number, to: number, sequence: number, valueLength = 60): Entry[] {
  return Array.from({ length: to - from }, (_, i) => ({
    ...entry(Buffer.from(`key${String(from + i).padStart(5, '0')}`), sequence + i, Kind.put),
    value: new Uint8Array(valueLength).fill(i),
  }))
}

describe('flush', () => {
  test('writes what a memtable holds as one table that reads back, with its metadata', async () => {
    await fc.assert(
      fc.asyncProperty(runsArbitrary(60, 1), fc.array(fc.nat(60), { maxLength: 3 }), async ([run], pins) => {
        const { memory, environment } = await makePlace()
        const pinned = [...new Set(pins)].sort((a, b) => a - b)
        const { table } = await runFlush(environment, {
          tables: TABLES,
          memtables: [memtableOf(run).image],
          tableNumber: 7,
          pinned,
          now: -1,
          createdAt: 0,
        })
        const names = await memory.readdir('/store')
        if (run.length === 0) {
          expect(table).toBeUndefined()
          expect(names).toEqual([])
          return
        }
        expect(names).toEqual(['000007.sst'])
        if (table === undefined) throw new Error('a table was expected')
        // Of versions that no pin tells apart the newest is kept.
        const stripe = ({ sequence }: Entry): number => pinned.filter((pin) => pin < sequence).length
        const kept = run.filter(
          (one, i) =>
            i === 0 || compareKeys(run[i - 1].key, one.key) !== 0 || stripe(run[i - 1]) !== stripe(one),
        )
        expect(readTable(memory, table)).toEqual(kept.map(lineOf))
        expect(table).toMatchObject({
          number: 7,
          sizeBytes: (await memory.stat('/store/000007.sst'))?.sizeBytes,
          entryCount: kept.length,
          tombstoneCount: kept.filter(({ kind }) => isTombstone(kind)).length,
          smallestSequence: Math.min(...kept.map(({ sequence }) => sequence)),
          largestSequence: Math.max(...kept.map(({ sequence }) => sequence)),
          rawKeyBytes: kept.reduce((sum, { key }) => sum + key.length, 0),
        })
        expect(compareKeys(table.smallest, kept[0].key)).toBe(0)
        expect(compareKeys(table.largest, kept[kept.length - 1].key)).toBe(0)
        expect(table.earliestExpiry).toBe(Math.min(...kept.map(({ expiresAt }) => expiresAt)))
        expect(memory.openCount).toBe(0)
      }),
      { numRuns: 100 },
    )
  })

  test('its table is durable when it resolves: bytes and name survive a power loss', async () => {
    const { memory, environment } = await makePlace()
    await memory.syncDir('/')
    const table = await writeTable(environment, numbered(0, 100, 1), 1)
    const after = memory.crash('nothing', Math.random)
    expect(readTable(after, table)).toEqual(numbered(0, 100, 1).map(lineOf))
  })

  test('a table that reads back as another one is refused and taken back', async () => {
    const { faults, memory, environment } = await makePlace()
    const table = await writeTable(environment, numbered(0, 100, 1), 1)
    for (const offset of [table.sizeBytes - 1, table.sizeBytes - 20]) {
      faults.flipBit(/000002\.sst$/, offset, 2)
      await expect(writeTable(environment, numbered(0, 100, 1), 2)).rejects.toMatchObject({
        code: expect.stringMatching(/CORRUPTION|UNSUPPORTED_FORMAT/),
      })
      faults.heal()
      expect(await memory.readdir('/store')).toEqual(['000001.sst'])
    }
  })
})

describe('compaction', () => {
  test('merges any number of runs into the one sorted run that they are', async () => {
    await fc.assert(
      fc.asyncProperty(runsArbitrary(60, 6), async (runs) => {
        const { memory, environment } = await makePlace()
        const tables: TableMetadata[][] = []
        for (const [i, run] of runs.entries())
          if (run.length > 0) tables.push([await writeTable(environment, run, i + 1)])
        if (tables.length === 0) return
        // Everything is pinned, so nothing may go.
        const pinned = runs
          .flat()
          .map(({ sequence }) => sequence)
          .sort((a, b) => a - b)
        const output = await runCompaction(
          environment,
          compactionOf(tables, { pinned, bottommost: false, now: -1, targetFileSize: 300 }),
        )
        expect(output.inputEntries).toBe(runs.flat().length)
        expect(output.tables.flatMap((table) => readTable(memory, table))).toEqual(
          runs.flat().sort(compareEntries).map(lineOf),
        )
        for (const [i, table] of output.tables.entries()) {
          expect(table.number).toBe(100 + i)
          // A user key is in one table, with all its versions.
          if (i > 0) expect(compareKeys(output.tables[i - 1].largest, table.smallest)).toBeLessThan(0)
        }
        expect(memory.openCount).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  test('a level of several tables is one run', async () => {
    const { memory, environment } = await makePlace()
    const level = [
      await writeTable(environment, numbered(0, 50, 1), 1),
      await writeTable(environment, numbered(50, 100, 51), 2),
      await writeTable(environment, numbered(100, 150, 101), 3),
    ]
    const above = await writeTable(environment, numbered(40, 60, 1000), 4)
    const { tables } = await runCompaction(environment, compactionOf([[above], level]))
    const expected = [
      ...numbered(0, 40, 1),
      ...numbered(40, 60, 1000),
      ...numbered(60, 100, 61).map((one, i) => ({ ...one, value: new Uint8Array(60).fill(10 + i) })),
      ...numbered(100, 150, 101),
    ]
    expect(tables.flatMap((table) => readTable(memory, table))).toEqual(expected.map(lineOf))
  })

  test('ends a table at the first new user key behind the target size', async () => {
    const { environment } = await makePlace()
    const input = await writeTable(environment, numbered(0, 1000, 1), 1)
    const { tables } = await runCompaction(environment, compactionOf([[input]], { targetFileSize: 8000 }))
    expect(tables.length).toBeGreaterThan(7)
    for (const table of tables.slice(0, -1)) {
      expect(table.sizeBytes).toBeGreaterThanOrEqual(8000)
      expect(table.sizeBytes).toBeLessThan(8000 + 1500)
    }
  })

  test('versions of one key stay together, however many they are', async () => {
    const { environment } = await makePlace()
    const key = Buffer.from('many')
    const entries = Array.from({ length: 500 }, (_, i) => ({
      ...entry(key, 500 - i, Kind.put),
      value: new Uint8Array(50),
    }))
    const input = await writeTable(environment, entries, 1)
    const pinned = Array.from({ length: 500 }, (_, i) => i + 1)
    const { tables } = await runCompaction(
      environment,
      compactionOf([[input]], { targetFileSize: 1000, pinned }),
    )
    expect(tables.map(({ entryCount }) => entryCount)).toEqual([500])
  })

  test('ends a table before it overlaps too much of the level below', async () => {
    const { environment } = await makePlace()
    const input = await writeTable(environment, numbered(0, 100, 1), 1)
    const grandparents: TableMetadata[] = []
    for (let i = 0; i < 10; i++)
      grandparents.push({
        ...(await writeTable(environment, numbered(i * 10, i * 10 + 10, 1), 10 + i)),
        sizeBytes: 1000,
      })
    const { tables } = await runCompaction(
      environment,
      compactionOf([[input]], { grandparents, maxGrandparentBytes: 2500 }),
    )
    expect(tables.length).toBeGreaterThanOrEqual(3)
    for (const table of tables) {
      const overlapped = grandparents.filter(
        ({ smallest, largest }) =>
          compareKeys(largest, table.smallest) >= 0 && compareKeys(smallest, table.largest) <= 0,
      )
      expect(overlapped.length).toBeLessThanOrEqual(4)
    }
  })

  test('when numbers run out, the last table takes the rest', async () => {
    const { memory, environment } = await makePlace()
    const input = await writeTable(environment, numbered(0, 500, 1), 1)
    const { tables } = await runCompaction(
      environment,
      compactionOf([[input]], { targetFileSize: 2000, tableNumbers: [100, 101] }),
    )
    expect(tables.map(({ number }) => number)).toEqual([100, 101])
    expect(tables.flatMap((table) => readTable(memory, table))).toHaveLength(500)
  })

  test('that leaves nothing writes nothing', async () => {
    const { memory, environment } = await makePlace()
    const dead = numbered(0, 50, 1).map((one) => ({ ...one, kind: Kind.delete, value: new Uint8Array(0) }))
    const input = await writeTable(environment, dead, 1)
    expect(await runCompaction(environment, compactionOf([[input]]))).toEqual({
      tables: [],
      inputEntries: 50,
    })
    expect(await memory.readdir('/store')).toEqual(['000001.sst'])
  })

  test('lets others run now and then, and ends when it is called off, without a trace', async () => {
    const { memory, environment, pauses } = await makePlace()
    const input = await writeTable(environment, numbered(0, 10_000, 1, 200), 1)
    const quiet = compactionOf([[input]])
    await runCompaction(environment, quiet)
    expect(pauses()).toBeGreaterThan(3)
    for (const name of await memory.readdir('/store'))
      if (name !== '000001.sst') await memory.unlink(`/store/${name}`)
    const cancel = new Int32Array(new SharedArrayBuffer(4))
    let left = 2
    const pause = async (): Promise<void> => {
      if (--left === 0) Atomics.store(cancel, 0, 1)
    }
    const calledOff = runCompaction(
      { ...environment, pause },
      compactionOf([[input]], { cancel, targetFileSize: 300_000 }),
    )
    await expect(calledOff).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await memory.readdir('/store')).toEqual(['000001.sst'])
    expect(memory.openCount).toBe(0)
  })

  test('that fails in any operation leaves no new table, no open file, and a typed error', async () => {
    const inputs = async (): Promise<Awaited<ReturnType<typeof makePlace>> & { input: CompactionInput }> => {
      const place = await makePlace()
      const runs = [
        [await writeTable(place.environment, numbered(0, 200, 1), 1)],
        [await writeTable(place.environment, numbered(100, 300, 500), 2)],
      ]
      return { ...place, input: compactionOf(runs, { targetFileSize: 4000 }) }
    }
    const counting = await inputs()
    const before = counting.faults.operations
    await runCompaction(counting.environment, counting.input)
    const operations = counting.faults.operations - before
    expect(operations).toBeGreaterThan(50)
    let failures = 0
    for (let after = 0; after < operations; after++) {
      const { faults, memory, environment, input } = await inputs()
      const fault = faults.fail({ after, errno: after % 2 === 0 ? 'EIO' : 'ENOSPC' })
      const error = await runCompaction(environment, input).then(
        () => undefined,
        (caught) => caught,
      )
      expect(fault.struck).toBe(1)
      expect(memory.openCount, `operation ${after}`).toBe(0)
      // A close that fails behind a read is of no account.
      if (error === undefined) continue
      failures++
      expect(error, `operation ${after}`).toMatchObject({
        name: 'VarveError',
        code: after % 2 === 0 ? 'IO_ERROR' : 'NO_SPACE',
      })
      expect((await memory.readdir('/store')).sort(), `operation ${after}`).toEqual([
        '000001.sst',
        '000002.sst',
      ])
    }
    expect(failures).toBeGreaterThan(20)
  })

  test('a damaged input is CORRUPTION that names file and offset', async () => {
    const { faults, memory, environment } = await makePlace()
    const input = await writeTable(environment, numbered(0, 200, 1), 1)
    faults.flipBit(/000001\.sst$/, 1000, 4)
    await expect(runCompaction(environment, compactionOf([[input]]))).rejects.toMatchObject({
      code: 'CORRUPTION',
      path: '/store/000001.sst',
      offset: expect.any(Number),
    })
    expect(await memory.readdir('/store')).toEqual(['000001.sst'])
  })
})

test('a job description can be cloned, as it must be for a thread, and the thread knows the jobs by their names', async () => {
  const { memory, environment } = await makePlace()
  const input = await writeTable(environment, numbered(0, 50, 1), 1)
  const jobs = jobsOn(environment)
  const table = jobTable(environment)
  expect([...table.keys()].sort()).toEqual([jobs.compaction.name, jobs.flush.name].sort())
  const description = compactionOf([[input]])
  const { cancel, ...plain } = description
  const output = await table.get('compaction')?.({ ...structuredClone(plain), cancel } as never)
  expect(structuredClone(output)).toEqual(output)
  expect(readTable(memory, (output as { tables: TableMetadata[] }).tables[0])).toHaveLength(50)
})
