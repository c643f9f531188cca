import { describe, expect, expectTypeOf, test } from 'vitest'
import { Kind } from '../../src/base/entry.js'
import { type Change, open, type VarveError, WriteBatch } from '../../src/index.js'
import type { OrderedKey } from '../../src/store/encodings/key-encoding.js'
import { ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { turn } from '../model/turns.js'
import { drain, openWithEngine, take } from './watch-fixture.js'

describe('what is watched', () => {
  test('one key: each write of it, in order, and no other', async () => {
    const { store } = await openWithEngine()
    const changes = store.watch('a')
    await store.set('a', '1')
    await store.set('ab', 'no')
    await store.delete('a')
    await store.set('a', '2')
    await store.close()
    expect((await drain(changes)).items).toEqual([
      { type: 'set', key: 'a', value: '1', sequence: 1 },
      { type: 'delete', key: 'a', value: undefined, sequence: 3 },
      { type: 'set', key: 'a', value: '2', sequence: 4 },
    ])
  })

  test.each([
    ['prefix', { prefix: 'user:' }, ['user:', 'user:1', 'user:\u{10ffff}']],
    ['bounds', { gte: 'user:', lt: 'user:1' }, ['user:']],
    ['exclusive and inclusive bounds', { gt: 'user:', lte: 'user:1' }, ['user:1']],
    ['an empty range', { gt: 'b', lt: 'a' }, []],
    ['everything', {}, ['a', 'user', 'user:', 'user:1', 'user:\u{10ffff}', 'v']],
  ])('%s', async (_name, range, expected) => {
    const { store } = await openWithEngine()
    const changes = store.watch(range)
    for (const key of ['a', 'user', 'user:', 'user:1', 'user:\u{10ffff}', 'v']) await store.set(key, key)
    await store.close()
    expect((await drain(changes)).items.map(({ key }) => key)).toEqual(expected)
  })

  test('everything, when nothing is said', async () => {
    const { store } = await openWithEngine()
    const changes = store.watch()
    await store.set('a', '1')
    expect(await changes.next()).toMatchObject({ done: false, value: { key: 'a' } })
    await store.close()
  })

  test('keys of bytes, and keys that are dates and arrays', async () => {
    const bytes = await openWithEngine<Buffer>({ keyEncoding: 'buffer' })
    const one = bytes.store.watch(Uint8Array.of(0xff, 0))
    await bytes.store.set(Uint8Array.of(0xff, 0), '1')
    expect((await one.next()).value).toMatchObject({ key: Buffer.of(0xff, 0), value: '1' })
    await bytes.store.close()

    const ordered = await openWithEngine<OrderedKey>({ keyEncoding: 'ordered' })
    const date = ordered.store.watch(new Date(5))
    const array = ordered.store.watch(['user', 1])
    const prefix = ordered.store.watch({ prefix: ['user'] })
    await ordered.store.set(new Date(5), 'date')
    await ordered.store.set(['user', 1], 'array')
    await ordered.store.set(['user', 2], 'other')
    await ordered.store.close()
    expect((await drain(date)).items.map(({ value }) => value)).toEqual(['date'])
    expect((await drain(array)).items.map(({ value }) => value)).toEqual(['array'])
    expect((await drain(prefix)).items.map(({ value }) => value)).toEqual(['array', 'other'])
  })

  test('what was written before is not told; what is written from the call on is', async () => {
    const { store } = await openWithEngine()
    await store.set('a', 'before')
    const changes = store.watch('a')
    await store.set('a', 'after')
    expect(await take(changes, 1)).toMatchObject([{ value: 'after' }])
    await store.close()
  })
})

describe('commits', () => {
  test('a batch comes whole and in its order, with a sequence number each', async () => {
    const { store } = await openWithEngine()
    const changes = store.watch()
    await store.applyBatch(new WriteBatch<string, string>().set('b', '1').delete('a').set('b', '2'))
    expect(await take(changes, 3)).toMatchObject([
      { type: 'set', key: 'b', value: '1', sequence: 1 },
      { type: 'delete', key: 'a', sequence: 2 },
      { type: 'set', key: 'b', value: '2', sequence: 3 },
    ])
    await store.close()
  })

  test('a write that is refused is not told', async () => {
    const { store } = await openWithEngine({ maxValueSize: 3 })
    const changes = store.watch()
    await expect(store.set('a', 'long')).rejects.toMatchObject({ code: 'VALUE_TOO_LARGE' })
    await expect(
      store.transaction((tx) => {
        tx.set('b', '1')
        throw new Error('rolled back')
      }),
    ).rejects.toThrow('rolled back')
    await store.transaction((tx) => tx.set('c', '1'))
    expect(await take(changes, 1)).toMatchObject([{ key: 'c' }])
    await store.close()
  })

  test('a change can be read when it is told', async () => {
    const { store } = await openWithEngine()
    const seen: (string | undefined)[] = []
    const watching = (async () => {
      for await (const { key } of store.watch()) if (key !== undefined) seen.push(store.getSync(key))
    })()
    for (const value of ['1', '2', '3']) await store.set('a', value)
    await turn()
    await store.close()
    await watching
    expect(seen).toEqual(['1', '2', '3'])
  })

  test('a value with a time to live comes without its expiry', async () => {
    const { store } = await openWithEngine()
    const changes = store.watch('a')
    await store.set('a', 'short', { ttl: 1000 })
    await store.set('a', 'now', { durability: 'memory' })
    await store.set('a', 'safe', { durability: 'disk' })
    expect((await take(changes, 3)).map(({ value }) => value)).toEqual(['short', 'now', 'safe'])
    await store.close()
  })

  test('each watcher gets values of its own', async () => {
    const store = await open('/db', { fileSystem: new MemoryFileSystem(), clock: new ManualClock() })
    const [one, other] = [store.watch('a'), store.watch({})]
    await store.set('a', Buffer.of(1, 2))
    const [first] = await take(one, 1)
    if (first.type === 'set') first.value.fill(0)
    expect((await other.next()).value?.value).toEqual(Buffer.of(1, 2))
    await store.close()
  })
})

describe('what was there before', () => {
  test('comes with previous: true, from memory and from tables', async () => {
    const { store, clock } = await openWithEngine()
    await store.set('a', 'on disk')
    await store.flush()
    const changes = store.watch({}, { previous: true })
    await store.set('a', '1')
    await store.set('a', '2', { ttl: 10 })
    clock.advance(10)
    await store.set('a', '3')
    await store.delete('a')
    await store.delete('a')
    expect(await take(changes, 5)).toEqual([
      { type: 'set', key: 'a', value: '1', previous: 'on disk', sequence: 2 },
      { type: 'set', key: 'a', value: '2', previous: '1', sequence: 3 },
      { type: 'set', key: 'a', value: '3', sequence: 4 },
      { type: 'delete', key: 'a', value: undefined, previous: '3', sequence: 5 },
      { type: 'delete', key: 'a', value: undefined, sequence: 6 },
    ])
    await store.close()
  })

  test('is not looked up for a watcher that did not ask', async () => {
    const { store } = await openWithEngine()
    await store.set('a', '1')
    const [plain, curious] = [store.watch('a'), store.watch('a', { previous: true })]
    await store.set('a', '2')
    expect((await plain.next()).value).not.toHaveProperty('previous')
    expect((await curious.next()).value).toHaveProperty('previous', '1')
    await store.close()
  })

  test.each([
    ['expire', Kind.expire],
    ['evict', Kind.evict],
  ] as const)('%s tells the last value, though it has expired', async (type, kind) => {
    const { store, engine, clock } = await openWithEngine()
    await store.set('disk', 'from a table', { ttl: 10 })
    await store.flush()
    await store.set('memory', 'from memory', { ttl: 10 })
    clock.advance(20)
    const changes = store.watch()
    const group = engine.pipeline.join('os')
    for (const key of ['disk', 'memory', 'missing']) group.operations.add(kind, Buffer.from(key))
    await group.promiseFor('os')
    expect(await take(changes, 3)).toEqual([
      { type, key: 'disk', value: 'from a table', sequence: 3 },
      { type, key: 'memory', value: 'from memory', sequence: 4 },
      { type, key: 'missing', value: undefined, sequence: 5 },
    ])
    await store.close()
  })
})

describe('clear', () => {
  test('is told to every watcher, with no key, in its place', async () => {
    const { store } = await openWithEngine()
    const [key, range] = [store.watch('a'), store.watch({ prefix: 'b' })]
    await store.set('a', '1')
    await store.clear()
    await store.set('a', '2')
    const cleared = { type: 'clear', key: undefined, value: undefined, sequence: 2 }
    expect(await take(key, 3)).toMatchObject([{ value: '1' }, cleared, { value: '2', sequence: 3 }])
    expect(await take(range, 1)).toEqual([cleared])
    await store.close()
  })

  test('of a range is a delete of each key in it', async () => {
    const { store } = await openWithEngine()
    for (const name of ['a', 'b', 'c']) await store.set(name, name)
    const changes = store.watch()
    await store.clear({ gte: 'b' })
    expect(await take(changes, 2)).toMatchObject([
      { type: 'delete', key: 'b' },
      { type: 'delete', key: 'c' },
    ])
    await store.close()
  })
})

describe('expiry', () => {
  test.each(['memory', 'a table', 'a table of nothing else'])(
    'is told once, with the last value, from %s',
    async (where) => {
      const { store, clock } = await openWithEngine({ cleanupInterval: 100 })
      if (where === 'a table') await store.set('other', 'stays')
      await store.set('a', 'old')
      await store.set('a', 'last', { ttl: 50 })
      if (where !== 'memory') await store.flush()
      const changes = store.watch('a')
      const next = changes.next()
      clock.advance(60)
      if (where !== 'memory') await store.compact()
      for (let i = 0; i < 5; i++) {
        clock.advance(100)
        for (let turns = 0; turns < 5; turns++) await turn()
      }
      expect(await next).toMatchObject({ value: { type: 'expire', key: 'a', value: 'last' } })
      await store.close()
      expect((await drain(changes)).items).toEqual([])
    },
  )
})

describe('a restore', () => {
  test('ends watchers behind what was told before, and says where to go on', async () => {
    const { store } = await openWithEngine()
    await store.set('a', '1')
    const { id } = await store.snapshot()
    const changes = store.watch('a')
    await store.set('a', '2')
    await store.restoreSnapshot(id)
    const { items, error } = await drain(changes)
    expect(items).toMatchObject([{ value: '2' }])
    expect(error).toMatchObject({ code: 'ABORTED', sequence: expect.any(Number) })
    const anew = store.watch('a', { from: (error as VarveError).sequence ?? 0 })
    await store.set('a', '3')
    expect(await take(anew, 1)).toMatchObject([{ value: '3' }])
    await store.close()
  })

  test('ends those that still catch up in the same way', async () => {
    const { store } = await openWithEngine()
    await store.set('a', '1')
    const { id } = await store.snapshot()
    const changes = store.watch('a', { from: 1 })
    await store.restoreSnapshot(id)
    const { error } = await drain(changes)
    expect(error).toMatchObject({ code: 'ABORTED', sequence: expect.any(Number) })
    await store.close()
  })
})

describe('the end', () => {
  test('leaving the loop lets go of everything', async () => {
    const { store, engine } = await openWithEngine()
    await store.set('a', '1')
    const watcher = store.watch('a', { from: 1 })
    for await (const _change of watcher) break
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
    const live = store.watch('a')
    expect(engine.observers.size).toBe(1)
    const pending = live.next()
    await live.return()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(engine.observers.size).toBe(0)
    await live.close()
    await store.close()
  })

  test('await using closes', async () => {
    const { store, engine } = await openWithEngine()
    {
      await using watcher = store.watch('a')
      expect(watcher).toBeDefined()
      expect(engine.observers.size).toBe(1)
    }
    expect(engine.observers.size).toBe(0)
    await store.close()
  })

  test('close of the store: what was committed is handed out, then it is done', async () => {
    const { store } = await openWithEngine()
    const [idle, waiting, replaying] = [store.watch(), store.watch('never'), store.watch('a', { from: 1 })]
    const next = waiting.next()
    void store.set('a', '1')
    await store.close()
    expect((await drain(idle)).items).toHaveLength(1)
    expect(await next).toEqual({ done: true, value: undefined })
    expect((await drain(replaying)).error).toBeUndefined()
    expect(() => store.watch('a')).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })

  test('close of the store: a write that is committed while it closes is handed out too', async () => {
    const outcomes = new Set<boolean>()
    for (let delay = 0; delay < 30; delay++) {
      const { store } = await openWithEngine({ cacheSize: 0 })
      await store.set('a', '1')
      await store.flush()
      const changes = store.watch()
      // Reads the disk before it writes.
      const written = store
        .update('a', () => '2')
        .then(
          () => true,
          () => false,
        )
      for (let i = 0; i < delay; i++) await undefined
      await store.close()
      outcomes.add(await written)
      expect((await drain(changes)).items).toHaveLength((await written) ? 1 : 0)
    }
    expect(outcomes).toContain(true)
  })

  test('the signal ends it with ABORTED, waiting or not, and nothing is told afterwards', async () => {
    const { store, engine } = await openWithEngine()
    const controller = new AbortController()
    const { signal } = controller
    const [waiting, buffered, replaying] = [
      store.watch('b', { signal }),
      store.watch('a', { signal }),
      store.watch('a', { signal, from: 1 }),
    ]
    const next = waiting.next()
    await store.set('a', '1')
    controller.abort(new Error('enough'))
    const aborted = { code: 'ABORTED', cause: expect.objectContaining({ message: 'enough' }) }
    await expect(next).rejects.toMatchObject(aborted)
    for (const watcher of [buffered, replaying, store.watch('a', { signal })]) {
      await expect(watcher.next()).rejects.toMatchObject(aborted)
      expect(await watcher.next()).toEqual({ done: true, value: undefined })
    }
    expect(engine.observers.size).toBe(0)
    await store.close()
  })

  test('a value that cannot be decoded ends it with the error of the encoding', async () => {
    const store = await open<string, string>('/db', {
      fileSystem: new MemoryFileSystem(),
      clock: new ManualClock(),
      valueEncoding: {
        encode: (value: string) => Buffer.from(value),
        decode: (): never => {
          throw new Error('not today')
        },
      },
    })
    const changes = store.watch('a')
    await store.set('a', '1')
    await expect(changes.next()).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    expect(await changes.next()).toEqual({ done: true, value: undefined })
    await store.close()
  })

  test('calls of next that overlap are answered in order', async () => {
    const { store } = await openWithEngine()
    const changes = store.watch()
    const answers = [changes.next(), changes.next(), changes.next()]
    await store.set('a', '1')
    await store.applyBatch(new WriteBatch<string, string>().set('b', '2').set('c', '3'))
    expect((await Promise.all(answers)).map(({ value }) => value?.key)).toEqual(['a', 'b', 'c'])
    await store.close()
  })
})

test('10,000 watchers of single keys are each told of their key only, and a write looks at one of them', async () => {
  const { store, engine } = await openWithEngine()
  const name = (i: number): string => `key:${String(i).padStart(6, '0')}`
  const watchers = Array.from({ length: 10_000 }, (_, i) => store.watch(name(i)))
  expect(engine.observers.size).toBe(1)
  for (const i of [0, 5000, 9999]) await store.set(name(i), String(i))
  for (const i of [9999, 5000, 0]) {
    expect(await take(watchers[i], 1)).toMatchObject([{ key: name(i), value: String(i) }])
  }
  await store.close()
  expect(
    (await Promise.all(watchers.map((watcher) => drain(watcher)))).flatMap(({ items }) => items),
  ).toEqual([])
})

test('a consumer as fast as writers misses nothing, however many writes there are in a turn', async () => {
  const { store } = await openWithEngine()
  let told = 0
  const watching = (async () => {
    for await (const _change of store.watch()) told++
  })()
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 1500 }, (_, i) => store.set(`${i}`, `${round}`)))
  }
  await turn()
  await store.close()
  await watching
  expect(told).toBe(30_000)
})

test.each([
  ['buffer', { buffer: 0 }],
  ['buffer', { buffer: 1.5 }],
  ['bufferBytes', { bufferBytes: -1 }],
  ['from', { from: -1 }],
  ['from', { from: Number.NaN }],
  ['signal', { signal: {} as AbortSignal }],
  ['previous', { previous: 1 as unknown as boolean }],
  ['options', null as unknown as object],
])('a wrong %s is refused', async (_name, options) => {
  const { store, engine } = await openWithEngine()
  expect(() => store.watch('a', options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  expect(() => store.watch(7 as unknown as string)).toThrow(expect.objectContaining({ code: 'INVALID_KEY' }))
  expect(engine.observers.size).toBe(0)
  await store.close()
})

test('types follow from the encodings', async () => {
  const store = await open('/db', {
    fileSystem: new MemoryFileSystem(),
    keyEncoding: 'ordered',
    valueEncoding: 'utf8',
  })
  const changes = store.watch({ prefix: ['a'] })
  expectTypeOf(changes.next()).resolves.toEqualTypeOf<IteratorResult<Change<OrderedKey, string>, undefined>>()
  const watching = (async () => {
    for await (const change of changes) {
      if (change.type === 'set') expectTypeOf(change.value).toEqualTypeOf<string>()
      if (change.type === 'clear') expectTypeOf(change.key).toEqualTypeOf<undefined>()
      else expectTypeOf(change.key).toEqualTypeOf<OrderedKey>()
    }
  })()
  expectTypeOf<VarveError['sequence']>().toEqualTypeOf<number | undefined>()
  await store.close()
  await watching
})
