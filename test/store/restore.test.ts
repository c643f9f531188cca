/** Restoring: all or nothing, whatever happens; and what it means to what is open across it. */

import { describe, expect, test } from 'vitest'
import { type Persistence, type SnapshotInfo, VarveError } from '../../src/index.js'
import {
  CRASH_PROFILES,
  FaultFileSystem,
  type FileSystem,
  ManualClock,
  MemoryFileSystem,
} from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { turn } from '../model/turns.js'
import { contentOf, DIRECTORY, isChange, numbered, openText, type TextStore, TINY, write } from './stores.js'

async function idle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

/** A store that has gone on since a snapshot: other values, fewer keys, more keys, everything in other tables. */
async function storeBehindSnapshot(
  fileSystem: FileSystem,
  persistence: Persistence = 'hybrid',
): Promise<{ store: TextStore; info: SnapshotInfo; then: string; now: string }> {
  const store = await openText({
    ...TINY,
    fileSystem,
    persistence,
    durability: 'disk',
    clock: new ManualClock(),
  })
  await Promise.all([write(store, 0, 80)])
  const then = await contentOf(store)
  const info = await store.snapshot({ name: 'then' })
  const writes: Promise<unknown>[] = []
  for (let i = 40; i < 120; i++) writes.push(store.set(numbered(i), `later${i}`))
  for (let i = 0; i < 10; i++) writes.push(store.delete(numbered(i)))
  await Promise.all(writes)
  await store.compact()
  await store.set('unflushed', 'x')
  return { store, info, then, now: await contentOf(store) }
}

describe('a restore', () => {
  test('brings everything back as it was, and the store goes on from there', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store, info, then } = await storeBehindSnapshot(fileSystem)
    const before = store.stats().sequence
    await store.restoreSnapshot(info.id)
    expect(await contentOf(store)).toBe(then)
    expect(store.stats().sequence).toBe(before + 1)
    await store.set('after', 'wards')
    await store.delete(numbered(0))
    await store.compact()
    expect(await store.count()).toBe(80)
    await store.close()
    const again = await openText({ ...TINY, fileSystem })
    expect(await again.get('after')).toBe('wards')
    expect(await again.count()).toBe(80)
    await idle()
    const tables = (await fileSystem.readdir(DIRECTORY)).filter((name) => name.endsWith('.sst'))
    expect(tables).toHaveLength(again.stats().levels.reduce((sum, level) => sum + level.tables, 0))
  })

  test('can be made again and again, forth and back, with nothing left over', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store, then, now } = await storeBehindSnapshot(fileSystem)
    await store.snapshot({ name: 'now' })
    for (let i = 0; i < 4; i++) {
      await store.restoreSnapshot('then')
      expect(await contentOf(store)).toBe(then)
      if (i === 2) await store.compact()
      await store.restoreSnapshot('now')
      expect(await contentOf(store)).toBe(now)
    }
    await idle()
    const tables = (await fileSystem.readdir(DIRECTORY)).filter((name) => name.endsWith('.sst'))
    expect(tables).toHaveLength(store.stats().levels.reduce((sum, level) => sum + level.tables, 0))
  })

  test('takes its place among the writes: those before it are gone, those behind it are there', async () => {
    const { store, info, then } = await storeBehindSnapshot(new MemoryFileSystem())
    const writes = [store.set('before', '1')]
    const restored = store.restoreSnapshot(info.id)
    await restored
    writes.push(store.set('behind', '2'))
    await Promise.all(writes)
    expect(await store.get('before')).toBeUndefined()
    expect(await store.get('behind')).toBe('2')
    await store.delete('behind')
    expect(await contentOf(store)).toBe(then)
  })

  test('may take with it what is written between the call and its end', async () => {
    const { store, info, then } = await storeBehindSnapshot(new MemoryFileSystem())
    const restored = store.restoreSnapshot(info.id)
    await store.set('meanwhile', '1')
    expect(await store.get('meanwhile')).toBe('1')
    await restored
    expect(await contentOf(store)).toBe(then)
  })

  test('never shows a mixture to a reader or lets an atomic write decide on what is gone', async () => {
    const { store, info } = await storeBehindSnapshot(new MemoryFileSystem())
    await store.set('counter', '5')
    let running = true
    const seen = new Set<string>()
    const reading = (async () => {
      while (running) {
        seen.add(`${await store.count()}`)
        await turn()
      }
    })()
    const incrementing = (async () => {
      let last = 0
      for (let i = 0; i < 50; i++) {
        last = await store.increment('counter')
        await turn()
      }
      return last
    })()
    await turn()
    await store.restoreSnapshot(info.id)
    expect(store.getSync('counter') === undefined || Number(store.getSync('counter')) < 50).toBe(true)
    const last = await incrementing
    running = false
    await reading
    // Counting began anew at the restore.
    expect(Number(await store.get('counter'))).toBe(last)
    expect(last).toBeLessThan(55)
    for (const count of seen) expect(['112', '80', '81']).toContain(count)
  })

  test.each(['wal', 'snapshot', 'hybrid', 'none'] as const)(
    'works with persistence %s',
    async (persistence) => {
      const fileSystem = new MemoryFileSystem()
      const { store, info, then } = await storeBehindSnapshot(fileSystem, persistence)
      await store.restoreSnapshot(info.id)
      expect(await contentOf(store)).toBe(then)
      await store.set('more', 'x')
      await store.sync()
      if (persistence === 'none') return
      const survived = await openText({
        ...TINY,
        persistence,
        fileSystem: fileSystem.crash('nothing', Math.random),
      })
      expect(await survived.get('more')).toBe('x')
      expect(await survived.count()).toBe(81)
    },
  )

  test('brings expiry back: what has expired meanwhile stays gone', async () => {
    const clock = new ManualClock()
    const store = await openText({ ...TINY, clock })
    await store.set('brief', 'x', { ttl: 100 })
    await store.set('longer', 'x', { ttl: 10_000 })
    const { id } = await store.snapshot()
    await store.clear()
    clock.advance(200)
    await store.restoreSnapshot(id)
    expect(await store.keys().all()).toEqual(['longer'])
    expect(await store.ttl('longer')).toBe(9800)
  })
})

describe('what is open across a restore', () => {
  test('views and iterators go on with what they saw', async () => {
    const { store, info, then, now } = await storeBehindSnapshot(new MemoryFileSystem())
    const view = store.view()
    const iterator = store.entries()
    const first = await iterator.nextMany(3)
    await store.restoreSnapshot(info.id)
    await store.set('new', 'x')
    await store.compact()
    await idle()
    expect(JSON.stringify([...first, ...(await iterator.all())])).toBe(now)
    expect(JSON.stringify(await view.entries().all())).toBe(now)
    expect(await view.get('unflushed')).toBe('x')
    expect(view.getSync('new')).toBeUndefined()
    view.close()
    await store.delete('new')
    expect(await contentOf(store)).toBe(then)
  })

  test('a transaction conflicts, and is run again on what is there then', async () => {
    const { store, info } = await storeBehindSnapshot(new MemoryFileSystem())
    const seen: (string | undefined)[] = []
    await store.transaction(async (tx) => {
      seen.push(await tx.get(numbered(50)))
      if (seen.length === 1) await store.restoreSnapshot(info.id)
      tx.set('result', `${seen.length}`)
    })
    expect(seen).toEqual(['later50', 'value50'])
    expect(await store.get('result')).toBe('2')
    const attempt = store.transaction(
      async (tx) => {
        tx.set('only', 'writes')
        await store.restoreSnapshot(info.id)
      },
      { retries: 0 },
    )
    await expect(attempt).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await store.get('only')).toBeUndefined()
  })

  test('a flush and a compaction under way come to nothing', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store, info, then } = await storeBehindSnapshot(fileSystem)
    await write(store, 200, 300)
    const upkeep = [store.flush(), store.compact()]
    await store.restoreSnapshot(info.id)
    await Promise.all(upkeep)
    expect(await contentOf(store)).toBe(then)
    await store.compact()
    expect(await contentOf(store)).toBe(then)
    await idle()
    const tables = (await fileSystem.readdir(DIRECTORY)).filter((name) => name.endsWith('.sst'))
    expect(tables).toHaveLength(store.stats().levels.reduce((sum, level) => sum + level.tables, 0))
  })

  test('closing waits for it', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store, info, then } = await storeBehindSnapshot(fileSystem)
    const restored = store.restoreSnapshot(info.id)
    await store.close()
    await restored.catch((error: unknown) => expect(error).toMatchObject({ code: 'CLOSED' }))
    const again = await openText({ ...TINY, fileSystem })
    const content = await contentOf(again)
    expect(content === then || content.includes('unflushed')).toBe(true)
  })
})

describe('tables that the store has dropped and the restore brings back', () => {
  /** Takes its time to sync directories and to delete tables. */
  class SlowFileSystem extends FaultFileSystem {
    override async syncDir(path: string): Promise<void> {
      await idle()
      return super.syncDir(path)
    }

    override async unlink(path: string): Promise<void> {
      if (path.endsWith('.sst')) await idle()
      return super.unlink(path)
    }
  }

  async function checkAfterReopening(store: TextStore, disk: FileSystem, expected: string): Promise<void> {
    expect(await contentOf(store)).toBe(expected)
    await idle()
    await idle()
    await store.close()
    const again = await openText({ ...TINY, fileSystem: disk })
    expect(await contentOf(again)).toBe(expected)
  }

  test('stay when an iterator from before lets them go', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    await write(store, 0, 50)
    await store.compact()
    const { id } = await store.snapshot()
    const content = await contentOf(store)
    const iterators = [store.keys(), store.keys()]
    await write(store, 0, 50, 'other')
    await store.compact()
    await store.restoreSnapshot(id)
    await iterators[0].close()
    // Dropped a second time, while the first is still seen.
    await write(store, 0, 50, 'third')
    await store.compact()
    await store.restoreSnapshot(id)
    expect((await iterators[1].all()).length).toBe(50)
    await idle()
    await checkAfterReopening(store, fileSystem, content)
  })

  test('stay when they were just being deleted', async () => {
    const fileSystem = new SlowFileSystem(new MemoryFileSystem())
    const store = await openText({ ...TINY, fileSystem })
    await write(store, 0, 50)
    const content = await contentOf(store)
    const { id } = await store.snapshot()
    await write(store, 0, 50, 'other')
    await store.compact()
    await store.restoreSnapshot(id)
    await checkAfterReopening(store, fileSystem, content)
  })

  test('stay when they are let go between being found and the edit', async () => {
    const fileSystem = new SlowFileSystem(new MemoryFileSystem())
    const store = await openText({ ...TINY, fileSystem })
    await write(store, 0, 50)
    const content = await contentOf(store)
    const { id } = await store.snapshot()
    const iterator = store.keys()
    await write(store, 0, 50, 'other')
    await store.compact()
    await idle()
    const restored = store.restoreSnapshot(id)
    for (let i = 0; i < 5; i++) await turn()
    await iterator.close()
    await restored
    await checkAfterReopening(store, fileSystem, content)
  })
})

describe('a snapshot that was opened as a store', () => {
  test('and only looked at can be restored', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store, info, then } = await storeBehindSnapshot(fileSystem)
    const copy = await openText({ path: info.path, fileSystem })
    expect(await contentOf(copy)).toBe(then)
    await copy.close()
    await store.restoreSnapshot(info.id)
    expect(await contentOf(store)).toBe(then)
  })

  test('and went its own way is restored as it is now, though the same numbers stand for other tables', async () => {
    const fileSystem = new MemoryFileSystem()
    // No compaction, so that each flush leaves a table.
    const options = { ...TINY, level0CompactionTrigger: 64, fileSystem, clock: new ManualClock() }
    const store = await openText(options)
    const info = await store.snapshot()
    const copy = await openText({ ...options, path: info.path })
    for (let i = 0; i < 15; i++) {
      for (const [one, text] of [
        [store, 'ours'],
        [copy, 'copy'],
      ] as const) {
        await write(one, i, i + 5, text)
        await one.flush()
      }
    }
    const numbers = async (path: string): Promise<string[]> =>
      (await fileSystem.readdir(path)).filter((name) => name.endsWith('.sst'))
    const taken = new Set(await numbers(DIRECTORY))
    expect((await numbers(info.path)).filter((name) => taken.has(name)).length).toBeGreaterThan(5)
    await copy.set('logged', 'only')
    const content = await contentOf(copy)
    await copy.close()
    const view = store.view()
    const before = JSON.stringify(await view.entries().all())
    await store.restoreSnapshot(info.path)
    expect(await contentOf(store)).toBe(content)
    expect(JSON.stringify(await view.entries().all())).toBe(before)
    view.close()
    await store.close()
    const again = await openText({ ...TINY, fileSystem })
    expect(await contentOf(again)).toBe(content)
  })

  test.each([
    ['wal', false],
    ['wal', true],
    ['snapshot', true],
  ] as const)('is counted as it is now (%s, compacted: %s)', async (persistence, isCompacted) => {
    const fileSystem = new MemoryFileSystem()
    const { store, info } = await storeBehindSnapshot(fileSystem)
    expect(info.entryCount).toBe(80)
    const copy = await openText({ ...TINY, path: info.path, fileSystem, persistence })
    for (let i = 0; i < 30; i++) await copy.delete(numbered(i))
    await write(copy, 60, 90, 'again')
    if (isCompacted) await copy.compact()
    expect(await store.snapshots()).toMatchObject([{ entryCount: 60 }])
    await copy.close()
    const [{ entryCount, size }] = await store.snapshots()
    expect(entryCount).toBe(60)
    let bytes = 0
    for (const name of await fileSystem.readdir(info.path)) {
      bytes += (await fileSystem.stat(`${info.path}/${name}`))?.sizeBytes ?? 0
    }
    expect(size).toBe(bytes)
  })

  test('and died with a log is restored with what the log holds', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store, info } = await storeBehindSnapshot(fileSystem)
    const elsewhere = fileSystem.crash('all', Math.random)
    const copy = await openText({ path: info.path, fileSystem: elsewhere })
    await copy.set('logged', 'only')
    await store.close()
    // Nobody closed the copy.
    const survived = elsewhere.crash('all', Math.random)
    const found = await openText({ ...TINY, fileSystem: survived })
    await found.restoreSnapshot(info.id)
    expect(await found.get('logged')).toBe('only')
    expect(await found.count()).toBe(81)
  })
})

describe('another store', () => {
  test('can be taken over, closed, by its path', async () => {
    const fileSystem = new MemoryFileSystem()
    const other = await openText({ ...TINY, path: '/other', fileSystem })
    for (let i = 0; i < 20; i++) await write(other, 0, 30, `round${i}-`)
    const content = await contentOf(other)
    const { store, now } = await storeBehindSnapshot(fileSystem)
    await expect(store.restoreSnapshot('/other')).rejects.toMatchObject({ code: 'LOCKED' })
    await other.close()
    expect(await contentOf(store)).toBe(now)
    await store.restoreSnapshot('/other')
    expect(await contentOf(store)).toBe(content)
    await store.set('a', 'b')
    await store.close()
    const again = await openText({ ...TINY, fileSystem })
    expect(await again.count()).toBe(31)
  })

  test('with keys of another encoding is refused', async () => {
    const fileSystem = new MemoryFileSystem()
    const other = await openText({ path: '/other', fileSystem, keyEncoding: 'ordered' })
    await other.close()
    const { store, now } = await storeBehindSnapshot(fileSystem)
    await expect(store.restoreSnapshot('/other')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(store.restoreSnapshot(DIRECTORY)).rejects.toMatchObject({ code: 'LOCKED' })
    expect(await contentOf(store)).toBe(now)
  })
})

describe('what can go wrong', () => {
  test.each(['wal', 'snapshot'] as const)(
    'a crash at any moment leaves the old store or the restored one (%s)',
    async (persistence) => {
      const chance = randomFrom(11)
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
      const { store, info, then, now } = await storeBehindSnapshot(fileSystem, persistence)
      isWatching = true
      await store.restoreSnapshot(info.id)
      // What is deleted behind it, too.
      await idle()
      isWatching = false
      expect(crashes.length).toBeGreaterThan(60)
      const seen = new Set<string>()
      for (const { at, disk } of crashes) {
        await turn()
        const found = await openText({ ...TINY, persistence, fileSystem: disk })
        const content = await contentOf(found)
        expect([then, now], at).toContain(content)
        seen.add(content)
        await found.set('after', 'crash')
        await found.restoreSnapshot(info.id)
        expect(await contentOf(found), at).toBe(then)
        await found.close()
        const again = await openText({ ...TINY, persistence, fileSystem: disk })
        expect(await contentOf(again), at).toBe(then)
        await again.close()
      }
      expect(seen.size).toBe(2)
    },
    180_000,
  )

  test.each([undefined, 'EXDEV'])('no space leaves everything as it was (links: %s)', async (errno) => {
    for (let room = 0, isRestored = false; !isRestored; room += errno === undefined ? 20 : 400) {
      const fileSystem = new FaultFileSystem(new MemoryFileSystem())
      const { store, info, then, now } = await storeBehindSnapshot(fileSystem)
      await idle()
      if (errno !== undefined) fileSystem.fail({ kind: 'link', errno, forGood: true })
      const before = (await fileSystem.readdir(DIRECTORY)).sort()
      fileSystem.byteQuota = fileSystem.bytesWritten + room
      try {
        await store.restoreSnapshot(info.id)
        isRestored = true
      } catch (error) {
        expect(error).toMatchObject({ code: 'NO_SPACE' })
        expect(await contentOf(store)).toBe(now)
        expect((await fileSystem.readdir(DIRECTORY)).sort()).toEqual(before)
        fileSystem.heal()
        await store.set('room', 'again')
        await store.restoreSnapshot(info.id)
      }
      expect(await contentOf(store)).toBe(then)
      fileSystem.heal()
      await store.close()
      expect(room).toBeLessThan(30_000)
    }
  })

  test('any operation that fails leaves the old store or the restored one, in this process and in the next', async () => {
    for (let after = 0, isUnharmed = false; !isUnharmed; after++) {
      await turn()
      const memory = new MemoryFileSystem()
      const fileSystem = new FaultFileSystem(memory)
      const { store, info, then, now } = await storeBehindSnapshot(fileSystem)
      await idle()
      const fault = fileSystem.fail({ after })
      const outcome = await store.restoreSnapshot(info.id).then(
        () => 'restored',
        (error: unknown) => {
          expect(error).toBeInstanceOf(VarveError)
          return 'failed'
        },
      )
      isUnharmed = fault.struck === 0
      fileSystem.heal()
      expect(await contentOf(store), `${after}`).toBe(outcome === 'restored' ? then : now)
      await store.close().catch(() => undefined)
      const again = await openText({ ...TINY, fileSystem: memory.crash('all', Math.random) })
      expect(outcome === 'restored' ? [then] : [then, now], `${after}`).toContain(await contentOf(again))
      await again.close()
      expect(after).toBeLessThan(300)
    }
  }, 30_000)

  test('a damaged snapshot changes nothing', async () => {
    const fileSystem = new MemoryFileSystem()
    const { store, info, now } = await storeBehindSnapshot(fileSystem)
    const names = await fileSystem.readdir(info.path)
    const table = names.find((name) => name.endsWith('.sst'))
    await fileSystem.unlink(`${info.path}/${table}`)
    await expect(store.restoreSnapshot(info.id)).rejects.toMatchObject({ code: 'CORRUPTION' })
    expect(await contentOf(store)).toBe(now)
    const [listed] = await store.snapshots()
    expect(() => listed.entryCount).toThrow(expect.objectContaining({ code: 'CORRUPTION' }))
    await store.deleteSnapshot(info.id)
  })
})
