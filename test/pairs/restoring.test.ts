/** Restoring a snapshot, where it meets what is open, what is under way, and what comes behind it. */
import { expect, test } from 'vitest'
import { WriteBatch } from '../../src/index.js'
import { World } from './world.js'

/** A store that holds `a=new`, with a snapshot `one` of `a=old b=old`. */
async function withSnapshot(): Promise<World> {
  const world = await World.open()
  const { store } = world
  await store.applyBatch(new WriteBatch().set('a', 'old').set('b', 'old'))
  await store.snapshot({ name: 'one' })
  await store.set('a', 'new')
  await store.delete('b')
  return world
}

test('restore × view: a view goes on with what it saw, also behind a second restore', async () => {
  const world = await withSnapshot()
  const { store } = world
  const view = store.view()
  await store.restoreSnapshot('one')
  const restored = store.view()
  await store.set('c', 'later')
  await store.restoreSnapshot('one')
  await store.compact()
  expect(await world.all(view)).toBe('a=new')
  expect(await world.all(restored)).toBe('a=old b=old')
  view.close()
  restored.close()
})

test('restore × iterator: one under way goes on, one made then shows what was restored', async () => {
  const world = await withSnapshot()
  const { store } = world
  await store.set('z', 'new')
  const iterator = store.entries()
  expect(await iterator.nextMany(1)).toEqual([['a', 'new']])
  await store.restoreSnapshot('one')
  expect(await iterator.all()).toEqual([['z', 'new']])
  expect(await world.all()).toBe('a=old b=old')
})

test('restore × transaction: one that writes conflicts and runs again, one that only reads saw one moment', async () => {
  const { store } = await withSnapshot()
  const seen: (string | undefined)[] = []
  await store.transaction(async (tx) => {
    seen.push(await tx.get('b'))
    if (seen.length === 1) await store.restoreSnapshot('one')
    tx.set('c', 'done')
  })
  const read = await store.transaction(async (tx) => {
    const before = await tx.get('c')
    await store.restoreSnapshot('one')
    return [before, await tx.get('c')]
  })
  expect(seen).toEqual([undefined, 'old'])
  expect(read).toEqual(['done', 'done'])
  expect(await store.exists('c')).toBe(false)
})

test('restore × conditional write: it decides on what was restored when it comes behind it', async () => {
  const { store } = await withSnapshot()
  const [set, , added] = await Promise.all([
    store.setNX('b', 'before'),
    store.restoreSnapshot('one'),
    store.update('a', (old) => `${old}!`),
  ])
  expect(set).toBe(true)
  expect(added).toBe('new!')
  expect(await store.setNX('b', 'behind')).toBe(false)
  expect(await store.compareAndSet('a', 'old', 'swapped')).toBe(true)
})

test('restore × batch: a batch is before it or behind it, never both', async () => {
  const { store } = await withSnapshot()
  const restoring = store.restoreSnapshot('one')
  const applied: Promise<unknown>[] = []
  for (let i = 0; i < 20; i++) {
    applied.push(store.applyBatch(new WriteBatch().set('x', `${i}`).set('y', `${i}`)))
    await undefined
  }
  await Promise.all([restoring, ...applied])
  const [x, y] = await store.getMany(['x', 'y'])
  expect(x).toBe(y)
  expect(await store.get('a')).toBe('old')
})

test('restore × snapshot: a snapshot of what was restored is what was restored; both stay', async () => {
  const world = await withSnapshot()
  const { store } = world
  await store.restoreSnapshot('one')
  const second = await store.snapshot({ name: 'two' })
  expect(second.entryCount).toBe(2)
  await store.deleteSnapshot('one')
  await store.clear()
  await store.restoreSnapshot('two')
  expect(await world.all()).toBe('a=old b=old')
  expect((await store.snapshots()).map(({ id }) => id)).toEqual(['two'])
})

test('restore × compaction: one under way mixes nothing of before with what is restored', async () => {
  const world = await withSnapshot()
  const { store } = world
  for (let i = 10; i < 90; i++) await store.set(`k${i}`, 'x'.repeat(200))
  const compacting = store.compact()
  await store.restoreSnapshot('one')
  await compacting
  await store.compact()
  expect(await world.all()).toBe('a=old b=old')
})

test('restore × reopen: what was restored, and what was written behind it, is there', async () => {
  const world = await withSnapshot()
  await world.store.restoreSnapshot('one')
  await world.store.set('c', 'behind')
  await world.reopen()
  expect(await world.all()).toBe('a=old b=old c=behind')
})

test('restore × crash: an acknowledged restore is there, though nothing else was synced', async () => {
  const world = await withSnapshot()
  await world.store.restoreSnapshot('one')
  await world.store.set('c', 'behind', { durability: 'disk' })
  const store = await world.crash()
  expect(await world.all()).toBe('a=old b=old c=behind')
  expect((await store.snapshots()).map(({ id }) => id)).toEqual(['one'])
})
