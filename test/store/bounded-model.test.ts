/** A bounded store beside its model: the same entries, the same victims, each announced once, within the bound at every moment. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { open, type Store, type StoreOptions, WriteBatch } from '../../src/index.js'
import { CRASH_PROFILES, InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { turn } from '../model/turns.js'
import {
  BoundedModel,
  type ModelBound,
  type ModelEntry,
  type ModelWrite,
  type Policy,
} from './bounded-model.js'

const KEYS = ['', '\x00', '\xff', '\xff\xff', '\xff\xff\x00', 'a', 'b', 'c', 'd', 'e', 'f', 'long key']

interface Write {
  readonly key: string
  /** The length of the value; 0: an empty one. */
  readonly length: number
  readonly ttl: number
}

const key = fc.constantFrom(...KEYS)
const write: fc.Arbitrary<Write> = fc.record({
  key,
  length: fc.nat(30),
  ttl: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 60 })),
})
const bounds = { maxEntries: fc.integer({ min: 1, max: 9 }), maxBytes: fc.integer({ min: 20, max: 160 }) }

type Writes =
  | { readonly do: 'set'; readonly write: Write }
  | { readonly do: 'burst'; readonly writes: readonly Write[] }
  | { readonly do: 'batch'; readonly writes: readonly (Write & { readonly removes: boolean })[] }
  | { readonly do: 'transaction'; readonly reads: string; readonly write: Write }

type Step =
  | { readonly do: 'setNX' | 'update' | 'compareAndSet' | 'expire'; readonly write: Write }
  | { readonly do: 'delete' | 'persist' | 'clearFrom'; readonly key: string }
  | { readonly do: 'get' | 'getSync' | 'getMany' | 'getEntry' | 'exists' | 'peek'; readonly key: string }
  | Writes
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'clear' | 'flush' | 'compact' | 'snapshot' | 'restore' }
  | { readonly do: 'reopen' | 'crash'; readonly maxEntries: number; readonly maxBytes: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('set' as const), write }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('setNX' as const, 'update' as const, 'compareAndSet' as const, 'expire' as const),
      write,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('delete' as const, 'persist' as const, 'clearFrom' as const),
      key,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constantFrom(...(['get', 'getSync', 'getMany', 'getEntry', 'exists', 'peek'] as const)),
      key,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('batch' as const),
      writes: fc.array(fc.record({ key, length: fc.nat(30), ttl: fc.nat(40), removes: fc.boolean() }), {
        maxLength: 7,
      }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('burst' as const),
      writes: fc.array(write, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('transaction' as const), reads: key, write }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: -20, max: 40 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(...(['clear', 'flush', 'compact', 'snapshot', 'restore', 'restore'] as const)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('reopen' as const, 'crash' as const), ...bounds }),
  },
)

/** The store and the model, step by step. */
class Pair {
  readonly #policy: Policy
  readonly #durability: 'memory' | 'disk'
  readonly #seed: number
  readonly #clock = new ManualClock()
  readonly #model: BoundedModel
  #fileSystem = new MemoryFileSystem()
  #store: Store<Buffer, string> | undefined
  /** What the store told by its callbacks since it was opened, and what its watcher has heard since it told so many. */
  #told: string[] = []
  #heard: string[] | undefined
  #toldBefore = 0
  #drawn = 0
  #values = 0
  #snapshots = 0
  #snapshot: { readonly id: string; readonly entries: ReadonlyMap<string, ModelEntry> } | undefined

  constructor(bound: ModelBound, durability: 'memory' | 'disk', seed: number) {
    this.#policy = bound.policy
    this.#durability = durability
    this.#seed = seed
    this.#model = new BoundedModel(bound)
  }

  get #now(): number {
    return this.#clock.now()
  }

  get store(): Store<Buffer, string> {
    if (this.#store === undefined) throw new Error('the store is open')
    return this.#store
  }

  async open(): Promise<void> {
    this.#told = []
    this.#heard = undefined
    this.#drawn = 0
    const tell =
      (what: string) =>
      (key: Buffer, value: string): void => {
        this.#told.push(`${what} ${key.toString('latin1')}=${value}`)
      }
    const { maxEntries, maxBytes } = this.#model.bound
    const options = {
      keyEncoding: 'buffer',
      valueEncoding: 'utf8',
      durability: this.#durability,
      fileSystem: this.#fileSystem,
      clock: this.#clock,
      executor: new InlineExecutor(),
      random: randomFrom(this.#seed),
      memtableSize: 2048,
      targetFileSize: 1024,
      blockSize: 256,
      walSegmentSize: 4096,
      cacheSize: 0,
      level0CompactionTrigger: 2,
      // What has expired goes only when it must.
      cleanupInterval: 0,
      maxEntries,
      maxBytes,
      evictionPolicy: this.#policy,
      onEvict: tell('evict'),
      onExpire: tell('expire'),
    } satisfies StoreOptions
    this.#store = await open<Buffer, string>('/db', options)
    // Nobody could watch what went at open.
    await this.#settle()
    this.#watch()
  }

  async run(step: Step): Promise<void> {
    const call = this.#begin(step)
    let ended = false
    const outcome = call.then(
      () => 'done',
      (error: { code?: string }) => error.code ?? error,
    )
    void outcome.then(() => {
      ended = true
    })
    const most = this.#most()
    for (let i = 1; !ended; i++) {
      this.#look(most)
      await (i % 16 === 0 ? turn() : Promise.resolve())
    }
    expect(await outcome).toBe('done')
    await this.#settle()
    this.#look(this.#most())
    this.#compare()
  }

  async close(): Promise<void> {
    await this.#store?.close()
  }

  // Steps

  async #begin(step: Step): Promise<void> {
    const { store } = this
    switch (step.do) {
      case 'set':
      case 'burst':
      case 'batch':
      case 'transaction':
        return this.#write(step)
      case 'setNX':
      case 'update':
      case 'compareAndSet':
      case 'expire':
        return this.#writeIf(step.do, step.write)
      case 'persist':
        return this.#persist(step.key)
      case 'delete': {
        const wasThere = this.#model.peek(step.key, this.#now) !== undefined
        expect(await store.delete(bytes(step.key))).toBe(wasThere)
        await this.#expectDone([{ key: step.key, value: undefined, expiresAt: 0 }])
        return
      }
      case 'clearFrom': {
        const going = this.#model.visible(this.#now).filter(([key]) => key >= step.key)
        await store.clear({ gte: bytes(step.key) })
        if (step.key === '') this.#model.clear()
        else await this.#expectDone(going.map(([key]) => ({ key, value: undefined, expiresAt: 0 })))
        return
      }
      case 'clear':
        await store.clear()
        return this.#model.clear()
      case 'flush':
        return store.flush()
      case 'compact':
        return store.compact()
      case 'pass':
        if (step.ms < 0) this.#clock.set(this.#now + step.ms)
        else this.#clock.advance(step.ms)
        return
      case 'snapshot': {
        const { id } = await store.snapshot({ name: `s${this.#snapshots++}` })
        this.#snapshot = { id, entries: copyOf(this.#model.entries) }
        return
      }
      case 'restore':
        return this.#restore()
      case 'reopen':
      case 'crash':
        return this.#reopen(step)
      default:
        return this.#read(step.do, step.key)
    }
  }

  async #read(how: string, key: string): Promise<void> {
    const { store } = this
    const k = bytes(key)
    const expected =
      how === 'peek' ? this.#model.peek(key, this.#now)?.value : this.#model.read(key, this.#now)
    if (how === 'get') expect(await store.get(k)).toBe(expected)
    else if (how === 'getSync') expect(store.getSync(k)).toBe(expected)
    else if (how === 'getMany') expect(await store.getMany([k])).toEqual([expected])
    else if (how === 'getEntry') expect((await store.getEntry(k))?.value).toBe(expected)
    else if (how === 'exists') expect(await store.exists(k)).toBe(expected !== undefined)
    else {
      // Views and iterators are no use.
      using view = store.view()
      expect(await view.get(k)).toBe(expected)
      expect(await store.values({ gte: k, lte: k }).all()).toEqual(expected === undefined ? [] : [expected])
    }
  }

  async #write(step: Writes): Promise<void> {
    const { store } = this
    if (step.do === 'batch') {
      const batch = new WriteBatch<Buffer, string>()
      const writes = step.writes.map((one) => ({
        ...this.#modelWrite(one),
        removes: one.removes,
        ttl: one.ttl,
      }))
      for (const { key, value, removes, ttl } of writes) {
        if (removes) batch.delete(bytes(key))
        else batch.set(bytes(key), value, { ttl })
      }
      const modelled = writes.map((one) => (one.removes ? { ...one, value: undefined } : one))
      if (writes.length > 0) await this.#expectOutcomes([modelled], [store.applyBatch(batch)])
      return
    }
    if (step.do === 'transaction') {
      const modelled = this.#modelWrite(step.write)
      const expected = this.#model.peek(step.reads, this.#now)?.value
      const call = store.transaction(async (transaction) => {
        expect(await transaction.get(bytes(step.reads))).toBe(expected)
        transaction.set(bytes(modelled.key), modelled.value, { ttl: step.write.ttl })
      })
      await this.#expectOutcomes([[modelled]], [call])
      return
    }
    const writes = step.do === 'set' ? [step.write] : step.writes
    const modelled = writes.map((one) => [this.#modelWrite(one)])
    const calls = modelled.map(([{ key, value }], i) => store.set(bytes(key), value, { ttl: writes[i].ttl }))
    await this.#expectOutcomes(modelled, calls)
  }

  async #writeIf(how: 'setNX' | 'update' | 'compareAndSet' | 'expire', one: Write): Promise<void> {
    const { store } = this
    const k = bytes(one.key)
    const old = this.#model.peek(one.key, this.#now)
    const fresh = this.#modelWrite(one)
    const { ttl } = one
    if (how === 'setNX') {
      await this.#expectOutcomes(old === undefined ? [[fresh]] : [], [store.setNX(k, fresh.value, { ttl })])
    } else if (how === 'compareAndSet') {
      const call = store.compareAndSet(k, old?.value, fresh.value, { ttl })
      await this.#expectOutcomes([[fresh]], [call])
    } else if (how === 'update') {
      const value = `${old?.value ?? ''}+`
      const call = store.update(k, (found) => `${found ?? ''}+`)
      await this.#expectOutcomes([[{ ...fresh, value, expiresAt: old?.expiresAt ?? Infinity }]], [call])
    } else {
      const renewed = old === undefined ? [] : [[{ ...fresh, value: old.value }]]
      await this.#expectOutcomes(renewed, [store.expire(k, ttl)])
    }
  }

  async #persist(key: string): Promise<void> {
    const old = this.#model.peek(key, this.#now)
    const hasExpiry = old !== undefined && old.expiresAt !== Infinity
    expect(await this.store.persist(bytes(key))).toBe(hasExpiry)
    if (hasExpiry) await this.#expectDone([{ key, value: old.value, expiresAt: Infinity }])
  }

  async #restore(): Promise<void> {
    const { store } = this
    if (this.#snapshot === undefined) return
    const restoring = store.restoreSnapshot(this.#snapshot.id).then(
      () => 'done',
      (error: { code: string }) => error.code,
    )
    const outcome = await restoring
    // What does not fit is not announced: whom chance left out is seen by who is missing.
    const there = new Set((await store.keys().all()).map((key) => key.toString('latin1')))
    // In which order is not seen. If any order takes just these, one does in which the largest goes last: all is too much until then.
    const sizeOf = (key: string): number => key.length + (this.#snapshot?.entries.get(key)?.value.length ?? 0)
    const missing = [...this.#snapshot.entries.keys()]
      .filter((key) => !there.has(key))
      .sort((a, b) => sizeOf(b) - sizeOf(a))
    const expected = this.#model.restore(this.#snapshot.entries, this.#now, () => {
      for (let key = missing.pop(); key !== undefined; key = missing.pop()) {
        if ((this.#snapshot?.entries.get(key)?.expiresAt ?? 0) > this.#now) return key
      }
      throw new Error('the restored store holds more than the bound')
    })
    expect(outcome).toBe(expected)
    if (outcome === 'done') this.#watch()
  }

  async #reopen(step: Extract<Step, { do: 'reopen' | 'crash' }>): Promise<void> {
    const old = this.store
    this.#store = undefined
    if (step.do === 'crash' && this.#durability === 'disk') {
      const chance = randomFrom(this.#seed + this.#values)
      const profile = CRASH_PROFILES[Math.floor(chance() * CRASH_PROFILES.length)]
      this.#fileSystem = this.#fileSystem.crash(profile, chance)
    } else await old.close()
    this.#model.bound = { ...this.#model.bound, maxEntries: step.maxEntries, maxBytes: step.maxBytes }
    await this.open()
    this.#model.reopen(this.#model.bound, this.#now, this.#draw)
  }

  // Checks

  #modelWrite({ key, length, ttl }: Write): ModelWrite & { readonly value: string } {
    const value = length === 0 ? '' : `${this.#values++}:`.padEnd(length, 'v')
    return { key, value, expiresAt: ttl === 0 ? Infinity : this.#now + ttl }
  }

  async #expectDone(writes: readonly ModelWrite[]): Promise<void> {
    await this.#settle()
    expect(this.#model.write(writes, this.#now, this.#draw)).toBe('done')
  }

  async #expectOutcomes(
    groups: readonly (readonly ModelWrite[])[],
    calls: readonly Promise<unknown>[],
  ): Promise<void> {
    const settled = await Promise.allSettled(calls)
    await this.#settle()
    const outcomes = settled.map((one) => (one.status === 'fulfilled' ? 'done' : one.reason.code))
    const expected = groups.map((writes) => this.#model.write(writes, this.#now, this.#draw))
    expect(outcomes).toEqual(expected.length === 0 ? ['done'] : expected)
  }

  /** The next one of whom the store told that it was evicted. */
  readonly #draw = (): string => {
    while (this.#drawn < this.#told.length) {
      const told = this.#told[this.#drawn++]
      if (told.startsWith('evict ')) return told.slice('evict '.length, told.indexOf('='))
    }
    throw new Error('more should have gone')
  }

  /** Waits until everything that went was told. */
  async #settle(): Promise<void> {
    for (let waited = 0; waited < 1000; waited++) {
      const { evicted, expired } = this.store.stats()
      const isAllHeard =
        this.#heard === undefined || this.#heard.length === this.#told.length - this.#toldBefore
      if (this.#told.length === evicted + expired && isAllHeard) return
      await turn()
    }
    throw new Error('not all that went was told')
  }

  #most(): { readonly entries: number; readonly bytes: number } {
    const { maxEntries, maxBytes } = this.#model.bound
    if (this.#policy !== 'none') return { entries: maxEntries, bytes: maxBytes }
    // Without a policy what was too much at open stays; it must only not become more.
    const all = [...this.#model.entries]
    const size = all.reduce((sum, [key, { value }]) => sum + key.length + value.length, 0)
    return { entries: Math.max(maxEntries, all.length), bytes: Math.max(maxBytes, size) }
  }

  /** As any reader sees the store right now. */
  #look(most: { readonly entries: number; readonly bytes: number }): void {
    if (this.#store === undefined) return
    let entries = 0
    let size = 0
    for (const [key, value] of this.#store.entries()) {
      entries++
      size += key.length + value.length
    }
    expect(entries).toBeLessThanOrEqual(most.entries)
    expect(size).toBeLessThanOrEqual(most.bytes)
  }

  #compare(): void {
    const expected = this.#model.visible(this.#now)
    const found = [...this.store.entries()].map(([key, value]) => [key.toString('latin1'), value])
    expect(found).toEqual(expected)
    expect(this.#told).toEqual(this.#model.announced)
    expect(this.#heard).toEqual(this.#told.slice(this.#toldBefore))
    const size = expected.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
    const evicted = this.#told.filter((told) => told.startsWith('evict ')).length
    expect(this.store.stats()).toMatchObject({
      entries: expected.length,
      bytes: size,
      evicted,
      expired: this.#told.length - evicted,
    })
  }

  /** Notes what a watcher is told of what goes from now on. */
  #watch(): void {
    const heard: string[] = []
    this.#heard = heard
    this.#toldBefore = this.#told.length
    const listen = async (): Promise<void> => {
      for await (const { type, key, value } of this.store.watch()) {
        if (type === 'evict' || type === 'expire') heard.push(`${type} ${key.toString('latin1')}=${value}`)
      }
    }
    // A restore ends it.
    listen().catch(() => undefined)
  }
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

function copyOf(entries: ReadonlyMap<string, ModelEntry>): Map<string, ModelEntry> {
  return new Map([...entries].map(([key, entry]) => [key, { ...entry }]))
}

test.each(['none', 'lru', 'lfu', 'ttl', 'random'] as const)(
  'a bounded store is its model: %s',
  { timeout: 60_000 },
  async (policy) => {
    const property = fc.asyncProperty(
      fc.record(bounds),
      fc.constantFrom('memory' as const, 'disk' as const),
      fc.nat(1000),
      fc.array(step, { maxLength: 60, size: 'max' }),
      async (bound, durability, seed, steps) => {
        const pair = new Pair({ policy, ...bound }, durability, seed)
        await pair.open()
        try {
          for (const one of steps) await pair.run(one)
        } finally {
          await pair.close()
        }
      },
    )
    await fc.assert(property, { numRuns: Number(process.env.VARVE_RUNS ?? 12) })
  },
)
