/** Clearing: everything at once, a range, against views, iterators, transactions, compactions, faults and crashes. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { open, type Store, type StoreOptions } from '../../src/index.js'
import {
  CRASH_PROFILES,
  FaultFileSystem,
  InlineExecutor,
  type Job,
  ManualClock,
  MemoryFileSystem,
} from '../../src/testing.js'
import { turn } from '../model/turns.js'

const SMALL: StoreOptions = { memtableSize: 2048, targetFileSize: 2048, walSegmentSize: 4096, blockSize: 256 }

type TextStore = Store<string, string>

function openOn(fileSystem: StoreOptions['fileSystem'], options: StoreOptions = {}): Promise<TextStore> {
  return open<string, string>('/db', {
    valueEncoding: 'utf8',
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    ...SMALL,
    ...options,
    ...(fileSystem === undefined ? {} : { fileSystem }),
  })
}

async function fill(store: TextStore, count: number, value = 'x'.repeat(40)): Promise<void> {
  for (let i = 0; i < count; i++) await store.set(`key ${String(i).padStart(4, '0')}`, `${value}${i}`)
}

/** Jobs that take a few turns to be told of. */
class SlowExecutor extends InlineExecutor {
  override async execute<I, O>(job: Job<I, O>, input: I): Promise<O> {
    for (let turns = 0; turns < 5; turns++) await turn()
    const output = await super.execute(job, input)
    for (let turns = 0; turns < 5; turns++) await turn()
    return output
  }
}

describe('clear', () => {
  test('removes everything, from memory, tables and the disk', async () => {
    const fileSystem = new MemoryFileSystem()
    await using store = await openOn(fileSystem)
    await fill(store, 300)
    expect(store.stats().levels.some(({ tables }) => tables > 0)).toBe(true)
    await store.clear()
    expect(await store.count()).toBe(0)
    expect(await store.get('key 0001')).toBeUndefined()
    expect(store.stats()).toMatchObject({ sequence: 301, memtable: { entries: 0, frozen: 0 } })
    expect(store.stats().levels.every(({ tables }) => tables === 0)).toBe(true)
    for (let turns = 0; turns < 10; turns++) await turn()
    expect((await fileSystem.readdir('/db')).filter((name) => name.endsWith('.sst'))).toEqual([])
    await store.set('a', '1')
    expect(await store.entries().all()).toEqual([['a', '1']])
    expect((await store.getEntry('a'))?.sequence).toBe(302)
    await store.close()
    await using again = await openOn(fileSystem)
    expect(await again.entries().all()).toEqual([['a', '1']])
  })

  test('stands between what was written before the call and what was written behind it', async () => {
    await using store = await openOn(new MemoryFileSystem())
    await fill(store, 100)
    const before = store.set('before', '1')
    const cleared = store.clear()
    const behind = store.set('behind', '2')
    await Promise.all([before, cleared, behind])
    expect(await store.keys().all()).toEqual(['behind'])
  })

  test('is durable when it resolves, though nothing before it was', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openOn(fileSystem, { durability: 'memory', syncInterval: 0 })
    await fill(store, 50)
    await store.clear()
    await store.set('later', '1', { durability: 'disk' })
    await using survivor = await openOn(fileSystem.crash('nothing', Math.random))
    expect(await survivor.keys().all()).toEqual(['later'])
    await store.close()
  })

  test('forgets what was not logged yet, and numbers what comes behind it rightly', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    const store = await openOn(fileSystem, { durability: 'memory', syncInterval: 0 })
    const fault = fileSystem.fail({ kind: 'write', path: /wal$/, errno: 'ENOSPC', forGood: true })
    await store.set('unlogged', '1')
    await turn()
    await store.clear()
    await store.set('later', '2')
    fault.cancel()
    await store.sync()
    await store.close()
    await using again = await openOn(fileSystem)
    expect(await again.entries().all()).toEqual([['later', '2']])
    expect((await again.getEntry('later'))?.sequence).toBe(3)
  })

  test('makes readers see all or nothing', async () => {
    await using store = await openOn(new MemoryFileSystem())
    await fill(store, 200)
    const seen = new Set<number>()
    let done = false
    const clearing = store.clear().then(() => {
      done = true
    })
    while (!done) {
      seen.add([...store.keys()].length)
      await Promise.resolve()
    }
    await clearing
    seen.add([...store.keys()].length)
    expect([...seen]).toEqual([200, 0])
  })

  test('leaves views, iterators and what is made of them alone', async () => {
    const fileSystem = new MemoryFileSystem()
    await using store = await openOn(fileSystem)
    await fill(store, 200)
    const view = store.view()
    const iterator = store.keys()
    expect(await iterator.nextMany(1)).toEqual(['key 0000'])
    await store.clear()
    await fill(store, 100, 'new')
    await store.compact()
    expect(await view.get('key 0150')).toMatch(/^x+150$/)
    expect(view.getSync('key 0001')).toMatch(/^x+1$/)
    expect(await view.count()).toBe(200)
    expect(await view.len()).toBe(200)
    expect(await view.keys({ gte: 'key 0198' }).all()).toEqual(['key 0198', 'key 0199'])
    expect(await store.keys({ view }).all()).toHaveLength(200)
    expect(await iterator.all()).toHaveLength(199)
    expect(await store.count()).toBe(100)
    view.close()
    for (let turns = 0; turns < 10; turns++) await turn()
    const tables = store.stats().levels.reduce((sum, level) => sum + level.tables, 0)
    expect((await fileSystem.readdir('/db')).filter((name) => name.endsWith('.sst'))).toHaveLength(tables)
  })

  test('conflicts with the transactions that are under way, which then run again', async () => {
    await using store = await openOn(new MemoryFileSystem())
    await store.set('a', '1')
    const seen: (string | undefined)[] = []
    await store.transaction(async (transaction) => {
      seen.push(await transaction.get('a'))
      if (seen.length === 1) await store.clear()
      seen.push(await transaction.get('a'))
      transaction.set('b', `a was ${seen.at(-1)}`)
    })
    expect(seen).toEqual(['1', '1', undefined, undefined])
    expect(await store.entries().all()).toEqual([['b', 'a was undefined']])
    const refused = store.transaction(
      async (transaction) => {
        transaction.set('blind', '1')
        await store.clear()
      },
      { retries: 0 },
    )
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('answers a delete that came before it, and conditional writes around it', async () => {
    await using store = await openOn(new MemoryFileSystem())
    await store.set('a', '1')
    const deleted = store.delete('a')
    const cleared = store.clear()
    const set = store.setNX('a', '2')
    expect(await Promise.all([deleted, cleared, set])).toEqual([true, undefined, true])
    expect(await store.get('a')).toBe('2')
  })

  test('drops flushes and compactions that are under way, in any turn', async () => {
    for (let turns = 0; turns < 40; turns++) {
      const fileSystem = new MemoryFileSystem()
      await using store = await openOn(fileSystem, { executor: new SlowExecutor() })
      await fill(store, 120)
      const compacting = store.compact()
      for (let i = 0; i < turns; i++) await turn()
      await store.clear()
      await compacting
      expect(await store.count()).toBe(0)
      await fill(store, 60)
      await store.flush()
      for (let i = 0; i < 20; i++) await turn()
      expect(await store.count()).toBe(60)
      const tables = store.stats().levels.reduce((sum, level) => sum + level.tables, 0)
      const names = await fileSystem.readdir('/db')
      expect(names.filter((name) => name.endsWith('.sst'))).toHaveLength(tables)
    }
  })

  test('costs file operations that do not grow with the data', async () => {
    const costs: number[] = []
    for (const count of [100, 1000]) {
      const fileSystem = new FaultFileSystem(new MemoryFileSystem(), { log: true })
      await using store = await openOn(fileSystem)
      await fill(store, count)
      await store.compact()
      const before = fileSystem.log.length
      await store.clear()
      costs.push(fileSystem.log.slice(before).filter(({ kind }) => kind !== 'unlink').length)
    }
    expect(costs[1]).toBe(costs[0])
  })

  test('is refused whole when the MANIFEST has no space, and works later', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    await using store = await openOn(fileSystem)
    await fill(store, 100)
    await store.flush()
    const fault = fileSystem.fail({ kind: 'write', path: /MANIFEST/, errno: 'ENOSPC', forGood: true })
    await expect(store.clear()).rejects.toMatchObject({ code: 'NO_SPACE' })
    expect(await store.count()).toBe(100)
    fault.cancel()
    await store.set('more', '1')
    expect(await store.count()).toBe(101)
    await store.flush()
    await store.clear()
    expect(await store.count()).toBe(0)
  })

  test('is not refused any more once it has happened', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    await using store = await openOn(fileSystem, { walSegmentSize: 300_000, memtableSize: 1 << 20 })
    for (let i = 0; i < 28; i++) await store.set(`key ${i}`, 'x'.repeat(10_000))
    // A log as long as this is rotated behind a clearing: sealed, but without room for the header of the next segment.
    const fault = fileSystem.fail({ kind: 'write', path: /\.wal$/, after: 1, errno: 'ENOSPC', forGood: true })
    await store.clear()
    expect(fault.struck).toBeGreaterThan(0)
    expect(await store.count()).toBe(0)
    await expect(store.set('more', '1')).rejects.toMatchObject({ code: 'NO_SPACE' })
    fault.cancel()
    await store.set('more', '1')
    expect(await store.count()).toBe(1)
  })

  test('leaves a store that only reads when a sync of the MANIFEST failed', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    await using store = await openOn(fileSystem)
    await fill(store, 100)
    // Nothing else is to sync the MANIFEST: the failure would be that of a flush, and the store read-only already.
    await store.flush()
    fileSystem.fail({ kind: 'sync', path: /MANIFEST/ })
    await expect(store.clear()).rejects.toMatchObject({ code: 'IO_ERROR' })
    expect(await store.count()).toBe(100)
    await expect(store.set('more', '1')).rejects.toMatchObject({ code: 'READ_ONLY' })
  })

  test.each(CRASH_PROFILES)('a crash at any operation finds all or nothing: %s', async (profile) => {
    const chance = (): number => 0.5
    const images: { image: MemoryFileSystem; cleared: boolean }[] = []
    const memory = new MemoryFileSystem()
    let cleared = false
    let watching = false
    const fileSystem = new FaultFileSystem(memory, {
      observe: ({ kind }) => {
        if (!watching || ['read', 'size', 'stat', 'readdir', 'close'].includes(kind)) return
        images.push({ image: memory.crash(profile, chance), cleared })
      },
    })
    const store = await openOn(fileSystem, { durability: 'disk' })
    await fill(store, 100)
    watching = true
    await store.clear()
    cleared = true
    await fill(store, 3, 'new')
    await store.close()
    expect(images.length).toBeGreaterThan(4)
    for (const { image, cleared: isGone } of images) {
      await using survivor = await openOn(image)
      const values = await survivor.values().all()
      const old = values.filter((value) => value.startsWith('x'))
      expect(old.length === 0 || (old.length === 100 && !isGone)).toBe(true)
      if (values.length > old.length) expect(old).toEqual([])
      await survivor.set('alive', '1')
      expect(await survivor.get('alive')).toBe('1')
    }
  })
})

describe('clear of a range', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 })
  const bounds = fc.record({ gte: word, lt: word, prefix: word }, { requiredKeys: [] })

  test('removes what the same range of keys() shows, and nothing else', async () => {
    const property = fc.asyncProperty(
      fc.array(word, { maxLength: 60 }),
      fc.array(bounds, { maxLength: 3 }),
      fc.boolean(),
      async (words, ranges, flush) => {
        await using store = await openOn(new MemoryFileSystem(), { memtableSize: 1024 })
        for (const key of words) await store.set(key, key)
        if (flush) await store.flush()
        for (const range of ranges) {
          const gone = new Set(await store.keys(range).all())
          const left = (await store.keys().all()).filter((key) => !gone.has(key))
          await store.clear(range)
          expect(await store.keys().all()).toEqual(left)
        }
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })

  test('is one group: readers see all of it or nothing, and later writes come behind it', async () => {
    await using store = await openOn(new MemoryFileSystem())
    await fill(store, 300)
    const counts = new Set<number>()
    let done = false
    const clearing = store.clear({ prefix: 'key 01' }).then(() => {
      done = true
    })
    const behind = store.set('key 0150', 'behind')
    while (!done) {
      counts.add([...store.keys({ prefix: 'key 01' })].length)
      await turn()
    }
    await Promise.all([clearing, behind])
    counts.add([...store.keys({ prefix: 'key 01' })].length)
    expect([...counts]).toEqual([100, 1])
    expect(await store.get('key 0150')).toBe('behind')
    expect(await store.count()).toBe(201)
  })

  test('an empty range removes nothing', async () => {
    await using store = await openOn(new MemoryFileSystem())
    await store.set('a', '1')
    await store.clear({ gte: 'b', lt: 'a' })
    await store.clear({ gt: 'a' })
    expect(await store.count()).toBe(1)
    expect(store.stats().sequence).toBe(1)
  })
})
