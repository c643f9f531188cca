/** Small classes that keep things alive as long as they are needed: the process, a read state, a promise. */
import { expect, test } from 'vitest'
import { ArenaPool } from '../../src/memtable/arena.js'
import { Memtable } from '../../src/memtable/memtable.js'
import { Deferred } from '../../src/store/deferred.js'
import { KeepAlive } from '../../src/store/keep-alive.js'
import { ReadState } from '../../src/store/reading/read-state.js'
import { Version } from '../../src/version/version.js'

test('the process stays alive from the first work that is awaited to the last', async () => {
  const held = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const others = held()
  const keepAlive = new KeepAlive()
  const [first, second] = [new Deferred<number>(), new Deferred<number>()]
  const results = [
    keepAlive.during(first.promise),
    keepAlive.during(second.promise).catch((error) => error.message),
  ]
  expect(held() - others).toBe(1)
  first.resolve(5)
  expect(await results[0]).toBe(5)
  expect(held() - others).toBe(1)
  second.reject(new Error('failed'))
  expect(await results[1]).toBe('failed')
  expect(held() - others).toBe(0)
  expect(await keepAlive.during(Promise.resolve(7))).toBe(7)
  expect(held() - others).toBe(0)
})

test('a read state lets its memtables go with its last pin', async () => {
  const pool = new ArenaPool(4096)
  const memtable = Memtable.create(pool, 1)
  const { buffer } = memtable.image
  const state = new ReadState([memtable], Version.empty())
  memtable.unpin()
  expect(state.pin()).toBe(state)
  state.unpin()
  const work = new Deferred<string>()
  const outcome = state.during(work.promise)
  state.unpin()
  expect(pool.take().buffer).not.toBe(buffer)
  work.resolve('done')
  expect(await outcome).toBe('done')
  expect(pool.take().buffer).toBe(buffer)
  expect(() => state.unpin()).toThrow('once')
  expect(() => state.pin()).toThrow('not pinned again')
})
