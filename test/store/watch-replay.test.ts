import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Kind } from '../../src/base/entry.js'
import type { Change } from '../../src/index.js'
import { MemoryFileSystem } from '../../src/testing.js'
import { turn } from '../model/turns.js'
import { drain, isTold, type OpenOptions, openWithEngine, take } from './watch-fixture.js'

function sequences(changes: readonly Change<string, string>[]): number[] {
  return changes.map(({ sequence }) => sequence)
}

function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

describe('from', () => {
  test('replays what was written, then goes on live', async () => {
    const { store, engine } = await openWithEngine()
    await store.set('a', '1')
    await store.set('b', 'other', { ttl: 1000 })
    await store.delete('a')
    await store.set('a', '2')
    const watcher = store.watch('a', { from: 1 })
    expect(await take(watcher, 3)).toEqual([
      { type: 'set', key: 'a', value: '1', sequence: 1 },
      { type: 'delete', key: 'a', value: undefined, sequence: 3 },
      { type: 'set', key: 'a', value: '2', sequence: 4 },
    ])
    const next = watcher.next()
    await turn()
    await turn()
    expect(isTold(engine)).toBe(true)
    await store.set('a', '3')
    expect(await next).toMatchObject({ value: { value: '3', sequence: 5 } })
    await store.close()
  })

  test.each([0, 1])('%i means from the first', async (from) => {
    const { store } = await openWithEngine()
    for (let i = 0; i < 3; i++) await store.set('a', `${i}`)
    expect(sequences(await take(store.watch('a', { from }), 3))).toEqual([1, 2, 3])
    await store.close()
  })

  test('begins in the middle of a batch', async () => {
    const { store } = await openWithEngine()
    await Promise.all(upTo(10).map((i) => store.set(`${i}`, '')))
    expect(sequences(await take(store.watch({}, { from: 7 }), 4))).toEqual([7, 8, 9, 10])
    await store.close()
  })

  test('the next sequence number is now', async () => {
    const { store, engine } = await openWithEngine()
    await store.set('a', '1')
    const watcher = store.watch('a', { from: 2 })
    expect(isTold(engine)).toBe(true)
    await store.set('a', '2')
    expect(sequences(await take(watcher, 1))).toEqual([2])
    await store.close()
  })

  test('sees what is applied and not yet logged', async () => {
    const { store } = await openWithEngine()
    await store.set('a', '1')
    for (let i = 2; i <= 5; i++) await store.set('a', `${i}`, { durability: 'memory' })
    expect(sequences(await take(store.watch('a', { from: 1 }), 5))).toEqual([1, 2, 3, 4, 5])
    await store.close()
  })

  test('crosses segments and reaches back over a reopen', async () => {
    const options: OpenOptions = { walSegmentSize: 4096, fileSystem: new MemoryFileSystem() }
    const before = await openWithEngine(options)
    for (let i = 1; i <= 100; i++) await before.store.set(`${i}`, 'x'.repeat(100))
    expect(before.engine.journal.segmentCount).toBeGreaterThan(2)
    expect(sequences(await take(before.store.watch({}, { from: 1 }), 100))).toEqual(upTo(100))
    await before.store.close()
    const { store } = await openWithEngine(options)
    const watcher = store.watch({}, { from: 50 })
    await store.set('101', '')
    expect(sequences(await take(watcher, 52))).toEqual(upTo(101, 50))
    await store.close()
  })

  test('streams a record that is larger than a window', async () => {
    const { store } = await openWithEngine()
    const value = 'x'.repeat(1000)
    await Promise.all(upTo(2000).map((i) => store.set(`${i}`, i % 2 === 0 ? value : '')))
    await store.set('large', 'y'.repeat(3_000_000))
    expect(sequences(await take(store.watch({}, { from: 1, buffer: 1 }), 2001))).toEqual(upTo(2001))
    await store.close()
  })

  test('passes over many changes of other keys and lets other work be done meanwhile', async () => {
    const { store } = await openWithEngine()
    await store.set('wanted', '1')
    for (let i = 0; i < 40; i++) await Promise.all(upTo(1000).map((n) => store.set(`${n}`, '')))
    let turns = 0
    let done = false
    const counting = (async () => {
      for (; !done; turns++) await turn()
    })()
    const watcher = store.watch('wanted', { from: 2 })
    const next = watcher.next()
    for (let i = 0; i < 20; i++) await turn()
    await store.set('wanted', '2')
    expect(await next).toMatchObject({ value: { value: '2' } })
    done = true
    await counting
    expect(turns).toBeGreaterThan(5)
    await store.close()
  })

  test('a write at any moment of going live is told once', async () => {
    const { store } = await openWithEngine()
    for (let ticks = 0; ticks < 60; ticks++) {
      const from = ticks * 3 + 1
      await store.set('a', 'before')
      await store.set('a', 'before')
      const watcher = store.watch('a', { from })
      const taken = take(watcher, 3)
      for (let i = 0; i < ticks; i++) await Promise.resolve()
      await store.set('a', 'meanwhile')
      await turn()
      await turn()
      await store.sync()
      expect(sequences(await taken)).toEqual([from, from + 1, from + 2])
      await watcher.close()
    }
    await store.close()
  })

  test('a batch without anything that is watched does not hold up the event loop', async () => {
    const { store, engine } = await openWithEngine()
    await Promise.all(upTo(60_000).map((i) => store.set(`${i}`, '')))
    const watcher = store.watch('wanted', { from: 1 })
    const next = watcher.next()
    let turns = 0
    for (; !isTold(engine); turns++) await turn()
    expect(turns).toBeGreaterThan(4)
    await store.close()
    await next
  })

  test('a consumer catches up though writes go on, and misses none', async () => {
    const { store, engine } = await openWithEngine({ memtableSize: 1024 * 1024 })
    const value = 'x'.repeat(100)
    for (let i = 0; i < 2000; i++) await store.set(`${i}`, value)
    const watcher = store.watch({}, { from: 1 })
    const told: number[] = []
    const watching = (async () => {
      for await (const { sequence } of watcher) told.push(sequence)
    })()
    let written = 2000
    while (!isTold(engine) && written < 100_000) {
      await store.set(`${written++}`, value)
    }
    expect(isTold(engine)).toBe(true)
    for (let i = 0; i < 100; i++) await store.set(`${written++}`, value)
    await turn()
    await store.close()
    await watching
    expect(told).toEqual(upTo(written))
  })
})

describe('what the log does not hold', () => {
  async function storeWithoutOldLog() {
    const opened = await openWithEngine({ walSegmentSize: 2048 })
    for (let i = 1; i <= 100; i++) await opened.store.set(`${i}`, 'x'.repeat(100))
    await opened.store.flush()
    // The segments go when the tables hold what is in them.
    for (let turns = 0; turns < 20; turns++) await turn()
    return opened
  }

  test('is NOT_FOUND', async () => {
    const { store } = await storeWithoutOldLog()
    const watcher = store.watch({}, { from: 1 })
    await expect(watcher.next()).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('1'),
    })
    expect(await watcher.next()).toEqual({ done: true, value: undefined })
    expect(sequences(await take(store.watch({}, { from: 100 }), 1))).toEqual([100])
    await store.close()
  })

  test('also when the store has not come to it: those writes were lost', async () => {
    const { store } = await openWithEngine()
    await store.set('a', '1')
    await expect(store.watch('a', { from: 3 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await store.close()
  })

  test('is WATCH_OVERFLOW for a consumer that had begun and was too slow', async () => {
    const { store } = await openWithEngine({ walSegmentSize: 64 * 1024 })
    const value = 'x'.repeat(1000)
    for (let i = 1; i <= 500; i++) await store.set(`${i}`, value)
    const watcher = store.watch({}, { from: 1 })
    expect(sequences(await take(watcher, 1))).toEqual([1])
    for (let i = 501; i <= 700; i++) await store.set(`${i}`, value)
    await store.flush()
    for (let turns = 0; turns < 20; turns++) await turn()
    const { items, error } = await drain(watcher)
    expect(sequences(items)).toEqual(upTo(items.length + 1, 2))
    expect(error).toMatchObject({ code: 'WATCH_OVERFLOW', sequence: items.length + 2 })
    await store.close()
  })

  test.each(['os', 'memory'] as const)(
    'is what was before a clear, which no log holds (%s)',
    async (durability) => {
      const { store } = await openWithEngine()
      await store.set('a', '1', { durability })
      const before = store.watch('a', { from: 1 })
      await store.clear()
      await store.set('a', '3', { durability })
      if (durability === 'os') {
        const { items, error } = await drain(before)
        expect(sequences(items)).toEqual([1])
        expect(error).toMatchObject({ code: 'WATCH_OVERFLOW', sequence: 2 })
      }
      await expect(store.watch('a', { from: 2 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
      expect(sequences(await take(store.watch('a', { from: 3 }), 1))).toEqual([3])
      await store.close()
    },
  )
})

describe('expired and evicted entries', () => {
  test('come with their last value while the log is younger than the tables', async () => {
    const { store, engine, clock } = await openWithEngine()
    await store.set('a', 'first')
    // Holds on to the first value, which must not be taken for the last.
    const view = store.view()
    await store.set('a', 'last', { ttl: 5 })
    clock.advance(10)
    const group = engine.pipeline.join('os')
    group.operations.add(Kind.expire, Buffer.from('a'))
    await group.promiseFor('os')
    const changes = store.watch('a', { from: 1, previous: true })
    expect(await take(changes, 3)).toEqual([
      { type: 'set', key: 'a', value: 'first', sequence: 1 },
      { type: 'set', key: 'a', value: 'last', previous: 'first', sequence: 2 },
      { type: 'expire', key: 'a', value: 'last', sequence: 3 },
    ])
    await store.flush()
    expect(await take(store.watch('a', { from: 3 }), 1)).toEqual([
      { type: 'expire', key: 'a', value: undefined, sequence: 3 },
    ])
    view.close()
    await store.close()
  })
})

describe('faults', () => {
  test('a log that cannot be read is told, not taken for its end', async () => {
    const memory = new MemoryFileSystem()
    const { store } = await openWithEngine({ fileSystem: memory })
    await store.set('a', '1')
    const [name] = (await memory.readdir('/db')).filter((name) => name.endsWith('.wal'))
    const file = await memory.open(`/db/${name}`, 'modify')
    const size = await file.size()
    const byte = new Uint8Array(1)
    file.readSync(byte, size - 12)
    file.writeSync(Uint8Array.of(byte[0] ^ 1), size - 12)
    await file.close()
    await expect(store.watch('a', { from: 1 }).next()).rejects.toMatchObject({
      code: 'CORRUPTION',
      path: `/db/${name}`,
    })
    await store.close()
  })

  test('leaves no file open, however it ends', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store } = await openWithEngine({ fileSystem, walSegmentSize: 4096 })
    for (let i = 1; i <= 600; i++) await store.set(`${i}`, 'x'.repeat(100))
    const before = fileSystem.openCount
    const left = store.watch({}, { from: 1 })
    await take(left, 10)
    expect(fileSystem.openCount).toBe(before + 1)
    const pending = left.next()
    await left.close()
    await pending
    const controller = new AbortController()
    const aborted = store.watch('none', { from: 1, signal: controller.signal })
    const next = aborted.next()
    controller.abort()
    await expect(next).rejects.toMatchObject({ code: 'ABORTED' })
    await take(store.watch({}, { from: 1 }), 600)
    const open = store.watch({}, { from: 1 })
    await take(open, 1)
    for (let turns = 0; turns < 5; turns++) await turn()
    expect(fileSystem.openCount).toBe(before + 1)
    await store.close()
    expect(fileSystem.openCount).toBe(0)
  })
})

describe('a store without a log', () => {
  test.each(['none', 'snapshot'] as const)(
    'replays from memory what was not flushed (%s)',
    async (persistence) => {
      const { store, engine } = await openWithEngine({ persistence, memtableSize: 16 * 1024 })
      for (let i = 1; i <= 20; i++) await store.set('flushed', `${i}`)
      await store.flush()
      for (let i = 21; i <= 200; i++) await store.set(`${i % 7}`, 'x'.repeat(100))
      const overflowing = store.watch({}, { buffer: 1 })
      await store.delete('0')
      await store.set('0', 'last')
      const { error } = await drain(overflowing)
      expect(error).toMatchObject({ code: 'WATCH_OVERFLOW', sequence: 202 })
      expect(await take(store.watch({}, { from: 202 }), 1)).toMatchObject([{ key: '0', value: 'last' }])
      const oldest = engine.readState.memtables.at(-1)?.firstSequence ?? 0
      const watcher = store.watch({}, { from: oldest })
      expect(sequences(await take(watcher, 203 - oldest))).toEqual(upTo(202, oldest))
      const next = watcher.next()
      await store.set('live', '')
      expect(await next).toMatchObject({ value: { key: 'live', sequence: 203 } })
      await expect(store.watch({}, { from: 5 }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await store.clear()
      await expect(store.watch({}, { from: oldest }).next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await store.close()
    },
  )
})

test.each(['wal', 'none'] as const)(
  'replay and live changes together are every change, once, in order (%s, fast-check)',
  async (persistence) => {
    const write = fc.record({
      keys: fc.array(fc.constantFrom('a', 'ab', 'b', 'ba', 'c'), { minLength: 1, maxLength: 12 }),
      remove: fc.boolean(),
      durability: fc.constantFrom('memory' as const, 'os' as const, 'disk' as const),
      wait: fc.boolean(),
    })
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ write }) },
      {
        weight: 2,
        arbitrary: fc.record({
          watch: fc.constantFrom('a', 'ab', { prefix: 'a' }, { gte: 'b' }, {}),
          from: fc.nat(),
        }),
      },
      { weight: 2, arbitrary: fc.record({ take: fc.nat({ max: 9 }), of: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ turns: fc.nat({ max: 3 }) }) },
    )
    const matches = (target: unknown, key: string): boolean => {
      if (typeof target === 'string') return key === target
      const { prefix = '', gte = '' } = target as { prefix?: string; gte?: string }
      return key.startsWith(prefix) && key >= gte
    }
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { store, engine } = await openWithEngine({ persistence, walSegmentSize: 1024 })
        const model: { type: string; key: string; value: string | undefined }[] = []
        const watched: { target: unknown; from: number; told: number[]; next: () => Promise<boolean> }[] = []
        const writes: Promise<unknown>[] = []
        for (const step of steps) {
          if ('write' in step) {
            const { keys, remove, durability, wait } = step.write
            for (const key of keys) {
              const value = `${model.length}`
              writes.push(remove ? store.delete(key, { durability }) : store.set(key, value, { durability }))
              model.push({ type: remove ? 'delete' : 'set', key, value: remove ? undefined : value })
            }
            if (wait) await Promise.all(writes)
          } else if ('watch' in step) {
            await Promise.all(writes)
            const from = 1 + (step.from % (engine.lastSequence + 1))
            const watcher = store.watch(step.watch, { from })
            const told: number[] = []
            const next = async (): Promise<boolean> => {
              const { done, value } = await watcher.next()
              if (done) return false
              expect(value).toEqual({ ...model[value.sequence - 1], sequence: value.sequence })
              told.push(value.sequence)
              return true
            }
            watched.push({ target: step.watch, from, told, next })
          } else if ('take' in step && watched.length > 0) {
            const { told, next, target, from } = watched[step.of % watched.length]
            const available = model.filter(({ key }, i) => i + 1 >= from && matches(target, key)).length
            for (let i = Math.min(step.take, available - told.length); i > 0; i--) await next()
          } else if ('turns' in step) {
            for (let i = 0; i < step.turns; i++) await turn()
          }
        }
        await Promise.all(writes)
        for (const { target, from, told, next } of watched) {
          const expected = model.flatMap(({ key }, i) =>
            i + 1 >= from && matches(target, key) ? [i + 1] : [],
          )
          while (told.length < expected.length) expect(await next()).toBe(true)
          expect(told).toEqual(expected)
        }
        await store.close()
        for (const { next } of watched) expect(await next()).toBe(false)
      }),
      { numRuns: 60 },
    )
  },
  30_000,
)
