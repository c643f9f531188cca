import { describe, expect, onTestFinished, test } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import type { FlushInput } from '../../src/compaction/flush-job.js'
import type { Job } from '../../src/env/executor.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import type { StallStatistics } from '../../src/store/commit/stall-gate.js'
import { WriteBatch } from '../../src/store/write-batch.js'
import { GatedExecutor } from './gated-executor.js'
import {
  checkFilled,
  fill,
  numbered,
  openFaulty,
  openText,
  type TextStore,
  TINY,
  textOf,
  until,
} from './stores.js'

function memtableBytes(store: TextStore): number {
  const { bytes, frozenBytes } = store.stats().memtable
  return bytes + frozenBytes
}

async function directoryBytes(fileSystem: MemoryFileSystem, suffix = ''): Promise<number> {
  let total = 0
  for (const name of await fileSystem.readdir('/store')) {
    if (name.endsWith(suffix)) total += (await fileSystem.stat(`/store/${name}`))?.sizeBytes ?? 0
  }
  return total
}

describe('back-pressure', () => {
  test('writers stop when memtables cannot be flushed, are told why, and go on by themselves', async () => {
    const executor = new GatedExecutor('flush')
    const store = await openText({ ...TINY, executor })
    onTestFinished(() => executor.release())
    const stalls: StallStatistics[] = []
    store.on('stall', (statistics) => stalls.push(statistics))
    executor.hold()
    let written = 0
    const writing = (async () => {
      for (; written < 500; written++) await store.set(numbered(written), textOf(numbered(written)))
    })()
    await until(() => store.stats().stalls.level === 'stop', 'a stop')
    const stoppedAt = written
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(written).toBe(stoppedAt)
    expect(store.stats().stalls).toMatchObject({ level: 'stop', reason: 'memtables', stops: 1 })
    expect(store.stats().memtable.frozen).toBeGreaterThan(0)
    expect(memtableBytes(store)).toBeLessThan(8 * TINY.memtableSize)
    expect(store.stats().stalls.stoppedMs).toBeGreaterThanOrEqual(9)
    // Reads go on.
    expect(await store.get(numbered(0))).toBe(textOf(numbered(0)))
    expect(await store.count()).toBe(stoppedAt)
    executor.release()
    await writing
    expect(store.stats().stalls.level).not.toBe('stop')
    expect(stalls[0]).toMatchObject({ level: 'stop', reason: 'memtables' })
    expect(stalls.some(({ level }) => level === 'none')).toBe(true)
    await checkFilled(store, 0, 500)
  })

  test('writers are slowed, then stopped, when compaction falls behind, and go on when it catches up', async () => {
    const executor = new GatedExecutor('compaction')
    const clock = new ManualClock()
    const store = await openText({ ...TINY, level0CompactionTrigger: 1, executor, clock })
    onTestFinished(() => executor.release())
    const levels: string[] = []
    store.on('stall', ({ level, reason }) => levels.push(`${level} ${reason}`))
    executor.hold()
    let written = 0
    const writing = (async () => {
      // Spread over all keys: tables that do not overlap would be moved without a merge.
      for (; written < 3000; written++) {
        const key = numbered((written * 7919) % 3000)
        await store.set(key, textOf(key))
      }
    })()
    for (let i = 0; i < 40_000 && store.stats().stalls.level !== 'stop'; i++) await clock.advanceInTurns(1)
    expect(store.stats().stalls).toMatchObject({ level: 'stop' })
    expect(levels[0]).toMatch(/^slow/)
    expect(levels.at(-1)).toMatch(/^stop (level0|compaction debt)/)
    const { slowedMs } = store.stats().stalls
    expect(slowedMs).toBeGreaterThan(0)
    const stoppedAt = written
    await clock.advanceInTurns(1000)
    expect(written).toBe(stoppedAt)
    executor.release()
    for (let i = 0; i < 40_000 && written < 3000; i++) await clock.advanceInTurns(1)
    await writing
    await checkFilled(store, 0, 3000)
  })

  describe('while level 0 is crowded and compacted', () => {
    /** A store whose compaction is held, with five tables and more in level 0; `write` goes on until there are so many frozen memtables. */
    async function openCrowded(executor = new GatedExecutor('compaction')) {
      const fileSystem = new MemoryFileSystem()
      const store = await openText({ ...TINY, executor, fileSystem })
      onTestFinished(() => executor.release())
      const keys = new Set<string>()
      let largest = 0
      let written = 0
      const put = async (): Promise<void> => {
        // Spread over all keys: tables that do not overlap would be moved without a merge.
        const key = numbered((written++ * 7919) % 3000)
        keys.add(key)
        await store.set(key, textOf(key))
        largest = Math.max(largest, store.stats().memtable.entries)
      }
      const write = async (frozen: number): Promise<void> => {
        while (store.stats().memtable.frozen !== frozen) await put()
      }
      const check = async (opened: TextStore): Promise<void> => {
        expect(await opened.keys().all()).toEqual([...keys].sort())
        for (const key of keys) expect(opened.getSync(key)).toBe(textOf(key))
      }
      executor.hold()
      while (store.stats().levels[0].tables < 5) await put()
      return { store, executor, fileSystem, write, put, keys, check, perMemtable: () => largest }
    }

    test('several memtables become one table', async () => {
      const { store, write, put, check, perMemtable } = await openCrowded()
      await write(3)
      const flushes: number[] = []
      store.on('flush', ({ entries }) => flushes.push(entries))
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(flushes).toEqual([])
      while (flushes.length < 3) await put()
      for (const entries of flushes) expect(entries).toBeGreaterThan(3 * perMemtable())
      await check(store)
    })

    test('whoever asks for a flush does not wait for more to come', async () => {
      const { store, write, check } = await openCrowded()
      await write(2)
      await store.flush()
      expect(store.stats().memtable).toMatchObject({ entries: 0, frozen: 0 })
      await check(store)
    })

    test('what was kept back is written when the compaction has ended, without anybody asking for it', async () => {
      const { store, executor, write, check } = await openCrowded()
      await write(2)
      executor.release()
      await until(() => store.stats().memtable.frozen === 0, 'a flush')
      await check(store)
    })

    test('what was kept back is there after a close, and gone after a clear', async () => {
      const { store, executor, fileSystem, write, keys, check } = await openCrowded()
      await write(3)
      const closing = store.close()
      executor.release()
      await closing
      const again = await openText({ ...TINY, executor, fileSystem })
      await check(again)
      keys.clear()
      executor.hold()
      for (let i = 0; again.stats().memtable.frozen < 2 && i < 2000; i++)
        await again.set(numbered(i), textOf(numbered(i)))
      await again.clear()
      await again.set('behind', 'x')
      executor.release()
      await again.flush()
      expect(await again.entries().all()).toEqual([['behind', 'x']])
    })

    test('on a disk that has room for one memtable they are written one by one', async () => {
      class FullDisk extends GatedExecutor {
        full = false
        readonly taken: number[] = []

        override async execute<Input, Output>(job: Job<Input, Output>, input: Input): Promise<Output> {
          if (job.name === 'flush') {
            const { length } = (input as FlushInput).memtables
            this.taken.push(length)
            if (this.full && length > 1) throw new VarveError('NO_SPACE', 'There is room for one.')
          }
          return super.execute(job, input)
        }
      }
      const executor = new FullDisk('compaction')
      const { store, write, check } = await openCrowded(executor)
      const errors: string[] = []
      store.on('error', ({ code }) => errors.push(code))
      await write(3)
      executor.full = true
      executor.taken.length = 0
      await expect(store.flush()).rejects.toMatchObject({ code: 'NO_SPACE' })
      await until(() => store.stats().memtable.frozen === 3, 'one that fits')
      executor.release()
      await until(() => store.stats().memtable.frozen === 0, 'the others')
      expect(executor.taken).toEqual([4, 1, 3, 1, 2, 1, 1])
      expect(errors).toEqual(['NO_SPACE', 'NO_SPACE', 'NO_SPACE'])
      await check(store)
    })
  })

  test('memtables that an entry has made larger stop writers by their bytes', async () => {
    const executor = new GatedExecutor('flush')
    const store = await openText({ ...TINY, executor })
    onTestFinished(() => executor.release())
    executor.hold()
    const large = 'x'.repeat(3 * TINY.memtableSize)
    let written = 0
    const writing = (async () => {
      for (; written < 20; written++) await store.set(numbered(written), large)
    })()
    await until(() => store.stats().stalls.level === 'stop', 'a stop')
    // Two hold the bytes of six that are not.
    expect(store.stats().memtable.frozen).toBe(2)
    executor.release()
    await writing
    for (let i = 0; i < 20; i++) expect(store.getSync(numbered(i))).toBe(large)
  })

  test('a write that is content with memory waits as the others do', async () => {
    const executor = new GatedExecutor('flush')
    const store = await openText({ ...TINY, executor, durability: 'memory' })
    onTestFinished(() => executor.release())
    executor.hold()
    let written = 0
    const writing = (async () => {
      for (; written < 500; written++) await store.set(numbered(written), textOf(numbered(written)))
    })()
    await until(() => store.stats().stalls.level === 'stop', 'a stop')
    expect(memtableBytes(store)).toBeLessThan(8 * TINY.memtableSize)
    executor.release()
    await writing
    await checkFilled(store, 0, 500)
  })
})

describe('durability', () => {
  test('each write waits for what it asked: memory for nothing, disk for the device, and they keep their order', async () => {
    const { store, faults } = await openFaulty({
      syncInterval: 0,
      memtableSize: 1 << 20,
      walSegmentSize: 1 << 20,
    })
    let writes = 0
    let syncs = 0
    faults.observe = ({ kind, path }) => {
      if (!path.endsWith('.wal')) return
      if (kind === 'write') writes++
      if (kind === 'sync') syncs++
    }
    await store.set('a', '1', { durability: 'memory' })
    expect([writes, syncs]).toEqual([0, 0])
    expect(await store.get('a')).toBe('1')
    await store.set('b', '2', { durability: 'os' })
    expect(writes).toBeGreaterThan(0)
    expect(syncs).toBe(0)
    await store.set('c', '3', { durability: 'disk' })
    expect(syncs).toBe(1)
    expect(store.stats().wal.syncedSequence).toBe(3)
    const mixed = [
      store.set('d', '4', { durability: 'disk' }),
      store.set('e', '5', { durability: 'memory' }),
      store.delete('d', { durability: 'os' }),
    ]
    await Promise.all(mixed)
    expect(await store.keys().all()).toEqual(['a', 'b', 'c', 'e'])
    const { syncedSequence } = store.stats().wal
    expect(syncedSequence).toBeGreaterThanOrEqual(4)
    await store.sync()
    expect(store.stats().wal.syncedSequence).toBe(store.stats().sequence)
  })

  test('many disk writes of one turn share a sync', async () => {
    const { store, faults } = await openFaulty({
      syncInterval: 0,
      memtableSize: 1 << 20,
      walSegmentSize: 1 << 20,
    })
    let syncs = 0
    faults.observe = ({ kind, path }) => {
      if (kind === 'sync' && path.endsWith('.wal')) syncs++
    }
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => store.set(numbered(i), 'x', { durability: 'disk' })),
    )
    expect(syncs).toBeLessThanOrEqual(2)
    expect(syncs).toBeGreaterThan(0)
  })

  test('syncInterval brings the log to the device by itself; 0 never does', async () => {
    for (const syncInterval of [100, 0]) {
      const clock = new ManualClock()
      const { store } = await openFaulty({ clock, syncInterval })
      await store.set('a', '1', { durability: 'memory' })
      // A write that is content with memory is logged in the next turn, which a timer of a busy machine may come before.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      for (let i = 0; i < 3; i++) await clock.advanceInTurns(60)
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(store.stats().wal.syncedSequence, `${syncInterval}`).toBe(syncInterval === 0 ? 0 : 1)
    }
  })
})

describe('stats', () => {
  test('count what can be counted', async () => {
    const { store } = await openFaulty({ memtableSize: 1 << 20, walSegmentSize: 1 << 20 })
    await fill(store, 0, 100)
    await store.delete(numbered(0))
    await store.applyBatch(new WriteBatch<string, string>().set('a', 'x').delete('a').delete('b'))
    await store.get(numbered(1))
    store.getSync('never')
    await store.getMany([numbered(2), 'never'])
    await store.exists(numbered(3))
    await store.getEntry(numbered(3))
    expect(store.stats()).toMatchObject({
      sequence: 104,
      sets: 101,
      deletes: 3,
      gets: 6,
      hits: 4,
      misses: 2,
      memtable: { entries: 104, frozen: 0, frozenBytes: 0 },
      wal: { segments: 1 },
      flush: { count: 0 },
      compaction: { count: 0, bytesRead: 0, bytesWritten: 0 },
      stalls: { level: 'none', stops: 0, stoppedMs: 0, slowedMs: 0 },
    })
    await store.flush()
    const flushed = store.stats()
    expect(flushed.memtable.entries).toBe(0)
    expect(flushed.flush.count).toBe(1)
    expect(flushed.levels[0]).toMatchObject({ level: 0, tables: 1 })
    expect(flushed.levels[0].bytes).toBe(flushed.flush.bytesWritten)
    expect(flushed.levels[0].entries).toBe(102)
  })

  test('tell the truth of the files', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    await fill(store, 0, 1000)
    await store.compact()
    const stats = store.stats()
    const bytes = stats.levels.reduce((sum, level) => sum + level.bytes, 0)
    expect(bytes).toBe(await directoryBytes(fileSystem, '.sst'))
    expect(stats.levels.reduce((sum, level) => sum + level.entries, 0)).toBe(1000)
    expect(stats.levels.reduce((sum, level) => sum + level.tables, 0)).toBe(
      (await fileSystem.readdir('/store')).filter((name) => name.endsWith('.sst')).length,
    )
    expect(stats.compaction.count).toBeGreaterThan(0)
    expect(stats.compaction.debtBytes).toBe(0)
    expect(stats.cache.bytes).toBeLessThanOrEqual(stats.cache.capacityBytes)
    await checkFilled(store, 0, 1000)
    expect(store.stats().cache.bytes).toBeLessThanOrEqual(TINY.cacheSize)
    expect(store.stats().cache.misses).toBeGreaterThan(0)
    expect(store.stats().tables.open).toBeGreaterThan(0)
    expect(store.stats().filter.probes).toBeGreaterThanOrEqual(1000)
    for (let i = 0; i < 1000; i++) await store.get(`${numbered(i)}?`)
    const { probes, negatives, falsePositives } = store.stats().filter
    expect(negatives + falsePositives).toBeLessThanOrEqual(probes)
    expect(falsePositives).toBeLessThan(60)
  })

  test('are plain data', async () => {
    const store = await openText()
    expect(structuredClone(store.stats())).toEqual(store.stats())
  })

  test('flush and compaction are told as events, with their figures', async () => {
    const store = await openText({ ...TINY, memtableSize: 1 << 20 })
    const flushes: unknown[] = []
    const compactions: unknown[] = []
    const onFlush = (event: unknown): void => {
      flushes.push(event)
    }
    store.on('flush', onFlush).on('compaction', (event) => compactions.push(event))
    await fill(store, 0, 50)
    await store.flush()
    expect(flushes).toEqual([
      {
        table: expect.any(Number),
        entries: 50,
        sizeBytes: store.stats().levels[0].bytes,
        durationMs: expect.any(Number),
      },
    ])
    store.off('flush', onFlush)
    await fill(store, 0, 50)
    await store.compact()
    expect(flushes).toHaveLength(1)
    expect(compactions[0]).toMatchObject({ level: 0, inputTables: 2, reason: expect.any(String) })
  })
})

describe('space', () => {
  test('comes back after everything was deleted and compacted', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    await fill(store, 0, 2000)
    await store.compact()
    expect(await directoryBytes(fileSystem)).toBeGreaterThan(150_000)
    for (let i = 0; i < 2000; i++) void store.delete(numbered(i))
    await store.compact()
    await until(() => store.stats().stalls.level === 'none', 'rest')
    expect(store.stats().levels.every(({ tables }) => tables === 0)).toBe(true)
    expect(await directoryBytes(fileSystem, '.sst')).toBe(0)
    expect(await store.count()).toBe(0)
    await store.close()
    const again = await openText({ ...TINY, fileSystem })
    expect(await directoryBytes(fileSystem)).toBeLessThan(20_000)
    expect(await again.count()).toBe(0)
  })

  test('does not grow with overwrites', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    for (let round = 0; round < 20; round++) await fill(store, 0, 200)
    await store.compact()
    expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(200)
    expect(await directoryBytes(fileSystem, '.sst')).toBeLessThan(45_000)
    await checkFilled(store, 0, 200)
  })

  test('of expired entries comes back too', async () => {
    const clock = new ManualClock()
    const store = await openText({ ...TINY, clock, syncInterval: 0 })
    const batch = new WriteBatch<string, string>()
    for (let i = 0; i < 500; i++) batch.set(numbered(i), textOf(numbered(i)), { ttl: 100 })
    await store.applyBatch(batch)
    await store.flush()
    clock.advance(100)
    await store.compact()
    expect(store.stats().levels.every(({ tables }) => tables === 0)).toBe(true)
  })

  test('that a view still sees is kept, and given back when it closes', async () => {
    const store = await openText({ ...TINY })
    await fill(store, 0, 300)
    const view = store.view()
    for (let i = 0; i < 300; i++) await store.delete(numbered(i))
    await store.compact()
    expect(await store.count()).toBe(0)
    expect(await view.count()).toBe(300)
    view.close()
    view.close()
    await store.compact()
    expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(0)
  })

  test('the log goes when its entries are in tables', async () => {
    const store = await openText({ ...TINY })
    await fill(store, 0, 1000)
    await store.flush()
    await until(() => store.stats().wal.bytes < 3 * TINY.walSegmentSize, 'the log to shrink')
    expect(store.stats().wal.segments).toBeLessThanOrEqual(3)
  })
})

describe('compact', () => {
  test('of a range leaves the rest alone', async () => {
    const store = await openText({ ...TINY, level0CompactionTrigger: 64, memtableSize: 1 << 20 })
    await fill(store, 0, 100)
    await store.flush()
    await fill(store, 500, 600)
    await store.flush()
    await store.compact({ lt: numbered(200) })
    const [level0] = store.stats().levels
    expect(level0.tables).toBe(1)
    await store.compact({ gte: 'x', lt: 'a' })
    expect(store.stats().levels[0].tables).toBe(1)
    await store.compact()
    expect(store.stats().levels[0].tables).toBe(0)
    expect(await store.count()).toBe(200)
  })

  test('of an empty store is nothing, and several at once all end', async () => {
    const store = await openText(TINY)
    await store.compact()
    await fill(store, 0, 300)
    await Promise.all([store.compact(), store.compact({ prefix: 'key0000' }), store.flush(), store.compact()])
    await checkFilled(store, 0, 300)
  })
})
