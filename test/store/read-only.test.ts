/** Read-only stores: what they see beside a writer, what they leave alone, and what they answer to whoever writes. */
import { chmod, readdir, readFile, stat } from 'node:fs/promises'
import * as path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { NodeFileSystem } from '../../src/env/node-file-system.js'
import { open, openInMemory, VarveError, WriteBatch } from '../../src/index.js'
import { ReadOnlyStore } from '../../src/store/read-only-store.js'
import { Store } from '../../src/store/store.js'
import {
  FaultFileSystem,
  type FileSystem,
  InlineExecutor,
  ManualClock,
  MemoryFileSystem,
} from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { SlowFileSystem } from '../model/slow-file-system.js'
import { turn } from '../model/turns.js'
import {
  checkFilled,
  codeOf,
  contentOf,
  DIRECTORY,
  fill,
  numbered,
  openText,
  TINY,
  temporaryDirectory,
  textOf,
} from './stores.js'

type Reader = ReadOnlyStore<string, string>

const CHANGING = [
  'write',
  'sync',
  'truncate',
  'rename',
  'unlink',
  'link',
  'mkdir',
  'rmdir',
  'syncDir',
  'lock',
] as const

async function openReader(
  fileSystem: FileSystem,
  options: { path?: string; maxOpenFiles?: number; clock?: ManualClock } = {},
): Promise<Reader> {
  const { path: directory = DIRECTORY, ...rest } = options
  const reader = await open<string, string>(directory, {
    ...TINY,
    valueEncoding: 'utf8',
    ...rest,
    fileSystem,
    readOnly: true,
  })
  onTestFinished(() => reader.close())
  return reader
}

/** A file system through which nothing can be changed, and which counts who tries. */
function untouchable(inner: FileSystem): { fileSystem: FaultFileSystem; tries: () => number } {
  const fileSystem = new FaultFileSystem(inner)
  const fault = fileSystem.fail({ kind: CHANGING, errno: 'EROFS', forGood: true })
  const { open: openFile } = fileSystem
  fileSystem.open = (name, mode) => {
    if (mode !== 'read') throw new Error(`${name} is opened to ${mode}`)
    return openFile.call(fileSystem, name, mode)
  }
  return { fileSystem, tries: () => fault.struck }
}

function someBatch(step: number, chance: () => number): WriteBatch<string, string> {
  const batch = new WriteBatch<string, string>()
  for (let i = 0; i < 3; i++) {
    const key = `key${Math.floor(chance() * 40)}`
    if (chance() < 0.3) batch.delete(key)
    else batch.set(key, `${step}.${i}`.padEnd(Math.floor(chance() * 80), '-'))
  }
  return batch
}

describe('a read-only store beside its writer', () => {
  test('sees what was written before it was opened, and what comes later behind refresh()', async () => {
    const fileSystem = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem })
    await fill(writer, 0, 200)
    const reader = await openReader(fileSystem)
    await checkFilled(reader, 0, 200)
    await fill(writer, 200, 300)
    await writer.delete(numbered(0))
    expect(await reader.get(numbered(250))).toBeUndefined()
    expect(await reader.refresh()).toBe(true)
    await checkFilled(reader, 1, 300)
    expect(await reader.refresh()).toBe(false)
    expect(reader.stats().sequence).toBe(writer.stats().sequence)
  })

  test('offers all reads', async () => {
    const fileSystem = new MemoryFileSystem()
    const clock = new ManualClock()
    const writer = await openText({ ...TINY, fileSystem, clock })
    await fill(writer, 0, 100)
    await writer.set('brief', 'life', { ttl: 1000 })
    const reader = await openReader(fileSystem, { clock })
    expect(await reader.getMany([numbered(1), 'none'])).toEqual([textOf(numbered(1)), undefined])
    expect(reader.getManySync(['brief'])).toEqual(['life'])
    expect(await reader.exists('brief')).toBe(true)
    expect(await reader.ttl('brief')).toBe(1000)
    expect(await reader.getEntry('brief')).toMatchObject({ sequence: 101, ttl: 1000 })
    expect(await reader.count()).toBe(101)
    expect(await reader.len()).toBe(101)
    expect(await reader.size()).toBe(await writer.size())
    expect(await reader.count({ prefix: 'key' })).toBe(100)
    expect(reader.estimateCount()).toBe(101)
    expect(reader.estimateSize()).toBeGreaterThan(5000)
    expect(await reader.keys({ reverse: true, limit: 2 }).all()).toEqual([numbered(99), numbered(98)])
    expect(reader.values({ lt: numbered(1) }).nextManySync(5)).toEqual(['life', textOf(numbered(0))])
    clock.advance(1000)
    expect(await reader.get('brief')).toBeUndefined()
    expect(reader.stats()).toMatchObject({ sets: 0, gets: 7, flush: { count: 0 }, stalls: { level: 'none' } })
    expect(reader.stats().tables.open).toBeGreaterThan(0)
    expect(reader.stats().wal.bytes).toBeGreaterThan(0)
  })

  test.each(['view', 'iterator'] as const)('an open %s goes on with what it saw', async (kind) => {
    const fileSystem = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem })
    await fill(writer, 0, 200)
    const reader = await openReader(fileSystem)
    const expected = await contentOf(reader)
    const view = kind === 'view' ? reader.view() : undefined
    const iterator = reader.entries()
    if (view !== undefined) await iterator.close()
    for (let i = 0; i < 200; i++) await writer.set(numbered(i), 'other')
    await writer.compact()
    await reader.refresh()
    await writer.clear()
    await fill(writer, 500, 600)
    await reader.refresh()
    await checkFilled(reader, 500, 600)
    expect(JSON.stringify(await (view?.entries() ?? iterator).all())).toBe(expected)
    view?.close()
    if (view !== undefined) expect(await codeOf(() => view.get('a'))).toBe('CLOSED')
  })

  test.each([1, 2, 3, 4])(
    'shows a prefix of what was committed, whatever the writer does meanwhile (seed %i)',
    async (seed) => {
      const chance = randomFrom(seed)
      const slow = new SlowFileSystem(new MemoryFileSystem(), () => Math.floor(chance() * 3))
      const writer = await openText({ ...TINY, memtableSize: 2048, walSegmentSize: 1024, fileSystem: slow })
      /** The content behind each sequence number that a commit ended with. */
      const contents = new Map<number, string>([[0, '[]']])
      const reader = await openReader(slow, { maxOpenFiles: 64 })
      let writing = true
      let snapshot: string | undefined
      const writes = async (): Promise<void> => {
        for (let step = 0; step < 400; step++) {
          const dice = chance()
          if (dice < 0.03) await writer.clear()
          else if (dice < 0.035) snapshot = (await writer.snapshot()).id
          else if (dice < 0.04 && snapshot !== undefined) await writer.restoreSnapshot(snapshot)
          else if (dice < 0.05) await writer.compact()
          else if (dice < 0.07) await writer.flush()
          else await writer.applyBatch(someBatch(step, chance))
          contents.set(writer.stats().sequence, JSON.stringify([...writer.entries()]))
          for (let turns = Math.floor(chance() * 20); turns > 0; turns--) await turn()
        }
        writing = false
      }
      const seen = new Set<number>()
      const reads = async (): Promise<void> => {
        let last = 0
        while (writing) {
          await reader.refresh()
          const view = reader.view()
          const { sequence } = view
          const content = JSON.stringify(await view.entries().all())
          const backwards = JSON.stringify((await view.entries({ reverse: true }).all()).reverse())
          view.close()
          expect(backwards).toBe(content)
          expect(sequence).toBeGreaterThanOrEqual(last)
          last = sequence
          seen.add(sequence)
          // A commit may be seen before its writer has noted it.
          while (!contents.has(sequence) && writing) await turn()
          if (contents.has(sequence)) expect(content, `at ${sequence}`).toBe(contents.get(sequence))
        }
      }
      await Promise.all([writes(), reads()])
      expect(seen.size).toBeGreaterThan(10)
      await reader.refresh()
      expect(await contentOf(reader)).toBe(await contentOf(writer))
    },
  )
})

describe('a read-only store', () => {
  test('changes nothing in the directory, be it a store, crashed or closed, or a snapshot', async () => {
    const memory = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem: memory })
    await fill(writer, 0, 150)
    const { path: snapshot } = await writer.snapshot()
    await fill(writer, 150, 180)
    const { fileSystem, tries } = untouchable(memory)
    await checkFilled(await openReader(fileSystem, { path: snapshot }), 0, 150)
    const reader = await openReader(fileSystem)
    await checkFilled(reader, 0, 180)
    await writer.close()
    expect(await reader.refresh()).toBe(false)
    await checkFilled(reader, 0, 180)
    await reader.close()
    await checkFilled(await openReader(fileSystem), 0, 180)
    expect(tries()).toBe(0)
  })

  test('reads what a crash has left, up to the torn end of the log', async () => {
    const memory = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem: memory, syncInterval: 0 })
    await fill(writer, 0, 50)
    await writer.sync()
    await fill(writer, 50, 70)
    const log = (await memory.readdir(DIRECTORY)).filter((name) => name.endsWith('.wal')).sort()
    const crashed = memory.crash('torn', randomFrom(3))
    const { fileSystem, tries } = untouchable(crashed)
    const reader = await openReader(fileSystem)
    const count = await reader.count()
    expect(log.length).toBeGreaterThan(0)
    expect(count).toBeGreaterThanOrEqual(50)
    await checkFilled(reader, 0, count)
    const again = await openText({ ...TINY, fileSystem: crashed })
    await checkFilled(again, 0, count)
    await again.set('more', 'text')
    expect(await reader.refresh()).toBe(true)
    expect(await reader.get('more')).toBe('text')
    expect(tries()).toBe(0)
  })

  test('follows the store through clearing, restoring, closing and other persistence modes', async () => {
    const fileSystem = new MemoryFileSystem()
    let writer = await openText({ ...TINY, fileSystem })
    await fill(writer, 0, 100)
    const reader = await openReader(fileSystem)
    const { id } = await writer.snapshot()
    await writer.clear()
    expect(await reader.refresh()).toBe(true)
    expect(await reader.count()).toBe(0)
    await fill(writer, 300, 310)
    await writer.restoreSnapshot(id)
    expect(await reader.refresh()).toBe(true)
    await checkFilled(reader, 0, 100)
    await writer.close()
    writer = await openText({ ...TINY, fileSystem, persistence: 'snapshot' })
    await fill(writer, 100, 120)
    await writer.flush()
    await reader.refresh()
    await checkFilled(reader, 0, 120)
    await writer.close()
    writer = await openText({ ...TINY, fileSystem, persistence: 'wal' })
    await fill(writer, 120, 130)
    await reader.refresh()
    await checkFilled(reader, 0, 130)
  })

  test('reads on from tables that were deleted; beyond maxOpenFiles it asks for a refresh', async () => {
    const fileSystem = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem })
    await fill(writer, 0, 300)
    await writer.compact()
    const [reader, narrow] = [await openReader(fileSystem), await openReader(fileSystem, { maxOpenFiles: 1 })]
    for (let i = 0; i < 300; i++) await writer.set(numbered(i), 'other')
    await writer.compact()
    await checkFilled(reader, 0, 300)
    expect(await codeOf(() => narrow.entries().all())).toBe('ABORTED')
    expect(await codeOf(() => [...narrow.entries()])).toBe('ABORTED')
    await expect(narrow.count()).rejects.toThrow(/refresh\(\)/)
    await narrow.refresh()
    expect(await narrow.get(numbered(0))).toBe('other')
    expect(await narrow.count()).toBe(300)
  })

  test('any failure is typed; opening again, or refreshing again, then shows everything', async () => {
    const memory = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem: memory })
    await fill(writer, 0, 40)
    let [openings, refreshes] = [0, 0]
    for (let point = 0; ; point++) {
      const fileSystem = new FaultFileSystem(memory)
      const fault = fileSystem.fail({ errno: 'EIO', after: point })
      const code = await codeOf(() => openReader(fileSystem))
      if (code !== undefined) {
        expect(code).toBe('IO_ERROR')
        expect(fileSystem.openCount).toBe(0)
        openings++
      }
      fault.cancel()
      await checkFilled(await openReader(fileSystem), 0, 40)
      if (fault.struck === 0) break
    }
    for (let point = 0, filled = 40; ; point++) {
      const fileSystem = new FaultFileSystem(memory)
      const reader = await openReader(fileSystem)
      await fill(writer, filled, filled + 3)
      if (point % 5 === 0) await writer.flush()
      const fault = fileSystem.fail({ errno: 'EIO', after: point })
      const code = await codeOf(() => reader.refresh())
      if (code !== undefined) {
        expect(code).toBe('IO_ERROR')
        await checkFilled(reader, 0, filled)
        refreshes++
      }
      fault.cancel()
      filled += 3
      await reader.refresh()
      await checkFilled(reader, 0, filled)
      await reader.close()
      expect(fileSystem.openCount).toBe(0)
      if (fault.struck === 0 && point > 30) break
    }
    expect(openings).toBeGreaterThan(20)
    // What a refresh takes: some operations for CURRENT, as many for the MANIFEST and the log.
    expect(refreshes).toBeGreaterThan(8)
  })

  test('lets descriptors of tables that it needs no more go', async () => {
    const memory = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem: memory })
    const counting = new FaultFileSystem(memory)
    await fill(writer, 0, 100)
    const reader = await openReader(counting)
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 100; i++) await writer.set(numbered(i), `${round}`)
      await writer.compact()
      await reader.refresh()
    }
    expect(counting.openCount).toBe(reader.stats().tables.open)
    expect(counting.openCount).toBeLessThan(10)
    await reader.close()
    expect(counting.openCount).toBe(0)
  })

  test('says what is not there, not a store, or not what it was', async () => {
    const fileSystem = new MemoryFileSystem()
    expect(await codeOf(() => openReader(fileSystem))).toBe('NOT_FOUND')
    await fileSystem.mkdir(DIRECTORY)
    expect(await codeOf(() => openReader(fileSystem))).toBe('NOT_FOUND')
    expect(await fileSystem.readdir(DIRECTORY)).toEqual([])
    const file = await fileSystem.open('/file', 'create')
    await file.close()
    expect(await codeOf(() => openReader(fileSystem, { path: '/file' }))).toBe('INVALID_ARGUMENT')
    const writer = await openText({ ...TINY, fileSystem, path: '/other' })
    await fill(writer, 0, 100)
    const reader = await openReader(fileSystem, { path: '/other' })
    expect(await codeOf(() => open('/other', { fileSystem, readOnly: true, keyEncoding: 'buffer' }))).toBe(
      'INVALID_ARGUMENT',
    )
    await writer.close()
    for (const name of await fileSystem.readdir('/other')) {
      if (name !== 'snapshots') await fileSystem.unlink(`/other/${name}`)
    }
    expect(await codeOf(() => reader.refresh())).toBe('NOT_FOUND')
    await openText({ ...TINY, fileSystem, path: '/other' })
    expect(await codeOf(() => reader.refresh())).toBe('ABORTED')
    expect(await reader.get(numbered(99))).toBe(textOf(numbered(99)))
  })

  test('refuses options that contradict it', async () => {
    const fileSystem = new MemoryFileSystem()
    for (const options of [{ persistence: 'none' }, { errorIfExists: true }, { readOnly: 1 }] as object[]) {
      expect(await codeOf(() => open(DIRECTORY, { fileSystem, readOnly: true, ...options }))).toBe(
        'INVALID_ARGUMENT',
      )
    }
    expect(await codeOf(() => openInMemory({ readOnly: true } as object))).toBe('INVALID_ARGUMENT')
  })

  test('tells of a table that a restored snapshot has put under a number it reads', async () => {
    const fileSystem = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem })
    await fill(writer, 0, 100)
    const { path: snapshot } = await writer.snapshot()
    const tables = async (directory: string): Promise<string[]> =>
      (await fileSystem.readdir(directory)).filter((name) => name.endsWith('.sst'))
    // Tables enough that the writer comes to a number of one of them.
    const twin = await openText({ ...TINY, targetFileSize: 1024, fileSystem, path: snapshot })
    for (let i = 0; i < 100; i++) await twin.set(numbered(i), 'twin')
    await twin.compact()
    await twin.close()
    const theirs = new Set(await tables(snapshot))
    let reader: Reader | undefined
    for (let i = 0; reader === undefined && i < 50; i++) {
      await writer.set(`other${i}`, 'writer')
      await writer.flush()
      if ((await tables(DIRECTORY)).some((name) => theirs.has(name) && i > 0))
        reader = await openReader(fileSystem)
    }
    const view = reader?.view()
    await writer.clear()
    await writer.restoreSnapshot(snapshot)
    expect(reader).toBeDefined()
    expect(await codeOf(() => reader?.refresh())).toBe('ABORTED')
    expect(await view?.get('other1')).toBe('writer')
    expect(await (await openReader(fileSystem)).get(numbered(5))).toBe('twin')
    view?.close()
  })

  test.each(['sst', 'wal', 'MANIFEST', 'CURRENT'])('calls damage to a %s CORRUPTION', async (kind) => {
    const memory = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem: memory })
    await fill(writer, 0, 100)
    await writer.compact()
    await fill(writer, 100, 110)
    await writer.sync()
    await writer.close()
    const fileSystem = new FaultFileSystem(memory)
    fileSystem.flipBit(new RegExp(kind), 40)
    const code = await codeOf(async () => {
      const reader = await openReader(fileSystem)
      await reader.entries().all()
    })
    expect(code).toBe('CORRUPTION')
  })

  test('refuses every method that a store has beyond its own', async () => {
    const fileSystem = new MemoryFileSystem()
    const writer = await openText({ ...TINY, fileSystem })
    await writer.set('a', '1')
    const reader = await openReader(fileSystem)
    const methods = new Set<string>()
    for (
      let from = Store.prototype as object;
      from !== Object.prototype;
      from = Object.getPrototypeOf(from)
    ) {
      for (const name of Object.getOwnPropertyNames(from)) methods.add(name)
    }
    const called = reader as unknown as Record<string, (...args: unknown[]) => unknown>
    const own = ['constructor', 'isOpen', 'path', 'checkOpen', 'shutDown']
    const refused: string[] = []
    for (const name of methods) {
      if (own.includes(name)) continue
      expect(called[name], name).toBeTypeOf('function')
      if (!Object.hasOwn(ReadOnlyStore.prototype, name) || ['refresh', 'stats'].includes(name)) continue
      if (['watch', 'share'].includes(name)) expect(() => called[name]()).toThrow(VarveError)
      expect(await codeOf(() => called[name]('a', 'b')), name).toBe('READ_ONLY')
      refused.push(name)
    }
    expect(refused).toEqual(
      expect.arrayContaining(['set', 'delete', 'transaction', 'clear', 'snapshot', 'sync']),
    )
    await expect(called.set('a', '2')).rejects.toThrow(/^set .* opened with readOnly/)
    expect(await reader.get('a')).toBe('1')
    expect(await writer.refresh()).toBe(false)
    await reader.close()
    expect(await codeOf(() => reader.get('a'))).toBe('CLOSED')
    expect(await codeOf(() => reader.refresh())).toBe('CLOSED')
  })

  test('opens a directory that it may not write', async () => {
    const directory = await temporaryDirectory()
    const fileSystem = new NodeFileSystem()
    const writer = await openText({ ...TINY, path: directory, fileSystem, executor: new InlineExecutor() })
    await fill(writer, 0, 100)
    await writer.close()
    const before = await listing(directory)
    await chmod(directory, 0o555)
    onTestFinished(() => chmod(directory, 0o755))
    if (process.getuid?.() === 0) console.warn('run as root: the directory may be written all the same')
    await checkFilled(await openReader(fileSystem, { path: directory }), 0, 100)
    expect(await listing(directory)).toEqual(before)
  })
})

/** Everything in a directory with its time of change and its bytes. */
async function listing(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).sort()
  return Promise.all(
    names.map(async (name) => {
      const file = path.join(directory, name)
      const status = await stat(file)
      const bytes = status.isFile() ? (await readFile(file)).toString('base64') : ''
      return `${name} ${status.mtimeMs} ${status.ctimeMs} ${bytes}`
    }),
  )
}
