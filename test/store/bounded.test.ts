/** Bounded stores: the bound, what goes for it, and who is told. */
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openInMemory, type StoreOptions, WriteBatch } from '../../src/index.js'
import { EntryDirectory } from '../../src/store/eviction/entry-directory.js'
import { CRASH_PROFILES, FaultFileSystem, ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { contentsOf, openBounded, turns } from './bounded-stores.js'

describe('without a policy', () => {
  test('a write past the bound is refused, with nothing written and nothing else refused', async () => {
    await using store = await openBounded({ maxEntries: 2 })
    const calls = ['a', 'b', 'c', 'd'].map((key) => store.set(key, key))
    const outcomes = await Promise.allSettled([...calls, store.set('a', 'again')])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    await expect(calls[2]).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await contentsOf(store)).toEqual([
      ['a', 'again'],
      ['b', 'b'],
    ])
    await store.delete('a')
    await store.set('c', 'c')
    expect((await contentsOf(store)).map(([key]) => key)).toEqual(['b', 'c'])
  })

  test('counts bytes of keys and values', async () => {
    await using store = await openBounded({ maxBytes: 10 })
    await store.set('ä', '12345678')
    await expect(store.set('ä', '123456789')).rejects.toMatchObject({ code: 'STORE_FULL' })
    await expect(store.set('b', '')).rejects.toMatchObject({ code: 'STORE_FULL' })
    await store.set('ä', '1')
    await store.set('b', '123456')
    await contentsOf(store)
  })

  test('a batch and a transaction are refused whole', async () => {
    await using store = await openBounded({ maxEntries: 3 })
    await store.set('a', '1')
    const batch = new WriteBatch<string, string>().set('b', '1').set('c', '1').set('d', '1')
    await expect(store.applyBatch(batch)).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await contentsOf(store)).toHaveLength(1)
    const full = store.transaction((transaction) => {
      for (const key of ['b', 'c', 'd']) transaction.set(key, '1')
    })
    await expect(full).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await contentsOf(store)).toHaveLength(1)
    await store.applyBatch(batch.delete('a'))
    expect((await contentsOf(store)).map(([key]) => key)).toEqual(['b', 'c', 'd'])
  })

  test('what has expired makes room, and is announced as expired, once', async () => {
    const clock = new ManualClock()
    const expired: string[] = []
    await using store = await openBounded({
      maxEntries: 2,
      clock,
      onExpire: (key: string, value: string) => {
        expired.push(`${key}=${value}`)
      },
      onEvict: (key: string) => {
        expired.push(`evicted ${key}`)
      },
    })
    await store.set('a', '1', { ttl: 10 })
    await store.set('b', '2', { ttl: 20 })
    clock.advance(10)
    await store.set('c', '3')
    await turns()
    expect(expired).toEqual(['a=1'])
    await expect(store.set('d', '4')).rejects.toMatchObject({ code: 'STORE_FULL' })
    clock.advance(60_000)
    await turns()
    expect(expired).toEqual(['a=1', 'b=2'])
    expect(await contentsOf(store)).toEqual([['c', '3']])
    expect(store.stats()).toMatchObject({ expired: 2, evicted: 0 })
  })
})

describe('the bound', () => {
  test.each(['lru', 'lfu', 'random', 'ttl'] as const)(
    'holds at every moment, with overwrites, deletes, batches, expiries, restarts: %s',
    { timeout: 60_000 },
    async (policy) => {
      const name = fc.nat(30).map((i) => `k${i}`)
      const write = fc.tuple(name, fc.nat(40), fc.nat(3))
      const step = fc.oneof(
        { weight: 8, arbitrary: fc.tuple(fc.constant('set' as const), fc.tuple(write)) },
        {
          weight: 3,
          arbitrary: fc.tuple(fc.constant('batch' as const), fc.array(write, { maxLength: 12 })),
        },
        { weight: 2, arbitrary: fc.tuple(fc.constant('delete' as const), fc.tuple(write)) },
        { weight: 2, arbitrary: fc.tuple(fc.constant('pass' as const), fc.tuple(write)) },
        { weight: 1, arbitrary: fc.tuple(fc.constant('reopen' as const), fc.tuple(write)) },
        { weight: 1, arbitrary: fc.tuple(fc.constant('clear' as const), fc.tuple(write)) },
      )
      const property = fc.asyncProperty(
        fc.array(step, { maxLength: 40, size: 'max' }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 50, max: 200 }),
        async (steps, maxEntries, maxBytes) => {
          const fileSystem = new MemoryFileSystem()
          const clock = new ManualClock()
          const options: StoreOptions = { fileSystem, clock, maxEntries, maxBytes, evictionPolicy: policy }
          let store = await openBounded({ ...options, cleanupInterval: 50 })
          const look = (): void => {
            const entries = [...store.entries()]
            const bytes = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
            expect(entries.length).toBeLessThanOrEqual(maxEntries)
            expect(bytes).toBeLessThanOrEqual(maxBytes)
          }
          for (const [what, writes] of steps) {
            const [[key, size, ttl]] = writes.length === 0 ? [['none', 0, 0] as const] : writes
            let call: Promise<unknown> = Promise.resolve()
            const fits = key.length + size <= maxBytes
            if (what === 'set') call = store.set(key, 'v'.repeat(size), { ttl: ttl * 30 })
            else if (what === 'delete') call = store.delete(key)
            else if (what === 'clear') call = store.clear()
            else if (what === 'batch') {
              const batch = new WriteBatch<string, string>()
              for (const [k, s, t] of writes) batch.set(k, 'v'.repeat(s), { ttl: t * 30 })
              call = store.applyBatch(batch)
            } else if (what === 'pass') clock.advance(size)
            else {
              await store.close()
              store = await openBounded({ ...options, cleanupInterval: 50 })
            }
            let ended = false
            const outcome = call.then(
              () => 'done',
              (error: { code: string }) => error.code,
            )
            void outcome.then(() => {
              ended = true
            })
            for (let steps = 1; !ended; steps++) {
              look()
              // A write may wait for the next turn of the event loop, which microtasks alone never let come.
              await (steps % 100 === 0 ? turns(1) : Promise.resolve())
            }
            look()
            if (what === 'set') expect(await outcome).toBe(fits ? 'done' : 'STORE_FULL')
            if (what !== 'batch' && what !== 'set') expect(await outcome).toBe('done')
          }
          clock.advance(1000)
          await turns()
          await contentsOf(store)
          await store.close()
        },
      )
      await fc.assert(property, { numRuns: 12 })
    },
  )

  test('holds behind every crash', async () => {
    const chance = randomFrom(3)
    const memory = new MemoryFileSystem()
    const images: MemoryFileSystem[] = []
    let operations = 0
    const fileSystem = new FaultFileSystem(memory, {
      observe: ({ kind }) => {
        if (!['write', 'sync', 'rename', 'unlink'].includes(kind) || operations++ % 7 !== 0) return
        images.push(memory.crash(CRASH_PROFILES[images.length % CRASH_PROFILES.length], chance))
      },
    })
    const options: StoreOptions = { maxEntries: 20, maxBytes: 1000, evictionPolicy: 'lru' }
    const store = await openBounded({ ...options, fileSystem })
    for (let i = 0; i < 200; i++) {
      await store.set(`key ${(i * 7) % 60}`, 'v'.repeat(i % 90), { durability: i % 3 === 0 ? 'disk' : 'os' })
    }
    await store.close()
    expect(images.length).toBeGreaterThan(20)
    for (const image of images) {
      // Without a policy nothing goes at open: what is found is what the crash left.
      await using survivor = await openBounded({ fileSystem: image, maxEntries: 1_000 })
      const entries = await contentsOf(survivor)
      expect(entries.length).toBeLessThanOrEqual(20)
      expect(survivor.stats().bytes).toBeLessThanOrEqual(1000)
    }
  })

  test('evicts at open what a smaller bound has no room for, and tells of it', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openBounded({ fileSystem })
    for (let i = 0; i < 50; i++) await store.set(`key ${String(i).padStart(2, '0')}`, 'v')
    await store.close()
    const told: string[] = []
    const onEvict = (key: string): void => {
      told.push(key)
    }
    await using smaller = await openBounded({ fileSystem, maxEntries: 10, evictionPolicy: 'lru', onEvict })
    await turns()
    expect((await contentsOf(smaller)).map(([key]) => key)).toEqual(
      Array.from({ length: 10 }, (_, i) => `key ${40 + i}`),
    )
    expect(told).toHaveLength(40)
  })

  test('a store that is opened with more than fits and no policy takes only what makes it no more', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openBounded({ fileSystem })
    for (const key of ['a', 'b', 'c']) await store.set(key, '1')
    await store.close()
    await using full = await openBounded({ fileSystem, maxEntries: 2 })
    await full.set('a', '2')
    await expect(full.set('d', '1')).rejects.toMatchObject({ code: 'STORE_FULL' })
    await full.delete('b')
    await full.delete('c')
    await full.set('d', '1')
    await contentsOf(full)
  })

  test('lets nothing be evicted by the batch that it is part of', async () => {
    await using store = await openBounded({ maxEntries: 3, evictionPolicy: 'lru' })
    for (const key of ['a', 'b', 'c']) await store.set(key, '1')
    await store.applyBatch(new WriteBatch<string, string>().set('a', '2').set('d', '2').set('e', '2'))
    expect((await contentsOf(store)).map(([key]) => key)).toEqual(['a', 'd', 'e'])
    const large = new WriteBatch<string, string>()
    for (const key of ['f', 'g', 'h', 'i']) large.set(key, '3')
    await expect(store.applyBatch(large)).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect((await contentsOf(store)).map(([key]) => key)).toEqual(['a', 'd', 'e'])
  })

  test('what a refused write would have evicted stays', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    await using store = await openBounded({ fileSystem, maxEntries: 3, evictionPolicy: 'lfu' })
    for (const key of ['a', 'b', 'c']) await store.set(key, '1')
    const fault = fileSystem.fail({ kind: 'write', path: /wal$/, errno: 'ENOSPC', forGood: true })
    await expect(store.set('d', '1')).rejects.toMatchObject({ code: 'NO_SPACE' })
    expect((await contentsOf(store)).map(([key]) => key)).toEqual(['a', 'b', 'c'])
    fault.cancel()
    await store.set('d', '1')
    expect((await contentsOf(store)).map(([key]) => key)).toEqual(['b', 'c', 'd'])
  })

  test('a transaction whose entry is evicted meanwhile runs again', async () => {
    await using store = await openBounded({ maxEntries: 2, evictionPolicy: 'lru' })
    await store.set('a', '1')
    await store.set('b', '1')
    const seen: (string | undefined)[] = []
    await store.transaction(async (transaction) => {
      seen.push(await transaction.get('a'))
      if (seen.length === 1) await store.set('c', '1')
      transaction.set('b', 'mine')
    })
    expect(seen).toEqual(['1', undefined])
    expect(await store.get('b')).toBe('mine')
  })
})

describe('what has expired', () => {
  test('goes before anything else at open with a smaller bound, and is told of as expired', async () => {
    const fileSystem = new MemoryFileSystem()
    const clock = new ManualClock()
    const store = await openBounded({ fileSystem, clock })
    for (const key of ['a', 'b', 'c']) await store.set(key, 'stays')
    for (const key of ['x', 'y', 'z']) await store.set(key, 'goes', { ttl: 10 })
    await store.close()
    clock.advance(10)
    const told: string[] = []
    await using smaller = await openBounded({
      fileSystem,
      clock,
      maxEntries: 3,
      evictionPolicy: 'lru',
      onExpire: (key: string) => {
        told.push(key)
      },
    })
    await turns()
    expect(told).toEqual(['x', 'y', 'z'])
    expect((await contentsOf(smaller)).map(([key]) => key)).toEqual(['a', 'b', 'c'])
  })

  test('counts for nothing in stats(), and is back, within the bound, when the clock is set back', async () => {
    const fileSystem = new MemoryFileSystem()
    const clock = new ManualClock()
    const options = { fileSystem, clock, maxEntries: 3, evictionPolicy: 'lru' } as const
    const store = await openBounded(options)
    await store.set('a', '1', { ttl: 10 })
    await store.set('b', '1', { ttl: 10 })
    clock.advance(10)
    expect(await contentsOf(store)).toEqual([])
    await store.close()
    const again = await openBounded(options)
    await again.set('c', '1')
    await again.set('d', '1')
    clock.set(clock.now() - 10)
    expect((await contentsOf(again)).map(([key]) => key)).toEqual(['b', 'c', 'd'])
    await again.close()
  })

  test('is counted once, whether anybody listens or not', async () => {
    const clock = new ManualClock()
    await using store = await openBounded({ clock, maxEntries: 30, evictionPolicy: 'lru' })
    for (let i = 0; i < 30; i++) await store.set(`key ${i}`, 'v', { ttl: 10 })
    await store.flush()
    clock.advance(60_000)
    await turns(50)
    for (let i = 0; i < 30; i++) await store.set(`other ${i}`, 'v')
    expect(store.stats()).toMatchObject({ entries: 30, expired: 30, evicted: 0 })
  })

  test('leaves the account though flush or compaction come upon it first', async () => {
    const clock = new ManualClock()
    await using store = await openBounded({ clock, maxEntries: 30, cleanupInterval: 100 })
    for (let i = 0; i < 30; i++) await store.set(`key ${i}`, 'v', { ttl: 10 })
    clock.advance(50)
    await store.compact()
    clock.advance(50)
    await turns(50)
    expect(store.stats()).toMatchObject({ entries: 0, expired: 30 })
  })
})

test('a thousand writes that wait cost little memory each', async () => {
  const fileSystem = new MemoryFileSystem()
  await using store = await openBounded({ fileSystem, maxEntries: 100, evictionPolicy: 'lru' })
  const clearing = store.clear({ gte: 'a' })
  const before = process.memoryUsage().arrayBuffers
  const calls = Array.from({ length: 1000 }, (_, i) => store.set(`key ${i}`, 'v'))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000)
  await Promise.all([clearing, ...calls])
  await contentsOf(store)
})

test('the directory holds no more than the bound, not even within a step', async () => {
  const { set } = EntryDirectory.prototype
  const written = vi.spyOn(EntryDirectory.prototype, 'set')
  onTestFinished(() => written.mockRestore())
  await using store = await openBounded({ maxEntries: 5, evictionPolicy: 'lru' })
  let most = 0
  written.mockImplementation(function (this: EntryDirectory, ...entry) {
    most = Math.max(most, this.count)
    return set.apply(this, entry)
  })
  for (let i = 0; i < 10; i += 2) {
    await store.applyBatch(new WriteBatch<string, string>().set(`key ${i}`, 'v').set(`key ${i + 1}`, 'v'))
  }
  expect(most).toBe(4)
  await contentsOf(store)
})

test('a directory that can hold no more says so', () => {
  const directory = new EntryDirectory(undefined, 2)
  directory.set('a', 1, Infinity)
  directory.set('b', 1, Infinity)
  directory.set('b', 2, Infinity)
  expect(() => directory.set('c', 1, Infinity)).toThrow(expect.objectContaining({ code: 'STORE_FULL' }))
  directory.delete('a')
  directory.set('c', 1, Infinity)
  expect(directory).toMatchObject({ count: 2, bytes: 3 })
})

test('a store in memory is bounded too', async () => {
  await using store = await openInMemory({ valueEncoding: 'utf8', maxBytes: 20, evictionPolicy: 'lru' })
  for (let i = 0; i < 10; i++) await store.set(`key ${i}`, '12345')
  expect((await contentsOf(store)).map(([key]) => key)).toEqual(['key 8', 'key 9'])
})

test('a policy without a bound to keep is refused, and says what to set', async () => {
  const opening = openInMemory({ evictionPolicy: 'lru' })
  const message = expect.stringContaining('Set maxEntries or maxBytes')
  await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message })
  await using store = await openInMemory({ evictionPolicy: 'none' })
  expect(store.isOpen).toBe(true)
})
