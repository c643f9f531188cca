import { describe, expect, test } from 'vitest'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { open } from '../../src/store/open.js'
import { WriteBatch } from '../../src/store/write-batch.js'
import { codeOf, openText, type TextStore } from './stores.js'

describe('bad arguments are refused before anything is written', () => {
  const bad: [string, string, (store: TextStore) => unknown][] = [
    ['a key that is no string', 'INVALID_KEY', (store) => store.set(5 as never, 'x')],
    ['a key that is missing', 'INVALID_KEY', (store) => store.set(undefined as never, 'x')],
    ['a key with a lone surrogate', 'INVALID_KEY', (store) => store.set('a\ud800', 'x')],
    ['a key that is too large', 'KEY_TOO_LARGE', (store) => store.set('k'.repeat(65_536), 'x')],
    ['a value that is no string', 'INVALID_VALUE', (store) => store.set('a', 5 as never)],
    ['a value that is missing', 'INVALID_VALUE', (store) => store.set('a', undefined as never)],
    ['a value with a lone surrogate', 'INVALID_VALUE', (store) => store.set('a', '\udc00')],
    ['a value that is too large', 'VALUE_TOO_LARGE', (store) => store.set('a', 'x'.repeat(1001))],
    ['a ttl that is negative', 'INVALID_ARGUMENT', (store) => store.set('a', 'x', { ttl: -1 })],
    ['a ttl that is no number', 'INVALID_ARGUMENT', (store) => store.set('a', 'x', { ttl: '5' as never })],
    [
      'a durability that there is not',
      'INVALID_ARGUMENT',
      (store) => store.set('a', 'x', { durability: 'tape' as never }),
    ],
    ['options that are none', 'INVALID_ARGUMENT', (store) => store.set('a', 'x', 5 as never)],
    ['options that are null', 'INVALID_ARGUMENT', (store) => store.set('a', 'x', null as never)],
    ['delete of no key', 'INVALID_KEY', (store) => store.delete(null as never)],
    [
      'delete with a durability that there is not',
      'INVALID_ARGUMENT',
      (store) => store.delete('a', { durability: 1 as never }),
    ],
    ['delete of a key that is too large', 'KEY_TOO_LARGE', (store) => store.delete('k'.repeat(65_536))],
    ['a batch that is none', 'INVALID_ARGUMENT', (store) => store.applyBatch(undefined as never)],
    [
      'an array for a batch',
      'INVALID_ARGUMENT',
      (store) => store.applyBatch([{ type: 'set', key: 'a', value: 'x' }] as never),
    ],
    [
      'a batch with a bad key',
      'INVALID_KEY',
      (store) => store.applyBatch(new WriteBatch<string, string>().set('a', 'x').set(5 as never, 'x')),
    ],
    [
      'a batch with a bad value',
      'INVALID_VALUE',
      (store) => store.applyBatch(new WriteBatch<string, string>().set('a', 'x').set('b', 5 as never)),
    ],
    [
      'a batch with a value that is too large',
      'VALUE_TOO_LARGE',
      (store) => store.applyBatch(new WriteBatch<string, string>().set('a', 'x').set('b', 'x'.repeat(1001))),
    ],
    ['get of no key', 'INVALID_KEY', (store) => store.get({} as never)],
    ['getSync of no key', 'INVALID_KEY', (store) => store.getSync(1 as never)],
    ['getMany of no array', 'INVALID_ARGUMENT', (store) => store.getMany('abc' as never)],
    ['getMany of no key', 'INVALID_KEY', (store) => store.getMany(['a', 5 as never])],
    ['getManySync of no array', 'INVALID_ARGUMENT', (store) => store.getManySync(undefined as never)],
    ['getManySync of no key', 'INVALID_KEY', (store) => store.getManySync(['a', null as never])],
    ['exists of no key', 'INVALID_KEY', (store) => store.exists([] as never)],
    ['existsSync of no key', 'INVALID_KEY', (store) => store.existsSync([] as never)],
    ['getEntry of no key', 'INVALID_KEY', (store) => store.getEntry(Symbol('a') as never)],
    ['get of a key that is too large', 'KEY_TOO_LARGE', (store) => store.get('k'.repeat(65_536))],
    ['a range that is none', 'INVALID_ARGUMENT', (store) => store.entries('a' as never)],
    ['a range that is null', 'INVALID_ARGUMENT', (store) => store.keys(null as never)],
    ['a bound that is no key', 'INVALID_KEY', (store) => store.values({ gte: 5 as never })],
    ['a prefix that is no key', 'INVALID_KEY', (store) => store.entries({ prefix: {} as never })],
    ['a limit that is no number', 'INVALID_ARGUMENT', (store) => store.entries({ limit: '5' as never })],
    ['a limit that is negative', 'INVALID_ARGUMENT', (store) => store.entries({ limit: -1 })],
    ['a limit that is no whole number', 'INVALID_ARGUMENT', (store) => store.entries({ limit: 1.5 })],
    ['a limit that is NaN', 'INVALID_ARGUMENT', (store) => store.entries({ limit: Number.NaN })],
    ['a filter that is no function', 'INVALID_ARGUMENT', (store) => store.entries({ filter: 'a' as never })],
    ['a view that is none', 'INVALID_ARGUMENT', (store) => store.entries({ view: {} as never })],
    ['a signal that is none', 'INVALID_ARGUMENT', (store) => store.entries({ signal: {} as never })],
    ['nextMany of nothing', 'INVALID_ARGUMENT', (store) => store.entries().nextMany(0)],
    ['nextMany of no number', 'INVALID_ARGUMENT', (store) => store.entries().nextMany('5' as never)],
    ['nextMany of no whole number', 'INVALID_ARGUMENT', (store) => store.entries().nextMany(2.5)],
    ['nextManySync of nothing', 'INVALID_ARGUMENT', (store) => store.entries().nextManySync(-1)],
    ['seek to no key', 'INVALID_KEY', (store) => store.entries().seek(5 as never)],
    ['compact of no range', 'INVALID_ARGUMENT', (store) => store.compact(5 as never)],
    ['compact of a bad range', 'INVALID_KEY', (store) => store.compact({ gte: 5 as never })],
    [
      'an event that there is not',
      'INVALID_ARGUMENT',
      (store) => store.on('flushed' as never, () => undefined),
    ],
    ['a listener that is none', 'INVALID_ARGUMENT', (store) => store.on('flush', undefined as never)],
  ]

  test.each(bad)('%s: %s', async (_what, code, work) => {
    const store = await openText({ maxValueSize: 1000 })
    await store.set('there', 'before')
    const { sequence } = store.stats()
    expect(await codeOf(() => work(store))).toBe(code)
    expect(store.stats().sequence).toBe(sequence)
    expect(await store.keys().all()).toEqual(['there'])
    await store.set('a', 'after')
    expect(await store.get('a')).toBe('after')
  })

  test('a method that answers with a promise rejects it and never throws', async () => {
    const store = await openText()
    for (const call of [
      () => store.set(5 as never, 'x'),
      () => store.delete(5 as never),
      () => store.get(5 as never),
      () => store.getMany(5 as never),
      () => store.exists(5 as never),
      () => store.getEntry(5 as never),
      () => store.applyBatch(5 as never),
      () => store.compact(5 as never),
      () => store.entries().nextMany(0),
    ]) {
      const promise = call()
      expect(promise).toBeInstanceOf(Promise)
      await expect(promise).rejects.toMatchObject({ name: 'VarveError' })
    }
  })

  test('what to do about it is said', async () => {
    const store = await openText()
    const told = (text: string) => ({ message: expect.stringContaining(text) })
    await expect(store.deleteSnapshot('none')).rejects.toMatchObject(told('snapshots()'))
    await expect(store.restoreSnapshot('/none')).rejects.toMatchObject(told('snapshots()'))
    await expect(store.expire('a', -1)).rejects.toMatchObject(told('not -1'))
    await store.close()
    expect(await codeOf(() => store.on('flush', () => undefined))).toBe('CLOSED')
  })

  test.each([undefined, '', 5, null])('a path that is %j', async (path) => {
    expect(await codeOf(() => open(path as never, { fileSystem: new MemoryFileSystem() }))).toBe(
      'INVALID_ARGUMENT',
    )
  })

  test('a value that looks at the store while it is encoded does no harm', async () => {
    const store = await open<string, { toJSON(): unknown }>('/json', {
      fileSystem: new MemoryFileSystem(),
      valueEncoding: 'json',
    })
    const value = {
      toJSON() {
        store.getSync('another key')
        return 'seen'
      },
    }
    await store.set('key', value)
    await store.applyBatch(new WriteBatch<string, typeof value>().set('batch', value))
    expect(await store.entries().all()).toEqual([
      ['batch', 'seen'],
      ['key', 'seen'],
    ])
    await store.close()
  })
})

describe('a closed store', () => {
  const calls: [string, (store: TextStore) => unknown][] = [
    ['set', (store) => store.set('a', 'x')],
    ['delete', (store) => store.delete('a')],
    ['applyBatch', (store) => store.applyBatch(new WriteBatch<string, string>().set('a', 'x'))],
    ['get', (store) => store.get('a')],
    ['getSync', (store) => store.getSync('a')],
    ['getMany', (store) => store.getMany(['a'])],
    ['getManySync', (store) => store.getManySync(['a'])],
    ['getEntry', (store) => store.getEntry('a')],
    ['exists', (store) => store.exists('a')],
    ['existsSync', (store) => store.existsSync('a')],
    ['entries', (store) => store.entries()],
    ['keys', (store) => store.keys()],
    ['values', (store) => store.values()],
    ['count', (store) => store.count()],
    ['view', (store) => store.view()],
    ['flush', (store) => store.flush()],
    ['sync', (store) => store.sync()],
    ['compact', (store) => store.compact()],
    ['stats', (store) => store.stats()],
  ]

  test.each(calls)('%s: CLOSED, also while it closes', async (_name, call) => {
    const store = await openText()
    await store.set('a', 'x')
    const closing = store.close()
    expect(store.isOpen).toBe(false)
    expect(await codeOf(() => call(store))).toBe('CLOSED')
    await closing
    expect(await codeOf(() => call(store))).toBe('CLOSED')
  })

  test('closes once, however often it is told', async () => {
    const store = await openText()
    const [first, second] = [store.close(), store.close()]
    await Promise.all([first, second])
    await store.close()
    await store[Symbol.asyncDispose]()
  })

  test('writes that were made before close are in it, awaited or not', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ fileSystem })
    const writes = Array.from({ length: 100 }, (_, i) =>
      store.set(`k${i}`, `v${i}`, { durability: i % 2 ? 'memory' : 'os' }),
    )
    await store.close()
    await Promise.all(writes)
    const again = await openText({ fileSystem })
    expect(await again.count()).toBe(100)
  })

  test('its views and iterators are closed too', async () => {
    const store = await openText()
    await Promise.all(Array.from({ length: 2000 }, (_, i) => store.set(`k${i}`, 'x')))
    const view = store.view()
    const iterator = store.keys()
    await iterator.next()
    const many = store.keys()
    await many.nextMany(3)
    const loop = store.keys()[Symbol.iterator]()
    loop.next()
    await store.close()
    expect(await codeOf(() => view.get('k1'))).toBe('CLOSED')
    expect(await codeOf(() => view.getSync('k1'))).toBe('CLOSED')
    expect(await codeOf(() => view.entries())).toBe('CLOSED')
    expect(await codeOf(() => iterator.next())).toBe('CLOSED')
    expect(await codeOf(() => many.nextMany(3))).toBe('CLOSED')
    expect(await codeOf(() => many.nextManySync(3))).toBe('CLOSED')
    expect(await codeOf(() => loop.next())).toBe('CLOSED')
    view.close()
    await iterator.close()
    await many.close()
  })
})
