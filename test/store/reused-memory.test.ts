/** The memory of a block takes in another one when it falls out of the cache: nobody may see that. */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { idleBlockBytes } from '../../src/sstable/block-memory.js'
import { open } from '../../src/store/open.js'
import type { StoreOptions } from '../../src/store/options.js'
import type { RangeIterator } from '../../src/store/reading/range-iterator.js'
import type { Store } from '../../src/store/store.js'
import { fill, numbered, openText, type TextStore, TINY, textOf } from './stores.js'

/** The memory of blocks that was not given back. */
const lent = vi.hoisted(() => new Set<Uint8Array>())

// What is given back is another's at once: nobody needs to wait for chance to bring something else there.
vi.mock('../../src/sstable/block-memory.js', async (load) => {
  const actual = await load<typeof import('../../src/sstable/block-memory.js')>()
  const takeBlockMemory = (length: number): Uint8Array<ArrayBuffer> => {
    const memory = actual.takeBlockMemory(length)
    lent.add(memory)
    return memory
  }
  const giveBlockMemory = (memory: Uint8Array<ArrayBuffer>): void => {
    if (!lent.delete(memory)) throw new Error('memory is given back once')
    actual.giveBlockMemory(memory.fill(0xa5))
  }
  return { ...actual, takeBlockMemory, giveBlockMemory }
})

const COUNT = 600
/** A size of blocks that one entry fills. */
const ONE_ENTRY = 64
/** In ms. */
const LONG = 1e9
/** Room for three or four blocks, of which a table has dozens. */
const SETTINGS = { ...TINY, cacheSize: 3000, targetFileSize: 1 << 20 }

let seed: number

beforeEach(() => {
  seed = 1
  lent.clear()
})

function randomKey(): string {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return numbered(seed % COUNT)
}

async function settled(options: StoreOptions = {}): Promise<TextStore> {
  const store = await openText({ ...SETTINGS, ...options })
  await fill(store, 0, COUNT)
  await store.compact()
  return store
}

/** Brings other blocks into memory that is not in use. */
function readOthers(store: TextStore): void {
  for (let k = 0; k < 5; k++) {
    const other = randomKey()
    if (store.getSync(other) !== textOf(other)) throw new Error(`${other} is wrong`)
  }
}

/** Fails unless blocks have come and gone meanwhile. */
async function thrashing(store: TextStore, work: () => Promise<void> | void): Promise<void> {
  const before = store.stats().cache.misses
  await work()
  expect(store.stats().cache.misses - before).toBeGreaterThan(100)
}

describe('blocks come and go', () => {
  test('under the keys of one getMany', async () => {
    const store = await settled()
    await thrashing(store, async () => {
      for (let turn = 0; turn < 20; turn++) {
        const keys = Array.from({ length: 64 }, randomKey)
        const expected = keys.map((key) => textOf(key))
        expect(store.getManySync(keys)).toEqual(expected)
        expect(await store.getMany(keys)).toEqual(expected)
      }
    })
  })

  test('under gets that wait for the disk side by side', async () => {
    const store = await settled()
    await thrashing(store, async () => {
      for (let turn = 0; turn < 10; turn++) {
        const keys = Array.from({ length: 100 }, randomKey)
        const gets = keys.map((key) => store.get(key))
        for (const key of keys) expect(store.getSync(key)).toBe(textOf(key))
        expect(await Promise.all(gets)).toEqual(keys.map((key) => textOf(key)))
      }
    })
  })

  test.each([
    { reverse: false, blockSize: 256 },
    { reverse: false, blockSize: ONE_ENTRY },
    { reverse: true, blockSize: 256 },
    { reverse: true, blockSize: ONE_ENTRY },
  ])('under iterators that stand in them: %o', async ({ reverse, blockSize }) => {
    const store = await settled({ blockSize })
    await thrashing(store, async () => {
      // It finds its place again for each entry.
      const slow = store.entries({ reverse })
      const fast = store.entries({ reverse })[Symbol.iterator]()
      for (let i = 0; i < COUNT; i++) {
        const key = numbered(reverse ? COUNT - 1 - i : i)
        expect(fast.next()).toEqual({ done: false, value: [key, textOf(key)] })
        readOthers(store)
        expect(await slow.nextMany(1)).toEqual([[key, textOf(key)]])
      }
      expect(fast.next().done).toBe(true)
      expect(await slow.nextMany(1)).toEqual([])
    })
  })

  test('under a filter that reads the store, and one that closes its iterator', async () => {
    const store = await settled()
    const others = (): boolean => {
      readOthers(store)
      return true
    }
    const expected = Array.from({ length: COUNT }, (_, i) => [numbered(i), textOf(numbered(i))])
    await thrashing(store, async () => {
      expect([...store.entries({ filter: others })]).toEqual(expected)
      expect(await store.entries({ filter: others, reverse: true }).all()).toEqual(expected.toReversed())
      let seen = 0
      const closing = store.entries({
        filter: () => {
          if (++seen === 50) closing[Symbol.dispose]()
          return others()
        },
      })
      expect(closing.nextManySync(200)).toEqual(expected.slice(0, 200))
      expect(() => closing.nextManySync(1)).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    })
  })

  test.each([false, true])(
    'under an iterator that passes over what was removed (reverse: %s)',
    async (reverse) => {
      // Nothing is compacted: all that was removed is still there, a block each: more than is passed over in one turn.
      const store = await openText({ ...SETTINGS, blockSize: ONE_ENTRY, memtableSize: 1 << 22 })
      const removed = 9000
      const from = COUNT / 2
      const between = (i: number): string => `${numbered(from)}${'-'.repeat(ONE_ENTRY)}${i}`
      await fill(store, 0, COUNT)
      for (let i = 0; i < removed; i++) void store.set(between(i), 'x')
      for (let i = 0; i < removed; i++) void store.delete(between(i))
      await store.flush()
      expect(store.stats().levels[0].entries).toBe(COUNT + removed)
      const expected = Array.from({ length: COUNT }, (_, i) => [numbered(i), textOf(numbered(i))])
      if (reverse) expected.reverse()
      await thrashing(store, async () => {
        expect([...store.entries({ reverse })]).toEqual(expected)
        const slow = store.entries({ reverse })
        const entries: [string, string][] = []
        for (let some = await slow.nextMany(1); some.length > 0; some = await slow.nextMany(1)) {
          entries.push(...some)
          readOthers(store)
        }
        expect(entries).toEqual(expected)
      })
    },
  )

  test('and all that iterators had comes back', async () => {
    // So many blocks that the index has two levels.
    const count = 10_000
    const store = await openText({ ...SETTINGS, blockSize: ONE_ENTRY, cacheSize: 0, targetFileSize: 1 << 24 })
    for (let i = 0; i < count; i++) void store.set(numbered(i), textOf(numbered(i)))
    await store.compact()
    const scans = [
      () => [...store.entries()],
      () => store.entries({ reverse: true }).all(),
      () => [...store.keys({ gte: numbered(100), limit: 50 })],
      () => store.entries({ gte: numbered(3000), lt: numbered(5000) }).all(),
      async () => {
        // One that is left midway.
        const entries = store.entries()
        entries.nextManySync(count / 2)
        expect(idleBlockBytes()).toBeLessThan(idle)
        await entries.close()
      },
    ]
    let idle = Number.POSITIVE_INFINITY
    for (const scan of scans) await scan()
    idle = idleBlockBytes()
    expect(idle).toBeGreaterThan(0)
    for (const scan of scans) {
      await scan()
      expect(idleBlockBytes()).toBe(idle)
    }
  })

  test('and an iterator that seeks among tables holds no more for it', async () => {
    const store = await openText({ ...SETTINGS, cacheSize: 0, targetFileSize: 2048 })
    await fill(store, 0, COUNT)
    await store.compact()
    expect(store.stats().levels.at(-1)?.tables).toBeGreaterThan(20)
    const entries = store.entries()
    for (let i = 0; i < 300; i++) {
      const key = randomKey()
      entries.seek(key)
      expect(entries.nextManySync(1)).toEqual([[key, textOf(key)]])
      expect(lent.size).toBeLessThan(4)
    }
    await entries.close()
    expect(lent.size).toBe(0)
  })

  test('under a filter that calls its own iterator, which is refused', async () => {
    const store = await settled({ blockSize: ONE_ENTRY })
    const calls: ((entries: RangeIterator<unknown, string, string>) => unknown)[] = [
      (entries) => entries.nextManySync(1),
      (entries) => entries.seek(numbered(0)),
      (entries) => [...entries],
    ]
    for (const call of calls) {
      for (const reverse of [false, true]) {
        let seen = 0
        const entries: RangeIterator<unknown, string, string> = store.entries({
          reverse,
          filter: () => {
            if (++seen === 47) call(entries)
            return true
          },
        })
        const refused = expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: expect.stringContaining('called the iterator itself'),
        })
        expect(() => entries.nextManySync(100)).toThrow(refused)
        expect(lent.size).toBeLessThan(10)
      }
    }
  })

  test('under a decoder that reads the store', async () => {
    let store: Store<string, string> | undefined
    let depth = 0
    const decode = (bytes: Buffer): string => {
      if (store !== undefined && depth < 1) {
        depth++
        for (let k = 0; k < 10; k++) {
          const key = randomKey()
          const expected = textOf(key)
          if (store.getSync(key) !== expected) throw new Error(`${key} is wrong inside of a read`)
        }
        depth--
      }
      return bytes.toString()
    }
    store = await open<string, string>('/store', {
      ...SETTINGS,
      fileSystem: new MemoryFileSystem(),
      clock: new ManualClock(0),
      valueEncoding: { encode: (text: string) => Buffer.from(text), decode },
    })
    for (let i = 0; i < COUNT; i++)
      await store.set(numbered(i), textOf(numbered(i)), { ttl: LONG + 1000 * i })
    await store.compact()
    const keys = Array.from({ length: 64 }, randomKey)
    expect(store.getManySync(keys)).toEqual(keys.map((key) => textOf(key)))
    expect(await store.getMany(keys)).toEqual(keys.map((key) => textOf(key)))
    for (let i = 0; i < COUNT; i += 7) {
      const key = numbered(i)
      // From memory, as far as the decoder leaves it there.
      store.getSync(key)
      const entry = await store.getEntry(key)
      expect(entry).toEqual({
        key,
        value: textOf(key),
        sequence: i + 1,
        expiresAt: LONG + 1000 * i,
        ttl: LONG + 1000 * i,
        size: key.length + 100,
      })
      // What update keeps is the expiry of the very entry that it has looked at.
      await store.update(key, (value) => value)
      expect(await store.ttl(key)).toBe(LONG + 1000 * i)
    }
    await store.close()
  })
})

test('blocks around the largest whose memory is used again, and the largest of the small decoder, keep what is in them', async () => {
  const store = await openText({
    ...TINY,
    compression: 'snappy',
    memtableSize: 1 << 24,
    cacheSize: 1 << 24,
    blockSize: 64,
  })
  // One entry a block: 32 KiB lie in the middle of them. All are cached, so that one that shared its memory would change.
  const count = 300
  const longText = (i: number): string => `${i},`.repeat(9000).slice(0, 32 * 1024 - 450 + 3 * i)
  for (let i = 0; i < count; i++) await store.set(numbered(i), longText(i))
  await store.compact()
  for (let turn = 0; turn < 2; turn++) {
    for (let i = 0; i < count; i++)
      expect(store.getSync(numbered(i)) === longText(i), `value ${i}`).toBe(true)
  }
})
