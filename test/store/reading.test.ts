import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { open } from '../../src/store/open.js'
import { WriteBatch } from '../../src/store/write-batch.js'
import { checkFilled, codeOf, fill, numbered, openFaulty, openText, TINY, textOf } from './stores.js'

describe('keys and values at the edges', () => {
  test('the empty key, keys of 0xff, keys that are prefixes of each other', async () => {
    const store = await open('/bytes', { ...TINY, fileSystem: new MemoryFileSystem(), keyEncoding: 'buffer' })
    const keys = [
      [],
      [0],
      [0, 0],
      [0xfe, 0xff],
      [0xff],
      [0xff, 0],
      [0xff, 0xff],
      new Array(1000).fill(0xff),
    ].map((bytes) => Buffer.from(bytes))
    for (const isFlushed of [false, true]) {
      for (const key of [...keys].reverse()) await store.set(key, key)
      if (isFlushed) await store.compact()
      expect(await store.keys().all()).toEqual(keys)
      expect(await store.keys({ reverse: true }).all()).toEqual([...keys].reverse())
      for (const key of keys) {
        expect(await store.get(key)).toEqual(key)
        expect(await store.keys({ gte: key, limit: 1 }).all()).toEqual([key])
        expect(await store.keys({ lte: key, limit: 1, reverse: true }).all()).toEqual([key])
        expect(await store.keys({ prefix: key }).all()).toEqual(
          keys.filter((one) => one.subarray(0, key.length).equals(key)),
        )
      }
    }
    await store.close()
  })

  test('the largest key and the empty value', async () => {
    const store = await openText(TINY)
    const key = 'k'.repeat(65_535)
    await store.set(key, '')
    await store.set('', '')
    await store.compact()
    expect(await store.entries().all()).toEqual([
      ['', ''],
      [key, ''],
    ])
    expect(await store.get(key)).toBe('')
    expect(await store.exists('')).toBe(true)
  })

  test('a value and a batch far larger than the memtable, the segment and the group', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    const large = textOf('large', 3_000_000)
    await store.set('large', large)
    const batch = new WriteBatch<string, string>()
    for (let i = 0; i < 5000; i++) batch.set(numbered(i), textOf(numbered(i)))
    expect(await store.applyBatch(batch)).toEqual({ successful: 5000, failed: 0 })
    expect((await store.get('large')) === large).toBe(true)
    await store.close()
    const again = await openText({ ...TINY, fileSystem })
    expect((await again.get('large')) === large).toBe(true)
    await again.compact()
    expect(await again.delete('large')).toBe(true)
    await checkFilled(again, 0, 5000)
  })

  test('a value that was read is its reader’s own', async () => {
    const store = await open('/own', { fileSystem: new MemoryFileSystem() })
    for (const isFlushed of [false, true]) {
      await store.set('key', 'value')
      if (isFlushed) await store.flush()
      const reads = [
        await store.get('key'),
        store.getSync('key'),
        (await store.getMany(['key']))[0],
        (await store.getEntry('key'))?.value,
        (await store.values().all())[0],
        [...store.entries()][0][1],
      ]
      for (const value of reads) {
        expect(value?.toString()).toBe('value')
        value?.fill(0)
      }
      expect((await store.get('key'))?.toString()).toBe('value')
    }
    await store.close()
  })

  test('bytes that a writer changes after the call are not the store’s', async () => {
    const store = await open('/changed', { fileSystem: new MemoryFileSystem(), keyEncoding: 'buffer' })
    const key = Buffer.from('key')
    const value = Buffer.from('value')
    const written = store.set(key, value)
    key.fill(0)
    value.fill(0)
    await written
    expect((await store.get(Buffer.from('key')))?.toString()).toBe('value')
    await store.close()
  })
})

describe('point reads', () => {
  test('delete tells whether the key was there, also when it is only on disk', async () => {
    const clock = new ManualClock()
    const { store } = await openFaulty({ clock, cacheSize: 0 })
    await fill(store, 0, 100)
    await store.set('mortal', 'x', { ttl: 50 })
    await store.compact()
    clock.advance(50)
    expect(await store.delete(numbered(5))).toBe(true)
    expect(await store.delete(numbered(5))).toBe(false)
    expect(await store.delete('never')).toBe(false)
    expect(await store.delete('mortal')).toBe(false)
    await store.flush()
    expect(await store.delete(numbered(5))).toBe(false)
    const several = [
      store.delete(numbered(6)),
      store.set(numbered(6), 'again'),
      store.delete(numbered(6)),
      store.delete(numbered(6)),
    ]
    expect(await Promise.all(several)).toEqual([true, undefined, true, false])
  })

  test('getMany mixes memory and disk, keeps the order and repeats what is asked twice', async () => {
    const { store } = await openFaulty({ cacheSize: 0 })
    await fill(store, 0, 100)
    await store.compact()
    await fill(store, 100, 110)
    const keys = [numbered(105), numbered(3), 'never', numbered(99), numbered(3), numbered(109)]
    const expected = keys.map((key) => (key === 'never' ? undefined : textOf(key)))
    expect(await store.getMany(keys)).toEqual(expected)
    expect(store.getManySync(keys)).toEqual(expected)
    expect(await store.getMany([])).toEqual([])
  })

  test('getMany and get agree, wherever a key is: memtables, level 0, deeper levels, removed, expired, nowhere', async () => {
    const clock = new ManualClock()
    const store = await openText({ ...TINY, clock })
    await fill(store, 0, 600)
    await store.compact()
    for (let i = 0; i < 600; i += 7) await store.delete(numbered(i))
    await store.flush()
    for (let i = 0; i < 600; i += 5) await store.set(numbered(i), `new ${i}`)
    for (let i = 0; i < 600; i += 11) await store.set(numbered(i), 'brief', { ttl: 10 })
    await store.flush()
    for (let i = 0; i < 600; i += 13) await store.set(numbered(i), `newest ${i}`)
    for (let i = 0; i < 600; i += 17) await store.delete(numbered(i))
    clock.advance(20)
    const keys = Array.from({ length: 900 }, (_, i) => numbered((i * 379) % 650))
    const expected: (string | undefined)[] = []
    for (const key of keys) expected.push(await store.get(key))
    expect(new Set(expected.map((value) => value?.slice(0, 4))).size).toBeGreaterThan(3)
    expect(await store.getMany(keys)).toStrictEqual(expected)
    expect(store.getManySync(keys)).toStrictEqual(expected)
    expect(store.view().getManySync(keys)).toEqual(expected)
    await store.close()
  })

  test('a value encoding may call getMany while getMany decodes', async () => {
    const inner = Array.from({ length: 100 }, (_, i) => numbered(i))
    let depth = 0
    const store = await open('/nested', {
      ...TINY,
      fileSystem: new MemoryFileSystem(),
      valueEncoding: {
        encode: (value: string) => Buffer.from(value),
        decode: (bytes: Buffer): string => {
          if (depth++ === 0) expect(store.getManySync(inner)).toEqual(inner.map((key) => textOf(key)))
          depth--
          return bytes.toString()
        },
      },
    })
    await fill(store as never, 0, 300)
    await store.compact()
    const keys = Array.from({ length: 300 }, (_, i) => numbered(299 - i))
    expect(await store.getMany(keys)).toEqual(keys.map((key) => textOf(key)))
    expect(store.getManySync(keys)).toEqual(keys.map((key) => textOf(key)))
    await store.close()
  })

  test('getMany with a bad key among keys that are on the disk is one rejection', async () => {
    const store = await openText({ ...TINY, cacheSize: 0 })
    await fill(store, 0, 100)
    await store.compact()
    expect(await codeOf(() => store.getMany([numbered(1), numbered(2), 3 as never]))).toBe('INVALID_KEY')
    // Time enough for a rejection that nobody handles to fail the test.
    await new Promise((resolve) => setTimeout(resolve, 20))
    await store.close()
  })

  test('getMany sees one moment', async () => {
    const { store } = await openFaulty({ cacheSize: 0 })
    await store.applyBatch(new WriteBatch<string, string>().set('a', '1').set('b', '1'))
    await store.compact()
    await store.set('b', '2')
    const reading = store.getMany(['a', 'b'])
    void store.applyBatch(new WriteBatch<string, string>().set('a', '3').set('b', '3'))
    expect(await reading).toEqual(['1', '2'])
  })

  test('getEntry describes the entry', async () => {
    const clock = new ManualClock(1000)
    const { store } = await openFaulty({ clock, defaultTtl: 500 })
    await store.set('a', 'xyz', { ttl: 0 })
    await store.set('bb', 'xyz')
    for (const isFlushed of [false, true]) {
      if (isFlushed) await store.flush()
      expect(await store.getEntry('a')).toMatchObject({
        key: 'a',
        value: 'xyz',
        sequence: 1,
        size: 4,
        ttl: Number.POSITIVE_INFINITY,
      })
      expect(await store.getEntry('bb')).toMatchObject({
        key: 'bb',
        sequence: 2,
        size: 5,
        ttl: 500,
        expiresAt: 1500,
      })
      expect(await store.getEntry('c')).toBeUndefined()
    }
    clock.advance(499)
    expect(await store.exists('bb')).toBe(true)
    expect((await store.getEntry('bb'))?.ttl).toBe(1)
    clock.advance(1)
    expect(await store.exists('bb')).toBe(false)
    expect(store.existsSync('bb')).toBe(false)
    expect(await store.get('bb')).toBeUndefined()
    expect(await store.keys().all()).toEqual(['a'])
    expect(await store.count()).toBe(1)
  })

  test('a program that awaits one read after the other lets others have their turn', async () => {
    const store = await openText()
    await store.set('a', 'x')
    let turns = 0
    const tick = (): void => {
      turns++
      if (turns < 1000) setImmediate(tick)
    }
    setImmediate(tick)
    for (let i = 0; i < 20_000; i++) await store.get('a')
    expect(turns).toBeGreaterThan(5)
  })
})

describe('iterators', () => {
  test('hand out the same, however they are driven', async () => {
    const { store } = await openFaulty({ cacheSize: 0 })
    await fill(store, 0, 700)
    await store.compact()
    await fill(store, 700, 720)
    const expected = Array.from({ length: 720 }, (_, i) => numbered(i))
    expect(await store.keys().all()).toEqual(expected)
    expect([...store.keys()]).toEqual(expected)
    const awaited: string[] = []
    for await (const key of store.keys()) awaited.push(key)
    expect(awaited).toEqual(expected)
    const many: string[] = []
    const iterator = store.keys()
    for (
      let n = 1, chunk = await iterator.nextMany(1);
      chunk.length > 0;
      chunk = await iterator.nextMany(++n)
    ) {
      expect(chunk.length).toBeLessThanOrEqual(n)
      many.push(...chunk)
    }
    expect(many).toEqual(expected)
    const sync: string[] = []
    const blocking = store.keys()
    for (let chunk = blocking.nextManySync(13); chunk.length > 0; chunk = blocking.nextManySync(13))
      sync.push(...chunk)
    expect(sync).toEqual(expected)
    const mixed = store.keys()
    expect([
      (await mixed.next()).value,
      ...(await mixed.nextMany(20)),
      ...mixed.nextManySync(20),
      (await mixed.next()).value,
      ...(await mixed.all()),
    ]).toEqual(expected)
  })

  test('calls of next that overlap are answered in order, each once', async () => {
    const { store } = await openFaulty({ cacheSize: 0 })
    await fill(store, 0, 100)
    await store.compact()
    const iterator = store.keys()
    const results = await Promise.all(Array.from({ length: 103 }, () => iterator.next()))
    expect(results.map(({ done, value }) => (done ? 'end' : value))).toEqual([
      ...Array.from({ length: 100 }, (_, i) => numbered(i)),
      'end',
      'end',
      'end',
    ])
    const racing = store.keys()
    const first = racing.next()
    const second = racing.next()
    // Made when the first has an answer and the second has none yet.
    const third = first.then(() => racing.next())
    expect([(await second).value, (await third).value]).toEqual([numbered(1), numbered(2)])
    const other = store.keys()
    const chunks = await Promise.all([
      other.nextMany(40),
      other.next(),
      other.nextMany(50),
      other.nextMany(50),
    ])
    expect([...chunks[0], chunks[1].value, ...chunks[2], ...chunks[3]]).toEqual(
      Array.from({ length: 100 }, (_, i) => numbered(i)),
    )
  })

  test('see the store as it was, while it is flushed, compacted and overwritten underneath', async () => {
    const { store } = await openFaulty()
    await fill(store, 0, 300)
    const [forwards, backwards] = [store.entries(), store.entries({ reverse: true })]
    const view = store.view()
    const seen = [await forwards.nextMany(100), await backwards.nextMany(100)]
    for (let i = 0; i < 300; i++) await (i % 2 ? store.delete(numbered(i)) : store.set(numbered(i), 'new'))
    await store.compact()
    seen[0].push(...(await forwards.all()))
    seen[1].push(...(await backwards.all()))
    const expected = Array.from({ length: 300 }, (_, i) => [numbered(i), textOf(numbered(i))])
    expect(seen[0]).toEqual(expected)
    expect(seen[1].reverse()).toEqual(expected)
    expect(await view.entries().all()).toEqual(expected)
    expect(await view.get(numbered(1))).toBe(textOf(numbered(1)))
    expect(await view.count()).toBe(300)
    expect(await store.entries({ view }).all()).toEqual(expected)
    view.close()
    expect(await codeOf(() => view.get('a'))).toBe('CLOSED')
    expect(await codeOf(() => store.entries({ view }))).toBe('CLOSED')
    expect(await store.count()).toBe(150)
  })

  test('seek goes anywhere inside the range, in both directions', async () => {
    const { store } = await openFaulty()
    await fill(store, 0, 100)
    await store.compact()
    const iterator = store.keys({ gte: numbered(10), lt: numbered(90) })
    await iterator.next()
    iterator.seek(numbered(50))
    expect(await iterator.nextMany(2)).toEqual([numbered(50), numbered(51)])
    iterator.seek('a')
    expect(await iterator.nextMany(1)).toEqual([numbered(10)])
    iterator.seek(numbered(95))
    expect(await iterator.nextMany(1)).toEqual([])
    iterator.seek(numbered(89))
    expect(await iterator.nextMany(5)).toEqual([numbered(89)])
    const reverse = store.keys({ gte: numbered(10), lt: numbered(90), reverse: true })
    reverse.seek(`${numbered(50)}x`)
    expect(await reverse.nextMany(2)).toEqual([numbered(50), numbered(49)])
    reverse.seek('z')
    expect(await reverse.nextMany(1)).toEqual([numbered(89)])
    reverse.seek('a')
    expect(await reverse.nextMany(1)).toEqual([])
    await iterator.close()
    expect(await codeOf(() => iterator.seek(numbered(1)))).toBe('CLOSED')
  })

  test('limit counts what is handed out, filter passes over, prefix combines with all', async () => {
    const { store } = await openFaulty()
    await fill(store, 0, 100)
    const even = (key: string): boolean => Number(key.slice(3)) % 2 === 0
    expect(await store.keys({ prefix: 'key00000', filter: even, limit: 3, reverse: true }).all()).toEqual(
      [8, 6, 4].map(numbered),
    )
    expect(await store.keys({ prefix: 'key00000', gt: numbered(7) }).all()).toEqual([8, 9].map(numbered))
    expect(await store.keys({ limit: 0 }).all()).toEqual([])
    expect(await store.keys({ gte: 'x', lt: 'a' }).all()).toEqual([])
    expect([...store.keys({ filter: () => false })]).toEqual([])
    const limited = store.keys({ limit: 5 })
    expect(await limited.nextMany(3)).toHaveLength(3)
    limited.seek(numbered(0))
    expect(await limited.nextMany(10)).toHaveLength(2)
  })

  test('a signal ends it at once, before and in the middle', async () => {
    const store = await openText()
    await fill(store, 0, 20)
    const reason = new Error('enough')
    expect(await codeOf(() => store.keys({ signal: AbortSignal.abort(reason) }).all())).toBe('ABORTED')
    for (const drive of ['async', 'sync'] as const) {
      const controller = new AbortController()
      const seen: string[] = []
      const error = await (async () => {
        const iterator = store.keys({ signal: controller.signal })
        if (drive === 'async') {
          for await (const key of iterator) if (seen.push(key) === 3) controller.abort(reason)
        } else {
          for (const key of iterator) if (seen.push(key) === 3) controller.abort(reason)
        }
      })().catch((caught) => caught)
      expect(seen).toHaveLength(3)
      expect(error).toMatchObject({ code: 'ABORTED', cause: reason })
    }
  })

  test('after it was closed it has nothing more, and leaving a loop closes it', async () => {
    const store = await openText()
    await fill(store, 0, 20)
    const iterator = store.keys()
    await iterator.next()
    await iterator.close()
    await iterator.close()
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(await iterator.nextMany(5)).toEqual([])
    const left = store.keys()
    for await (const _key of left) break
    expect(await left.next()).toEqual({ done: true, value: undefined })
    const leftSync = store.keys()
    for (const _key of leftSync) break
    expect(leftSync.nextManySync(5)).toEqual([])
    const disposed = store.keys()
    await disposed.next()
    disposed[Symbol.dispose]()
    expect(await disposed.next()).toEqual({ done: true, value: undefined })
  })

  test('a failure in the middle is told by every later call, and the rest of the store stays readable', async () => {
    const { store, faults } = await openFaulty({
      cacheSize: 0,
      compression: 'none',
      targetFileSize: 1 << 20,
      memtableSize: 1 << 20,
    })
    await fill(store, 0, 300)
    await store.compact()
    faults.flipBit(/\.sst$/, 20_000, 1)
    for (const drive of ['next', 'nextMany', 'sync'] as const) {
      const iterator = store.keys()
      const step = async (): Promise<number> => {
        if (drive === 'next') return (await iterator.next()).done ? 0 : 1
        return (drive === 'nextMany' ? await iterator.nextMany(20) : iterator.nextManySync(20)).length
      }
      let seen = 0
      let code: string | undefined
      while (code === undefined) {
        code = await codeOf(async () => {
          const length = await step()
          if (length === 0) throw new Error('came to the end without a word')
          seen += length
        })
      }
      expect(code).toBe('CORRUPTION')
      expect(seen).toBeLessThan(300)
      expect(await codeOf(step)).toBe('CORRUPTION')
      await iterator.close()
    }
    let damaged = 0
    for (let i = 0; i < 300; i++) {
      const code = await codeOf(async () => expect(await store.get(numbered(i))).toBe(textOf(numbered(i))))
      if (code !== undefined) damaged++
    }
    expect(damaged).toBeGreaterThan(0)
    expect(damaged).toBeLessThan(20)
    expect(await store.keys({ reverse: true, limit: 10 }).all()).toHaveLength(10)
  })

  test('a filter that returns a promise, which is always truthy, is refused', async () => {
    const store = await openText()
    await store.set('a', 'x')
    const filter = (async () => {
      throw new Error('nobody hears')
    }) as never
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('synchronous') }
    await expect(store.keys({ filter }).all()).rejects.toMatchObject(refused)
    expect(() => [...store.keys({ filter })]).toThrow(expect.objectContaining(refused))
    expect(await store.keys({ filter: () => 1 as never }).all()).toEqual(['a'])
  })

  test('a filter that throws ends it with that error, and lets go of everything', async () => {
    const { store } = await openFaulty()
    await fill(store, 0, 50)
    const mine = new Error('mine')
    const iterator = store.keys({
      filter: (key) => {
        if (key === numbered(20)) throw mine
        return true
      },
    })
    await expect(iterator.all()).rejects.toBe(mine)
    await store.close()
  })

  test('an iterator that is open keeps its files, and closing it lets them go', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    await fill(store, 0, 300)
    await store.compact()
    const tables = async (): Promise<Set<string>> =>
      new Set((await fileSystem.readdir('/store')).filter((name) => name.endsWith('.sst')))
    const before = await tables()
    const iterator = store.keys()
    await iterator.next()
    await fill(store, 0, 300)
    await store.compact()
    const during = await tables()
    for (const name of before) expect(during).toContain(name)
    expect(await iterator.all()).toHaveLength(299)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
    const after = await tables()
    for (const name of before) expect(after).not.toContain(name)
  })
})
