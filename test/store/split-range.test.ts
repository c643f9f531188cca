/** Splitting a range: the parts make up the range, and are about equal. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KeyRange, type OrderedKey, open, openInMemory } from '../../src/index.js'
import { FaultFileSystem, ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { codeOf, DIRECTORY, fill, numbered, openText, TINY, textOf } from './stores.js'

const SMALL = { ...TINY, memtableSize: 2048, targetFileSize: 1024, blockSize: 128 }

const TEXT = fc
  .array(fc.constantFrom('a', 'b', 'é', '漢', '漣', '😀', '😁'), { minLength: 1, maxLength: 5 })
  .map((characters) => characters.join(''))
const BYTES = fc
  .array(fc.constantFrom(0, 1, 0x7f, 0xff), { minLength: 1, maxLength: 5 })
  .map((bytes) => Buffer.from(bytes))
const ELEMENT = fc.constantFrom<OrderedKey>('', 'a', 'ab', 0, -1, 1.5, null, true, 7n, new Date(0), [], ['x'])
const ORDERED: fc.Arbitrary<OrderedKey> = fc.array(ELEMENT, { minLength: 1, maxLength: 3 })

interface Case<K> {
  readonly keys: readonly K[]
  /** After how many keys everything is flushed; the rest stays in memory. */
  readonly flushed: number
  readonly removed: number
  readonly range: KeyRange<K>
  readonly parts: number
}

function cases<K>(key: fc.Arbitrary<K>): fc.Arbitrary<Case<K>> {
  const bounds = { gte: key, gt: key, lt: key, lte: key, prefix: key }
  return fc.record({
    keys: fc.array(key, { maxLength: 120 }),
    flushed: fc.nat(120),
    removed: fc.nat(20),
    range: fc.record(bounds, { requiredKeys: [] }) as unknown as fc.Arbitrary<KeyRange<K>>,
    parts: fc.integer({ min: 1, max: 9 }),
  })
}

describe.each([
  ['utf8', cases(TEXT)],
  ['buffer', cases(BYTES)],
  ['ordered', cases(ORDERED)],
] as const)('with keyEncoding %s', (keyEncoding, arbitrary) => {
  test('the parts are disjoint, ordered, and make up the range, forwards and backwards', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitrary as fc.Arbitrary<Case<unknown>>,
        async ({ keys, flushed, removed, range, parts }) => {
          const store = await open<unknown, string>(DIRECTORY, {
            ...SMALL,
            keyEncoding,
            valueEncoding: 'utf8',
            fileSystem: new MemoryFileSystem({ strict: false }),
          })
          try {
            for (const [i, key] of keys.entries()) {
              await store.set(key as never, `value ${i}`.padEnd(60, '.'))
              if (i === flushed) await store.compact()
            }
            for (const key of keys.slice(0, removed)) await store.delete(key as never)
            for (const source of [store, store.view()]) {
              const split = source.splitRange(range, parts)
              expect(split.length).toBeGreaterThan(0)
              expect(split.length).toBeLessThanOrEqual(parts)
              for (const reverse of [false, true]) {
                const scans = await Promise.all(split.map((part) => source.keys({ ...part, reverse }).all()))
                if (split.length > 1) for (const scan of scans) expect(scan).not.toEqual([])
                if (reverse) scans.reverse()
                expect(scans.flat()).toEqual(await source.keys({ ...range, reverse }).all())
              }
              if (source !== store) (source as { close(): void }).close()
            }
          } finally {
            await store.close()
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('the parts of a range', () => {
  test.each([2, 3, 8, 31])(
    'of a settled store of 100,000 entries are equal to a fifth (%i parts)',
    async (parts) => {
      const store = await settled()
      const sizes = await Promise.all(
        store.splitRange({}, parts).map(async (part) => {
          const entries = await store.entries(part).all()
          return entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
        }),
      )
      const mean = sizes.reduce((sum, size) => sum + size, 0) / parts
      expect(sizes).toHaveLength(parts)
      expect(Math.max(...sizes)).toBeLessThan(1.2 * mean)
      expect(Math.min(...sizes)).toBeGreaterThan(0.8 * mean)
    },
  )

  test('are about equal in memory and in a part of the store too, and follow bytes, not keys', async () => {
    const store = await openInMemory({ valueEncoding: 'utf8', memtableSize: 64 * 1024 * 1024 })
    // The second half of the keys has nearly all bytes.
    for (let i = 0; i < 20_000; i++) void store.set(numbered(i), textOf(numbered(i), i < 10_000 ? 20 : 300))
    await store.set('last', '')
    const counts = await Promise.all(store.splitRange({}, 4).map((part) => store.count(part)))
    expect(counts).toHaveLength(4)
    expect(counts[0]).toBeGreaterThan(2 * counts[3])
    const range = { gte: numbered(10_000), lt: numbered(18_000) }
    const some = await Promise.all(store.splitRange(range, 4).map((part) => store.count(part)))
    expect(some.reduce((sum, count) => sum + count, 0)).toBe(8000)
    for (const count of some) expect(Math.abs(count - 2000)).toBeLessThan(600)
    await store.close()
  })

  test('are fewer when there are fewer keys, and one when there is none', async () => {
    const store = await openText({ ...TINY })
    expect(store.splitRange({}, 8)).toEqual([{}])
    await store.set('b', '1')
    expect(store.splitRange({ gte: 'a' }, 8)).toEqual([{ gte: 'a' }])
    await store.set('c', '1')
    expect(store.splitRange({ gte: 'a' }, 8)).toEqual([{ gte: 'a', lt: 'c' }, { gte: 'c' }])
    expect(store.splitRange({ gte: 'c', lt: 'b' }, 8)).toEqual([{ gte: 'c', lt: 'b' }])
    expect(store.splitRange({ prefix: 'x' }, 3)).toEqual([{ prefix: 'x' }])
    expect(store.splitRange({ gt: 'a', lte: 'c' }, 2)).toEqual([
      { gt: 'a', lte: 'c', lt: 'c' },
      { gt: 'a', lte: 'c', gte: 'c' },
    ])
  })

  test('begin at keys that can be seen, not at removed or expired ones', async () => {
    const clock = new ManualClock()
    const store = await openText({ ...TINY, clock })
    for (let i = 0; i < 200; i++) {
      const ttl = i % 2 === 0 ? { ttl: 1000 } : {}
      await store.set(numbered(i), textOf(numbered(i)), ttl)
    }
    for (let i = 0; i < 100; i++) await store.delete(numbered(i))
    clock.advance(1000)
    const split = store.splitRange({}, 10)
    expect(split.length).toBeGreaterThan(3)
    for (const { gte } of split.slice(1)) expect(await store.exists(gte as string)).toBe(true)
  })

  test('of a large store are told from the bounds of its tables', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    const store = await openText({ ...SMALL, fileSystem, cacheSize: 1 << 20 })
    await fill(store, 0, 800)
    await store.compact()
    expect(store.stats().levels.reduce((sum, { tables }) => sum + tables, 0)).toBeGreaterThan(40)
    const counts = await Promise.all(store.splitRange({}, 4).map((part) => store.count(part)))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(800)
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(50)
    const before = fileSystem.operations
    store.splitRange({}, 4)
    expect(fileSystem.operations - before).toBeLessThan(20)
  })

  test('refuses what is no number of parts, and options of an iterator', async () => {
    const store = await openText()
    for (const parts of [0, -1, 1.5, Number.NaN, 10_001, '2', undefined] as number[]) {
      expect(await codeOf(() => store.splitRange({}, parts)), String(parts)).toBe('INVALID_ARGUMENT')
    }
    for (const range of [{ reverse: true }, { limit: 3 }, { filter: () => true }, undefined] as object[]) {
      expect(await codeOf(() => store.splitRange(range, 2))).toBe('INVALID_ARGUMENT')
    }
    await store.close()
    expect(await codeOf(() => store.splitRange({}, 2))).toBe('CLOSED')
  })
})

let shared: Promise<Awaited<ReturnType<typeof openText>>> | undefined

/** 100,000 entries in tables of the last level, on which nobody works any more. */
function settled(): Promise<Awaited<ReturnType<typeof openText>>> {
  shared ??= (async () => {
    const store = await open<string, string>(DIRECTORY, {
      valueEncoding: 'utf8',
      targetFileSize: 1 << 20,
      fileSystem: new MemoryFileSystem({ strict: false }),
    })
    const writes: Promise<void>[] = []
    for (let i = 0; i < 100_000; i++)
      writes.push(store.set(`user:${(i * 7919) % 100_003}`, textOf(`${i}`, 60)))
    await Promise.all(writes)
    await store.compact()
    return store
  })()
  return shared
}
