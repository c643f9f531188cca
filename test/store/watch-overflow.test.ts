import { describe, expect, test } from 'vitest'
import { WriteBatch } from '../../src/index.js'
import { turn } from '../model/turns.js'
import { drain, openWithEngine, take } from './watch-fixture.js'

function batchOf(count: number, value = ''): WriteBatch<string, string> {
  const batch = new WriteBatch<string, string>()
  for (let i = 0; i < count; i++) batch.set(`${i}`, value)
  return batch
}

describe('a consumer that does not read', () => {
  test('gets what there was room for, then WATCH_OVERFLOW with where to go on, then the end', async () => {
    const { store, engine } = await openWithEngine()
    const watcher = store.watch({}, { buffer: 3 })
    for (let i = 1; i <= 10; i++) await store.set(`${i}`, `${i}`)
    expect(engine.observers.size).toBe(0)
    const { items, error } = await drain(watcher)
    expect(items.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect(error).toMatchObject({
      code: 'WATCH_OVERFLOW',
      sequence: 4,
      message: expect.stringContaining('4'),
    })
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
    const rest = store.watch({}, { buffer: 3, from: 4 })
    expect((await take(rest, 7)).map(({ sequence }) => sequence)).toEqual([4, 5, 6, 7, 8, 9, 10])
    await store.close()
  })

  test('has 1024 changes by default', async () => {
    const { store } = await openWithEngine()
    const watcher = store.watch()
    await store.applyBatch(batchOf(1500))
    const { items, error } = await drain(watcher)
    expect(items).toHaveLength(1024)
    expect(error).toMatchObject({ sequence: 1025 })
    await store.close()
  })

  test('has so many bytes, but one change always', async () => {
    const { store } = await openWithEngine()
    const small = store.watch({}, { bufferBytes: 1 })
    const some = store.watch({}, { bufferBytes: 10_000 })
    const large = store.watch({})
    await store.applyBatch(batchOf(100, 'x'.repeat(1000)))
    expect((await drain(small)).items).toHaveLength(1)
    expect((await drain(some)).items).toHaveLength(7)
    expect(await take(large, 100)).toHaveLength(100)
    await store.close()
  })

  test('holds no more memory, however much is written', async () => {
    const { store, engine } = await openWithEngine({ memtableSize: 256 * 1024 })
    const watchers = Array.from({ length: 20 }, () => store.watch({}, { bufferBytes: 64 * 1024 }))
    const value = 'x'.repeat(1000)
    for (let i = 0; i < 200; i++) await store.applyBatch(batchOf(50, value))
    expect(engine.observers.size).toBe(0)
    for (const watcher of watchers) {
      const { items, error } = await drain(watcher)
      expect(items.length * 1000).toBeLessThan(64 * 1024)
      expect(error).toMatchObject({ code: 'WATCH_OVERFLOW', sequence: items.length + 1 })
    }
    await store.close()
  })
})

describe('a consumer that reads', () => {
  test('is not slow for a batch larger than the buffer', async () => {
    const { store } = await openWithEngine()
    const watcher = store.watch({}, { buffer: 2 })
    const first = watcher.next()
    await store.applyBatch(batchOf(1000))
    expect(await first).toMatchObject({ value: { sequence: 1 } })
    expect((await take(watcher, 999)).at(-1)).toMatchObject({ sequence: 1000 })
    await store.close()
  })

  test('is slow from the moment it has got something and does not come back', async () => {
    const { store } = await openWithEngine()
    const watcher = store.watch({}, { buffer: 2 })
    const first = watcher.next()
    await store.set('a', '1')
    await first
    for (let i = 0; i < 5; i++) await store.set('a', `${i}`)
    const { items, error } = await drain(watcher)
    expect(items.map(({ sequence }) => sequence)).toEqual([2, 3])
    expect(error).toMatchObject({ sequence: 4 })
    await store.close()
  })

  test('is bounded in bytes all the same', async () => {
    const { store } = await openWithEngine()
    const watcher = store.watch({}, { bufferBytes: 10_000 })
    const first = watcher.next()
    await store.applyBatch(batchOf(100, 'x'.repeat(1000)))
    await first
    const { items, error } = await drain(watcher)
    expect(items).toHaveLength(6)
    expect(error).toMatchObject({ code: 'WATCH_OVERFLOW', sequence: 8 })
    await store.close()
  })

  test('what is looked up for it counts too', async () => {
    const { store } = await openWithEngine()
    const value = 'x'.repeat(1000)
    await store.applyBatch(batchOf(100, value))
    await store.flush()
    const fromDisk = store.watch({}, { bufferBytes: 10_000, previous: true })
    for (let i = 0; i < 100; i++) {
      await store.set(`${i}`, 'small')
      await turn()
    }
    const { items, error } = await drain(fromDisk)
    expect(items.length).toBeLessThan(12)
    expect(error).toMatchObject({ code: 'WATCH_OVERFLOW', sequence: 101 + items.length })
    expect(items[0]).toMatchObject({ previous: value })
    await store.close()
  })
})

test('only the slow one of two consumers overflows', async () => {
  const { store } = await openWithEngine()
  const slow = store.watch('a', { buffer: 1 })
  const fast = store.watch('a', { buffer: 1 })
  for (let i = 0; i < 5; i++) {
    const next = fast.next()
    await store.set('a', `${i}`)
    expect(await next).toMatchObject({ value: { value: `${i}` } })
  }
  expect((await drain(slow)).error).toMatchObject({ sequence: 2 })
  await store.close()
})
