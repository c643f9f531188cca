/** Watching, where it meets what writes, and what takes away. */
import { describe, expect, test } from 'vitest'
import { WriteBatch } from '../../src/index.js'
import { changes, codeOf, rest, SWEEP_MS, World } from './world.js'

test('watch × batch × expiry: the changes of a batch stand together, the expiry of one of them behind them', async () => {
  const world = await World.open()
  const { store } = world
  const watcher = store.watch({ prefix: 'k' })
  await store.applyBatch(
    new WriteBatch().set('k1', '1', { ttl: 10 }).set('other', '0').set('k2', '2').delete('k3'),
  )
  await world.pass(SWEEP_MS)
  await store.applyBatch(new WriteBatch().delete('k2').set('k1', '3'))
  expect(await changes(watcher, 6)).toEqual([
    '1 set k1=1',
    '3 set k2=2',
    '4 delete k3',
    '5 expire k1=1',
    '6 delete k2',
    '7 set k1=3',
  ])
})

describe('watch × transaction', () => {
  test('nothing is told of one that is rolled back, or of the runs that conflicted', async () => {
    const { store } = await World.open()
    const watcher = store.watch()
    await store
      .transaction(async (tx) => {
        tx.set('a', 'never')
        throw new Error('rolled back')
      })
      .catch(() => undefined)
    let runs = 0
    await store.transaction(async (tx) => {
      await tx.get('b')
      tx.set('a', `run ${++runs}`)
      tx.set('b', `run ${runs}`)
      if (runs === 1) await store.set('b', 'outside')
    })
    expect(await changes(watcher, 3)).toEqual(['1 set b=outside', '2 set a=run 2', '3 set b=run 2'])
    await store.close()
    expect(await rest(watcher)).toEqual({ told: [], code: undefined })
  })

  test('its changes are told when it is committed, not before, and all are visible then', async () => {
    const { store } = await World.open()
    const watcher = store.watch('a')
    const first = watcher.next()
    await store.transaction(async (tx) => {
      tx.set('a', '1')
      tx.set('b', '2')
      await store.set('c', 'before')
    })
    expect((await first).value?.sequence).toBe(2)
    expect(store.getSync('b')).toBe('2')
  })
})

test('watch × conditional write: only what wrote is told, with what came of it', async () => {
  const { store } = await World.open()
  const watcher = store.watch()
  await store.setNX('a', '1')
  await store.setNX('a', 'no')
  await store.compareAndSet('a', 'wrong', 'no')
  await store.increment('a', 4)
  await store.update('a', () => undefined)
  await store.expire('a', 5)
  await store.set('b', '2')
  await store.expire('b', 5)
  expect(await changes(watcher, 5)).toEqual([
    '1 set a=1',
    '2 set a=5',
    '3 delete a',
    '4 set b=2',
    '5 set b=2',
  ])
})

test('watch × restore: a watcher ends behind what was told, and goes on where the error says', async () => {
  const { store } = await World.open()
  await store.set('a', '1')
  await store.snapshot({ name: 'one' })
  const watcher = store.watch()
  await store.set('a', '2')
  await store.restoreSnapshot('one')
  await store.set('a', '3')
  expect(await changes(watcher, 1)).toEqual(['2 set a=2'])
  const error = await watcher.next().catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'ABORTED', sequence: 4 })
  expect(await changes(store.watch({}, { from: 4 }), 1)).toEqual(['4 set a=3'])
  await expect(store.watch({}, { from: 2 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('watch × clear: what lies before a clear is not replayed, what lies behind it is', async () => {
  const { store } = await World.open()
  await store.set('a', '1')
  await store.clear()
  await store.set('b', '2')
  await expect(store.watch({}, { from: 1 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await changes(store.watch({}, { from: 3 }), 1)).toEqual(['3 set b=2'])
})

describe('watch × reopen', () => {
  test('a watcher resumes from where the one before ended, without a gap', async () => {
    const world = await World.open()
    const watcher = world.store.watch()
    await world.store.set('a', '1')
    expect(await changes(watcher, 1)).toEqual(['1 set a=1'])
    await watcher.close()
    await world.store.set('b', '2')
    const store = await world.reopen()
    const resumed = store.watch({}, { from: 2 })
    await store.set('c', '3')
    expect(await changes(resumed, 2)).toEqual(['2 set b=2', '3 set c=3'])
  })

  test('what was flushed to tables before is told to be gone', async () => {
    const world = await World.open()
    await world.store.set('a', '1')
    await world.store.flush()
    const store = await world.reopen()
    const error = await store.watch({}, { from: 1 }).next().catch(codeOf)
    expect([
      'NOT_FOUND',
      { done: false, value: { type: 'set', key: 'a', value: '1', sequence: 1 } },
    ]).toContainEqual(error)
  })
})

test('watch × crash: what was told and lost is not there to resume from', async () => {
  const world = await World.open({ durability: 'memory', syncInterval: 0 })
  const watcher = world.store.watch()
  await world.store.set('a', '1', { durability: 'disk' })
  await world.store.set('a', 'lost')
  expect(await changes(watcher, 2)).toEqual(['1 set a=1', '2 set a=lost'])
  const store = await world.crash()
  expect(await store.get('a')).toBe('1')
  await expect(store.watch({}, { from: 3 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const resumed = store.watch({}, { from: 2 })
  await store.set('a', '2')
  expect(await changes(resumed, 1)).toEqual(['2 set a=2'])
})

test('watch × view: watching from behind a view leaves nothing out', async () => {
  const { store } = await World.open()
  await store.set('a', '1')
  const view = store.view()
  await store.set('b', '2')
  const watcher = store.watch({}, { from: view.sequence + 1 })
  view.close()
  await store.set('c', '3')
  expect(await changes(watcher, 2)).toEqual(['2 set b=2', '3 set c=3'])
})

test('watch × iterator: what an iterator shows and what is watched from then on is everything', async () => {
  const { store } = await World.open()
  await store.set('a', '1')
  const [iterator, watcher] = [store.entries(), store.watch()]
  await store.set('a', '2')
  await store.flush()
  expect(await iterator.all()).toEqual([['a', '1']])
  expect(await changes(watcher, 1)).toEqual(['2 set a=2'])
})

test('watch × snapshot: taking one changes nothing for a watcher, and what is watched goes on behind it', async () => {
  const { store } = await World.open()
  const watcher = store.watch()
  await store.set('a', '1')
  const { sequence } = await store.snapshot()
  await store.set('a', '2')
  expect(await changes(watcher, 2)).toEqual([`${sequence} set a=1`, `${sequence + 1} set a=2`])
})

test('watch × compaction: previous and last values are told though tables come and go', async () => {
  const world = await World.open({ cacheSize: 0 })
  const { store } = world
  await store.set('a', '1', { ttl: 10 })
  await store.set('b', '1')
  const watcher = store.watch({}, { previous: true })
  await store.compact()
  await store.set('b', '2')
  const compacting = store.compact()
  await store.delete('b')
  await world.pass(SWEEP_MS)
  await compacting
  const told = [await watcher.next(), await watcher.next(), await watcher.next()].map(({ value }) => value)
  expect(told).toEqual([
    { type: 'set', key: 'b', value: '2', previous: '1', sequence: 3 },
    { type: 'delete', key: 'b', value: undefined, previous: '2', sequence: 4 },
    { type: 'expire', key: 'a', value: '1', sequence: 5 },
  ])
})
