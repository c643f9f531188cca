/** Attaching in the thread that has the store open: the same protocol, deterministic, and on a file system in memory. */
import { getEventListeners } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { WriteBatch } from '../../src/index.js'
import { open } from '../../src/store/open.js'
import type { StoreOptions } from '../../src/store/options.js'
import { attach } from '../../src/store/sharing/attach.js'
import type { AttachedStore } from '../../src/store/sharing/attached-store.js'
import type { Store } from '../../src/store/store.js'
import { randomFrom } from '../model/random.js'
import { DIRECTORY, numbered, TINY } from '../store/stores.js'

interface Pair<V> {
  readonly store: Store<string, V>
  readonly attached: AttachedStore<string, V>
  attach(): Promise<AttachedStore<string, V>>
}

async function openPair<V = string>(options: StoreOptions = {}): Promise<Pair<V>> {
  const { fileSystem = new MemoryFileSystem() } = options
  const store = await open<string, V>(DIRECTORY, { valueEncoding: 'utf8', ...TINY, ...options, fileSystem })
  const attachMore = (): Promise<AttachedStore<string, V>> => attach<string, V>(store.share(), { fileSystem })
  const attached = await attachMore()
  onTestFinished(async () => {
    await attached.close()
    await store.close().catch(() => undefined)
  })
  return { store, attached, attach: attachMore }
}

function sorted(model: Map<string, string>): [string, string][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1))
}

const { VARVE_SEED = String(Math.floor(Math.random() * 2 ** 31)) } = process.env

test(`both ends read the same, whoever has written (VARVE_SEED=${VARVE_SEED} replays)`, async () => {
  const { store, attached } = await openPair()
  const random = randomFrom(Number(VARVE_SEED))
  const below = (n: number): number => Math.floor(random() * n)
  const model = new Map<string, string>()
  for (let n = 0; n < 800; n++) {
    const [writer, reader] = random() < 0.5 ? [store, attached] : [attached, store]
    const key = numbered(below(60))
    const value = `${n}`.padEnd(below(60), '.')
    const choice = below(20)
    if (choice < 8) {
      await writer.set(key, value)
      model.set(key, value)
    } else if (choice < 11) {
      expect(await writer.delete(key)).toBe(model.delete(key))
    } else if (choice < 13) {
      const batch = new WriteBatch<string, string>().set(key, value).set(`${key}!`, value).delete(`${key}?`)
      expect(await writer.applyBatch(batch)).toEqual({ successful: 3, failed: 0 })
      model.set(key, value).set(`${key}!`, value)
    } else if (choice === 13) {
      expect(await writer.setNX(key, value)).toBe(!model.has(key))
      if (!model.has(key)) model.set(key, value)
    } else if (choice === 14) {
      const next = await writer.update(key, (old) => `${old ?? 'none'}+`.slice(-50))
      expect(next).toBe(`${model.get(key) ?? 'none'}+`.slice(-50))
      model.set(key, next ?? '')
    } else if (choice === 15) {
      expect(await writer.compareAndSet(key, model.get(key), value)).toBe(true)
      expect(await writer.compareAndSet(key, 'something else', 'never')).toBe(false)
      model.set(key, value)
    } else if (choice === 16) {
      const entries = await writer.transaction(async (transaction) => {
        transaction.set(key, value)
        return transaction.entries({ prefix: 'key' }).all()
      })
      model.set(key, value)
      expect(entries).toEqual(sorted(model))
    } else if (choice === 17) {
      const range = { gte: key, lt: numbered(below(60)) }
      await writer.clear(range)
      for (const name of model.keys()) if (name >= range.gte && name < range.lt) model.delete(name)
    } else if (choice === 18 && below(5) === 0) {
      await writer.clear()
      model.clear()
    } else if (choice === 19) {
      await (below(2) === 0 ? writer.flush() : writer.compact())
    }
    expect(reader.getSync(key)).toBe(model.get(key))
    expect(await reader.get(key)).toBe(model.get(key))
    if (n % 20 === 0) {
      const expected = sorted(model)
      expect([...reader.entries()]).toEqual(expected)
      expect(await reader.entries({ reverse: true }).all()).toEqual(expected.toReversed())
      expect(await reader.count()).toBe(model.size)
    }
  }
})

test('views and iterators of an attached store stay as they were', async () => {
  const { store, attached } = await openPair()
  for (let i = 0; i < 50; i++) await store.set(numbered(i), 'old')
  const view = attached.view()
  const iterator = attached.entries()
  expect(await iterator.nextMany(2)).toHaveLength(2)
  for (let i = 0; i < 200; i++) await attached.set(numbered(i), 'new')
  await store.compact()
  await store.clear()
  expect(await iterator.all()).toHaveLength(48)
  expect(new Set(await view.values().all())).toEqual(new Set(['old']))
  expect(await view.count()).toBe(50)
  view.close()
  expect(await attached.count()).toBe(0)
})

test('what an attached store holds goes when it is closed', async () => {
  const { store, attached } = await openPair()
  for (let i = 0; i < 100; i++) await store.set('key', `${i}`)
  const view = attached.view()
  for (let i = 0; i < 100; i++) await store.set('key', `${i}`)
  await store.compact()
  expect(store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBeGreaterThan(1)
  expect(view.getSync('key')).toBe('99')
  await attached.close()
  await expect
    .poll(async () => {
      await store.set('key', 'newer')
      await store.compact()
      return store.stats().levels.reduce((sum, { entries }) => sum + entries, 0)
    })
    .toBe(1)
  expect(() => attached.getSync('key')).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  expect(store.getSync('key')).toBe('newer')
})

test('a transaction conflicts with what others write meanwhile, also when it was flushed and compacted away', async () => {
  const { store, attached } = await openPair()
  await store.set('a', '1')
  let attempts = 0
  const result = attached.transaction(
    async (transaction) => {
      attempts++
      expect(await transaction.get('a')).toBe('1')
      await store.delete('a')
      await store.compact()
      transaction.set('b', 'never')
    },
    { retries: 0 },
  )
  await expect(result).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(attempts).toBe(1)
  expect(await store.get('b')).toBeUndefined()
})

test('increments of both ends are all counted', async () => {
  const { store, attached } = await openPair<number>({ valueEncoding: 'json' })
  const increments = Array.from({ length: 50 }, (_, i) =>
    (i % 2 === 0 ? store : attached).increment('counter'),
  )
  expect(new Set(await Promise.all(increments)).size).toBe(50)
  expect(await attached.get('counter')).toBe(50)
})

test('writes keep their order, awaited or not', async () => {
  const { store, attached } = await openPair()
  void attached.set('a', '1')
  void attached.set('a', '2', { durability: 'disk' })
  void attached.delete('b')
  expect(await attached.setNX('a', '3')).toBe(false)
  void attached.set('a', '4')
  await attached.flush()
  expect(store.getSync('a')).toBe('4')
  expect(attached.getSync('a')).toBe('4')
})

test('watching from an attached store', async () => {
  const { store, attached } = await openPair()
  const changes = attached.watch({ prefix: 'user:' })
  await store.set('user:1', 'Ada')
  await attached.set('other', 'x')
  await attached.delete('user:1')
  await store.clear()
  const seen = []
  for await (const { type, key, value } of changes) {
    seen.push({ type, key, value })
    if (type === 'clear') break
  }
  expect(seen).toEqual([
    { type: 'set', key: 'user:1', value: 'Ada' },
    { type: 'delete', key: 'user:1', value: undefined },
    { type: 'clear', key: undefined, value: undefined },
  ])
  const controller = new AbortController()
  const aborted = attached.watch('k', { signal: controller.signal }).next()
  controller.abort()
  await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
  const slow = attached.watch({}, { buffer: 2 })
  await store.set('first', 'x')
  await slow.next()
  for (let i = 0; i < 20; i++) await store.set(numbered(i), 'x')
  const drain = async (): Promise<void> => {
    for await (const { type } of slow) expect(type).toBe('set')
  }
  await expect(drain()).rejects.toMatchObject({ code: 'WATCH_OVERFLOW', sequence: expect.any(Number) })
})

test.each(['hybrid', 'snapshot'] as const)(
  '%s: a watcher begins with the call, whatever the owner does before it hears of it',
  async (persistence) => {
    const { store, attached } = await openPair({ persistence, clock: new ManualClock() })
    await store.set('before', '1')
    const flushed = attached.watch()
    for (let i = 0; i < 300; i++) await store.set(numbered(i), 'x'.repeat(100))
    await store.flush()
    for (let i = 0; i < 300; i++) {
      expect(await flushed.next()).toMatchObject({ value: { key: numbered(i), sequence: i + 2 } })
    }
    // Nothing below may wait for a turn, a compaction or the end of a long turn: the owner would hear of the watcher before it clears.
    await store.compact()
    const cleared = attached.watch()
    await store.set('gone', '1')
    await store.clear()
    await store.set('behind', '1')
    expect(await cleared.next()).toMatchObject({ value: { type: 'clear', sequence: 303 } })
    expect(await cleared.next()).toMatchObject({ value: { type: 'set', key: 'behind', sequence: 304 } })
  },
)

test('a watcher ends with a restore, also with one that the owner made before it heard of the watcher', async () => {
  const { store, attached } = await openPair()
  await store.set('a', '1')
  const { id } = await store.snapshot()
  const early = attached.watch()
  // An answer of the owner's: it has heard of the watcher too.
  await attached.stats()
  await store.restoreSnapshot(id)
  await expect(early.next()).rejects.toMatchObject({ code: 'ABORTED', sequence: 3 })
  const late = attached.watch()
  await store.restoreSnapshot(id)
  await expect(late.next()).rejects.toMatchObject({ code: 'ABORTED', sequence: 4 })
  expect(await late.next()).toEqual({ done: true, value: undefined })
})

test('a watcher that was closed does not tell of a signal that fires later', async () => {
  const { attached } = await openPair()
  const controller = new AbortController()
  const changes = attached.watch('k', { signal: controller.signal })
  await changes.close()
  controller.abort()
  expect(await changes.next()).toEqual({ done: true, value: undefined })
})

test('a refusal is told as what it is', async () => {
  const { attached } = await openPair({ maxEntries: 1 })
  await attached.set('a', '1')
  const full = attached.set('b', '1')
  const fits = attached.set('a', '2')
  await expect(full).rejects.toMatchObject({ name: 'VarveError', code: 'STORE_FULL' })
  await fits
  expect(attached.getSync('a')).toBe('2')
})

test('reads of an attached store count as use', async () => {
  const { store, attached } = await openPair({ maxEntries: 2, evictionPolicy: 'lru' })
  await store.set('a', '1')
  await store.set('b', '1')
  expect(await attached.get('a')).toBe('1')
  await attached.set('c', '1')
  expect(await store.keys().all()).toEqual(['a', 'c'])
})

test('snapshots, statistics and events reach the other end', async () => {
  const { store, attached } = await openPair()
  const flushes: unknown[] = []
  attached.on('flush', (event) => flushes.push(event))
  await attached.set('a', '1')
  const { id } = await attached.snapshot({ name: 'first' })
  await store.set('a', '2')
  expect((await attached.snapshots()).map((snapshot) => snapshot.id)).toEqual([id])
  await attached.restoreSnapshot(id)
  expect(attached.getSync('a')).toBe('1')
  await attached.deleteSnapshot(id)
  expect((await attached.stats()).sets).toBe(2)
  expect(await attached.verify()).toMatchObject({ ok: true })
  expect(await attached.refresh()).toBe(false)
  expect(attached.share()).toEqual(store.share())
  await expect.poll(() => flushes.length).toBeGreaterThan(0)
})

test('a store that has become read-only is resumed from the other end', async () => {
  const fileSystem = new FaultFileSystem(new MemoryFileSystem())
  const { attached } = await openPair({ fileSystem })
  const errors: string[] = []
  attached.on('error', ({ code }) => errors.push(code))
  await attached.set('a', '1')
  fileSystem.fail({ kind: 'sync', path: /\.wal$/ })
  await expect(attached.sync()).rejects.toMatchObject({ code: 'IO_ERROR' })
  await expect(attached.set('b', '1')).rejects.toMatchObject({ code: 'READ_ONLY' })
  await attached.resume()
  await attached.set('b', '2', { durability: 'disk' })
  expect(await attached.entries().all()).toEqual([
    ['a', '1'],
    ['b', '2'],
  ])
  await expect.poll(() => errors).toEqual(['IO_ERROR'])
})

test('closing the store ends what is attached to it', async () => {
  const { store, attached } = await openPair()
  const handle = store.share()
  await store.close()
  await expect(attached.get('a')).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(attached.set('a', '1')).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(attach(handle, { fileSystem: new MemoryFileSystem() })).rejects.toMatchObject({
    code: 'CLOSED',
  })
})

test('what cannot be shared or attached to is refused', async () => {
  const { store } = await openPair()
  const memory = await open(':memory:', { persistence: 'none' })
  expect(() => memory.share()).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  await memory.close()
  await expect(attach(store.share())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(attach({} as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  const custom = { encode: (value: string) => Buffer.from(value), decode: String }
  const own = await openPair({ valueEncoding: custom }).catch((error: unknown) => error)
  expect(own).toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('every write has its true answer, whichever end closes', async () => {
  for (const who of ['attached', 'owner'] as const) {
    const { store, attached } = await openPair({ durability: 'disk' })
    await attached.set('a', '1')
    const answers = [attached.set('k', 'v'), attached.delete('a'), attached.setNX('n', 'v')]
    if (who === 'owner') await expect.poll(() => store.getSync('n')).toBe('v')
    await (who === 'attached' ? attached : store).close()
    expect(await Promise.all(answers), who).toEqual([undefined, true, true])
  }
})

test('a watcher whose signal fires while everything closes rejects nothing behind the back', async () => {
  const { store, attached, attach: attachMore } = await openPair()
  const rejected: unknown[] = []
  const listener = (reason: unknown): void => void rejected.push(reason)
  process.on('unhandledRejection', listener)
  const other = await attachMore()
  for (const [from, closing] of [
    [attached, attached],
    [other, store],
  ] as const) {
    const controller = new AbortController()
    from.watch({}, { signal: controller.signal })
    controller.abort()
    await closing.close()
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', listener)
  expect(rejected).toEqual([])
})

test('a watcher that ended by itself leaves no listener on its signal', async () => {
  const { store, attached } = await openPair()
  const { signal } = new AbortController()
  const changes = attached.watch({}, { signal, buffer: 1 })
  await store.set('a', '1')
  await changes.next()
  for (let i = 0; i < 10; i++) await store.set('a', '1')
  const drain = async (): Promise<void> => {
    for (;;) await changes.next()
  }
  await expect(drain()).rejects.toMatchObject({ code: 'WATCH_OVERFLOW' })
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('events arrive as what they were', async () => {
  const { store, attached } = await openPair<Buffer>({
    valueEncoding: 'buffer',
    maxEntries: 1,
    evictionPolicy: 'lru',
  })
  const evicted: { key: string; value: Buffer }[] = []
  const listener = (entry: { key: string; value: Buffer }): void => void evicted.push(entry)
  attached.on('evict', listener)
  await attached.stats()
  await store.set('a', Buffer.from('1'))
  await store.set('b', Buffer.from('2'))
  await expect.poll(() => evicted).toEqual([{ key: 'a', value: Buffer.from('1') }])
  attached.off('evict', listener)
  await attached.stats()
  await store.set('c', Buffer.from('3'))
  await attached.stats()
  expect(evicted).toHaveLength(1)
})

test('an encoding that throws at an event is told as an error, to the thread that listens', async () => {
  const fileSystem = new MemoryFileSystem()
  let broken: 'encode' | 'decode' | undefined
  const valueEncoding = {
    encode(value: string): Uint8Array {
      if (broken === 'encode') throw new Error('encode')
      return Buffer.from(value)
    },
    decode(bytes: Buffer): string {
      if (broken === 'decode') throw new Error('decode')
      return bytes.toString()
    },
  }
  const store = await open(DIRECTORY, { fileSystem, valueEncoding, maxEntries: 1, evictionPolicy: 'lru' })
  const attached = await attach<string, string>(store.share(), { fileSystem, valueEncoding })
  onTestFinished(async () => {
    await attached.close()
    await store.close()
  })
  const told: unknown[] = []
  attached.on('evict', (entry) => told.push(entry))
  attached.on('error', ({ code, cause }) => told.push({ code, cause: (cause as Error).message }))
  await attached.stats()
  // To the owner's own listeners it is no matter.
  const evicted: unknown[] = []
  store.on('evict', ({ key }) => evicted.push(key))
  for (const [i, what] of (['encode', 'decode', undefined] as const).entries()) {
    await store.set(`${i}`, 'value')
    // Encoded before it is broken.
    const writing = store.set(`${i + 1}`, 'value')
    broken = what
    await writing
    await expect.poll(() => told).toHaveLength(i + 1)
    broken = undefined
  }
  expect(told).toEqual([
    { code: 'INVALID_VALUE', cause: 'encode' },
    { code: 'INVALID_VALUE', cause: 'decode' },
    { key: '2', value: 'value' },
  ])
  expect(evicted).toEqual(['0', '2'])
})

test('what cannot be posted is refused, and a conflict of the user is not tried again', async () => {
  const { attached } = await openPair()
  await expect(attached.snapshot({ name: (() => 1) as never })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
  let calls = 0
  const conflicting = attached.update('a', () => {
    calls++
    throw new VarveError('CONFLICT', 'my own')
  })
  await expect(conflicting).rejects.toMatchObject({ message: 'my own' })
  expect(calls).toBe(1)
  const endless = attached.update('a', () => {
    void attached.set('a', 'inner')
    return 'outer'
  })
  await expect(endless).rejects.toMatchObject({ code: 'CONFLICT' })
})

test('estimates and splits of an attached store know what is in memory', async () => {
  const { store, attached } = await openPair({ memtableSize: 1024 * 1024 })
  for (let i = 0; i < 2000; i++) await store.set(numbered(i), 'value')
  expect(attached.estimateCount()).toBe(2000)
  expect(attached.estimateSize()).toBe(store.estimateSize())
  const counts = await Promise.all(attached.splitRange({}, 4).map((range) => attached.count(range)))
  expect(counts).toHaveLength(4)
  expect(Math.max(...counts)).toBeLessThan(1000)
})
