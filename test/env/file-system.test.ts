/** One contract, every implementation: what the layers above may rely on. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import {
  type File,
  type FileSystem,
  LockHeldError,
  readFully,
  readFullySync,
  writeFullySync,
} from '../../src/env/file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { NodeFileSystem } from '../../src/env/node-file-system.js'

const bytes = (text: string): Uint8Array => Buffer.from(text)

async function textOf(fileSystem: FileSystem, path: string): Promise<string> {
  const file = await fileSystem.open(path, 'read')
  const target = new Uint8Array(await file.size())
  expect(await readFully(file, target, 0)).toBe(target.length)
  await file.close()
  return Buffer.from(target).toString()
}

async function create(fileSystem: FileSystem, path: string, text: string): Promise<void> {
  const file = await fileSystem.open(path, 'create')
  writeFullySync(file, bytes(text), 0)
  await file.close()
}

const implementations: [string, () => FileSystem][] = [
  ['NodeFileSystem', () => new NodeFileSystem()],
  ['MemoryFileSystem', () => new MemoryFileSystem()],
  ['MemoryFileSystem that is not strict', () => new MemoryFileSystem({ strict: false })],
  ['FaultFileSystem without faults', () => new FaultFileSystem(new MemoryFileSystem())],
]

describe.each(implementations)('%s', (_name, make) => {
  let fileSystem: FileSystem
  let root: string
  const at = (...names: string[]): string => join(root, ...names)

  beforeEach(async () => {
    fileSystem = make()
    root = fileSystem instanceof NodeFileSystem ? await mkdtemp(join(tmpdir(), 'varve-env-')) : '/tmp/root'
    await fileSystem.mkdir(root)
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('reads what was written, positionally, sync and async, up to the end', async () => {
    const file = await fileSystem.open(at('a'), 'create')
    expect(file.writeSync(bytes('hello'), 0)).toBe(5)
    expect(file.writeSync(bytes('J'), 0)).toBe(1)
    expect(file.writeSync(bytes('!'), 7)).toBe(1)
    expect(await file.size()).toBe(8)
    const target = new Uint8Array(10).fill(0xff)
    expect(readFullySync(file, target, 0)).toBe(8)
    expect(Buffer.from(target).toString('latin1')).toBe('Jello\0\0!\xff\xff')
    expect(await file.read(target.subarray(0, 2), 1)).toBe(2)
    expect(Buffer.from(target.subarray(0, 2)).toString()).toBe('el')
    expect(await file.read(target, 8)).toBe(0)
    expect(file.readSync(target, 1_000_000)).toBe(0)
    expect(file.readSync(new Uint8Array(0), 0)).toBe(0)
    await file.close()
  })

  it('reads into shared memory and writes from it', async () => {
    const file = await fileSystem.open(at('a'), 'create')
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7)
    writeFullySync(file, shared, 0)
    const target = new Uint8Array(new SharedArrayBuffer(3))
    expect(await readFully(file, target, 0)).toBe(3)
    expect([...target]).toEqual([7, 7, 7])
    await file.close()
  })

  it('truncates both ways, with zeros behind', async () => {
    const file = await fileSystem.open(at('a'), 'create')
    writeFullySync(file, bytes('abcdef'), 0)
    await file.truncate(2)
    expect(await file.size()).toBe(2)
    await file.truncate(4)
    expect(await textOf(fileSystem, at('a'))).toBe('ab\0\0')
    await file.close()
  })

  it('syncs without an error', async () => {
    const file = await fileSystem.open(at('a'), 'create')
    writeFullySync(file, bytes('x'), 0)
    await file.sync()
    file.syncSync()
    await fileSystem.syncDir(root)
    await file.close()
  })

  it('opens by mode', async () => {
    await create(fileSystem, at('a'), 'x')
    await expect(fileSystem.open(at('a'), 'create')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(fileSystem.open(at('b'), 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(fileSystem.open(at('b'), 'modify')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(fileSystem.open(at('c', 'd'), 'create')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(fileSystem.open(at('a', 'd'), 'create')).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(fileSystem.open(root, 'modify')).rejects.toMatchObject({ code: 'EISDIR' })
    expect(() => fileSystem.openSync(at('a'), 'create')).toThrow('EEXIST')
    const reader = fileSystem.openSync(at('a'), 'read')
    expect(() => reader.writeSync(bytes('y'), 0)).toThrow('EBADF')
    await expect(reader.truncate(0)).rejects.toMatchObject({ code: 'EINVAL' })
    reader.closeSync()
    const writer = fileSystem.openSync(at('a'), 'modify')
    writer.writeSync(bytes('y'), 0)
    writer.closeSync()
    expect(await textOf(fileSystem, at('a'))).toBe('y')
  })

  it('refuses a closed file and closes twice', async () => {
    const file = await fileSystem.open(at('a'), 'create')
    await Promise.all([file.close(), file.close()])
    file.closeSync()
    const one = new Uint8Array(1)
    expect(() => file.readSync(one, 0)).toThrow('EBADF')
    expect(() => file.writeSync(one, 0)).toThrow('EBADF')
    expect(() => file.syncSync()).toThrow('EBADF')
    for (const call of [file.read(one, 0), file.sync(), file.truncate(0), file.size()]) {
      await expect(call).rejects.toMatchObject({ code: 'EBADF' })
    }
  })

  it('renames, over another file too, and keeps open files', async () => {
    await create(fileSystem, at('a'), 'new')
    await create(fileSystem, at('b'), 'old')
    const old = await fileSystem.open(at('b'), 'read')
    await fileSystem.rename(at('a'), at('b'))
    expect((await fileSystem.readdir(root)).sort()).toEqual(['b'])
    expect(await textOf(fileSystem, at('b'))).toBe('new')
    const target = new Uint8Array(3)
    expect(readFullySync(old, target, 0)).toBe(3)
    expect(Buffer.from(target).toString()).toBe('old')
    await old.close()
    await fileSystem.rename(at('b'), at('b'))
    await expect(fileSystem.rename(at('a'), at('c'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('renames directories under their rules', async () => {
    await fileSystem.mkdir(at('d', 'e'))
    await create(fileSystem, at('d', 'f'), 'x')
    await create(fileSystem, at('a'), 'y')
    await expect(fileSystem.rename(at('a'), at('d'))).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(fileSystem.rename(at('d'), at('a'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(fileSystem.rename(at('d'), at('d', 'e', 'x'))).rejects.toMatchObject({ code: 'EINVAL' })
    await fileSystem.mkdir(at('g'))
    await fileSystem.rename(at('d'), at('g'))
    expect(await textOf(fileSystem, at('g', 'f'))).toBe('x')
    await fileSystem.mkdir(at('h'))
    await expect(fileSystem.rename(at('h'), at('g'))).rejects.toMatchObject({ code: 'ENOTEMPTY' })
    await fileSystem.rename(at('g', 'f'), at('h', 'f'))
    expect(await fileSystem.readdir(at('h'))).toEqual(['f'])
  })

  it('links a second name to the same file', async () => {
    await create(fileSystem, at('a'), 'x')
    await fileSystem.link(at('a'), at('b'))
    await expect(fileSystem.link(at('a'), at('b'))).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(fileSystem.link(at('c'), at('d'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(fileSystem.link(root, at('d'))).rejects.toMatchObject({ code: 'EPERM' })
    const file = await fileSystem.open(at('a'), 'modify')
    file.writeSync(bytes('z'), 0)
    await file.close()
    await fileSystem.rename(at('a'), at('b'))
    await fileSystem.unlink(at('a'))
    expect(await textOf(fileSystem, at('b'))).toBe('z')
  })

  it('reads and writes a file that was unlinked while open', async () => {
    const file = await fileSystem.open(at('a'), 'create')
    file.writeSync(bytes('x'), 0)
    await fileSystem.unlink(at('a'))
    expect(await fileSystem.stat(at('a'))).toBeUndefined()
    await create(fileSystem, at('a'), 'other')
    file.writeSync(bytes('y'), 1)
    await file.sync()
    const target = new Uint8Array(3)
    expect(await file.read(target, 0)).toBe(2)
    await file.close()
    await expect(fileSystem.unlink(at('b'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(fileSystem.unlink(root)).rejects.toThrow(/EISDIR|EPERM|EBUSY/)
  })

  it('makes and removes directories', async () => {
    await fileSystem.mkdir(at('a', 'b', 'c'))
    await fileSystem.mkdir(at('a', 'b', 'c'))
    await create(fileSystem, at('f'), '')
    await expect(fileSystem.mkdir(at('f'))).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(fileSystem.mkdir(at('f', 'g'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(fileSystem.rmdir(at('a'))).rejects.toMatchObject({ code: 'ENOTEMPTY' })
    await expect(fileSystem.rmdir(at('f'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(fileSystem.rmdir(at('x'))).rejects.toMatchObject({ code: 'ENOENT' })
    await fileSystem.rmdir(at('a', 'b', 'c'))
    await fileSystem.syncDir(at('a', 'b'))
    expect(await fileSystem.readdir(at('a', 'b'))).toEqual([])
    await expect(fileSystem.readdir(at('x'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(fileSystem.readdir(at('f'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(fileSystem.syncDir(at('x'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(fileSystem.syncDir(at('f'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it('tells what is at a path', async () => {
    await create(fileSystem, at('a'), 'four')
    expect(await fileSystem.stat(at('a'))).toMatchObject({ kind: 'file', sizeBytes: 4 })
    expect(await fileSystem.stat(root)).toMatchObject({ kind: 'directory' })
    expect(await fileSystem.stat(at('x'))).toBeUndefined()
    expect(await fileSystem.stat(at('a', 'x'))).toBeUndefined()
  })

  it('tells two names of one file from two files', async () => {
    await create(fileSystem, at('a'), 'four')
    await create(fileSystem, at('b'), 'four')
    await fileSystem.link(at('a'), at('c'))
    const ids = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => (await fileSystem.stat(at(name)))?.fileId),
    )
    expect(ids[2]).toBe(ids[0])
    expect(ids[1]).not.toBe(ids[0])
    await fileSystem.rename(at('c'), at('d'))
    expect((await fileSystem.stat(at('d')))?.fileId).toBe(ids[0])
  })

  it('tells who holds a lock, and takes and changes nothing', async () => {
    expect(await fileSystem.lockHolder(at('LOCK'))).toBeUndefined()
    const lock = await fileSystem.lock(at('LOCK'))
    expect(await fileSystem.lockHolder(at('LOCK'))).toMatchObject({ pid: process.pid })
    await expect(fileSystem.lock(at('LOCK'))).rejects.toBeInstanceOf(LockHeldError)
    await lock.release()
    expect(await fileSystem.lockHolder(at('LOCK'))).toBeUndefined()
    expect((await fileSystem.readdir(at('.'))).filter((name) => name.includes('LOCK'))).toEqual([])
  })

  it('locks for one holder at a time', async () => {
    const lock = await fileSystem.lock(at('LOCK'))
    const refused = await fileSystem.lock(at('LOCK')).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(LockHeldError)
    expect((refused as LockHeldError).holder.pid).toBe(process.pid)
    await lock.release()
    const next = await fileSystem.lock(at('LOCK'))
    await lock.release()
    await expect(fileSystem.lock(at('LOCK'))).rejects.toBeInstanceOf(LockHeldError)
    await next.release()
    expect(await fileSystem.readdir(root)).toEqual([])
    await expect(fileSystem.lock(at('x', 'LOCK'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('behaves like an array of bytes', async () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.tuple(fc.constant('write'), fc.nat(50_000), fc.integer({ min: 1, max: 40_000 })),
      },
      fc.tuple(fc.constant('truncate'), fc.nat(60_000), fc.constant(0)),
    )
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const path = at(`model-${run++}`)
        const file: File = await fileSystem.open(path, 'create')
        let model: Buffer<ArrayBufferLike> = Buffer.alloc(0)
        for (const [index, [kind, position, length]] of steps.entries()) {
          const end = kind === 'write' ? Math.max(model.length, position + length) : position
          const next = Buffer.alloc(end)
          model.copy(next)
          if (kind === 'write') {
            const source = new Uint8Array(length).fill(index + 1)
            writeFullySync(file, source, position)
            source.fill(0) // the writer may use its buffer again
            next.fill(index + 1, position, position + length)
          } else {
            await file.truncate(position)
          }
          model = next
        }
        const target = Buffer.alloc(model.length + 10)
        expect(await file.size()).toBe(model.length)
        expect(await readFully(file, target, 0)).toBe(model.length)
        expect(target.subarray(0, model.length).equals(model)).toBe(true)
        await file.close()
        await fileSystem.unlink(path)
      }),
      { numRuns: 30 },
    )
  })
})

describe('NodeFileSystem', () => {
  it('moves a part of what is too much for one call', async () => {
    const root = await mkdtemp(join(tmpdir(), 'varve-env-'))
    const fileSystem = new NodeFileSystem()
    try {
      const file = await fileSystem.open(join(root, 'large'), 'create')
      // Nothing of it is ever touched.
      const much = new Uint8Array(2 ** 31 + 8)
      await file.truncate(much.length)
      expect(await file.read(much, much.length - 5)).toBe(5)
      expect(file.readSync(much, much.length - 5)).toBe(5)
      await file.close()
      const unwritable = await fileSystem.open(join(root, 'large'), 'read')
      expect(() => unwritable.writeSync(much, 0)).toThrow('EBADF')
      await unwritable.close()
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })

  it.skipIf(process.platform === 'win32')(
    'opens no link, which may lead anywhere, and waits for no pipe',
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'varve-env-'))
      const fileSystem = new NodeFileSystem()
      try {
        await create(fileSystem, join(root, 'secret'), 'secret')
        await symlink(join(root, 'secret'), join(root, 'link'))
        for (const mode of ['read', 'modify'] as const) {
          await expect(fileSystem.open(join(root, 'link'), mode)).rejects.toMatchObject({ code: 'ELOOP' })
          expect(() => fileSystem.openSync(join(root, 'link'), mode)).toThrow('ELOOP')
        }
        execFileSync('mkfifo', [join(root, 'pipe')])
        const pipe = await fileSystem.open(join(root, 'pipe'), 'read')
        await pipe.close()
      } finally {
        await rm(root, { recursive: true, force: true })
      }
    },
  )

  it('keeps the descriptor until calls in flight have ended', async () => {
    const root = await mkdtemp(join(tmpdir(), 'varve-env-'))
    const fileSystem = new NodeFileSystem()
    await create(fileSystem, join(root, 'a'), 'content')
    await create(fileSystem, join(root, 'b'), 'another')
    for (let round = 0; round < 50; round++) {
      const file = await fileSystem.open(join(root, 'a'), 'read')
      const targets = Array.from({ length: 16 }, () => new Uint8Array(7))
      const reads = targets.map((target) => file.read(target, 0))
      const closed = round % 2 === 0 ? file.close() : file.closeSync()
      const other = fileSystem.openSync(join(root, 'b'), 'read')
      expect(await Promise.all(reads)).toEqual(targets.map(() => 7))
      for (const target of targets) expect(Buffer.from(target).toString()).toBe('content')
      await closed
      other.closeSync()
    }
    await rm(root, { recursive: true })
  })
})
