/** Time to live, where it meets everything else. */
import { describe, expect, test } from 'vitest'
import { open, WriteBatch } from '../../src/index.js'
import { InlineExecutor } from '../../src/testing.js'
import { SWEEP_MS, World } from './world.js'

const once = { retries: 0 }

describe('expiry × conditional write', () => {
  test('setNX writes over what has expired, and not over what has not', async () => {
    const { store, clock } = await World.open()
    await store.set('a', 'old', { ttl: 10 })
    clock.advance(9)
    expect(await store.setNX('a', 'new')).toBe(false)
    clock.advance(1)
    expect(await store.setNX('a', 'new')).toBe(true)
    expect(await store.ttl('a')).toBe(Number.POSITIVE_INFINITY)
  })

  test('update, increment and compareAndSet take what has expired for absent, and begin with a fresh expiry', async () => {
    const { store, clock } = await World.open({ defaultTtl: 500 })
    for (const key of ['update', 'increment', 'compareAndSet']) await store.set(key, '7', { ttl: 10 })
    await store.flush()
    clock.advance(10)
    expect(await store.update('update', (old) => old ?? 'absent')).toBe('absent')
    expect(await store.increment('increment')).toBe(1)
    expect(await store.compareAndSet('compareAndSet', '7', '8')).toBe(false)
    expect(await store.compareAndSet('compareAndSet', undefined, '8')).toBe(true)
    for (const key of ['update', 'increment', 'compareAndSet']) expect(await store.ttl(key)).toBe(500)
  })

  test('update and increment keep an expiry that has not come', async () => {
    const { store, clock } = await World.open()
    await store.set('a', '7', { ttl: 100 })
    clock.advance(40)
    await store.increment('a')
    await store.update('a', (old) => `${old}!`)
    expect(await store.ttl('a')).toBe(60)
  })

  test('what was written over is not announced', async () => {
    const world = await World.open()
    await world.store.set('a', 'old', { ttl: 10 })
    world.clock.advance(10)
    await world.store.setNX('a', 'new')
    await world.pass(SWEEP_MS)
    expect(world.told).toEqual([])
    expect(await world.all()).toBe('a=new')
  })
})

test('expiry × batch: each write of a batch has an expiry of its own', async () => {
  const world = await World.open({ defaultTtl: 50 })
  const { store, clock } = world
  await store.applyBatch(new WriteBatch().set('a', '1', { ttl: 10 }).set('b', '2').set('c', '3', { ttl: 0 }))
  clock.advance(10)
  expect(await world.all()).toBe('b=2 c=3')
  clock.advance(40)
  expect(await world.all()).toBe('c=3')
})

describe('expiry × transaction', () => {
  test('what has expired is not there for get, exists and ranges, and what expires inside goes at its moment', async () => {
    const { store, clock } = await World.open()
    await store.set('a', '1', { ttl: 10 })
    await store.set('b', '2', { ttl: 20 })
    clock.advance(10)
    await store.transaction(async (tx) => {
      tx.set('c', '3', { ttl: 5 })
      expect(await tx.exists('a')).toBe(false)
      expect(await tx.keys().all()).toEqual(['b', 'c'])
      clock.advance(5)
      expect(await tx.get('c')).toBe(undefined)
      expect(await tx.keys({ reverse: true }).all()).toEqual(['b'])
    })
    expect(await store.exists('c')).toBe(false)
  })

  test('a sweep that removes what was read is a conflict; time alone is none', async () => {
    const world = await World.open()
    const { store } = world
    await store.set('a', '1', { ttl: 10 })
    await store.transaction(async (tx) => {
      expect(await tx.get('a')).toBe('1')
      world.clock.advance(10)
      tx.set('b', '2')
    }, once)
    const swept = store.transaction(async (tx) => {
      expect(await tx.get('a')).toBe(undefined)
      await world.pass(SWEEP_MS)
      tx.set('c', '3')
    }, once)
    await expect(swept).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(world.told).toEqual(['expire a=1'])
  })
})

test('expiry × watch: an expiry is told when it is removed, with the last value, in its place', async () => {
  const world = await World.open()
  const { store } = world
  const watcher = store.watch('a')
  await store.set('a', '1', { ttl: 10 })
  world.clock.advance(10)
  expect(await store.exists('a')).toBe(false)
  await world.pass(SWEEP_MS)
  await store.set('a', '2')
  const told = [await watcher.next(), await watcher.next(), await watcher.next()].map(({ value }) => value)
  expect(told).toEqual([
    { type: 'set', key: 'a', value: '1', sequence: 1 },
    { type: 'expire', key: 'a', value: '1', sequence: 2 },
    { type: 'set', key: 'a', value: '2', sequence: 3 },
  ])
})

test('expiry × view: a view sees an entry until it expires, also when it was overwritten or swept since', async () => {
  const world = await World.open()
  const { store, clock } = world
  await store.set('a', '1', { ttl: 10 })
  await store.set('b', '2', { ttl: 20 })
  const view = store.view()
  await store.set('b', 'later')
  clock.advance(9)
  expect(await world.all(view)).toBe('a=1 b=2')
  clock.advance(1)
  expect(await world.all(view)).toBe('b=2')
  await world.pass(SWEEP_MS)
  expect(await view.count()).toBe(0)
  expect(await world.all()).toBe('b=later')
  view.close()
})

test('expiry × iterator: an iterator shows what had not expired when it was made, as it was', async () => {
  const world = await World.open()
  const { store } = world
  for (const key of ['a', 'b', 'c']) await store.set(key, key, { ttl: key === 'b' ? 10 : 100 })
  const [before, after] = [store.entries(), store.entries({ reverse: true })]
  expect(await before.nextMany(1)).toEqual([['a', 'a']])
  await world.pass(SWEEP_MS)
  expect(await before.nextMany(9)).toEqual([
    ['b', 'b'],
    ['c', 'c'],
  ])
  expect(await after.all()).toHaveLength(3)
  expect(await store.keys().all()).toEqual([])
})

test('expiry × snapshot: expired entries are not counted, and expire in the copy at their moment', async () => {
  const world = await World.open()
  const { store, clock, fileSystem } = world
  await store.set('a', '1', { ttl: 10 })
  await store.set('b', '2', { ttl: 20 })
  await store.set('c', '3')
  clock.advance(10)
  const info = await store.snapshot({ name: 'one' })
  expect(info.entryCount).toBe(2)
  await store.persist('b')
  clock.advance(10)
  const copy = await open<string, string>(info.path, {
    valueEncoding: 'utf8',
    clock,
    fileSystem,
    executor: new InlineExecutor(),
  })
  expect(await world.all(copy)).toBe('c=3')
  expect(await world.all()).toBe('b=2 c=3')
  await copy.close()
})

test('expiry × restore: what has expired since stays gone, and what is swept then is announced', async () => {
  const world = await World.open()
  const { store } = world
  await store.set('a', '1', { ttl: 10 })
  await store.set('b', '2', { ttl: 5000 })
  await store.snapshot({ name: 'one' })
  await world.pass(SWEEP_MS)
  await store.persist('b')
  expect(world.told).toEqual(['expire a=1'])
  await store.restoreSnapshot('one')
  expect(await world.all()).toBe('b=2')
  expect(await store.ttl('b')).toBe(5000 - SWEEP_MS)
  await world.pass(5000)
  expect(world.told.slice(1).sort()).toEqual(['expire a=1', 'expire b=2'])
})

test('expiry × clear: what was cleared is not announced when its time comes', async () => {
  const world = await World.open()
  const { store } = world
  for (const key of ['a', 'b', 'c']) await store.set(key, key, { ttl: 10 })
  await store.clear({ lt: 'b' })
  await world.pass(5)
  await store.clear({ gte: 'c' })
  await world.pass(SWEEP_MS)
  await store.set('d', 'd', { ttl: 10 })
  await store.clear()
  await world.pass(SWEEP_MS)
  expect(world.told).toEqual(['expire b=b'])
})

test('expiry × compaction: what has not been announced is kept until it was, then goes', async () => {
  const world = await World.open()
  const { store } = world
  await store.set('a', '1', { ttl: 10 })
  await store.set('b', '2')
  world.clock.advance(10)
  await store.compact()
  expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(2)
  await world.pass(SWEEP_MS)
  expect(world.told).toEqual(['expire a=1'])
  await store.compact()
  expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(1)
})

test('expiry × reopen: time goes on while the store is closed, and what expired then is announced', async () => {
  const world = await World.open()
  await world.store.set('a', '1', { ttl: 100 })
  await world.store.set('b', '2', { ttl: 300 })
  await world.store.close()
  world.clock.advance(100)
  const store = await world.open()
  expect(await store.exists('a')).toBe(false)
  expect(await store.ttl('b')).toBe(200)
  await world.pass(SWEEP_MS)
  expect(world.told.sort()).toEqual(['expire a=1', 'expire b=2'])
})

test('expiry × crash: what was announced stays gone; what was not is announced behind it', async () => {
  const world = await World.open({ durability: 'disk' })
  await world.store.set('a', '1', { ttl: 10 })
  await world.store.set('b', '2', { ttl: SWEEP_MS + 10 })
  await world.pass(SWEEP_MS)
  await world.store.sync()
  const store = await world.crash()
  expect(await world.all()).toBe('b=2')
  await world.pass(2 * SWEEP_MS)
  expect(world.told).toEqual(['expire a=1', 'expire b=2'])
  expect(store.stats().expired).toBe(1)
})
