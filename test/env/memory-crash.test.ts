/** The crash model: what a power loss may and may not leave of a file system in memory. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FileSystem, readFullySync, writeFullySync } from '../../src/env/file-system.js'
import { CRASH_PROFILES, type CrashProfile } from '../../src/env/memory-crash.js'
import { MemoryFile, MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { randomFrom } from '../model/random.js'

/** Every file with its bytes, every directory with `undefined`. */
async function treeOf(fileSystem: FileSystem, path = '/'): Promise<Map<string, Buffer | undefined>> {
  const tree = new Map<string, Buffer | undefined>()
  for (const name of (await fileSystem.readdir(path)).sort()) {
    const child = path === '/' ? `/${name}` : `${path}/${name}`
    const status = await fileSystem.stat(child)
    if (status?.kind === 'directory') {
      tree.set(child, undefined)
      for (const entry of await treeOf(fileSystem, child)) tree.set(...entry)
    } else {
      tree.set(child, contentOf(fileSystem, child))
    }
  }
  return tree
}

function contentOf(fileSystem: FileSystem, path: string): Buffer {
  const file = fileSystem.openSync(path, 'read')
  const bytes = Buffer.alloc(1 << 17)
  const length = readFullySync(file, bytes, 0)
  file.closeSync()
  return bytes.subarray(0, length)
}

function append(fileSystem: FileSystem, path: string, bytes: Uint8Array, position: number): void {
  const file = fileSystem.openSync(path, 'modify')
  writeFullySync(file, bytes, position)
  file.closeSync()
}

async function syncFile(fileSystem: FileSystem, path: string): Promise<void> {
  const file = fileSystem.openSync(path, 'read')
  await file.sync()
  file.closeSync()
}

async function withFile(bytes: Uint8Array): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem()
  const file = fileSystem.openSync('/a', 'create')
  writeFullySync(file, bytes, 0)
  file.syncSync()
  file.closeSync()
  await fileSystem.syncDir('/')
  return fileSystem
}

const profile = fc.constantFrom(...CRASH_PROFILES)
const seed = fc.integer()

/** Steps over a few names, with syncs, so that durable and pending states of all kinds come up. */
const name = fc.constantFrom('/a', '/b', '/c', '/d/a', '/d/b')
type Step =
  | { kind: 'create' | 'unlink' | 'sync'; path: string }
  | { kind: 'write'; path: string; position: number; length: number; fill: number }
  | { kind: 'truncate'; path: string; size: number }
  | { kind: 'rename' | 'link'; path: string; to: string }
  | { kind: 'syncDir'; path: '/' | '/d' }
  | { kind: 'mkdir' }
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('create' as const, 'unlink' as const, 'sync' as const), path: name }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      path: name,
      position: fc.nat(3000),
      length: fc.integer({ min: 1, max: 2000 }),
      fill: fc.integer({ min: 1, max: 255 }),
    }),
  },
  fc.record({ kind: fc.constant('truncate' as const), path: name, size: fc.nat(4000) }),
  fc.record({ kind: fc.constantFrom('rename' as const, 'link' as const), path: name, to: name }),
  fc.record({ kind: fc.constant('syncDir' as const), path: fc.constantFrom('/' as const, '/d' as const) }),
  fc.record({ kind: fc.constant('mkdir' as const) }),
)

async function take(fileSystem: MemoryFileSystem, step: Step): Promise<void> {
  try {
    if (step.kind === 'create') fileSystem.openSync(step.path, 'create').closeSync()
    else if (step.kind === 'unlink') await fileSystem.unlink(step.path)
    else if (step.kind === 'sync') await syncFile(fileSystem, step.path)
    else if (step.kind === 'write') {
      append(fileSystem, step.path, new Uint8Array(step.length).fill(step.fill), step.position)
    } else if (step.kind === 'truncate') {
      const file = fileSystem.openSync(step.path, 'modify')
      await file.truncate(step.size)
      file.closeSync()
    } else if (step.kind === 'rename') await fileSystem.rename(step.path, step.to)
    else if (step.kind === 'link') await fileSystem.link(step.path, step.to)
    else if (step.kind === 'syncDir') await fileSystem.syncDir(step.path)
    else await fileSystem.mkdir('/d')
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^E/) })
  }
}

describe('a crash', () => {
  it("with 'all' leaves exactly what readers saw, and the crashed file system goes on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), profile, seed, async (steps, other, n) => {
        const fileSystem = new MemoryFileSystem()
        for (const one of steps) await take(fileSystem, one)
        const before = await treeOf(fileSystem)
        const survived = fileSystem.crash('all', randomFrom(n))
        expect(await treeOf(survived)).toEqual(before)
        fileSystem.crash(other, randomFrom(n)).crash(other, randomFrom(n))
        expect(await treeOf(fileSystem)).toEqual(before)
        for (const path of before.keys()) if (before.get(path)) append(survived, path, new Uint8Array(9), 0)
        expect(await treeOf(fileSystem)).toEqual(before)
      }),
    )
  })

  it('is a function of the state, the profile and the seed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), profile, seed, async (steps, profile, n) => {
        const fileSystem = new MemoryFileSystem()
        for (const one of steps) await take(fileSystem, one)
        const first = await treeOf(fileSystem.crash(profile, randomFrom(n)))
        expect(await treeOf(fileSystem.crash(profile, randomFrom(n)))).toEqual(first)
      }),
    )
  })

  it('leaves everything when everything was synced, and nothing pending after a crash', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        profile,
        profile,
        seed,
        async (steps, one, two, n) => {
          const fileSystem = new MemoryFileSystem()
          for (const each of steps) await take(fileSystem, each)
          const random = randomFrom(n)
          const survived = fileSystem.crash(one, random)
          expect(await treeOf(survived.crash(two, random))).toEqual(await treeOf(survived))
          const tree = await treeOf(fileSystem)
          for (const [path, bytes] of tree)
            await (bytes ? syncFile(fileSystem, path) : fileSystem.syncDir(path))
          await fileSystem.syncDir('/')
          expect(await treeOf(fileSystem.crash(two, random))).toEqual(tree)
        },
      ),
    )
  })

  it('never alters durable bytes that no unsynced write or truncate covers', async () => {
    const write = fc.record({ position: fc.nat(6000), length: fc.integer({ min: 1, max: 1500 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 6 }), profile, seed, async (writes, profile, n) => {
        const durable = Buffer.alloc(4000, 1)
        const fileSystem = await withFile(durable)
        const covered = new Set<number>()
        for (const { position, length } of writes) {
          append(fileSystem, '/a', new Uint8Array(length).fill(2), position)
          for (let i = position; i < position + length; i++) covered.add(i)
        }
        const survived = contentOf(fileSystem.crash(profile, randomFrom(n)), '/a')
        expect(survived.length).toBeGreaterThanOrEqual(durable.length)
        if (writes.length === 0) expect(survived.length).toBe(durable.length)
        for (let i = 0; i < durable.length; i++)
          if (!covered.has(i) && survived[i] !== 1) expect.fail(`byte ${i}`)
      }),
      { numRuns: 300 },
    )
  })

  it('keeps or loses whole sectors under random, and parts of them under torn', async () => {
    const outcomes = (profile: CrashProfile): Promise<Set<string>> =>
      withFile(new Uint8Array(2048).fill(1)).then((fileSystem) => {
        append(fileSystem, '/a', new Uint8Array(2048).fill(2), 0)
        const seen = new Set<string>()
        for (let n = 0; n < 300; n++) {
          const bytes = contentOf(fileSystem.crash(profile, randomFrom(n)), '/a')
          const sectors = [0, 1, 2, 3].map(
            (sector) => new Set(bytes.subarray(sector * 512, sector * 512 + 512)),
          )
          seen.add(sectors.map((values) => (values.size > 1 ? 'x' : [...values][0])).join(''))
        }
        return seen
      })
    const random = await outcomes('random')
    expect(random.size).toBe(16)
    for (const outcome of random) expect(outcome).toMatch(/^[12]{4}$/)
    expect([...(await outcomes('torn'))].some((outcome) => outcome.includes('x'))).toBe(true)
    expect([...(await outcomes('garbage'))].some((outcome) => outcome.includes('0'))).toBe(true)
  })

  it('may make an unsynced file longer than its data, but never a synced one', async () => {
    const fileSystem = await withFile(Buffer.alloc(100, 1))
    const sizes = (profile: CrashProfile): number[] =>
      Array.from({ length: 50 }, (_, n) => contentOf(fileSystem.crash(profile, randomFrom(n)), '/a').length)
    expect(new Set(sizes('garbage'))).toEqual(new Set([100]))
    append(fileSystem, '/a', Buffer.alloc(100, 2), 100)
    expect(Math.max(...sizes('garbage'))).toBeGreaterThan(200)
    expect(new Set(sizes('metadata-first'))).toEqual(new Set([100, 200]))
    for (let n = 0; n < 50; n++) {
      expect(contentOf(fileSystem.crash('metadata-first', randomFrom(n)), '/a').includes(2)).toBe(false)
    }
  })

  it('keeps a prefix of the operations, in order, over files and names', async () => {
    const fileSystem = new MemoryFileSystem()
    for (let i = 0; i < 10; i++) {
      const file = fileSystem.openSync(`/${i}`, 'create')
      writeFullySync(file, new Uint8Array(10).fill(i + 1), 0)
      file.closeSync()
    }
    const counts = new Set<number>()
    for (let n = 0; n < 200; n++) {
      const tree = [...(await treeOf(fileSystem.crash('prefix', randomFrom(n))))]
      counts.add(tree.length)
      for (const [index, [path, bytes]] of tree.entries()) {
        expect(path).toBe(`/${index}`)
        if (index < tree.length - 1) expect(bytes).toEqual(Buffer.alloc(10, index + 1))
      }
    }
    expect(counts.size).toBe(11)
  })

  it('does not make a name durable with the bytes, nor bytes with the name', async () => {
    const fileSystem = new MemoryFileSystem()
    fileSystem.openSync('/a', 'create').closeSync()
    append(fileSystem, '/a', Buffer.from('x'), 0)
    await syncFile(fileSystem, '/a')
    fileSystem.openSync('/b', 'create').closeSync()
    append(fileSystem, '/b', Buffer.from('y'), 0)
    expect(await treeOf(fileSystem.crash('nothing', randomFrom(1)))).toEqual(new Map())
    expect(await treeOf(fileSystem.crash('data-first', randomFrom(1)))).toEqual(new Map())
    await fileSystem.syncDir('/')
    expect(await treeOf(fileSystem.crash('nothing', randomFrom(1)))).toEqual(
      new Map([
        ['/a', Buffer.from('x')],
        ['/b', Buffer.alloc(0)],
      ]),
    )
    expect(contentOf(fileSystem.crash('data-first', randomFrom(1)), '/b').toString()).toBe('y')
  })

  it('shows the old or the new name of a rename, and the old or the new target, never neither', async () => {
    const outcomes = new Set<string>()
    await fc.assert(
      fc.asyncProperty(profile, seed, async (profile, n) => {
        const fileSystem = await withFile(Buffer.from('old'))
        fileSystem.openSync('/b', 'create').closeSync()
        append(fileSystem, '/b', Buffer.from('new'), 0)
        await syncFile(fileSystem, '/b')
        await fileSystem.syncDir('/')
        await fileSystem.rename('/b', '/a')
        const tree = await treeOf(fileSystem.crash(profile, randomFrom(n)))
        outcomes.add([...tree].map(([path, bytes]) => `${path}=${bytes}`).join(' '))
      }),
    )
    expect([...outcomes].sort()).toEqual(['/a=new', '/a=old /b=new'])
  })

  it('never loses a file on a chain of renames, across directories too', async () => {
    const to = fc.constantFrom('/1', '/2', '/3', '/d/1', '/d/2')
    const steps = fc.array(fc.oneof(to, fc.constantFrom('sync /', 'sync /d')), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(steps, profile, seed, async (steps, profile, n) => {
        const fileSystem = await withFile(Buffer.from('kept'))
        await fileSystem.mkdir('/d')
        await fileSystem.syncDir('/')
        let from = '/a'
        for (const one of steps) {
          if (one.startsWith('sync ')) await fileSystem.syncDir(one.slice(5))
          else {
            await fileSystem.rename(from, one)
            from = one
          }
        }
        const files = [...(await treeOf(fileSystem.crash(profile, randomFrom(n))))].filter(
          ([, bytes]) => bytes,
        )
        expect(files.map(([, bytes]) => `${bytes}`)).toEqual(['kept'])
      }),
      { numRuns: 300 },
    )
  })

  it('keeps a name that was synced after a move between directories', async () => {
    const fileSystem = await withFile(Buffer.from('moved'))
    await fileSystem.mkdir('/d')
    fileSystem.openSync('/d/x', 'create').closeSync()
    await fileSystem.unlink('/d/x')
    await fileSystem.rename('/a', '/d/x')
    await fileSystem.syncDir('/')
    await fileSystem.syncDir('/d')
    expect(contentOf(fileSystem.crash('nothing', randomFrom(1)), '/d/x').toString()).toBe('moved')
  })

  it('may persist an unlink before an earlier create, or undo it', async () => {
    const fileSystem = await withFile(Buffer.from('first'))
    await fileSystem.unlink('/a')
    fileSystem.openSync('/a', 'create').closeSync()
    const outcomes = new Set<string>()
    for (let n = 0; n < 200; n++) {
      const tree = await treeOf(fileSystem.crash('random', randomFrom(n)))
      outcomes.add(tree.has('/a') ? `${tree.get('/a')}` : 'gone')
    }
    expect([...outcomes].sort()).toEqual(['', 'first', 'gone'])
  })

  it('never lets an unlink that persists alone remove another file of that name', async () => {
    const outcomes = new Set<string>()
    const fileSystem = await withFile(Buffer.from('old'))
    fileSystem.openSync('/b', 'create').closeSync()
    await fileSystem.syncDir('/')
    await fileSystem.rename('/b', '/a')
    await fileSystem.unlink('/a')
    for (let n = 0; n < 200; n++) {
      outcomes.add([...(await treeOf(fileSystem.crash('random', randomFrom(n)))).keys()].join(' '))
    }
    expect([...outcomes].sort()).toEqual(['', '/a', '/a /b'])
  })

  it('keeps bytes as they were written, although the writer used its buffer again', async () => {
    const fileSystem = await withFile(new Uint8Array(0))
    const buffer = Buffer.from('mine')
    append(fileSystem, '/a', buffer, 0)
    buffer.fill('x')
    for (const profile of ['all', 'data-first'] as const) {
      expect(contentOf(fileSystem.crash(profile, randomFrom(1)), '/a').toString()).toBe('mine')
    }
    await syncFile(fileSystem, '/a')
    expect(contentOf(fileSystem.crash('nothing', randomFrom(1)), '/a').toString()).toBe('mine')
  })

  it('loses a directory whose parent was not synced, with all that is in it', async () => {
    const fileSystem = new MemoryFileSystem()
    await fileSystem.mkdir('/d/e')
    fileSystem.openSync('/d/e/a', 'create').closeSync()
    await fileSystem.syncDir('/d/e')
    await fileSystem.syncDir('/d')
    expect(await fileSystem.crash('nothing', randomFrom(1)).stat('/d')).toBeUndefined()
    await fileSystem.syncDir('/')
    expect([...(await treeOf(fileSystem.crash('nothing', randomFrom(1)))).keys()]).toEqual([
      '/d',
      '/d/e',
      '/d/e/a',
    ])
  })

  it('finds out who does not await a sync', async () => {
    const fileSystem = await withFile(Buffer.from('old'))
    append(fileSystem, '/a', Buffer.from('new'), 0)
    const file = fileSystem.openSync('/a', 'modify')
    const synced = file.sync()
    expect(contentOf(fileSystem.crash('nothing', randomFrom(1)), '/a').toString()).toBe('old')
    file.writeSync(Buffer.from('later'), 0)
    await synced
    expect(contentOf(fileSystem.crash('nothing', randomFrom(1)), '/a').toString()).toBe('new')
    file.closeSync()
  })

  it('may lose for good what a failed sync dropped, although readers see it', async () => {
    const fileSystem = await withFile(Buffer.from('old'))
    append(fileSystem, '/a', Buffer.from('new'), 0)
    const file = fileSystem.openSync('/a', 'modify')
    expect(file).toBeInstanceOf(MemoryFile)
    if (file instanceof MemoryFile) file.dropUnsynced()
    await file.sync()
    file.closeSync()
    expect(contentOf(fileSystem, '/a').toString()).toBe('new')
    expect(contentOf(fileSystem.crash('all', randomFrom(1)), '/a').toString()).toBe('new')
    expect(contentOf(fileSystem.crash('data-first', randomFrom(1)), '/a').toString()).toBe('old')
  })

  it('leaves no lock and no open file', async () => {
    const fileSystem = await withFile(new Uint8Array(1))
    await fileSystem.lock('/LOCK')
    const file = fileSystem.openSync('/a', 'read')
    expect(fileSystem.openCount).toBe(1)
    const survived = fileSystem.crash('all', randomFrom(1))
    expect(survived.openCount).toBe(0)
    await survived.lock('/LOCK')
    file.closeSync()
    expect(fileSystem.openCount).toBe(0)
  })

  it("with 'names' keeps all data, and with 'unlinks-first' only the names that went", async () => {
    const fileSystem = await withFile(Buffer.from('old'))
    append(fileSystem, '/a', Buffer.from('new'), 0)
    fileSystem.openSync('/b', 'create').closeSync()
    await fileSystem.rename('/b', '/c')
    expect(await treeOf(fileSystem.crash('unlinks-first', randomFrom(1)))).toEqual(
      new Map([['/a', Buffer.from('new')]]),
    )
    const seen = new Set<string>()
    for (let n = 0; n < 50; n++) {
      const tree = await treeOf(fileSystem.crash('names', randomFrom(n)))
      expect(tree.get('/a')).toEqual(Buffer.from('new'))
      seen.add([...tree.keys()].sort().join())
    }
    expect([...seen].sort()).toEqual(['/a', '/a,/b', '/a,/c'])
    await fileSystem.unlink('/a')
    expect((await treeOf(fileSystem.crash('unlinks-first', randomFrom(1)))).size).toBe(0)
  })

  it('loses nothing of a file system that is not strict', async () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    await fileSystem.mkdir('/d')
    fileSystem.openSync('/d/a', 'create').closeSync()
    append(fileSystem, '/d/a', Buffer.from('x'), 0)
    await fileSystem.rename('/d/a', '/b')
    for (const profile of CRASH_PROFILES) {
      expect(await treeOf(fileSystem.crash(profile, randomFrom(1)))).toEqual(await treeOf(fileSystem))
    }
  })
})

describe('a fork', () => {
  it('crashes as the first would, and each goes its own way', async () => {
    const steps = fc.array(step, { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(steps, steps, profile, seed, async (before, behind, profile, n) => {
        const fileSystem = new MemoryFileSystem()
        for (const one of before) await take(fileSystem, one)
        const fork = fileSystem.fork()
        const reference = fileSystem.fork()
        const crashed = async (one: MemoryFileSystem) => treeOf(one.crash(profile, randomFrom(n)))
        const atFork = await crashed(fileSystem)
        expect(await crashed(fork)).toEqual(atFork)
        for (const one of behind) await take(fork, one)
        expect(await crashed(fileSystem)).toEqual(atFork)
        for (const one of behind) await take(fileSystem, one)
        expect(await crashed(fileSystem)).toEqual(await crashed(fork))
        expect(await treeOf(fileSystem)).toEqual(await treeOf(fork))
        expect(await crashed(reference)).toEqual(atFork)
      }),
    )
  })
})
