/** Snapshots: what they hold, what they cost, who deletes them, and what a crash or a full disk leaves of them. */

import { describe, expect, test } from 'vitest'
import { open, openInMemory, type SnapshotInfo } from '../../src/index.js'
import {
  CRASH_PROFILES,
  FaultFileSystem,
  type FileSystem,
  InlineExecutor,
  ManualClock,
  MemoryFileSystem,
} from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { turn } from '../model/turns.js'
import {
  contentOf,
  DIRECTORY,
  isChange,
  numbered,
  openText,
  TINY,
  temporaryDirectory,
  write,
} from './stores.js'

const SNAPSHOTS = `${DIRECTORY}/snapshots`

async function contentIn(path: string, fileSystem: FileSystem): Promise<string> {
  const store = await openText({ ...TINY, path, fileSystem, createIfMissing: false })
  const content = await contentOf(store)
  await store.close()
  return content
}

describe('a snapshot', () => {
  test('opens as a store that holds what was there, though the store has gone on', async () => {
    const fileSystem = new MemoryFileSystem()
    const clock = new ManualClock()
    const store = await openText({ ...TINY, fileSystem, clock })
    await write(store, 0, 300)
    await store.delete(numbered(7))
    const expected = await contentOf(store)
    const { sequence } = store.stats()
    const info = await store.snapshot({ name: 'before' })
    expect(info).toMatchObject({
      id: 'before',
      path: `${SNAPSHOTS}/before`,
      sequence,
      entryCount: 299,
      createdAt: clock.now(),
      automatic: false,
    })
    await write(store, 0, 300, 'other')
    await store.compact()
    expect(await contentIn(info.path, fileSystem)).toBe(expected)
    expect(await store.get(numbered(3))).toBe('other3')
  })

  test('holds what is only in memory, takes its time from that alone, and shares its tables', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    const store = await openText({ ...TINY, fileSystem })
    await write(store, 0, 300)
    await store.compact()
    await store.set('last', 'word')
    const before = fileSystem.bytesWritten
    const info = await store.snapshot()
    // The flush of one entry, a MANIFEST and small files; the tables have some 8,000 bytes.
    expect(fileSystem.bytesWritten - before).toBeLessThan(3000)
    expect(info.entryCount).toBe(301)
    expect(await contentIn(info.path, fileSystem)).toContain('["last","word"]')
  })

  test('counts exactly: no removed, overwritten, or expired entry, and none of later writes', async () => {
    const clock = new ManualClock()
    const store = await openText({ ...TINY, clock })
    await write(store, 0, 100)
    await write(store, 50, 100, 'again')
    await store.set('brief', 'x', { ttl: 10 })
    await store.set('longer', 'x', { ttl: 1000 })
    await store.delete(numbered(0))
    clock.advance(20)
    const info = await store.snapshot()
    await write(store, 100, 150)
    clock.advance(5000)
    expect(info.entryCount).toBe(100)
    expect((await store.snapshots()).map(({ entryCount }) => entryCount)).toEqual([100])
  })

  test('says the bytes of its files', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    await write(store, 0, 100)
    const { path, size } = await store.snapshot()
    let bytes = 0
    for (const name of await fileSystem.readdir(path)) {
      bytes += (await fileSystem.stat(`${path}/${name}`))?.sizeBytes ?? 0
    }
    expect(size).toBe(bytes)
    expect(size).toBeGreaterThan(1000)
  })

  test('is taken while writes go on, each batch whole', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    let running = true
    const writing = (async () => {
      for (let i = 0; running; i++) {
        await Promise.all([store.set('a', `${i}`), store.set('b', `${i}`)])
        if (i % 3 === 0) await turn()
      }
    })()
    const infos: SnapshotInfo[] = []
    for (let i = 0; i < 5; i++) {
      infos.push(await store.snapshot())
      await turn()
    }
    running = false
    await writing
    expect(new Set(infos.map(({ sequence }) => sequence)).size).toBeGreaterThan(1)
    for (const { path, sequence } of infos) {
      const copy = await openText({ path, fileSystem })
      expect(copy.stats().sequence).toBe(sequence)
      expect(await copy.get('a')).toBe(await copy.get('b'))
    }
  })

  test('two at once are two', async () => {
    const store = await openText(TINY)
    await write(store, 0, 50)
    const [one, other] = await Promise.all([store.snapshot(), store.snapshot(), store.set('x', 'y')])
    expect(one.id).not.toBe(other.id)
    expect((await store.snapshots()).map(({ id }) => id).sort()).toEqual([one.id, other.id].sort())
    const same = await Promise.allSettled([store.snapshot({ name: 'n' }), store.snapshot({ name: 'n' })])
    expect(same.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(same[1]).toMatchObject({ reason: { code: 'EXISTS' } })
  })

  test.each(['EXDEV', 'EPERM', 'ENOSYS', 'EMLINK'])('is copied where links fail with %s', async (errno) => {
    const memory = new MemoryFileSystem()
    const fileSystem = new FaultFileSystem(memory)
    const store = await openText({ ...TINY, fileSystem })
    await write(store, 0, 300)
    fileSystem.fail({ kind: 'link', errno, forGood: true })
    const expected = await contentOf(store)
    const { path } = await store.snapshot()
    await store.clear()
    const survived = memory.crash('nothing', Math.random)
    expect(await contentIn(path, survived)).toBe(expected)
    await store.restoreSnapshot(path)
    expect(await contentOf(store)).toBe(expected)
  })

  test('of a store in memory can be restored', async () => {
    const store = await openInMemory({ valueEncoding: 'utf8' })
    await store.set('a', '1')
    const { id, path } = await store.snapshot()
    await store.set('a', '2')
    await store.restoreSnapshot(id)
    expect(await store.get('a')).toBe('1')
    await store.restoreSnapshot(path)
    expect(await store.count()).toBe(1)
    // No other store can be reached from there, and none is named.
    for (const place of ['other', './other', process.cwd()]) {
      const failure = await store.restoreSnapshot(place).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'NOT_FOUND', path: undefined })
      expect(String(failure)).toContain(`no snapshot "${place}".`)
    }
    await store.close()
  })

  test('on a real disk', async () => {
    const directory = await temporaryDirectory()
    const executor = new InlineExecutor()
    const store = await open(`${directory}/db`, { valueEncoding: 'utf8', ...TINY, executor })
    await write(store, 0, 200)
    const { path, id, entryCount } = await store.snapshot()
    expect(entryCount).toBe(200)
    await store.clear()
    await store.restoreSnapshot(id)
    expect(await store.count()).toBe(200)
    const copy = await open(path, { valueEncoding: 'utf8', executor })
    expect(await copy.count()).toBe(200)
    await expect(store.deleteSnapshot(id)).rejects.toMatchObject({ code: 'LOCKED' })
    await expect(store.restoreSnapshot(id)).rejects.toMatchObject({ code: 'LOCKED' })
    await copy.close()
    await store.deleteSnapshot(id)
    expect(await store.snapshots()).toEqual([])
    await store.close()
  })
})

describe('names', () => {
  const bad = [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    '/etc',
    '.hidden',
    'x.tmp',
    'x.',
    'a\0b',
    'C:',
    'ä',
    'x'.repeat(101),
  ]

  test.each(bad)('%j is none', async (name) => {
    const store = await openText(TINY)
    await expect(store.snapshot({ name })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(store.deleteSnapshot(name)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('that are no strings are refused; unknown ones are not found', async () => {
    const store = await openText(TINY)
    for (const odd of [5, null, {}, ['a']]) {
      await expect(store.deleteSnapshot(odd as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(store.restoreSnapshot(odd as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      await expect(store.snapshot({ name: odd as never })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    await expect(store.deleteSnapshot('nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(store.restoreSnapshot('nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(store.restoreSnapshot('/no/where')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('of another are left alone', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ fileSystem })
    await fileSystem.mkdir(`${SNAPSHOTS}/photos`)
    await store.snapshot({ name: 'mine' })
    expect((await store.snapshots()).map(({ id }) => id)).toEqual(['mine'])
    await store.close()
    await openText({ fileSystem })
    expect((await fileSystem.readdir(SNAPSHOTS)).sort()).toEqual(['mine', 'photos'])
  })
})

describe('automatic snapshots', () => {
  async function advance(clock: ManualClock, ms: number): Promise<void> {
    await clock.advanceInTurns(ms)
    for (let i = 0; i < 30; i++) await turn()
  }

  test('are taken when something has changed; the newest are kept, and all that have a name', async () => {
    const clock = new ManualClock()
    const store = await openText({ ...TINY, clock, snapshotInterval: 1000 })
    const taken: string[] = []
    store.on('snapshot', ({ id, automatic }) => taken.push(`${id} ${automatic}`))
    await advance(clock, 1000)
    expect(taken).toEqual([])
    await store.snapshot({ name: 'named' })
    for (let i = 0; i < 5; i++) {
      await store.set('a', `${i}`)
      await advance(clock, 1000)
      await advance(clock, 1000)
    }
    expect(taken).toHaveLength(6)
    const infos = await store.snapshots()
    expect(infos.map(({ automatic }) => automatic)).toEqual([false, true, true])
    expect(infos.slice(1).map(({ id }) => `${id} true`)).toEqual(taken.slice(-2))
    expect(infos.map(({ createdAt }) => createdAt).sort()).toEqual(infos.map(({ createdAt }) => createdAt))
  })

  test('are as many as asked for, are none with the interval 0 and in the modes without', async () => {
    for (const [options, count] of [
      [{ snapshotInterval: 1000, snapshotRetention: 3 }, 3],
      [{ snapshotInterval: 1000, persistence: 'snapshot' as const }, 2],
      [{ snapshotInterval: 0 }, 0],
      [{ snapshotInterval: 1000, persistence: 'wal' as const }, 0],
    ] as const) {
      const clock = new ManualClock()
      const store = await openText({ ...TINY, clock, ...options })
      for (let i = 0; i < 6; i++) {
        await store.set('a', `${i}`)
        await advance(clock, 1000)
      }
      expect(await store.snapshots()).toHaveLength(count)
      await store.close()
      expect(clock.pendingTimers).toBe(0)
    }
  })

  test('that fail are told of, and tried again', async () => {
    const clock = new ManualClock()
    const fileSystem = new FaultFileSystem(new MemoryFileSystem())
    const store = await openText({ ...TINY, clock, fileSystem, snapshotInterval: 1000 })
    const errors: string[] = []
    store.on('error', ({ code }) => errors.push(code))
    await store.set('a', '1')
    fileSystem.fail({ kind: 'mkdir', errno: 'EIO' })
    await advance(clock, 1000)
    expect(errors).toEqual(['IO_ERROR'])
    await advance(clock, 1000)
    expect(await store.snapshots()).toHaveLength(1)
  })
})

describe('what can go wrong', () => {
  test('no space leaves nothing of a snapshot, wherever it runs out', async () => {
    for (let room = 0, isTaken = false; !isTaken; room += 97) {
      const memory = new MemoryFileSystem()
      const fileSystem = new FaultFileSystem(memory)
      const store = await openText({ ...TINY, fileSystem })
      await write(store, 0, 60)
      await store.flush()
      fileSystem.fail({ kind: 'link', errno: 'EXDEV', forGood: true })
      fileSystem.byteQuota = fileSystem.bytesWritten + room
      try {
        await store.snapshot({ name: 'it' })
        isTaken = true
      } catch (error) {
        expect(error).toMatchObject({ code: 'NO_SPACE' })
        expect(await memory.readdir(SNAPSHOTS)).toEqual([])
        fileSystem.heal()
        const { path } = await store.snapshot({ name: 'it' })
        expect(await contentIn(path, memory)).toBe(await contentOf(store))
      }
      fileSystem.heal()
      await store.close()
      expect(room).toBeLessThan(20_000)
    }
  })

  test('any operation that fails leaves no half of a snapshot, and the next one works', async () => {
    for (let after = 0, isTaken = false; !isTaken; after++) {
      const memory = new MemoryFileSystem()
      const fileSystem = new FaultFileSystem(memory)
      const store = await openText({ ...TINY, fileSystem })
      await write(store, 0, 60)
      await store.flush()
      const fault = fileSystem.fail({ after, path: /snapshots/ })
      await store.snapshot({ name: 'it' }).then(
        () => {
          isTaken = fault.struck === 0
        },
        (error: unknown) => expect(error).toMatchObject({ code: 'IO_ERROR' }),
      )
      fileSystem.heal()
      for (const { path } of await store.snapshots()) {
        expect(await contentIn(path, memory)).toBe(await contentOf(store))
      }
      await store.snapshot({ name: 'next' })
      expect((await store.snapshots()).map(({ id }) => id)).toContain('next')
      await store.close()
      expect(after).toBeLessThan(200)
    }
  })

  test('one that a killed process has named and not synced is durable once it is listed', async () => {
    const memory = new MemoryFileSystem()
    const store = await openText({ fileSystem: memory })
    await store.set('a', '1')
    await store.snapshot({ name: 'one' })
    await store.close()
    await memory.rename(`${SNAPSHOTS}/one`, `${SNAPSHOTS}/named`)
    const next = await openText({ fileSystem: memory })
    expect((await next.snapshots()).map(({ id }) => id)).toEqual(['named'])
    const behind = await openText({ fileSystem: memory.crash('nothing', Math.random) })
    expect((await behind.snapshots()).map(({ id }) => id)).toEqual(['named'])
  })

  test('a crash at any moment leaves a whole snapshot or none, and nothing else', async () => {
    const chance = randomFrom(5)
    const memory = new MemoryFileSystem()
    const crashes: { at: string; disk: MemoryFileSystem }[] = []
    let isWatching = false
    const fileSystem = new FaultFileSystem(memory, {
      observe: (operation) => {
        if (!isWatching || !isChange(operation)) return
        for (const profile of CRASH_PROFILES) {
          const at = `${profile} before ${operation.kind} ${operation.path}`
          crashes.push({ at, disk: memory.crash(profile, chance) })
        }
      },
    })
    const store = await openText({ ...TINY, fileSystem, durability: 'disk' })
    await Promise.all([write(store, 0, 60)])
    await store.snapshot({ name: 'old' })
    await store.set('more', 'x')
    const expected = await contentOf(store)
    const before = expected.replace(',["more","x"]', '')
    isWatching = true
    await store.snapshot({ name: 'new' })
    await store.deleteSnapshot('old')
    isWatching = false
    expect(crashes.length).toBeGreaterThan(150)
    const seen = new Set<string>()
    for (const { at, disk } of crashes) {
      await turn()
      const found = await openText({ ...TINY, fileSystem: disk })
      expect(await contentOf(found), at).toBe(expected)
      const infos = await found.snapshots()
      seen.add(infos.map(({ id }) => id).join())
      for (const { id, path, entryCount } of infos) {
        expect(entryCount, at).toBe(id === 'old' ? 60 : 61)
        expect(await contentIn(path, disk), `${at}: ${id}`).toBe(id === 'old' ? before : expected)
      }
      expect((await disk.readdir(SNAPSHOTS)).sort(), at).toEqual(infos.map(({ id }) => id).sort())
      await found.close()
    }
    expect([...seen].sort()).toEqual(['new', 'old', 'old,new'])
  }, 180_000)
})
