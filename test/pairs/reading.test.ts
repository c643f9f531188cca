/** Views, iterators and snapshots, where they meet writes, compaction, and the end of the process. */
import { expect, test } from 'vitest'
import { WriteBatch } from '../../src/index.js'
import { World } from './world.js'

test('view × batch: a view sees a batch whole or not at all', async () => {
  const world = await World.open()
  const { store } = world
  const applied: Promise<unknown>[] = []
  for (let i = 0; i < 20; i++) {
    applied.push(store.applyBatch(new WriteBatch().set('x', `${i}`).set('y', `${i}`)))
    const view = store.view()
    expect(view.getSync('x')).toBe(view.getSync('y'))
    view.close()
    await undefined
  }
  await Promise.all(applied)
})

test('view × transaction: a view inside sees neither the writes of the transaction nor later ones', async () => {
  const world = await World.open()
  const { store } = world
  await store.set('a', '1')
  let view: ReturnType<typeof store.view> | undefined
  await store.transaction(async (tx) => {
    tx.set('a', '2')
    view = store.view()
    expect(tx.sequence).toBe(view.sequence)
  })
  expect(view?.getSync('a')).toBe('1')
  view?.close()
})

test('view × conditional write: it goes by the newest state, not by what a view shows', async () => {
  const { store } = await World.open()
  await store.set('n', '1')
  const view = store.view()
  await store.increment('n')
  expect(await store.increment('n')).toBe(3)
  expect(await view.get('n')).toBe('1')
  view.close()
})

test('view × snapshot: a snapshot taken while a view is open holds the newest state', async () => {
  const world = await World.open()
  const { store } = world
  await store.set('a', '1')
  const view = store.view()
  await store.delete('a')
  await store.set('b', '2')
  expect((await store.snapshot({ name: 'one' })).entryCount).toBe(1)
  expect(await world.all(view)).toBe('a=1')
  view.close()
  await store.restoreSnapshot('one')
  expect(await world.all()).toBe('b=2')
})

test('view × compaction, iterator × compaction: both keep what they see, and let it go', async () => {
  const world = await World.open()
  const { store } = world
  for (let i = 10; i < 60; i++) await store.set(`k${i}`, 'x'.repeat(100))
  await store.flush()
  const [view, iterator] = [store.view(), store.keys()]
  await iterator.nextMany(1)
  await store.clear({ prefix: 'k' })
  await store.compact()
  expect(await view.count()).toBe(50)
  expect(await iterator.all()).toHaveLength(49)
  view.close()
  await store.compact()
  await world.settle()
  const tables = (await world.fileSystem.readdir('/db')).filter((name) => name.endsWith('.sst'))
  expect(tables).toHaveLength(store.stats().levels.reduce((sum, level) => sum + level.tables, 0))
})

test('iterator × batch, iterator × transaction: an iterator shows none of what is committed behind it', async () => {
  const { store } = await World.open()
  await store.set('a', '1')
  const iterator = store.entries()
  await store.applyBatch(new WriteBatch().set('a', '2').set('b', '2'))
  await store.transaction(async (tx) => {
    expect(await tx.keys().all()).toEqual(['a', 'b'])
    tx.delete('a')
    tx.set('c', '3')
  })
  expect(await iterator.all()).toEqual([['a', '1']])
})

test('snapshot × transaction, snapshot × conditional write: one taken meanwhile has all of a commit or nothing', async () => {
  const world = await World.open()
  const { store } = world
  await store.transaction(async (tx) => {
    tx.set('x', '1')
    await store.snapshot({ name: 'inside' })
    tx.set('y', '1')
  })
  const [, taken] = await Promise.all([
    store.increment('n'),
    store.snapshot({ name: 'behind' }),
    store.increment('n'),
  ])
  await store.restoreSnapshot('inside')
  expect(await world.all()).toBe('')
  await store.restoreSnapshot('behind')
  expect(await store.count()).toBe(taken.entryCount)
  expect(await store.getMany(['x', 'y'])).toEqual(['1', '1'])
})

test('snapshot × batch × crash: a snapshot that was acknowledged holds whole batches, whatever was lost', async () => {
  const world = await World.open({ durability: 'memory', syncInterval: 0 })
  await world.store.applyBatch(new WriteBatch().set('x', '1').set('y', '1'))
  await world.store.snapshot({ name: 'one' })
  await world.store.applyBatch(new WriteBatch().set('x', '2').set('y', '2'))
  const store = await world.crash()
  const [x, y] = await store.getMany(['x', 'y'])
  expect(x).toBe(y)
  await store.restoreSnapshot('one')
  expect(await world.all()).toBe('x=1 y=1')
})

test('snapshot × compaction: tables that compaction drops stay in the snapshot', async () => {
  const world = await World.open()
  const { store } = world
  for (let i = 10; i < 60; i++) await store.set(`k${i}`, 'old')
  await store.snapshot({ name: 'one' })
  for (let i = 10; i < 60; i++) await store.set(`k${i}`, 'new')
  await store.compact()
  await store.restoreSnapshot('one')
  expect(new Set(await store.values().all())).toEqual(new Set(['old']))
})

test('snapshot × reopen: it is there and can be restored by the next process', async () => {
  const world = await World.open()
  await world.store.set('a', '1')
  await world.store.snapshot({ name: 'one' })
  await world.store.set('a', '2')
  const store = await world.reopen()
  await store.restoreSnapshot('one')
  expect(await world.all()).toBe('a=1')
})

test('transaction × crash, conditional write × crash: what was acknowledged on the disk is whole', async () => {
  const world = await World.open({ durability: 'memory', syncInterval: 0 })
  const { store } = world
  const disk = { durability: 'disk' as const }
  await store.increment('n', 5, disk)
  await store.transaction(async (tx) => {
    tx.set('x', '1')
    tx.set('y', '1')
  }, disk)
  await store.update('n', () => 'lost')
  await world.crash()
  expect(await world.all()).toBe('n=5 x=1 y=1')
})

test('transaction × compaction: what it reads stays, and what changed is found in whatever table it went to', async () => {
  const { store } = await World.open()
  await store.set('a', '1')
  await store.flush()
  let runs = 0
  await store.transaction(async (tx) => {
    const before = await tx.get('a')
    if (++runs === 1) {
      await store.set('a', '2')
      await store.compact()
      await store.delete('a')
      await store.compact()
    }
    expect(await tx.get('a')).toBe(before)
    tx.set('b', before ?? 'gone')
  })
  expect(await store.get('b')).toBe('gone')
})

test('transaction × conditional write: each sees the other whole', async () => {
  const { store } = await World.open()
  let runs = 0
  await store.transaction(async (tx) => {
    const n = Number((await tx.get('n')) ?? 0)
    if (++runs === 1) await store.increment('n')
    tx.set('n', `${n + 10}`)
  })
  expect(await store.increment('n')).toBe(12)
  expect(runs).toBe(2)
})

test('transaction × batch: a batch that touches what was read is a conflict', async () => {
  const { store } = await World.open()
  const run = store.transaction(
    async (tx) => {
      await tx.keys({ prefix: 'a' }).all()
      await store.applyBatch(new WriteBatch().set('z', '1').set('a1', '1'))
      tx.set('b', '1')
    },
    { retries: 0 },
  )
  await expect(run).rejects.toMatchObject({ code: 'CONFLICT' })
})
