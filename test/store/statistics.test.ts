/** What `stats()` tells is true: everything is counted beside the store and compared. */
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { prometheusText } from '../../src/store/statistics/prometheus.js'
import type { StoreStatistics } from '../../src/store/statistics/statistics.js'
import { WriteBatch } from '../../src/store/write-batch.js'
import { codeOf, fill, numbered, openFaulty, openText, type TextStore, TINY, textOf } from './stores.js'

/** A store whose keys 0 to 99 are in tables, 100 to 109 in memory; it answers some reads from the disk. */
async function openFilled(options: Parameters<typeof openText>[0] = {}): Promise<TextStore> {
  const store = await openText({ ...TINY, ...options })
  await fill(store, 0, 100)
  await store.compact()
  await fill(store, 100, 110)
  return store
}

/** What `work` adds to the counters. */
async function added(
  store: TextStore,
  work: () => unknown,
): Promise<Pick<StoreStatistics, 'gets' | 'hits' | 'misses' | 'sets' | 'deletes'>> {
  const before = store.stats()
  await work()
  const after = store.stats()
  const more = (name: 'gets' | 'hits' | 'misses' | 'sets' | 'deletes') => after[name] - before[name]
  return {
    gets: more('gets'),
    hits: more('hits'),
    misses: more('misses'),
    sets: more('sets'),
    deletes: more('deletes'),
  }
}

const inTable = numbered(5)
const inMemory = numbered(105)
const absent = 'nowhere'
const keys = [inTable, absent, inMemory, inTable]

describe('point reads', () => {
  const READS: [string, (store: TextStore) => unknown, number, number][] = [
    ['get', async (s) => [await s.get(inTable), await s.get(inMemory), await s.get(absent)], 2, 1],
    ['getSync', (s) => [s.getSync(inTable), s.getSync(inMemory), s.getSync(absent)], 2, 1],
    ['getMany', (s) => s.getMany(keys), 3, 1],
    ['getManySync', (s) => s.getManySync(keys), 3, 1],
    ['exists', async (s) => [await s.exists(inTable), await s.exists(absent)], 1, 1],
    ['existsSync', (s) => [s.existsSync(inMemory), s.existsSync(absent)], 1, 1],
    ['getEntry', async (s) => [await s.getEntry(inTable), await s.getEntry(absent)], 1, 1],
    ['ttl', async (s) => [await s.ttl(inTable), await s.ttl(absent)], 1, 1],
    ['a view', async (s) => [await s.view().get(inTable), await s.view().getMany(keys)], 4, 1],
    [
      'a transaction',
      (s) => s.transaction(async (tx) => [await tx.getMany(keys), await tx.exists(inTable)]),
      4,
      1,
    ],
    [
      'a transaction, of what it has written',
      (s) =>
        s.transaction((tx) => {
          tx.set(inTable, 'mine')
          return tx.get(inTable)
        }),
      0,
      0,
    ],
    ['an iterator', (s) => s.entries().all(), 0, 0],
    ['count', (s) => s.count(), 0, 0],
    ['setNX', (s) => s.setNX(inTable, 'x'), 0, 0],
    ['delete', (s) => s.delete(inTable), 0, 0],
  ]

  test.each(READS)('%s: each key is counted once, as hit or miss', async (_name, read, hits, misses) => {
    const store = await openFilled()
    expect(await added(store, () => read(store))).toMatchObject({ gets: hits + misses, hits, misses })
    // Again, with whatever is in the cache now.
    expect(await added(store, () => store.getMany(keys))).toMatchObject({
      gets: 4,
      misses: expect.any(Number),
    })
    const { gets, hitRate } = store.stats()
    expect(hitRate).toBeCloseTo(store.stats().hits / gets, 10)
  })

  test('what has expired, was deleted or cleared is a miss; what a restore brings back is a hit', async () => {
    const clock = new ManualClock()
    const store = await openFilled({ clock, cleanupInterval: 0 })
    const { id } = await store.snapshot()
    await store.set('short', 'lived', { ttl: 10 })
    await clock.advance(10)
    expect(await added(store, () => store.get('short'))).toMatchObject({ hits: 0, misses: 1 })
    await store.delete(inTable)
    expect(await added(store, () => store.get(inTable))).toMatchObject({ hits: 0, misses: 1 })
    await store.clear()
    expect(await added(store, () => store.getMany(keys))).toMatchObject({ hits: 0, misses: 4 })
    await store.restoreSnapshot(id)
    expect(await added(store, () => store.getMany(keys))).toMatchObject({ hits: 3, misses: 1 })
  })

  test('begin at 0 when the store is opened, and then there is no rate', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openFilled({ fileSystem })
    await store.getMany(keys)
    await store.close()
    const again = await openText({ ...TINY, fileSystem })
    expect(again.stats()).toMatchObject({
      gets: 0,
      hits: 0,
      misses: 0,
      hitRate: 0,
      sets: 0,
      deletes: 0,
      expired: 0,
    })
    await again.getMany(keys)
    expect(again.stats()).toMatchObject({ gets: 4, hits: 3, misses: 1, hitRate: 0.75 })
  })
})

describe('writes', () => {
  const WRITES: [string, (store: TextStore) => unknown, number, number][] = [
    ['set', (s) => s.set('a', '1'), 1, 0],
    ['set with a ttl', (s) => s.set('a', '1', { ttl: 1000 }), 1, 0],
    ['delete', (s) => s.delete(inTable), 0, 1],
    ['delete of nothing', (s) => s.delete(absent), 0, 1],
    ['setNX', (s) => s.setNX('a', '1'), 1, 0],
    ['setNX in vain', (s) => s.setNX(inTable, '1'), 0, 0],
    ['update', (s) => s.update(inTable, () => 'x'), 1, 0],
    ['update that removes', (s) => s.update(inTable, () => undefined), 0, 1],
    ['update of nothing to nothing', (s) => s.update(absent, () => undefined), 0, 0],
    ['increment', (s) => s.increment('n'), 1, 0],
    ['compareAndSet', (s) => s.compareAndSet(inTable, textOf(inTable), 'x'), 1, 0],
    ['compareAndSet in vain', (s) => s.compareAndSet(inTable, 'other', 'x'), 0, 0],
    ['compareAndSet that removes', (s) => s.compareAndSet(inTable, textOf(inTable), undefined), 0, 1],
    ['expire', (s) => s.expire(inTable, 1000), 1, 0],
    ['persist in vain', (s) => s.persist(inTable), 0, 0],
    ['a batch', (s) => s.applyBatch(new WriteBatch().set('a', '1').set('b', '2').delete('a')), 2, 1],
    [
      'a batch that is refused',
      (s) => codeOf(() => s.applyBatch(new WriteBatch().set('a', '1').set('b', 5))),
      0,
      0,
    ],
    [
      'a transaction',
      (s) =>
        s.transaction((tx) => {
          tx.set('a', '1')
          tx.set('a', '2')
          tx.set('b', '2')
          tx.delete(inTable)
        }),
      2,
      1,
    ],
    [
      'a transaction that is rolled back',
      (s) =>
        s
          .transaction((tx) => {
            tx.set('a', '1')
            throw new Error('no')
          })
          .catch(() => undefined),
      0,
      0,
    ],
    ['clear of a range', (s) => s.clear({ lt: numbered(7) }), 0, 7],
    ['clear', (s) => s.clear(), 0, 0],
  ]

  test.each(WRITES)('%s: what was applied is counted', async (_name, write, sets, deletes) => {
    const store = await openFilled()
    expect(await added(store, () => write(store))).toMatchObject({ sets, deletes })
  })

  test('that failed are not counted', async () => {
    const { store, faults } = await openFaulty({ durability: 'os' })
    await store.set('a', '1')
    faults.fail({ kind: 'write', path: /\.wal$/, errno: 'ENOSPC' })
    expect(await codeOf(() => store.set('b', '2'))).toBeDefined()
    expect(store.stats()).toMatchObject({ sets: 1, deletes: 0 })
  })

  test('that the store makes by itself count as what they are', async () => {
    const clock = new ManualClock()
    const store = await openText({ clock, maxEntries: 2, evictionPolicy: 'lru', cleanupInterval: 10 })
    await store.set('a', '1', { ttl: 5 })
    await store.set('b', '2')
    await clock.advanceInTurns(20)
    expect(store.stats()).toMatchObject({ expired: 1, evicted: 0, sets: 2, deletes: 0, entries: 1, bytes: 2 })
    await store.set('c', '3')
    await store.set('d', '4')
    expect(store.stats()).toMatchObject({ expired: 1, evicted: 1, sets: 4, deletes: 0, entries: 2, bytes: 4 })
  })
})

describe('the shape of the store', () => {
  test('entries and bytes: exact when nothing was overwritten, high by what compaction has not removed yet', async () => {
    const store = await openFilled()
    expect(store.stats()).toMatchObject({ entries: 110, bytes: await store.size() })
    for (let i = 0; i < 10; i++) await store.set(inTable, 'again')
    expect(store.stats().entries).toBe(120)
    await store.compact()
    expect(store.stats()).toMatchObject({ entries: 110, bytes: await store.size() })
    await store.clear()
    expect(store.stats()).toMatchObject({ entries: 0, bytes: 0 })
  })

  test('what has no entries has no bytes, though the tombstones are there still', async () => {
    const store = await openText(TINY)
    await store.set('a', '1')
    await store.delete('a')
    expect(store.stats()).toMatchObject({ entries: 0, bytes: 0 })
  })

  test('levels, memtable and log are those on the disk', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openFilled({ fileSystem })
    const { levels, memtable, wal, sequence } = store.stats()
    const size = async (suffix: string) => {
      const names = (await fileSystem.readdir('/store')).filter((name) => name.endsWith(suffix))
      const sizes = await Promise.all(
        names.map(async (name) => (await fileSystem.stat(`/store/${name}`))?.sizeBytes),
      )
      return { count: names.length, bytes: sizes.reduce((sum: number, bytes) => sum + (bytes ?? 0), 0) }
    }
    const sum = (name: 'tables' | 'bytes' | 'entries') =>
      levels.reduce((total, level) => total + level[name], 0)
    expect({ count: sum('tables'), bytes: sum('bytes') }).toEqual(await size('.sst'))
    expect(sum('entries')).toBe(100)
    expect(memtable).toMatchObject({ entries: 10, frozen: 0, frozenBytes: 0 })
    expect(memtable.bytes).toBeGreaterThan(1000)
    expect(wal.segments).toBe((await size('.wal')).count)
    expect(wal.bytes).toBeLessThanOrEqual((await size('.wal')).bytes)
    expect(wal.bytes).toBeGreaterThan(1000)
    expect(sequence).toBe(110)
    await store.sync()
    expect(store.stats().wal.syncedSequence).toBe(110)
  })

  test('flush, compaction and write amplification are the sum of their events', async () => {
    const store = await openText(TINY)
    const flushed: number[] = []
    const compacted: { bytesRead: number; bytesWritten: number }[] = []
    store.on('flush', ({ sizeBytes }) => flushed.push(sizeBytes))
    store.on('compaction', (event) => compacted.push(event))
    for (let round = 0; round < 3; round++) await fill(store, 0, 100)
    await store.compact()
    const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
    const { flush, compaction, amplification, levels } = store.stats()
    expect(flush).toEqual({ count: flushed.length, bytesWritten: sum(flushed) })
    expect(compaction).toMatchObject({
      count: compacted.length,
      bytesRead: sum(compacted.map(({ bytesRead }) => bytesRead)),
      bytesWritten: sum(compacted.map(({ bytesWritten }) => bytesWritten)),
      debtBytes: 0,
    })
    const written = 300 * (numbered(0).length + 100)
    const logged = amplification.write * written - flush.bytesWritten - compaction.bytesWritten
    expect(logged).toBeGreaterThan(written)
    expect(logged).toBeLessThan(1.5 * written)
    const bytes = levels.map((level) => level.bytes)
    expect(amplification.space).toBeCloseTo(sum(bytes) / (bytes.findLast((of) => of > 0) ?? 0), 10)
  })

  test('write amplification counts the records of the log, and nothing else while nothing is flushed', async () => {
    const store = await openText()
    const before = store.stats().wal.bytes
    await fill(store, 0, 100)
    const { wal, amplification } = store.stats()
    expect(amplification.write * 100 * (numbered(0).length + 100)).toBeCloseTo(wal.bytes - before, 5)
    const memory = await openText({ persistence: 'none', path: '/memory' })
    await fill(memory, 0, 100)
    expect(memory.stats().amplification.write).toBe(0)
  })

  test('cache and filters count what was asked of them; read amplification is tables for each lookup', async () => {
    const store = await openText({ ...TINY, cacheSize: 1 << 20 })
    await fill(store, 0, 100)
    await store.compact()
    const before = store.stats()
    await store.get(inTable)
    const first = store.stats()
    expect(first.cache.misses - before.cache.misses).toBeGreaterThan(0)
    await store.get(inTable)
    const second = store.stats()
    expect(second.cache.misses).toBe(first.cache.misses)
    expect(second.cache.hits).toBeGreaterThan(first.cache.hits)
    expect(second.cache.hitRate).toBeCloseTo(
      second.cache.hits / (second.cache.hits + second.cache.misses),
      10,
    )
    expect(second.cache.bytes).toBeLessThanOrEqual(second.cache.capacityBytes)
    const { filter } = second
    for (let i = 0; i < 1000; i++) await store.get(`${numbered(i % 99)}+`)
    const after = store.stats().filter
    expect(after.probes - filter.probes).toBeGreaterThan(900)
    expect(after.negatives - filter.negatives + after.falsePositives - filter.falsePositives).toBe(
      after.probes - filter.probes,
    )
    expect(after.falsePositives / after.probes).toBeLessThan(0.05)
    // One table for each key that is there, next to none for those that are not.
    const plain = await openText({ ...TINY, path: '/plain' })
    await fill(plain, 0, 100)
    await plain.compact()
    for (let i = 0; i < 100; i++) await plain.get(numbered(i))
    expect(plain.stats().amplification.read).toBe(1)
    const unfiltered = await openText({ ...TINY, path: '/unfiltered', filterBitsPerKey: 0 })
    await fill(unfiltered, 0, 100)
    await unfiltered.compact()
    for (let i = 0; i < 100; i++) await unfiltered.get(`${numbered(i % 90)}+`)
    expect(unfiltered.stats().filter.probes).toBe(0)
    expect(unfiltered.stats().amplification.read).toBeGreaterThan(0.9)
  })
})

describe('latency', () => {
  test('one operation in sixteen is timed, of reads and of writes of all kinds', async () => {
    const clock = new ManualClock()
    const store = await openText({ clock })
    for (let i = 0; i < 32; i++) {
      await store.set('a', '1')
      await store.delete('a')
      await store.applyBatch(new WriteBatch().set('n', '1'))
      await store.increment('n')
    }
    for (let i = 0; i < 80; i++) await store.get('a')
    for (let i = 0; i < 80; i++) store.getSync('a')
    const { read, write } = store.stats().latency
    expect(write.samples).toBe((4 * 32) / 16)
    expect(read.samples).toBe(10)
    expect(read.p50).toBeLessThanOrEqual(read.p99)
    expect(read.p99).toBeLessThanOrEqual(read.max)
  })

  test('nothing is timed without metrics, and all else is counted', async () => {
    const store = await openText({ metrics: false })
    for (let i = 0; i < 64; i++) await store.set('a', '1')
    for (let i = 0; i < 64; i++) await store.get('a')
    expect(store.stats()).toMatchObject({
      sets: 64,
      gets: 64,
      latency: { read: { samples: 0, max: 0 }, write: { samples: 0, max: 0 } },
    })
  })
})

test('prometheusText refuses what are no statistics, and names that Prometheus would not take', async () => {
  const stats = (await openText()).stats()
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
  for (const none of [undefined, null, 5, {}, Promise.resolve(stats)]) {
    expect(() => prometheusText(none as never)).toThrow(refused)
  }
  for (const prefix of ['', '1st', 'a-b', 'a b', 'a\n', 7 as never]) {
    expect(() => prometheusText(stats, { prefix })).toThrow(refused)
  }
  for (const name of ['', '1st', 'a-b', 'a:b', '__own', 'a"']) {
    expect(() => prometheusText(stats, { labels: { [name]: 'x' } })).toThrow(refused)
  }
  expect(prometheusText(stats, { prefix: 'app:v2_', labels: { _store1: '"' } })).toContain(
    'app:v2__entries{_store1="\\""} 0\n',
  )
})
