import { describe, expect, it } from 'vitest'
import { FaultFileSystem, type FaultFileSystemOptions } from '../../src/env/fault-file-system.js'
import type { Operation } from '../../src/env/fault-plan.js'
import { readFullySync, writeFullySync } from '../../src/env/file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'

const make = (options?: FaultFileSystemOptions) => {
  const inner = new MemoryFileSystem()
  return { inner, faulty: new FaultFileSystem(inner, options) }
}
const eio = { code: 'EIO' }

describe('FaultFileSystem', () => {
  it('counts and logs every operation before it is made', async () => {
    const { faulty } = make({ log: true })
    const file = await faulty.open('/a', 'create')
    file.writeSync(new Uint8Array(3), 0)
    await file.read(new Uint8Array(3), 0)
    file.readSync(new Uint8Array(3), 0)
    await file.sync()
    file.syncSync()
    await file.truncate(1)
    await file.size()
    await file.close()
    await file.close()
    await faulty.rename('/a', '/b')
    await faulty.link('/b', '/c')
    await faulty.unlink('/c')
    await faulty.mkdir('/d')
    await faulty.rmdir('/d')
    await faulty.readdir('/')
    await faulty.stat('/b')
    await faulty.syncDir('/')
    await (await faulty.lock('/LOCK')).release()
    await expect(faulty.open('/missing', 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    const kinds =
      'open write read read sync sync truncate size close rename link unlink mkdir rmdir readdir stat syncDir lock unlock open'
    expect(faulty.log.map((operation) => operation.kind).join(' ')).toBe(kinds)
    expect(faulty.log.map((operation) => operation.index)).toEqual([...faulty.log.keys()])
    expect(faulty.log[9]).toEqual({ index: 9, kind: 'rename', path: '/a', to: '/b' })
    expect(faulty.operations).toBe(20)
    expect(faulty.openCount).toBe(0)
  })

  it('fails the n-th operation, once, without making it', async () => {
    const { faulty } = make()
    const fault = faulty.fail({ after: 1 })
    await faulty.mkdir('/a')
    await expect(faulty.mkdir('/b')).rejects.toMatchObject(eio)
    await faulty.mkdir('/c')
    expect(fault.struck).toBe(1)
    expect(await faulty.readdir('/')).toEqual(['a', 'c'])
  })

  it('fails for good, by kind and by path, until taken back', async () => {
    const { faulty } = make()
    await faulty.mkdir('/a')
    const fault = faulty.fail({ kind: ['rename', 'link'], path: /^\/b$/, errno: 'EACCES', forGood: true })
    const refused = { code: 'EACCES', syscall: 'rename', path: '/a' }
    await expect(faulty.rename('/a', '/b')).rejects.toMatchObject(refused)
    await expect(faulty.rename('/a', '/b')).rejects.toMatchObject(refused)
    await faulty.rename('/a', '/c')
    fault.cancel()
    await faulty.rename('/c', '/b')
    expect(fault.struck).toBe(2)
    faulty.fail({ kind: 'stat', forGood: true })
    await expect(faulty.stat('/b')).rejects.toMatchObject(eio)
    faulty.heal()
    expect(await faulty.stat('/b')).toMatchObject({ kind: 'directory' })
  })

  it('closes the descriptor even when the close fails', async () => {
    const { inner, faulty } = make()
    const one = faulty.openSync('/a', 'create')
    const two = faulty.openSync('/b', 'create')
    expect(faulty.openCount).toBe(2)
    faulty.fail({ kind: 'close', forGood: true })
    await expect(one.close()).rejects.toMatchObject(eio)
    expect(() => two.closeSync()).toThrow('EIO')
    await one.close()
    expect([faulty.openCount, inner.openCount]).toEqual([0, 0])
  })

  it('shortens reads and writes, to no less than a byte', () => {
    const { inner, faulty } = make({
      shorten: (kind, length) => (kind === 'read' ? 0 : Math.ceil(length / 2)),
    })
    const file = faulty.openSync('/a', 'create')
    const text = Buffer.from('a longer text than that')
    expect(file.writeSync(text, 0)).toBe(12)
    writeFullySync(file, text, 0)
    const target = Buffer.alloc(text.length)
    expect(file.readSync(target, 0)).toBe(1)
    expect(readFullySync(file, target, 0)).toBe(text.length)
    expect(target.equals(text)).toBe(true)
    file.closeSync()
    expect(inner.openCount).toBe(0)
  })

  it('runs out of space in the middle of a write, and has room again', () => {
    const { faulty } = make({ byteQuota: 10 })
    const file = faulty.openSync('/a', 'create')
    expect(file.writeSync(new Uint8Array(7), 0)).toBe(7)
    expect(file.writeSync(new Uint8Array(7), 7)).toBe(3)
    expect(() => file.writeSync(new Uint8Array(4), 10)).toThrow('ENOSPC')
    faulty.byteQuota += 4
    writeFullySync(file, new Uint8Array(4), 10)
    expect(faulty.bytesWritten).toBe(14)
    expect(() => writeFullySync(file, new Uint8Array(1), 14)).toThrow('ENOSPC')
    file.closeSync()
  })

  it('runs out of descriptors, and has some again', async () => {
    const { faulty } = make({ descriptorQuota: 2 })
    const opened = await Promise.allSettled(['/a', '/b', '/c'].map((path) => faulty.open(path, 'create')))
    expect(opened.map((one) => one.status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(() => faulty.openSync('/a', 'read')).toThrow('EMFILE')
    if (opened[0].status === 'fulfilled') await opened[0].value.close()
    await expect(faulty.open('/missing', 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    faulty.openSync('/a', 'read').closeSync()
  })

  it('flips bits in what is read, not in the file', async () => {
    const { faulty } = make()
    const file = faulty.openSync('/a.sst', 'create')
    writeFullySync(file, Uint8Array.of(0, 0, 0, 0), 0)
    faulty.flipBit(/\.sst$/, 2, 3)
    const target = new Uint8Array(2)
    await file.read(target, 1)
    expect([...target]).toEqual([0, 8])
    file.readSync(target, 0)
    expect([...target]).toEqual([0, 0])
    faulty.heal()
    file.readSync(target, 2)
    expect([...target]).toEqual([0, 0])
    file.closeSync()
  })

  it('may forget what a failed sync was to bring to the device', async () => {
    for (const dropUnsynced of [false, true]) {
      const { inner, faulty } = make()
      const file = faulty.openSync('/a', 'create')
      await faulty.syncDir('/')
      writeFullySync(file, Uint8Array.of(1), 0)
      faulty.fail({ kind: 'sync', dropUnsynced })
      await expect(file.sync()).rejects.toMatchObject(eio)
      await file.sync()
      file.closeSync()
      expect(await inner.crash('nothing', () => 0).stat('/a')).toMatchObject({
        sizeBytes: dropUnsynced ? 0 : 1,
      })
    }
  })

  it('lets an observer see every operation at its moment', async () => {
    const seen: [Operation['kind'], string[]][] = []
    const { inner, faulty } = make()
    faulty.observe = ({ kind }) => {
      void inner.readdir('/').then((names) => seen.push([kind, names]))
    }
    await faulty.mkdir('/a')
    await faulty.mkdir('/b')
    expect(seen).toEqual([
      ['mkdir', []],
      ['mkdir', ['a']],
    ])
    faulty.observe = () => {
      throw new Error('stop here')
    }
    await expect(faulty.mkdir('/c')).rejects.toThrow('stop here')
    expect(await inner.readdir('/')).toEqual(['a', 'b'])
  })
})
