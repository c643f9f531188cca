/** Each feature in each persistence mode, through a clean end and through a crash. */
import { describe, expect, test } from 'vitest'
import { type Persistence, WriteBatch } from '../../src/index.js'
import { changes, SWEEP_MS, World } from './world.js'

const onDisk: readonly Persistence[] = ['wal', 'snapshot', 'hybrid']
const modes: readonly Persistence[] = [...onDisk, 'none']

describe.each(modes)("persistence × each feature: '%s'", (persistence) => {
  test('persistence × expiry', async () => {
    const world = await World.open({ persistence })
    await world.store.set('a', '1', { ttl: 10 })
    await world.store.set('b', '2', { ttl: SWEEP_MS * 9 })
    await world.store.compact()
    await world.pass(SWEEP_MS)
    expect(world.told).toEqual(['expire a=1'])
    expect(await world.all()).toBe('b=2')
    if (persistence === 'none') return
    await world.reopen()
    expect(await world.store.ttl('b')).toBe(SWEEP_MS * 8)
    await world.pass(SWEEP_MS)
    expect(world.told).toHaveLength(1)
  })

  test('persistence × snapshot, persistence × restore', async () => {
    const world = await World.open({ persistence })
    const { store } = world
    await store.set('a', '1')
    expect((await store.snapshot({ name: 'one' })).entryCount).toBe(1)
    await store.set('a', '2')
    await store.set('b', '2')
    await store.restoreSnapshot('one')
    await store.set('c', '3')
    expect(await world.all()).toBe('a=1 c=3')
    if (persistence === 'none') return
    await world.reopen()
    expect(await world.all()).toBe('a=1 c=3')
    await world.store.restoreSnapshot('one')
    expect(await world.all()).toBe('a=1')
  })

  test('persistence × clear', async () => {
    const world = await World.open({ persistence })
    const { store } = world
    for (const key of ['a', 'b', 'c']) await store.set(key, key)
    await store.clear({ lt: 'b' })
    expect(await world.all()).toBe('b=b c=c')
    await store.clear()
    await store.set('d', 'd')
    expect(await world.all()).toBe('d=d')
    if (persistence === 'none') return
    await world.reopen()
    expect(await world.all()).toBe('d=d')
  })

  test('persistence × watch × batch', async () => {
    const { store } = await World.open({ persistence })
    const watcher = store.watch()
    await store.applyBatch(new WriteBatch().set('a', '1').delete('b'))
    await store.clear()
    await store.set('c', '3')
    expect(await changes(watcher, 4)).toEqual(['1 set a=1', '2 delete b', '3 clear', '4 set c=3'])
    expect(await changes(store.watch({}, { from: 4 }), 1)).toEqual(['4 set c=3'])
    await expect(store.watch({}, { from: 1 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('persistence × transaction, persistence × conditional write', async () => {
    const world = await World.open({ persistence })
    const { store } = world
    await store.increment('n', 2)
    let runs = 0
    await store.transaction(async (tx) => {
      const n = await tx.get('n')
      if (++runs === 1) {
        await store.increment('n')
        await store.flush()
      }
      tx.set('seen', n ?? 'nothing')
    })
    expect(await world.all()).toBe('n=3 seen=3')
    if (persistence === 'none') return
    await world.reopen()
    expect(await world.all()).toBe('n=3 seen=3')
  })

  test('persistence × view, persistence × iterator, persistence × compaction', async () => {
    const world = await World.open({ persistence })
    const { store } = world
    for (let i = 10; i < 60; i++) await store.set(`k${i}`, 'x'.repeat(200))
    const [view, iterator] = [store.view(), store.keys()]
    await store.clear({ prefix: 'k' })
    await store.set('z', '1')
    await store.compact()
    expect([await view.count(), (await iterator.all()).length]).toEqual([50, 50])
    expect(await world.all()).toBe('z=1')
    view.close()
  })
})

describe.each(onDisk)("persistence × crash: '%s'", (persistence) => {
  test('a batch is there whole or not, and what was asked to be on the disk is', async () => {
    const world = await World.open({ persistence, durability: 'memory', syncInterval: 0 })
    const { store } = world
    await store.applyBatch(new WriteBatch().set('a', '1').set('b', '1'), { durability: 'disk' })
    await store.applyBatch(new WriteBatch().set('a', '2').set('b', '2'))
    await world.crash()
    const [a, b] = await world.store.getMany(['a', 'b'])
    expect([a, b]).toEqual(['1', '1'])
  })
})

test('persistence × reopen: from each mode to each other', async () => {
  const world = await World.open()
  let expected = ''
  for (const [i, persistence] of [...onDisk, ...onDisk.toReversed(), 'wal' as const].entries()) {
    const store = await world.reopen({ persistence })
    await store.set(`k${i}`, persistence)
    if (i % 2 === 0) await store.set(`t${i}`, 'gone', { ttl: 1 })
    world.clock.advance(2)
    expected = `${expected} k${i}=${persistence}`.trim()
    expect(await world.all()).toBe(expected)
  }
})
