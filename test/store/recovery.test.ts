/** Opening behind a kill: what the log held is written again, and memtables stay in memory until they are full. */
import { describe, expect, test } from 'vitest'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import type { StoreOptions } from '../../src/store/options.js'
import { repair } from '../../src/store/repair.js'
import { contentOf, putFile } from '../wal/logs.js'
import { DIRECTORY, numbered, openText, type TextStore, TINY } from './stores.js'

/** A disk on which a store was killed behind `count` writes. */
async function killed(count: number, options: StoreOptions = {}): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  const store = await openText({ ...options, fileSystem: disk, syncInterval: 0 })
  for (let i = 0; i < count; i++) await store.set(numbered(i), textAt(i))
  return disk.fork()
}

function textAt(i: number): string {
  return `${i} `.repeat(20)
}

async function expectAll(store: TextStore, count: number): Promise<void> {
  expect(await store.count()).toBe(count)
  for (let i = 0; i < count; i++) expect(await store.get(numbered(i))).toBe(textAt(i))
}

async function namesOn(disk: MemoryFileSystem, ending: string): Promise<string[]> {
  return (await disk.readdir(DIRECTORY)).filter((name) => name.endsWith(ending)).sort()
}

describe('a store that was killed', () => {
  test('opens without a flush, on a log that is on the device', async () => {
    const disk = await killed(200)
    const store = await openText({ fileSystem: disk })
    expect(await namesOn(disk, '.sst')).toEqual([])
    expect(await namesOn(disk, '.tmp')).toEqual([])
    expect(await namesOn(disk, '.wal')).toHaveLength(1)
    const { wal } = store.stats()
    expect(wal).toMatchObject({ segments: 1, syncedSequence: 200 })
    await expectAll(store, 200)
    await store.set('more', 'written behind the crash', { durability: 'disk' })
    const survivor = await openText({ fileSystem: disk.crash('nothing', Math.random) })
    expect(await survivor.get('more')).toBe('written behind the crash')
    await survivor.delete('more')
    await expectAll(survivor, 200)
  })

  test('opens again and again', async () => {
    let disk = await killed(50)
    for (let i = 50; i < 60; i++) {
      const store = await openText({ fileSystem: disk })
      await store.set(numbered(i), textAt(i))
      disk = disk.fork()
    }
    await expectAll(await openText({ fileSystem: disk }), 60)
    expect(await namesOn(disk, '.wal')).toHaveLength(1)
  })

  test('keeps what a failed sync has left in the page cache alone', async () => {
    const disk = new MemoryFileSystem()
    const faults = new FaultFileSystem(disk)
    const store = await openText({ fileSystem: faults, syncInterval: 0 })
    for (let i = 0; i < 50; i++) await store.set(numbered(i), textAt(i))
    faults.fail({ kind: 'sync', path: /\.wal$/, dropUnsynced: true })
    await expect(store.sync()).rejects.toMatchObject({ code: 'IO_ERROR' })
    const left = disk.fork()
    await expectAll(await openText({ fileSystem: left }), 50)
    await expectAll(await openText({ fileSystem: left.crash('nothing', Math.random) }), 50)
  })

  test('tells a watcher what was written before', async () => {
    const store = await openText({ fileSystem: await killed(30) })
    await store.set(numbered(30), textAt(30))
    const watcher = store.watch({}, { from: 1 })
    for (let i = 0; i <= 30; i++) {
      expect((await watcher.next()).value).toMatchObject({ key: numbered(i), sequence: i + 1 })
    }
    await watcher.close()
  })

  test('flushes full memtables when it is open, and takes writes meanwhile', async () => {
    const options = { ...TINY, walSegmentSize: 1 << 20 }
    // With memtables as large as this nothing was flushed.
    const disk = await killed(400, { ...options, memtableSize: 1 << 20 })
    const store = await openText({ ...options, fileSystem: disk })
    expect(store.stats().wal).toMatchObject({ segments: 1, syncedSequence: 400 })
    for (let i = 400; i < 420; i++) await store.set(numbered(i), textAt(i))
    await store.flush()
    expect((await namesOn(disk, '.sst')).length).toBeGreaterThan(3)
    await expectAll(store, 420)
  })
})

describe('tables take what was in the log', () => {
  test('when it is longer than a segment', async () => {
    const disk = await killed(400, { ...TINY, memtableSize: 1 << 20 })
    const store = await openText({ ...TINY, memtableSize: 1 << 20, fileSystem: disk })
    expect(await namesOn(disk, '.sst')).toHaveLength(1)
    expect(await namesOn(disk, '.tmp')).toEqual([])
    await expectAll(store, 400)
    await expectAll(await openText({ fileSystem: disk.crash('nothing', Math.random) }), 400)
  })

  test('when there is no room to write it again', async () => {
    const disk = await killed(200)
    const faults = new FaultFileSystem(disk)
    const full = faults.fail({ kind: 'write', path: /\.wal\.tmp$/, errno: 'ENOSPC', forGood: true })
    const store = await openText({ fileSystem: faults })
    expect(await namesOn(disk, '.sst')).toHaveLength(1)
    expect(await namesOn(disk, '.tmp')).toEqual([])
    expect(full.struck).toBeGreaterThan(0)
    await expectAll(store, 200)
    await expectAll(await openText({ fileSystem: disk.crash('nothing', Math.random) }), 200)
  })

  test('when it is NO_SPACE for them too, nothing has changed', async () => {
    const disk = await killed(200)
    const faults = new FaultFileSystem(disk, { byteQuota: 2500 })
    await expect(openText({ fileSystem: faults })).rejects.toMatchObject({ code: 'NO_SPACE' })
    expect(faults.openCount).toBe(0)
    faults.heal()
    await expectAll(await openText({ fileSystem: faults }), 200)
  })
})

test('a log that was closed in order is not written again', async () => {
  const disk = new MemoryFileSystem()
  const store = await openText({ fileSystem: disk })
  for (let i = 0; i < 20; i++) await store.set(numbered(i), textAt(i))
  await store.close()
  const before = await namesOn(disk, '.wal')
  const reopened = await openText({ fileSystem: disk })
  expect(await namesOn(disk, '.wal')).toEqual([...before, expect.any(String)])
  expect(reopened.stats().wal.segments).toBe(2)
  await expectAll(reopened, 20)
})

test('a repair makes one of the log and what was written again of it', async () => {
  const disk = await killed(400)
  const [old] = await namesOn(disk, '.wal')
  const opened = disk.fork()
  await openText({ fileSystem: opened })
  const [copy] = await namesOn(opened, '.wal')
  const bytes = contentOf(opened, `${DIRECTORY}/${copy}`)
  await putFile(disk, `${DIRECTORY}/${copy}`, bytes)
  // The groups of the one end where those of the other do not.
  const damaged = contentOf(disk, `${DIRECTORY}/${old}`)
  damaged[Math.floor(damaged.length / 2)] ^= 1
  await putFile(disk, `${DIRECTORY}/${old}`, damaged)
  await repair(DIRECTORY, { fileSystem: disk, out: '/repaired' })
  await expectAll(await openText({ path: '/repaired', fileSystem: disk }), 400)
})
