/** Bounded stores, where eviction meets everything else. */
import { expect, test } from 'vitest'
import { open, WriteBatch } from '../../src/index.js'
import { InlineExecutor } from '../../src/testing.js'
import { changes, codeOf, SWEEP_MS, World } from './world.js'

const two = { maxEntries: 2, evictionPolicy: 'lru' as const }
const twoOrNothing = { maxEntries: 2, evictionPolicy: 'none' as const }

/** A store of at most two entries, with `a=1` and `b=2` in it; `a` is the older one. */
async function withTwo(): Promise<World> {
  const world = await World.open(two)
  await world.store.set('a', '1')
  await world.store.set('b', '2')
  return world
}

test('eviction × batch: room is made for the whole batch in the same step, never at its own cost', async () => {
  const world = await withTwo()
  const { store } = world
  await store.applyBatch(new WriteBatch().set('c', '3').set('d', '4'))
  expect(await world.all()).toBe('c=3 d=4')
  const large = new WriteBatch().set('e', '5').set('f', '6').set('g', '7')
  expect(await store.applyBatch(large).catch(codeOf)).toBe('STORE_FULL')
  expect(await world.all()).toBe('c=3 d=4')
  await world.settle()
  expect(world.told).toEqual(['evict a=1', 'evict b=2'])
})

test('eviction × transaction: one that read what was evicted conflicts; its own commit makes room', async () => {
  const world = await withTwo()
  const { store } = world
  const seen: (string | undefined)[] = []
  await store.transaction(async (tx) => {
    seen.push(await tx.get('a'))
    if (seen.length === 1) await store.set('c', '3')
    tx.set('d', '4')
  })
  expect(seen).toEqual(['1', undefined])
  expect(await world.all()).toBe('c=3 d=4')
})

test('eviction × transaction: one that does not fit is refused whole', async () => {
  const world = await World.open(twoOrNothing)
  const { store } = world
  await store.set('a', '1')
  const run = store.transaction(async (tx) => {
    tx.set('b', '2')
    tx.set('c', '3')
  })
  expect(await run.catch(codeOf)).toBe('STORE_FULL')
  expect(await world.all()).toBe('a=1')
})

test('eviction × conditional write: it decides before room is made, and a refusal writes nothing', async () => {
  const world = await withTwo()
  const { store } = world
  expect(await store.setNX('b', 'no')).toBe(false)
  expect(await store.setNX('c', '3')).toBe(true)
  expect(await world.all()).toBe('b=2 c=3')
  expect(await store.increment('b', 5)).toBe(7)
  await store.update('d', () => '4')
  expect(await world.all()).toBe('b=7 d=4')
  const full = await World.open(twoOrNothing)
  await full.store.applyBatch(new WriteBatch().set('a', '1').set('b', '2'))
  expect(await full.store.setNX('c', '3').catch(codeOf)).toBe('STORE_FULL')
  expect(await full.store.compareAndSet('a', '1', undefined)).toBe(true)
  expect(await full.store.setNX('c', '3')).toBe(true)
})

test('eviction × expiry: what has expired makes room first, and is announced as expired', async () => {
  const world = await World.open(two)
  const { store } = world
  await store.set('old', '1')
  await store.set('short', '2', { ttl: 10 })
  world.clock.advance(10)
  await store.set('new', '3')
  expect(await world.all()).toBe('new=3 old=1')
  await world.pass(SWEEP_MS)
  expect(world.told).toEqual(['expire short=2'])
  expect(store.stats().evicted).toBe(0)
})

test('eviction × watch: an eviction is told with its last value, in its place', async () => {
  const { store } = await withTwo()
  const watcher = store.watch()
  await store.set('c', '3')
  const told = await changes(watcher, 2)
  expect(told.map((change) => change.slice(2)).sort()).toEqual(['evict a=1', 'set c=3'])
})

test('eviction × view, eviction × iterator: both go on seeing what was evicted', async () => {
  const world = await withTwo()
  const { store } = world
  const [view, iterator] = [store.view(), store.entries()]
  await store.applyBatch(new WriteBatch().set('c', '3').set('d', '4'))
  await store.compact()
  expect(await world.all(view)).toBe('a=1 b=2')
  expect(await iterator.all()).toHaveLength(2)
  view.close()
})

test('eviction × snapshot: a snapshot holds what was there, and its copy needs no bound', async () => {
  const world = await withTwo()
  const { store, clock, fileSystem } = world
  await store.set('c', '3')
  const info = await store.snapshot({ name: 'one' })
  expect(info.entryCount).toBe(2)
  await store.set('d', '4')
  const copy = await open<string, string>(info.path, {
    valueEncoding: 'utf8',
    clock,
    fileSystem,
    executor: new InlineExecutor(),
  })
  expect(await world.all(copy)).toBe('b=2 c=3')
  await copy.close()
})

test('eviction × restore: the bound holds behind a restore of more than it allows', async () => {
  const world = await World.open()
  for (const key of ['a', 'b', 'c', 'd']) await world.store.set(key, key)
  await world.store.snapshot({ name: 'four' })
  await world.store.clear()
  const store = await world.reopen(two)
  await store.restoreSnapshot('four')
  await store.set('e', 'e')
  expect(await store.count()).toBe(2)
  expect(await store.get('e')).toBe('e')
  expect(store.stats().entries).toBe(2)
})

test('eviction × clear: what was cleared counts no more', async () => {
  const world = await withTwo()
  const { store } = world
  await store.clear({ lt: 'b' })
  await store.set('c', '3')
  expect(await world.all()).toBe('b=2 c=3')
  await store.clear()
  expect(store.stats()).toMatchObject({ entries: 0, bytes: 0 })
  await store.applyBatch(new WriteBatch().set('d', '4').set('e', '5'))
  await world.settle()
  expect(world.told).toEqual([])
})

test('eviction × compaction: what was evicted gives its space back', async () => {
  const world = await World.open(two)
  const { store } = world
  for (let i = 10; i < 60; i++) await store.set(`k${i}`, 'x'.repeat(100))
  await store.compact()
  expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(2)
  expect(await store.keys().all()).toEqual(['k58', 'k59'])
})

test('eviction × reopen: the bound holds, also a smaller one, and nothing that was evicted comes back', async () => {
  const world = await withTwo()
  await world.store.set('c', '3')
  await world.reopen()
  expect(await world.all()).toBe('b=2 c=3')
  const store = await world.reopen({ maxEntries: 1 })
  expect(await store.count()).toBe(1)
})

test('eviction × crash: a write and what made room for it are there together or not at all', async () => {
  const world = await World.open({ ...two, durability: 'memory', syncInterval: 0 })
  await world.store.applyBatch(new WriteBatch().set('a', '1').set('b', '2'), { durability: 'disk' })
  await world.store.applyBatch(new WriteBatch().set('c', '3').set('d', '4'))
  await world.crash()
  expect(await world.all()).toBe('a=1 b=2')
  await world.store.set('c', '3', { durability: 'disk' })
  await world.crash()
  expect(await world.store.count()).toBe(2)
  expect(await world.store.get('c')).toBe('3')
})

test.each(['wal', 'snapshot', 'hybrid', 'none'] as const)(
  'eviction × persistence: %s',
  async (persistence) => {
    const world = await World.open({ ...two, persistence })
    const { store } = world
    for (const key of ['a', 'b', 'c']) await store.set(key, key)
    await store.flush()
    await store.set('d', 'd')
    expect(await world.all()).toBe('c=c d=d')
    if (persistence === 'none') return
    await world.reopen()
    expect(await world.all()).toBe('c=c d=d')
  },
)
