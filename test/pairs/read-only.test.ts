/** A read-only store beside the one that writes: what it sees of each feature, behind a refresh and before. */
import { expect, onTestFinished, test } from 'vitest'
import { open, type ReadOnlyStore, WriteBatch } from '../../src/index.js'
import { InlineExecutor } from '../../src/testing.js'
import { SWEEP_MS, World } from './world.js'

/** A reader beside the store of `world`. */
async function readerOf({ clock, fileSystem }: World, path = '/db'): Promise<ReadOnlyStore<string, string>> {
  const options = { valueEncoding: 'utf8', readOnly: true, clock, fileSystem } as const
  const reader = await open(path, { ...options, executor: new InlineExecutor() })
  onTestFinished(() => reader.close())
  return reader
}

test('read-only × expiry: what has expired is invisible to a reader at once, swept or not', async () => {
  const world = await World.open()
  await world.store.set('a', '1', { ttl: 10 })
  await world.store.set('b', '2')
  const reader = await readerOf(world)
  expect(await reader.ttl('a')).toBe(10)
  world.clock.advance(10)
  expect(await reader.keys().all()).toEqual(['b'])
  await world.pass(SWEEP_MS)
  await reader.refresh()
  expect(await reader.count()).toBe(1)
})

test('read-only × batch, read-only × transaction: a refresh shows them whole', async () => {
  const world = await World.open()
  const { store } = world
  const reader = await readerOf(world)
  await store.applyBatch(new WriteBatch().set('x', '1').set('y', '1'))
  await store.transaction(async (tx) => {
    tx.set('x', '2')
    await reader.refresh()
    expect(await reader.getMany(['x', 'y'])).toEqual(['1', '1'])
    tx.set('y', '2')
  })
  await reader.refresh()
  expect(await reader.getMany(['x', 'y'])).toEqual(['2', '2'])
})

test('read-only × conditional write, read-only × eviction: a reader sees what came of them', async () => {
  const world = await World.open({ maxEntries: 2, evictionPolicy: 'lru' })
  const { store } = world
  const reader = await readerOf(world)
  for (const key of ['a', 'b', 'c']) await store.increment(key, 5)
  await store.setNX('c', 'no')
  await reader.refresh()
  expect(await reader.entries().all()).toEqual([
    ['b', '5'],
    ['c', '5'],
  ])
})

test('read-only × clear, read-only × view, read-only × iterator: what was opened goes on, a refresh finds nothing', async () => {
  const world = await World.open()
  const { store } = world
  for (let i = 10; i < 60; i++) await store.set(`k${i}`, 'x'.repeat(100))
  await store.flush()
  const reader = await readerOf(world)
  const [view, iterator] = [reader.view(), reader.keys()]
  await iterator.nextMany(1)
  await store.clear()
  await store.compact()
  await reader.refresh()
  expect(await reader.count()).toBe(0)
  expect(await view.count()).toBe(50)
  expect(await iterator.all()).toHaveLength(49)
  view.close()
})

test('read-only × snapshot, read-only × restore: a snapshot is read as it is, a restore is seen behind a refresh', async () => {
  const world = await World.open()
  const { store } = world
  await store.set('a', 'old')
  const { path } = await store.snapshot({ name: 'one' })
  await store.set('a', 'new')
  const [reader, copy] = [await readerOf(world), await readerOf(world, path)]
  expect([await reader.get('a'), await copy.get('a')]).toEqual(['new', 'old'])
  await store.restoreSnapshot('one')
  expect(await reader.get('a')).toBe('new')
  await reader.refresh()
  expect(await reader.get('a')).toBe('old')
})

test('read-only × compaction: a refresh behind one shows the same', async () => {
  const world = await World.open()
  const { store } = world
  for (let i = 10; i < 60; i++) await store.set(`k${i % 20}`, `${i}`)
  const reader = await readerOf(world)
  const before = await reader.entries().all()
  await store.compact()
  expect(await reader.entries().all()).toEqual(before)
  await reader.refresh()
  expect(await reader.entries().all()).toEqual(before)
})

test('read-only × reopen, read-only × crash: a reader goes on, and follows the next process', async () => {
  const world = await World.open()
  await world.store.set('a', '1')
  const reader = await readerOf(world)
  const store = await world.reopen()
  await store.set('a', '2')
  await reader.refresh()
  expect(await reader.get('a')).toBe('2')
  await store.set('b', 'lost', { durability: 'memory' })
  await world.crash()
  const behind = await readerOf(world)
  expect(await behind.entries().all()).toEqual(await world.store.entries().all())
})

test('read-only × watch: a reader refuses to watch, and says so', async () => {
  const world = await World.open()
  const reader = (await readerOf(world)) as unknown as World['store']
  expect(() => reader.watch()).toThrow(expect.objectContaining({ code: 'READ_ONLY' }))
})

test.each(['wal', 'snapshot', 'hybrid'] as const)(
  'read-only × persistence: %s, a reader sees what was flushed, and the log where there is one',
  async (persistence) => {
    const world = await World.open({ persistence })
    await world.store.set('a', 'flushed')
    await world.store.flush()
    await world.store.set('b', 'logged')
    const reader = await readerOf(world)
    expect(await reader.keys().all()).toEqual(persistence === 'snapshot' ? ['a'] : ['a', 'b'])
  },
)
