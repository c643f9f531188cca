import { beforeEach, describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { Wal } from '../../src/wal/wal.js'
import { segmentPath } from '../../src/wal/wal-format.js'
import { randomFrom } from '../model/random.js'
import { contentOf, databaseId, directory, groupOf, numbersIn, openLog, replayAll } from './logs.js'

let disk: MemoryFileSystem
let fileSystem: FaultFileSystem

beforeEach(() => {
  disk = new MemoryFileSystem()
  fileSystem = new FaultFileSystem(disk, { log: true })
})

const never = () => 0

describe('the log', () => {
  it('gives back the groups that were appended', async () => {
    const { wal } = await openLog(fileSystem)
    wal.append(groupOf('a=1', 'b=2'), 1)
    wal.append(groupOf('a'), 3)
    expect([wal.lastSequence, wal.syncedSequence]).toEqual([3, 0])
    await wal.close()
    expect(await replayAll(disk.crash('nothing', never))).toMatchObject({
      operations: ['1:a=1', '2:b=2', '3:a'],
      counts: 3,
      lastSequence: 3,
      closedInOrder: true,
    })
    expect(fileSystem.openCount).toBe(0)
  })

  it('shows nothing at reopening that the power could still take', async () => {
    const { wal } = await openLog(fileSystem)
    wal.append(groupOf('a=1'), 1)
    expect((await replayAll(disk.crash('nothing', never))).operations).toEqual([])
    expect((await replayAll(disk, { readOnly: true })).operations).toEqual(['1:a=1'])
    expect((await replayAll(disk.crash('nothing', never))).operations).toEqual([])
    expect((await replayAll(disk)).operations).toEqual(['1:a=1'])
    expect((await replayAll(disk.crash('nothing', never))).operations).toEqual(['1:a=1'])
  })

  it('skips what tables hold, also within a group', async () => {
    const { wal } = await openLog(fileSystem)
    wal.append(groupOf('a=1', 'b=2'), 1)
    wal.append(groupOf('c=3', 'd=4', 'e=5'), 3)
    await wal.close()
    expect(await replayAll(disk, { fromSequence: 3 })).toMatchObject({
      operations: ['4:d=4', '5:e=5'],
      counts: 2,
    })
    expect(await replayAll(disk, { fromSequence: 5 })).toMatchObject({ operations: [], lastSequence: 5 })
    expect(await replayAll(disk, { fromSequence: 9 })).toMatchObject({ operations: [], lastSequence: 9 })
  })

  it('goes on in a new segment after a reopen, over many of them', async () => {
    const expected: string[] = []
    for (let i = 1; i <= 5; i++) {
      const { wal, operations } = await openLog(fileSystem)
      expect(operations).toEqual(expected)
      wal.append(groupOf(`k${i}=v`), i)
      expected.push(`${i}:k${i}=v`)
      if (i % 2 === 0) await wal.close()
    }
    expect((await replayAll(disk)).operations).toEqual(expected)
  })

  it('hands out writes in as many calls as the file system wants', async () => {
    const { wal } = await openLog(fileSystem)
    fileSystem.shorten = () => 7
    wal.append(groupOf('a=1', 'b=2'), 1)
    await wal.close()
    expect((await replayAll(fileSystem)).operations).toEqual(['1:a=1', '2:b=2'])
  })

  it('syncs what was appended before the call, with one sync running and one waiting', async () => {
    const { wal } = await openLog(fileSystem)
    const before = fileSystem.log.length
    const syncs: Promise<void>[] = []
    for (let i = 1; i <= 10; i++) {
      wal.append(groupOf(`k${i}=v`), i)
      syncs.push(wal.sync(), wal.sync())
    }
    await syncs[0]
    expect(wal.syncedSequence).toBe(1)
    await Promise.all(syncs)
    expect(wal.syncedSequence).toBe(10)
    await wal.sync()
    expect(fileSystem.log.slice(before).filter(({ kind }) => kind === 'sync').length).toBe(2)
    expect((await replayAll(disk.crash('nothing', never))).lastSequence).toBe(10)
  })

  it('refuses everything after a failed sync, and does not try it again', async () => {
    const { wal } = await openLog(fileSystem)
    wal.append(groupOf('a=1'), 1)
    await wal.sync()
    wal.append(groupOf('b=2'), 2)
    const fault = fileSystem.fail({ kind: 'sync', dropUnsynced: true })
    const first = wal.sync()
    wal.append(groupOf('c=3'), 3)
    const second = wal.sync()
    await expect(first).rejects.toMatchObject({ code: 'IO_ERROR', path: segmentPath(directory, 1) })
    await expect(second).rejects.toBe(wal.failed)
    expect(() => wal.append(groupOf('d=4'), 4)).toThrow(wal.failed)
    await expect(wal.sync()).rejects.toBe(wal.failed)
    await expect(wal.rotate()).rejects.toBe(wal.failed)
    await wal.close()
    expect([fault.struck, wal.syncedSequence, fileSystem.openCount]).toEqual([1, 1, 0])
    expect(fileSystem.log.filter(({ kind }) => kind === 'sync').length).toBe(3)
    expect((await replayAll(disk.crash('all', never))).closedInOrder).toBe(false)
  })

  it('survives a full disk at every byte of a group, and goes on in its place', async () => {
    const groupLength = 56
    for (let room = 0; room < groupLength; room++) {
      disk = new MemoryFileSystem()
      fileSystem = new FaultFileSystem(disk)
      const { wal } = await openLog(fileSystem)
      wal.append(groupOf('a=1'), 1)
      const before = fileSystem.bytesWritten
      fileSystem.byteQuota = before + room
      expect(() => wal.append(groupOf('key=rejected'), 2)).toThrow(
        expect.objectContaining({ code: 'NO_SPACE', path: segmentPath(directory, 1) }),
      )
      expect(wal.lastSequence).toBe(1)
      expect((await replayAll(disk.crash('all', never))).operations).toEqual(['1:a=1'])
      fileSystem.heal()
      wal.append(groupOf('b=2'), 2)
      expect(wal.syncedSequence, 'what takes a rejected place is on the device').toBe(2)
      wal.append(groupOf('c=3'), 3)
      expect((await replayAll(disk.crash('all', never))).operations).toEqual(['1:a=1', '2:b=2', '3:c=3'])
      await wal.close()
      expect(await replayAll(disk)).toMatchObject({
        operations: ['1:a=1', '2:b=2', '3:c=3'],
        closedInOrder: true,
      })
    }
  })

  it('never brings a rejected group back behind an accepted one', async () => {
    const tail = 'x'.repeat(3000)
    for (let cut = 256; cut < 3048; cut += 256) {
      disk = new MemoryFileSystem()
      fileSystem = new FaultFileSystem(disk)
      const { wal } = await openLog(fileSystem)
      fileSystem.byteQuota = fileSystem.bytesWritten + cut
      expect(() => wal.append(groupOf(`no=${tail}`), 1)).toThrow()
      fileSystem.heal()
      wal.append(groupOf(`ok=${tail}`), 1)
      const random = randomFrom(cut)
      for (let i = 0; i < 20; i++) {
        const { operations } = await replayAll(disk.crash('random', random))
        expect(operations).toEqual([`1:ok=${tail}`])
      }
    }
  })
})

describe('rotation', () => {
  it('syncs the old segment, then the header of the new one, and only then takes groups', async () => {
    const { wal } = await openLog(fileSystem, { segmentSize: 300 })
    wal.append(groupOf('a=1'), 1)
    expect(wal.full).toBe(false)
    wal.append(groupOf(`b=${'x'.repeat(200)}`), 2)
    expect(wal.full).toBe(true)
    await new Promise(setImmediate)
    const before = fileSystem.log.length
    await wal.rotate()
    expect(fileSystem.log.slice(before).map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'write /db/000001.wal',
      'sync /db/000001.wal',
      'size /db/000001.wal',
      'write /db/000002.wal',
      'sync /db/000002.wal',
      'close /db/000001.wal',
    ])
    expect(fileSystem.log.slice(before - 2, before).map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'open /db/000002.wal',
      'syncDir /db',
    ])
    expect([wal.full, wal.number, wal.syncedSequence]).toEqual([false, 2, 2])
    wal.append(groupOf('c=3'), 3)
    await wal.close()
    const { operations, segments } = await replayAll(disk)
    expect(operations.map((text) => text.slice(0, 3))).toEqual(['1:a', '2:b', '3:c'])
    expect(segments.map(({ number, lastSequence }) => [number, lastSequence])).toEqual([
      [1, 2],
      [2, 3],
    ])
  })

  it('makes the next file itself when none was prepared, and deletes a prepared one at close', async () => {
    const { wal } = await openLog(fileSystem, { segmentSize: 200 })
    await wal.rotate()
    expect(await numbersIn(disk)).toEqual([1, 2])
    wal.append(groupOf('a=1'), 1)
    await new Promise(setImmediate)
    expect(await numbersIn(disk)).toEqual([1, 2, 3])
    await wal.close()
    expect(await numbersIn(disk)).toEqual([1, 2])
  })

  it('is tried again after any operation of it failed for want of space or descriptors', async () => {
    for (const errno of ['ENOSPC', 'EMFILE']) {
      for (const kind of ['open', 'syncDir', 'write', 'size'] as const) {
        for (const after of [0, 1]) {
          disk = new MemoryFileSystem()
          fileSystem = new FaultFileSystem(disk)
          const { wal } = await openLog(fileSystem)
          wal.append(groupOf('a=1'), 1)
          const fault = fileSystem.fail({ kind, errno, after })
          const failed = await wal.rotate().then(
            () => false,
            () => true,
          )
          expect(failed).toBe(fault.struck > 0)
          fileSystem.heal()
          expect(wal.failed).toBe(undefined)
          if (failed) {
            const { operations } = await replayAll(disk.crash('all', never))
            expect(operations).toEqual(['1:a=1'])
            await wal.rotate()
          }
          wal.append(groupOf('b=2'), 2)
          await wal.close()
          expect((await replayAll(disk)).operations).toEqual(['1:a=1', '2:b=2'])
          expect(fileSystem.openCount).toBe(0)
        }
      }
    }
  })

  it('ends the log when a sync of either segment fails', async () => {
    for (const after of [0, 1]) {
      disk = new MemoryFileSystem()
      fileSystem = new FaultFileSystem(disk)
      const { wal } = await openLog(fileSystem)
      wal.append(groupOf('a=1'), 1)
      fileSystem.fail({ kind: 'sync', after })
      await expect(wal.rotate()).rejects.toMatchObject({ code: 'IO_ERROR' })
      expect(wal.failed).toMatchObject({ code: 'IO_ERROR', path: segmentPath(directory, 1 + after) })
      expect(() => wal.append(groupOf('b=2'), 2)).toThrow(wal.failed)
      await expect(wal.sync()).rejects.toBe(wal.failed)
      await wal.close()
      expect(fileSystem.openCount).toBe(0)
      const { wal: reopened, operations } = await openLog(disk)
      expect(operations).toEqual(['1:a=1'])
      await reopened.close()
    }
  })
})

describe('restart', () => {
  it('begins a chain that rests on nothing before it, whatever sync has failed', async () => {
    for (const after of [0, 1]) {
      disk = new MemoryFileSystem()
      fileSystem = new FaultFileSystem(disk)
      const { wal } = await openLog(fileSystem)
      wal.append(groupOf('a=1'), 1)
      await wal.sync()
      await wal.rotate()
      wal.append(groupOf('b=2', 'c=3'), 2)
      fileSystem.fail({ kind: 'sync', after, dropUnsynced: true })
      await expect(wal.rotate()).rejects.toMatchObject({ code: 'IO_ERROR' })
      await wal.restart(3)
      expect(wal.failed).toBeUndefined()
      expect([wal.segmentCount, wal.lastSequence, wal.syncedSequence]).toEqual([1, 3, 3])
      wal.append(groupOf('d=4'), 4)
      await wal.sync()
      // Before and behind the deletion of the old segments.
      for (let i = 0; i < 2; i++) {
        for (const profile of ['nothing', 'all'] as const) {
          const replayed = await replayAll(disk.crash(profile, never), { fromSequence: 3 })
          expect(replayed.operations).toEqual(['4:d=4'])
        }
        await wal.release(3)
      }
      expect(await numbersIn(disk)).toEqual([wal.number])
      expect(wal.sizeBytes).toBe(contentOf(disk, segmentPath(directory, wal.number)).length)
      await wal.rotate()
      wal.append(groupOf('e=5'), 5)
      await wal.close()
      expect(fileSystem.openCount).toBe(0)
      expect((await replayAll(disk, { fromSequence: 3 })).operations).toEqual(['4:d=4', '5:e=5'])
    }
  })

  it('that fails changes nothing, and can be tried again', async () => {
    for (const spec of [
      { kind: 'open' },
      { kind: 'write' },
      { kind: 'sync' },
      { kind: 'syncDir' },
    ] as const) {
      disk = new MemoryFileSystem()
      fileSystem = new FaultFileSystem(disk)
      const { wal } = await openLog(fileSystem)
      wal.append(groupOf('a=1'), 1)
      fileSystem.fail({ kind: 'sync' })
      await expect(wal.sync()).rejects.toMatchObject({ code: 'IO_ERROR' })
      fileSystem.fail(spec)
      await expect(wal.restart(1)).rejects.toMatchObject({ code: 'IO_ERROR' })
      expect(() => wal.append(groupOf('b=2'), 2)).toThrow(wal.failed)
      expect((await replayAll(disk, { readOnly: true })).operations).toEqual(['1:a=1'])
      await wal.restart(1)
      wal.append(groupOf('b=2'), 2)
      await wal.close()
      expect(fileSystem.openCount).toBe(0)
      expect((await replayAll(disk, { fromSequence: 1 })).operations).toEqual(['2:b=2'])
    }
  })
})

describe('release', () => {
  it('deletes the segments that tables hold, also those found at open', async () => {
    for (let i = 1; i <= 3; i++) {
      const { wal } = await openLog(fileSystem)
      wal.append(groupOf('a=1', 'b=2'), i * 2 - 1)
      await wal.close()
    }
    const { wal } = await openLog(fileSystem)
    const before = wal.sizeBytes
    expect(await wal.release(3)).toBe(1)
    expect(await numbersIn(disk)).toEqual([2, 3, 4])
    expect(wal.sizeBytes).toBeLessThan(before)
    expect((await replayAll(disk, { fromSequence: 3 })).operations).toEqual(['4:b=2', '5:a=1', '6:b=2'])
    expect(await wal.release(6)).toBe(2)
    expect(await numbersIn(disk)).toEqual([4])
    expect(wal.sizeBytes).toBe(contentOf(disk, segmentPath(directory, 4)).length)
    wal.append(groupOf('c=3'), 7)
    expect((await replayAll(disk, { fromSequence: 6 })).operations).toEqual(['7:c=3'])
    await wal.close()
  })

  it('tries a deletion again that failed', async () => {
    await (await openLog(fileSystem)).wal.close()
    const { wal } = await openLog(fileSystem)
    fileSystem.fail({ kind: 'unlink' })
    await expect(wal.release(0)).rejects.toMatchObject({ code: 'IO_ERROR' })
    expect(await wal.release(0)).toBe(1)
    expect(await numbersIn(disk)).toEqual([2])
    await wal.close()
  })

  it('deletes what an interrupted rotation left, once the new segment is there', async () => {
    const { wal } = await openLog(fileSystem)
    wal.append(groupOf('a=1'), 1)
    fileSystem.fail({ kind: 'write', after: 1, errno: 'ENOSPC', forGood: true })
    await expect(wal.rotate()).rejects.toMatchObject({ code: 'NO_SPACE' })
    const crashed = disk.crash('all', never)
    expect(await replayAll(crashed)).toMatchObject({ obsolete: [2], operations: ['1:a=1'] })
    const reopened = await openLog(crashed)
    expect(reopened.operations).toEqual(['1:a=1'])
    expect(await reopened.wal.release(0)).toBe(1)
    expect(await numbersIn(crashed)).toEqual([1, 3])
    await reopened.wal.close()
  })
})

describe('creation', () => {
  it('leaves nothing behind when it fails, whatever fails', async () => {
    for (const kind of ['open', 'syncDir', 'write', 'sync'] as const) {
      disk = new MemoryFileSystem()
      await disk.mkdir(directory)
      fileSystem = new FaultFileSystem(disk)
      fileSystem.fail({ kind, errno: 'ENOSPC' })
      const settings = { fileSystem, directory, databaseId, segmentSize: 1000 }
      await expect(Wal.create(settings, { number: 1, lastSequence: 0 }, never)).rejects.toMatchObject({
        code: kind === 'sync' ? 'IO_ERROR' : 'NO_SPACE',
      })
      expect([await numbersIn(disk), fileSystem.openCount]).toEqual([[], 0])
    }
  })
})
