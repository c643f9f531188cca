/** Bounded stores: the bound, what goes for it, and who is told. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { open, type Store, type StoreOptions, WriteBatch } from '../../src/index.js'
import {
  CRASH_PROFILES,
  FaultFileSystem,
  InlineExecutor,
  ManualClock,
  MemoryFileSystem,
} from '../../src/testing.js'
import { randomFrom } from '../model/random.js'

type TextStore = Store<string, string>

const SMALL: StoreOptions = { memtableSize: 2048, targetFileSize: 2048, blockSize: 256, walSegmentSize: 4096 }

function openBounded(options: StoreOptions = {}): Promise<TextStore> {
  return open<string, string>('/db', {
    valueEncoding: 'utf8',
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    fileSystem: new MemoryFileSystem(),
    random: randomFrom(7),
    ...SMALL,
    ...options,
  })
}

async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** What is in the store, as everybody may see it, and that the counters say the same. */
async function contentsOf(store: TextStore): Promise<[string, string][]> {
  const entries = await store.entries().all()
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key + value), 0)
  expect(store.stats()).toMatchObject({ entries: entries.length, bytes })
  expect(await store.len()).toBe(entries.length)
  expect(await store.size()).toBe(bytes)
  return entries
}

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

/** A cache as the books describe it. */
class ExactCache {
  /** In the order of their last use. */
  entries = new Map<string, { value: string; expiresAt: number; uses: number; written: number }>()
  readonly evicted: string[] = []
  readonly policy: 'lru' | 'lfu' | 'ttl'
  readonly maxEntries: number
  #writes = 0

  constructor(policy: 'lru' | 'lfu' | 'ttl', maxEntries: number) {
    this.policy = policy
    this.maxEntries = maxEntries
  }

  get(key: string): boolean {
    const entry = this.entries.get(key)
    if (entry === undefined) return false
    entry.uses++
    this.entries.delete(key)
    this.entries.set(key, entry)
    return true
  }

  set(key: string, value: string, expiresAt = Number.POSITIVE_INFINITY): void {
    const uses = this.entries.get(key)?.uses ?? 0
    if (!this.entries.has(key) && this.entries.size === this.maxEntries) this.#evict()
    this.entries.delete(key)
    this.entries.set(key, { value, expiresAt, uses: uses + 1, written: this.#writes++ })
  }

  #evict(): void {
    const all = [...this.entries]
    const rank = ([, entry]: (typeof all)[0]): [number, number] => {
      if (this.policy === 'lru') return [0, 0]
      return this.policy === 'lfu' ? [entry.uses, 0] : [entry.expiresAt, entry.written]
    }
    let victim = all[0]
    for (const one of all) {
      const [a, b] = rank(one)
      const [c, d] = rank(victim)
      if (a < c || (a === c && b < d)) victim = one
    }
    this.evicted.push(`${victim[0]}=${victim[1].value}`)
    this.entries.delete(victim[0])
  }
}

describe.each(['lru', 'lfu', 'ttl'] as const)('the policy %s', (policy) => {
  const name = fc.nat(14).map((i) => `key ${i}`)
  const step = fc.oneof(
    fc.tuple(fc.constant('set' as const), name, fc.nat(5)),
    fc.tuple(fc.constant('get' as const), name, fc.constant(0)),
    fc.tuple(fc.constant('getSync' as const), name, fc.constant(0)),
    fc.tuple(fc.constant('delete' as const), name, fc.constant(0)),
    fc.tuple(fc.constant('flush' as const), name, fc.constant(0)),
  )

  test('evicts exactly what the books say, and tells of it', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 120, size: 'max' }), async (steps) => {
      const exact = new ExactCache(policy, 6)
      const told: string[] = []
      const clock = new ManualClock()
      await using store = await openBounded({
        maxEntries: 6,
        evictionPolicy: policy,
        clock,
        cacheSize: 0,
        onEvict: (key: string, value: string) => {
          told.push(`${key}=${value}`)
        },
      })
      for (const [number, [what, key, ttl]] of steps.entries()) {
        if (what === 'set') {
          const value = `${key} ${number}`
          await store.set(key, value, { ttl: ttl * 100_000 })
          exact.set(key, value, ttl === 0 ? Number.POSITIVE_INFINITY : clock.now() + ttl * 100_000)
        } else if (what === 'delete') {
          expect(await store.delete(key)).toBe(exact.entries.delete(key))
        } else if (what === 'flush') await store.flush()
        else {
          const found = what === 'get' ? await store.get(key) : store.getSync(key)
          expect(found !== undefined).toBe(exact.get(key))
        }
        expect(store.stats().entries).toBe(exact.entries.size)
      }
      await turns()
      expect(told.toSorted()).toEqual(exact.evicted.toSorted())
      expect(store.stats().evicted).toBe(told.length)
      const entries = await contentsOf(store)
      expect(entries).toEqual([...exact.entries].map(([key, { value }]) => [key, value]).sort())
    })
    await fc.assert(property, { numRuns: 60 })
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
            while (!ended) {
              look()
              await Promise.resolve()
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
      await fc.assert(property, { numRuns: 40 })
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

describe('hit rates on a zipfian trace', () => {
  /** Keys by a zipfian distribution of exponent 0.9. */
  function trace(keys: number, length: number): string[] {
    const random = randomFrom(11)
    const sums: number[] = []
    for (let i = 0, sum = 0; i < keys; i++) sums.push((sum += 1 / (i + 1) ** 0.9))
    return Array.from({ length }, () => {
      const at = random() * sums[keys - 1]
      let low = 0
      let high = keys - 1
      while (low < high) {
        const middle = (low + high) >>> 1
        if (sums[middle] < at) low = middle + 1
        else high = middle
      }
      return `key ${low}`
    })
  }

  test.each(['lru', 'lfu'] as const)('are within two points of an exact %s', async (policy) => {
    const capacity = 100
    const exact = new ExactCache(policy, capacity)
    await using store = await openBounded({
      maxEntries: capacity,
      evictionPolicy: policy,
      memtableSize: 1 << 16,
    })
    let hits = 0
    let exactHits = 0
    const keys = trace(2000, 10_000)
    for (const key of keys) {
      if ((await store.get(key)) !== undefined) hits++
      else await store.set(key, 'v')
      if (exact.get(key)) exactHits++
      else exact.set(key, 'v')
    }
    expect(exactHits / keys.length).toBeGreaterThan(0.3)
    expect(Math.abs(hits - exactHits) / keys.length).toBeLessThanOrEqual(0.02)
  })
})
