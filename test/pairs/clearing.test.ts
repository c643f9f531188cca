/** Clearing, of everything and of a range, where it meets everything else. */
import { describe, expect, test } from 'vitest'
import { open, WriteBatch } from '../../src/index.js'
import { InlineExecutor } from '../../src/testing.js'
import { changes, type TextStore, World } from './world.js'

/** Both ways of removing all that these tests write. */
const ways: readonly (readonly [name: string, clear: (store: TextStore) => Promise<void>])[] = [
  ['everything', (store) => store.clear()],
  ['a range', (store) => store.clear({ gte: 'a', lt: 'x' })],
]

describe.each(ways)('clear of %s', (_name, clear) => {
  test('clear × view: a view goes on with what it saw, in memory and in tables', async () => {
    const world = await World.open()
    const { store } = world
    await store.set('a', '1')
    await store.flush()
    await store.set('b', '2')
    const view = store.view()
    await clear(store)
    await store.set('c', '3')
    await store.compact()
    expect(await world.all(view)).toBe('a=1 b=2')
    expect(view.getSync('c')).toBe(undefined)
    expect(await view.size()).toBe(4)
    view.close()
    expect(await world.all()).toBe('c=3')
  })

  test('clear × iterator: an iterator under way goes on, in both directions, and one made then finds nothing', async () => {
    const world = await World.open()
    const { store } = world
    const batch = new WriteBatch()
    for (let i = 10; i < 60; i++) batch.set(`k${i}`, 'x'.repeat(100))
    await store.applyBatch(batch)
    await store.flush()
    const [forwards, backwards] = [store.keys(), store.keys({ reverse: true })]
    expect(await forwards.nextMany(1)).toEqual(['k10'])
    await clear(store)
    await store.compact()
    expect(await forwards.nextMany(100)).toHaveLength(49)
    forwards.seek('k58')
    expect(await forwards.nextMany(9)).toEqual(['k58', 'k59'])
    expect(await backwards.all()).toHaveLength(50)
    expect(await store.keys().all()).toEqual([])
  })

  test('clear × snapshot: a snapshot from before holds it all, one from behind holds nothing of it', async () => {
    const world = await World.open()
    const { store, clock, fileSystem } = world
    await store.set('a', '1')
    const before = await store.snapshot({ name: 'before' })
    await clear(store)
    await store.set('b', '2')
    const after = await store.snapshot({ name: 'after' })
    expect([before.entryCount, after.entryCount]).toEqual([1, 1])
    const found: string[] = []
    for (const { path } of [before, after]) {
      const copy = await open<string, string>(path, {
        valueEncoding: 'utf8',
        clock,
        fileSystem,
        executor: new InlineExecutor(),
      })
      found.push(await world.all(copy))
      await copy.close()
    }
    expect(found).toEqual(['a=1', 'b=2'])
  })

  test('clear × restore: what was cleared comes back, and a clear behind it takes it again', async () => {
    const world = await World.open()
    const { store } = world
    await store.set('a', '1')
    await store.snapshot({ name: 'one' })
    await clear(store)
    await store.restoreSnapshot('one')
    expect(await world.all()).toBe('a=1')
    await clear(store)
    expect(await store.len()).toBe(0)
    await world.reopen()
    expect(await world.store.len()).toBe(0)
  })

  test('clear × transaction: one that has read what is cleared conflicts, and is run again on nothing', async () => {
    const { store } = await World.open()
    await store.set('a', '1')
    const seen: (string | undefined)[] = []
    await store.transaction(async (tx) => {
      seen.push(await tx.get('a'))
      if (seen.length === 1) await clear(store)
      tx.set('b', `${seen.length}`)
    })
    expect(seen).toEqual(['1', undefined])
    expect(await store.get('b')).toBe('2')
  })

  test('clear × conditional write: they decide on what is left, in the order of the calls', async () => {
    const { store } = await World.open()
    await store.set('a', '1')
    const [kept, , written, updated] = await Promise.all([
      store.setNX('a', 'no'),
      clear(store),
      store.setNX('a', 'yes'),
      store.update('a', (old) => `${old}!`),
    ])
    expect([kept, written, updated]).toEqual([false, true, 'yes!'])
  })

  test('clear × batch: the batch before it is gone, the one behind it is there', async () => {
    const world = await World.open()
    const { store } = world
    await Promise.all([
      store.applyBatch(new WriteBatch().set('a', '1').set('b', '1')),
      clear(store),
      store.applyBatch(new WriteBatch().set('b', '2').set('c', '2')),
    ])
    expect(await world.all()).toBe('b=2 c=2')
  })

  test('clear × compaction: one under way brings nothing back', async () => {
    const world = await World.open()
    const { store } = world
    for (let i = 10; i < 90; i++) await store.set(`k${i}`, 'x'.repeat(200))
    const compacting = store.compact()
    await clear(store)
    await compacting
    await store.compact()
    expect(await store.len()).toBe(0)
    await world.settle()
    expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(0)
  })

  test('clear × crash: what was acknowledged as cleared does not come back', async () => {
    const world = await World.open({ durability: 'disk' })
    await world.store.set('a', '1')
    await world.store.flush()
    await world.store.set('b', '2')
    await clear(world.store)
    await world.store.set('c', '3')
    await world.crash()
    expect(await world.all()).toBe('c=3')
  })

  test('clear × reopen: nothing comes back', async () => {
    const world = await World.open()
    await world.store.set('a', '1')
    await clear(world.store)
    await world.store.set('b', '2')
    await world.reopen()
    expect(await world.all()).toBe('b=2')
  })
})

test('clear × watch: everything is one change for all watchers, a range one for each key that was there', async () => {
  const { store } = await World.open()
  const [all, one, other] = [store.watch(), store.watch('a'), store.watch({ gte: 'x' })]
  await store.set('a', '1')
  await store.set('b', '2')
  await store.set('c', '3')
  await store.clear({ lt: 'c' })
  await store.clear()
  await store.set('a', '4')
  const cleared = ['4 delete a', '5 delete b', '6 clear', '7 set a=4']
  expect(await changes(all, 7)).toEqual(['1 set a=1', '2 set b=2', '3 set c=3', ...cleared])
  expect(await changes(one, 4)).toEqual(['1 set a=1', '4 delete a', '6 clear', '7 set a=4'])
  expect(await changes(other, 1)).toEqual(['6 clear'])
})
