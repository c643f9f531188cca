/** Gets of what the system has in memory: when they read it themselves, and when they leave it to another thread (docs/adr/0008). */
import { describe, expect, test } from 'vitest'
import type { File, OpenMode } from '../../src/env/file-system.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { open } from '../../src/store/open.js'
import { fill, numbered, openText, type TextStore, TINY, textOf } from './stores.js'

const COUNT = 600
const QUICK = 0.01
const SLOW = 3

/** A disk with a page cache whose reads take as long as it is told, and are counted. */
class TimedDisk extends MemoryFileSystem {
  readonly clock = new ManualClock()
  /** How long a blocking read takes, in ms. */
  takes = QUICK
  blocking = 0
  away = 0

  constructor() {
    super({ hasPageCache: true })
  }

  override async open(path: string, mode: OpenMode): Promise<File> {
    return this.#timed(await super.open(path, mode))
  }

  override openSync(path: string, mode: OpenMode): File {
    return this.#timed(super.openSync(path, mode))
  }

  /** What happens while `work` runs. */
  async during(work: () => Promise<void>): Promise<{ blocking: number; away: number }> {
    const before = { blocking: this.blocking, away: this.away }
    await work()
    return { blocking: this.blocking - before.blocking, away: this.away - before.away }
  }

  #timed(file: File): File {
    const disk = this
    return new Proxy(file, {
      get(target, name) {
        const member = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        return (...args: unknown[]): unknown => {
          if (name === 'read') disk.away++
          if (name === 'readSync') {
            disk.blocking++
            disk.clock.advance(disk.takes)
          }
          return Reflect.apply(member, target, args)
        }
      },
    })
  }
}

/** A settled store without a block cache: every lookup reads one block, and its one table is open. */
async function settled(options: object = {}): Promise<{ store: TextStore; disk: TimedDisk }> {
  const disk = new TimedDisk()
  const settings = { ...TINY, memtableSize: 1 << 20, cacheSize: 0, targetFileSize: 1 << 20 } as const
  const store = await openText({ ...settings, ...options, fileSystem: disk, clock: disk.clock })
  await fill(store, 0, COUNT)
  await store.compact()
  expect(store.stats().levels.reduce((sum, { tables }) => sum + tables, 0)).toBe(1)
  expect(store.getSync(numbered(0))).toBe(textOf(numbered(0)))
  return { store, disk }
}

async function getInTurn(store: TextStore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) expect(await store.get(numbered(i))).toBe(textOf(numbered(i)))
}

/** Reads of one get: of the index partition, and of the block. */
async function readsOfOne(store: TextStore, disk: TimedDisk): Promise<number> {
  return (await disk.during(() => getInTurn(store, 1))).blocking
}

describe('a get', () => {
  test('reads itself while that is quick', async () => {
    const { store, disk } = await settled()
    const each = await readsOfOne(store, disk)
    expect(await disk.during(() => getInTurn(store, 200))).toEqual({ blocking: 200 * each, away: 0 })
    const others = async (): Promise<void> => {
      expect(await store.exists(numbered(1))).toBe(true)
      expect((await store.getEntry(numbered(2)))?.value).toBe(textOf(numbered(2)))
    }
    expect(await disk.during(others)).toEqual({ blocking: 2 * each, away: 0 })
  })

  test('leaves as many as it says to another thread behind a slow one', async () => {
    const { store, disk } = await settled()
    const each = await readsOfOne(store, disk)
    disk.takes = SLOW
    expect((await disk.during(() => getInTurn(store, 1))).blocking).toBe(1)
    disk.takes = QUICK
    // Each get that is sent away was refused its first read only.
    expect(await disk.during(() => getInTurn(store, 16 - (each - 1)))).toMatchObject({ blocking: 0 })
    expect((await disk.during(() => getInTurn(store, 20))).blocking).toBeGreaterThanOrEqual(19 * each)
  })

  test('waits for a disk that is always slow a few times in thousands', async () => {
    const { store, disk } = await settled()
    disk.takes = SLOW
    const { blocking, away } = await disk.during(async () => {
      for (let turn = 0; turn < 20; turn++) await getInTurn(store, 400)
    })
    expect(blocking).toBeLessThanOrEqual(9)
    expect(blocking).toBeGreaterThan(5)
    expect(away).toBeGreaterThan(7000)
  })

  test('among many at once reads itself until the turn is used up', async () => {
    const { store, disk } = await settled()
    const each = await readsOfOne(store, disk)
    const many = await disk.during(async () => {
      const keys = Array.from({ length: COUNT }, (_, i) => numbered(i))
      expect(await Promise.all(keys.map((key) => store.get(key)))).toEqual(keys.map((key) => textOf(key)))
    })
    // A turn is 1 ms, looked at every sixteen gets.
    expect(many.blocking * QUICK).toBeLessThanOrEqual(1 + 2 * 16 * each * QUICK)
    expect(many.blocking).toBeGreaterThan(16)
    expect(many.away).toBeGreaterThan(COUNT / 2)
  })
})

test('one getMany reads two hundred blocks at most', async () => {
  const { store, disk } = await settled()
  const keys = Array.from({ length: 2 * COUNT }, (_, i) => numbered(i % COUNT))
  const { blocking, away } = await disk.during(async () => {
    expect(await store.getMany(keys)).toEqual(keys.map((key) => textOf(key)))
  })
  expect(blocking).toBe(200)
  expect(away).toBeGreaterThan(400)
})

test('many getManys at once read themselves until the turn is used up', async () => {
  const { store, disk } = await settled()
  // More than one may read, so that each waits for something.
  const keys = Array.from({ length: 300 }, (_, i) => numbered(i * 2))
  const { blocking, away } = await disk.during(async () => {
    const many = await Promise.all(Array.from({ length: 20 }, () => store.getMany(keys)))
    expect(many).toEqual(many.map(() => keys.map((key) => textOf(key))))
  })
  // A turn is 1 ms, which the first of them takes; it is looked at behind each.
  expect(blocking).toBe(200)
  expect(away).toBeGreaterThanOrEqual(19 * 300)
})

test('iterators, and what writes look up, never read themselves', async () => {
  const { store, disk } = await settled()
  const { blocking, away } = await disk.during(async () => {
    expect(await store.entries({ gte: numbered(5), limit: 50 }).all()).toHaveLength(50)
    expect(await store.update(numbered(7), () => 'next')).toBe('next')
    expect(await store.delete(numbered(8))).toBe(true)
    expect(await store.setNX(numbered(9), 'taken')).toBe(false)
  })
  expect(blocking).toBe(0)
  expect(away).toBeGreaterThan(4)
})

test('a disk without a page cache is never read by a get itself', async () => {
  const { store, disk } = await settled()
  Object.defineProperty(disk, 'hasPageCache', { value: false })
  await store.close()
  const again = await openText({ ...TINY, cacheSize: 0, fileSystem: disk, clock: disk.clock })
  const { blocking, away } = await disk.during(() => getInTurn(again, 20))
  expect(blocking).toBe(0)
  expect(away).toBeGreaterThan(20)
})

test.each([false, true])(
  'a value that decodes to undefined is a hit all the same (read by itself: %s)',
  async (quick) => {
    const disk = new TimedDisk()
    const store = await open('/store', {
      ...TINY,
      memtableSize: 1 << 20,
      cacheSize: 0,
      fileSystem: disk,
      clock: disk.clock,
      valueEncoding: { encode: () => Buffer.from('x'), decode: () => undefined },
    })
    await store.set('a', undefined)
    await store.compact()
    store.getSync('a')
    if (!quick) {
      disk.takes = SLOW
      await store.get('a')
    }
    const before = store.stats()
    const { away } = await disk.during(async () => {
      expect(await store.get('a')).toBeUndefined()
      expect(await store.get('b')).toBeUndefined()
    })
    expect(away > 0).toBe(!quick)
    const { gets, hits } = store.stats()
    expect([gets - before.gets, hits - before.hits]).toEqual([2, 1])
    await store.close()
  },
)
