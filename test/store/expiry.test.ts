/** What becomes of expired entries: removal, announcement, the work that it takes, restarts, crashes, clocks that jump. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { open, type Store, type StoreOptions } from '../../src/index.js'
import { FaultFileSystem, InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'

type TextStore = Store<string, string>

const SMALL: StoreOptions = { memtableSize: 4096, targetFileSize: 4096, blockSize: 256, cacheSize: 0 }
const INTERVAL = 1000

class World {
  readonly clock = new ManualClock(1_000_000)
  readonly told: string[] = []
  fileSystem: MemoryFileSystem = new MemoryFileSystem()

  open(options: StoreOptions = {}): Promise<TextStore> {
    return open<string, string>('/db', {
      valueEncoding: 'utf8',
      clock: this.clock,
      executor: new InlineExecutor(),
      fileSystem: this.fileSystem,
      cleanupInterval: INTERVAL,
      onExpire: (key: string, value: string) => {
        this.told.push(`${key}=${value}`)
      },
      ...SMALL,
      ...options,
    })
  }

  /** Lets time go by, and what it starts come to its end. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.settle()
  }

  async settle(): Promise<void> {
    for (let quiet = 0, seen = -1; quiet < 30; quiet++) {
      if (this.told.length !== seen) quiet = 0
      seen = this.told.length
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

const key = (i: number): string => `key ${String(i).padStart(5, '0')}`

describe('an expired entry', () => {
  test('is announced once, with its value, by the callback and by the event', async () => {
    const world = new World()
    await using store = await world.open()
    const heard: string[] = []
    store.on('expire', (entry) => heard.push(`${entry.key}=${entry.value}`))
    await store.set('a', '1', { ttl: 500 })
    await store.set('b', '2')
    await store.set('c', '3', { ttl: 5000 })
    await world.pass(499)
    expect(world.told).toEqual([])
    expect(await store.get('a')).toBe('1')
    await world.pass(501)
    expect(await store.get('a')).toBeUndefined()
    expect(world.told).toEqual(['a=1'])
    await world.pass(10 * INTERVAL)
    expect(world.told).toEqual(['a=1', 'c=3'])
    expect(heard).toEqual(world.told)
    expect(store.stats().expired).toBe(2)
    expect(await store.keys().all()).toEqual(['b'])
  })

  test('that cannot be decoded is told as an error, and those beside it as what they were', async () => {
    const world = new World()
    const valueEncoding = {
      encode: (value: string) => Buffer.from(value),
      decode(bytes: Buffer): string {
        if (`${bytes}` === '0') throw new Error('bad')
        return `${bytes}`
      },
    }
    await using store = await world.open({ valueEncoding })
    const errors: string[] = []
    store.on('error', ({ code }) => errors.push(code))
    for (let i = 0; i < 10; i++) await store.set(key(i), `${i}`, { ttl: 500 })
    await world.pass(INTERVAL)
    expect(world.told.toSorted()).toEqual(Array.from({ length: 9 }, (_, i) => `${key(i + 1)}=${i + 1}`))
    expect(errors).toEqual(['INVALID_VALUE'])
  })

  test('is not announced when it was overwritten, deleted, persisted or cleared before', async () => {
    const world = new World()
    await using store = await world.open()
    for (const name of ['set', 'delete', 'persist', 'longer', 'flushed']) {
      await store.set(name, name, { ttl: 100 })
    }
    await store.flush()
    await store.set('set', 'again')
    await store.delete('delete')
    await store.persist('persist')
    await store.expire('longer', 100_000)
    await world.pass(INTERVAL)
    expect(world.told).toEqual(['flushed=flushed'])
    await store.set('x', 'y', { ttl: 10 })
    await store.clear()
    await world.pass(INTERVAL)
    expect(world.told).toEqual(['flushed=flushed'])
  })

  test.each(['memtable', 'tables', 'levels', 'restart', 'crash'])(
    'is announced wherever it is: %s',
    async (where) => {
      const world = new World()
      let store = await world.open()
      const count = 500
      for (let i = 0; i < count; i++) {
        await store.set(key(i), `v${i}`, i % 5 === 0 ? {} : { ttl: 10 + (i % 7) * INTERVAL })
      }
      if (where !== 'memtable') await store.flush()
      if (where === 'levels') await store.compact()
      if (where === 'restart') {
        await store.close()
        store = await world.open()
      }
      if (where === 'crash') {
        await store.sync()
        const image = world.fileSystem.crash('nothing', () => 0.5)
        await store.close()
        world.fileSystem = image
        store = await world.open()
      }
      const all = Array.from({ length: count }, (_, i) => i).filter((i) => i % 5 !== 0)
      for (let period = 1; period <= 7; period++) {
        await world.pass(INTERVAL)
        const due = all.filter((i) => 10 + (i % 7) * INTERVAL <= period * INTERVAL)
        expect(world.told.toSorted()).toEqual(due.map((i) => `${key(i)}=v${i}`).toSorted())
      }
      expect(store.stats().expired).toBe(all.length)
      await store.compact()
      const { levels } = store.stats()
      expect(levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(count - all.length)
      await store.close()
    },
  )

  test('is announced though flushes and compactions come before the sweep', async () => {
    const world = new World()
    await using store = await world.open()
    for (let i = 0; i < 300; i++) await store.set(key(i), 'v', { ttl: 10 })
    world.clock.advance(20)
    for (let i = 300; i < 600; i++) await store.set(key(i), 'v')
    await store.compact()
    expect(await store.count()).toBe(300)
    await world.pass(INTERVAL)
    expect(world.told).toHaveLength(300)
    await store.compact()
    expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(300)
  })

  test('that was removed stays removed and unannounced behind a restart and a crash', async () => {
    const world = new World()
    const store = await world.open({ durability: 'disk' })
    for (let i = 0; i < 100; i++) await store.set(key(i), 'v', { ttl: 10 })
    await store.flush()
    await world.pass(INTERVAL)
    expect(world.told).toHaveLength(100)
    await store.sync()
    world.fileSystem = world.fileSystem.crash('nothing', () => 0.5)
    await using again = await world.open()
    await world.pass(5 * INTERVAL)
    expect(world.told).toHaveLength(100)
    expect(await again.count()).toBe(0)
    await store.close()
  })
})

describe('a clock that jumps', () => {
  test('forwards makes everything expire at the next sweep', async () => {
    const world = new World()
    await using store = await world.open()
    await store.set('a', '1', { ttl: 3_600_000 })
    world.clock.set(world.clock.now() + 3_600_000)
    expect(await store.get('a')).toBeUndefined()
    await world.pass(INTERVAL)
    expect(world.told).toEqual(['a=1'])
  })

  test.each([false, true])(
    'backwards: what is written then expires in its time (flushed: %s)',
    async (flush) => {
      const world = new World()
      await using store = await world.open()
      await store.set('a', '1', { ttl: 10 })
      await world.pass(INTERVAL)
      world.clock.set(500_000)
      await store.set('b', '2', { ttl: 3 * INTERVAL })
      if (flush) {
        await store.flush()
        await store.compact()
      }
      await world.pass(INTERVAL)
      expect(await store.get('b')).toBe('2')
      expect(world.told).toEqual(['a=1'])
      await world.pass(3 * INTERVAL)
      expect(world.told).toEqual(['a=1', 'b=2'])
    },
  )
})

describe('the work', () => {
  test('is in proportion to what has expired, not to what there is', async () => {
    const costs: number[] = []
    for (const count of [500, 4000]) {
      const world = new World()
      const counting = new FaultFileSystem(world.fileSystem, { log: true })
      await using store = await world.open({ fileSystem: counting, maxOpenFiles: 10_000 })
      for (let i = 0; i < count; i++) await store.set(key(i), 'v'.repeat(20), { ttl: 1_000_000 + i })
      for (let i = 0; i < 10; i++) await store.set(`soon ${i}`, 'v', { ttl: 10 })
      await store.compact()
      const before = counting.log.length
      await world.pass(INTERVAL)
      expect(world.told).toHaveLength(10)
      costs.push(counting.log.slice(before).filter(({ kind }) => kind === 'read').length)
    }
    expect(costs[1]).toBeLessThanOrEqual(costs[0] + 5)
    expect(costs[1]).toBeGreaterThan(0)
  })

  test('tables that hold only expired entries go without being read, when nobody wants to be told', async () => {
    const world = new World()
    const counting = new FaultFileSystem(world.fileSystem, { log: true })
    await using store = await world.open({ fileSystem: counting, onExpire: undefined as never })
    for (let i = 0; i < 1000; i++) await store.set(key(i), 'v'.repeat(20), { ttl: 100 })
    await store.compact()
    const before = counting.log.length
    await world.pass(INTERVAL)
    expect(
      counting.log.slice(before).filter(({ kind, path }) => kind === 'read' && path.endsWith('.sst')),
    ).toEqual([])
    expect(store.stats().levels.every(({ tables }) => tables === 0)).toBe(true)
    expect(store.stats().expired).toBe(1000)
  })

  test('many that expire together are removed in turns', async () => {
    const world = new World()
    await using store = await world.open({ memtableSize: 1 << 20, targetFileSize: 1 << 20, blockSize: 4096 })
    const count = 20_000
    for (let i = 0; i < count; i++) void store.set(key(i), 'v', { ttl: 100 })
    await store.flush()
    // What is announced in one turn of the event loop, not how long it takes: the machine may be busy.
    let most = 0
    let turns = 0
    world.clock.advance(INTERVAL)
    for (let told = world.told.length; told < count; turns++) {
      await new Promise((resolve) => setImmediate(resolve))
      most = Math.max(most, world.told.length - told)
      told = world.told.length
    }
    expect(most).toBeLessThan(1000)
    expect(turns).toBeGreaterThan(20)
  })

  test('a failure is told and made good by the next sweep', async () => {
    const world = new World()
    const faulty = new FaultFileSystem(world.fileSystem)
    await using store = await world.open({ fileSystem: faulty })
    const errors: string[] = []
    store.on('error', ({ code }) => errors.push(code))
    for (let i = 0; i < 300; i++) await store.set(key(i), 'v', { ttl: 10 })
    await store.compact()
    const fault = faulty.fail({ kind: 'write', path: /wal$/, errno: 'ENOSPC', forGood: true })
    await world.pass(INTERVAL)
    expect(world.told).toEqual([])
    expect(errors).toEqual(['NO_SPACE'])
    fault.cancel()
    await world.pass(INTERVAL)
    expect(world.told).toHaveLength(300)
  })

  test('a listener that throws does not end it', async () => {
    const world = new World()
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error))
    try {
      await using store = await world.open({
        onExpire: (name: string) => {
          world.told.push(name)
          throw new Error(`oh, ${name}`)
        },
      })
      for (const name of ['a', 'b']) await store.set(name, '1', { ttl: 10 })
      await world.pass(INTERVAL)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
    expect(world.told.toSorted()).toEqual(['a', 'b'])
    expect(uncaught.map(String).toSorted()).toEqual(['Error: oh, a', 'Error: oh, b'])
  })
})

test('each entry that expires is announced exactly once, whatever happens', { timeout: 60_000 }, async () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant('set' as const), name, fc.nat(4000)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('delete' as const), name) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('pass' as const), fc.nat(2500)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('flush' as const)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('compact' as const)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('reopen' as const)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('clear' as const)) },
  )
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
    const world = new World()
    let store = await world.open()
    const live = new Map<string, { value: string; expiresAt: number }>()
    /** What must be told sooner or later, and what may be: it was overwritten or deleted after it had expired. */
    const due = new Set<string>()
    const maybe = new Set<string>()
    let number = 0
    const retire = (key: string): void => {
      const old = live.get(key)
      if (old !== undefined && old.expiresAt <= world.clock.now()) maybe.add(`${key}=${old.value}`)
      live.delete(key)
    }
    for (const [what, ...rest] of steps) {
      if (what === 'set') {
        const [key, ttl] = rest as [string, number]
        retire(key)
        const value = String(number++)
        await store.set(key, value, { ttl })
        if (ttl > 0) live.set(key, { value, expiresAt: world.clock.now() + ttl })
      } else if (what === 'delete') {
        retire(rest[0] as string)
        await store.delete(rest[0] as string)
      } else if (what === 'pass') await world.pass(rest[0] as number)
      else if (what === 'flush') await store.flush()
      else if (what === 'compact') await store.compact()
      else if (what === 'clear') {
        for (const key of [...live.keys()]) retire(key)
        await store.clear()
      } else {
        await store.close()
        store = await world.open()
      }
    }
    await world.pass(10_000)
    for (const [key, { value }] of live) due.add(`${key}=${value}`)
    expect(new Set(world.told).size).toBe(world.told.length)
    for (const told of world.told) expect(due.has(told) || maybe.has(told)).toBe(true)
    for (const one of due) expect(world.told).toContain(one)
    await store.close()
  })
  await fc.assert(property, { numRuns: 60 })
})
