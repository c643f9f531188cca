/** Counts and sizes, exact and estimated. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { open, type Store, type StoreOptions } from '../../src/index.js'
import { InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'

function openNew(options: StoreOptions = {}): Promise<Store<string, string>> {
  return open<string, string>('/db', {
    valueEncoding: 'utf8',
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    fileSystem: new MemoryFileSystem(),
    memtableSize: 64 * 1024,
    targetFileSize: 32 * 1024,
    blockSize: 512,
    ...options,
  })
}

test('len and size are exact, with overwrites, deletes, expiries and views', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'ä', 'b'), minLength: 1, maxLength: 3 })
  const property = fc.asyncProperty(
    fc.array(fc.tuple(text, fc.option(text), fc.boolean(), fc.boolean()), { maxLength: 40 }),
    async (writes) => {
      const clock = new ManualClock()
      await using store = await openNew({ clock, memtableSize: 1024 })
      const model = new Map<string, string>()
      for (const [key, value, expires, flush] of writes) {
        if (value === null) await store.delete(key)
        else await store.set(key, value, expires ? { ttl: 10 } : {})
        if (value === null || expires) model.delete(key)
        else model.set(key, value)
        if (flush) await store.flush()
      }
      clock.advance(10)
      let bytes = 0
      for (const [key, value] of model) bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
      expect(await store.len()).toBe(model.size)
      expect(await store.size()).toBe(bytes)
      using view = store.view()
      await store.set('a new one', 'x')
      expect(await view.len()).toBe(model.size)
      expect(await view.size()).toBe(bytes)
      expect(await store.len()).toBe(model.size + 1)
    },
  )
  await fc.assert(property, { numRuns: 60 })
})

describe('estimates', () => {
  const key = (i: number): string => `key ${String(i).padStart(6, '0')}`

  test.each(['in memory', 'in tables', 'in tables of many levels'])(
    'are near the truth: %s',
    async (where) => {
      await using store = await openNew(where === 'in memory' ? { memtableSize: 8 << 20 } : {})
      const count = 5000
      for (let i = 0; i < count; i++) await store.set(key((i * 7919) % count), 'v'.repeat(30))
      if (where !== 'in memory') await store.flush()
      if (where === 'in tables of many levels') await store.compact()
      expect(store.estimateCount()).toBe(count)
      const size = await store.size()
      expect(store.estimateSize()).toBe(size)
      await store.count()
      for (const [from, to] of [
        [0, 1000],
        [1234, 3456],
        [4000, 5000],
      ]) {
        const estimate = store.estimateSize({ gte: key(from), lt: key(to) })
        const truth = (size * (to - from)) / count
        expect(Math.abs(estimate - truth) / size, `${from} to ${to}: ${estimate}, ${truth}`).toBeLessThan(0.2)
      }
      expect(store.estimateSize({ gte: 'z' })).toBe(0)
      expect(store.estimateSize({ gte: 'b', lt: 'a' })).toBe(0)
    },
  )

  test('take tombstones into account, and are nothing behind a clear', async () => {
    await using store = await openNew()
    for (let i = 0; i < 100; i++) await store.set(key(i), 'v')
    for (let i = 0; i < 40; i++) await store.delete(key(i))
    expect(store.estimateCount()).toBe(60)
    for (let i = 0; i < 100; i++) await store.delete(key(i))
    expect(store.estimateCount()).toBe(0)
    await store.clear()
    expect(store.estimateCount()).toBe(0)
    expect(store.estimateSize()).toBe(0)
  })
})

test('what takes no range refuses one rather than tell of the whole store', async () => {
  await using store = await openNew()
  const range = [{ prefix: 'a' }] as unknown as []
  const refused = (instead: string) => ({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(instead),
  })
  await expect(store.len(...range)).rejects.toMatchObject(refused('count(range)'))
  await expect(store.size(...range)).rejects.toMatchObject(refused('estimateSize(range)'))
  expect(() => store.estimateCount(...range)).toThrow(expect.objectContaining(refused('count(range)')))
})
