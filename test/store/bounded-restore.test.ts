/** Restoring a snapshot that is larger than the bound. */
import { describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../src/index.js'
import { CRASH_PROFILES, FaultFileSystem, type FileSystem, MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { contentsOf, openBounded, type TextStore, turns } from './bounded-stores.js'

describe('a restore into a bounded store', () => {
  /** A store with a snapshot of forty entries that is opened again with room for ten. */
  async function shrunk(fileSystem: FileSystem, options: StoreOptions): Promise<TextStore> {
    const store = await openBounded({ fileSystem })
    for (let i = 0; i < 40; i++) await store.set(`key ${i + 10}`, 'then')
    await store.snapshot({ name: 'then' })
    await store.clear()
    await store.set('now', 'now')
    await store.close()
    return openBounded({ fileSystem, maxEntries: 10, ...options })
  }

  const fitting = Array.from({ length: 10 }, (_, i) => `key ${40 + i}`)

  test('brings what fits, at once, and announces none of the rest', async () => {
    const told: string[] = []
    const onEvict = (key: string): void => {
      told.push(key)
    }
    await using store = await shrunk(new MemoryFileSystem(), { evictionPolicy: 'lru', onEvict })
    let isRestored = false
    const restoring = store.restoreSnapshot('then').finally(() => {
      isRestored = true
    })
    const seen = new Set<number>()
    for (let i = 0; !isRestored; i++) {
      seen.add([...store.keys()].length)
      await (i % 16 === 0 ? turns(1) : Promise.resolve())
    }
    await restoring
    expect([...seen].filter((count) => count !== 1 && count !== 10)).toEqual([])
    expect((await contentsOf(store)).map(([key]) => key)).toEqual(fitting)
    expect(told).toEqual([])
    expect(store.stats().evicted).toBe(0)
    await store.set('one more', '1')
    await turns()
    expect(told).toEqual(['key 40'])
    await contentsOf(store)
    await store.compact()
    await contentsOf(store)
  })

  test('is refused where nothing may go, and leaves the store as it was, with nothing left over', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await shrunk(fileSystem, {})
    const files = await fileSystem.readdir('/db')
    await expect(store.restoreSnapshot('then')).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await contentsOf(store)).toEqual([['now', 'now']])
    expect(await fileSystem.readdir('/db')).toEqual(files)
    await store.close()
    const larger = await openBounded({ fileSystem, maxEntries: 40 })
    await larger.restoreSnapshot('then')
    expect(await contentsOf(larger)).toHaveLength(40)
    await expect(larger.set('one more', '1')).rejects.toMatchObject({ code: 'STORE_FULL' })
    await larger.close()
  })

  test('that dies in the middle has happened with the bound, or not at all', async () => {
    const chance = randomFrom(5)
    const memory = new MemoryFileSystem()
    const images: MemoryFileSystem[] = []
    let isRestoring = false
    const fileSystem = new FaultFileSystem(memory, {
      observe: () => {
        if (isRestoring)
          images.push(memory.crash(CRASH_PROFILES[images.length % CRASH_PROFILES.length], chance))
      },
    })
    const store = await shrunk(fileSystem, { evictionPolicy: 'lru' })
    isRestoring = true
    await store.restoreSnapshot('then')
    isRestoring = false
    const outcomes = new Set<string>()
    for (const image of images) {
      await using survivor = await openBounded({ fileSystem: image, maxEntries: 1000 })
      const keys = (await contentsOf(survivor)).map(([key]) => key)
      outcomes.add(keys.join())
    }
    expect([...outcomes].sort()).toEqual([fitting.join(), 'now'])
    await store.close()
  })

  test('that needs the log of a snapshot opened as a store leaves the snapshot whole', async () => {
    const fileSystem = new MemoryFileSystem()
    await using store = await shrunk(fileSystem, { evictionPolicy: 'lru' })
    const path = '/db/snapshots/then'
    const snapshot = await openBounded({ fileSystem }, path)
    await snapshot.set('logged', '1')
    await snapshot.close()
    await store.restoreSnapshot('then')
    expect((await contentsOf(store)).map(([key]) => key)).toEqual([...fitting.slice(1), 'logged'])
    await using again = await openBounded({ fileSystem }, path)
    expect(await again.len()).toBe(41)
  })
})
