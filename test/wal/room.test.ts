/**
 * Room ahead: a log that is synced in small pieces has zeros behind its records, so that most syncs find the file as long as it
 * is. They count for nothing, wherever the log ends and whatever becomes of them.
 */
import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import type { File, FileSystem, OpenMode } from '../../src/env/file-system.js'
import { CRASH_PROFILES } from '../../src/env/memory-crash.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import type { Wal } from '../../src/wal/wal.js'
import { SEGMENT_HEADER_LENGTH, segmentPath } from '../../src/wal/wal-format.js'
import { randomFrom } from '../model/random.js'
import { contentOf, directory, groupOf, openLog, putFile, recordOffsets, replayAll } from './logs.js'

const first = segmentPath(directory, 1)
/** The most room that is made at once. */
const MAX_ROOM = 256 * 1024

interface Trickle {
  readonly disk: MemoryFileSystem
  readonly fileSystem: FaultFileSystem
  readonly wal: Wal
  /** The sizes that the file had behind the syncs. */
  readonly sizes: number[]
  readonly operations: string[]
}

/** A log into which `count` groups were written, each synced. */
async function trickle(
  count: number,
  settings: { segmentSize?: number; value?: string } = {},
): Promise<Trickle> {
  const disk = new MemoryFileSystem()
  const fileSystem = new FaultFileSystem(disk)
  const { wal } = await openLog(fileSystem, settings)
  const log: Trickle = { disk, fileSystem, wal, sizes: [], operations: [] }
  await goOn(log, count, settings.value)
  return log
}

async function goOn({ disk, wal, sizes, operations }: Trickle, count: number, value = 'v'): Promise<void> {
  for (let i = 0; i < count; i++) {
    const next = wal.lastSequence + 1
    wal.append(groupOf(`key${next}=${value}`), next)
    operations.push(`${next}:key${next}=${value}`)
    await wal.sync()
    sizes.push(await sizeOf(disk))
  }
}

async function sizeOf(disk: MemoryFileSystem, path = first): Promise<number> {
  return (await disk.stat(path))?.sizeBytes ?? 0
}

/** How often the file became longer. */
function growths(sizes: readonly number[]): number {
  return sizes.filter((size, i) => size !== sizes[i - 1]).length
}

describe('a log that is synced in small pieces', () => {
  it('has room ahead, as much as was written, and finds it at most syncs', async () => {
    const log = await trickle(2000)
    const { sizes } = log
    expect(growths(sizes.slice(0, 200))).toBeLessThan(14)
    expect(growths(sizes.slice(200))).toBeLessThan(8)
    const length = recordOffsets(contentOf(log.disk, first), 1).at(-1) ?? 0
    expect(sizes.at(-1)).toBeGreaterThan(length)
    expect(sizes.at(-1)).toBeLessThanOrEqual(2 * length)
    expect((await replayAll(log.disk.crash('nothing', Math.random))).operations).toEqual(log.operations)
  })

  it('never has more than a bound, and none behind the size of a segment', async () => {
    const value = 'v'.repeat(1000)
    const { disk, sizes, wal } = await trickle(1000, { value })
    expect(Math.max(...sizes.map((size, i) => size - (sizes[i - 1] ?? 0)))).toBeGreaterThan(MAX_ROOM - 2000)
    expect((sizes.at(-1) ?? 0) - wal.synced.length).toBeLessThanOrEqual(MAX_ROOM)
    await wal.close()
    expect(await sizeOf(disk)).toBe(wal.synced.length)
    const small = await trickle(30, { segmentSize: 1000 })
    const lengths = small.sizes.map((_, i) => SEGMENT_HEADER_LENGTH + 56 * (i + 1))
    const withRoom = small.sizes.filter((size, i) => size > lengths[i])
    expect(withRoom.length).toBeGreaterThan(8)
    expect(Math.max(...withRoom)).toBeLessThanOrEqual(1000)
  })

  it('has none when it is closed', async () => {
    const log = await trickle(50)
    const before = log.sizes.at(-1) ?? 0
    await log.wal.close()
    const { disk } = log
    expect(await sizeOf(disk)).toBeLessThan(before)
    expect(recordOffsets(contentOf(disk, first), 1).at(-1)).toBe(await sizeOf(disk))
    expect(await replayAll(disk)).toMatchObject({ operations: log.operations, closedInOrder: true })
  })

  it('is closed in order all the same when the room cannot be given back', async () => {
    const { disk, fileSystem, sizes, wal } = await trickle(50)
    fileSystem.fail({ kind: 'truncate' })
    await wal.close()
    expect(await sizeOf(disk)).toBe(sizes.at(-1))
    const replayed = await replayAll(disk)
    expect(replayed).toMatchObject({ lastSequence: 50, closedInOrder: true })
    expect(replayed.torn).toBeUndefined()
  })

  it('is sealed with its room, which does not count and need not be there', async () => {
    const log = await trickle(50)
    await log.wal.rotate()
    expect(await sizeOf(log.disk)).toBe(log.sizes.at(-1))
    await goOn(log, 3)
    const bytes = contentOf(log.disk, first)
    const length = recordOffsets(bytes, 1).at(-1) ?? 0
    expect(length).toBeLessThan(bytes.length)
    for (const cut of [length, length + 1, bytes.length - 1, bytes.length]) {
      await putFile(log.disk, first, bytes.subarray(0, cut))
      expect((await replayAll(log.disk)).operations).toEqual(log.operations)
    }
    await putFile(log.disk, first, bytes.subarray(0, length - 1))
    await expect(replayAll(log.disk)).rejects.toMatchObject({ code: 'CORRUPTION', path: first })
  })
})

describe('no room is made', () => {
  it('for what is large beside it, or rarely synced', async () => {
    const { disk, wal } = await trickle(20, { value: 'v'.repeat(100_000) })
    expect(await sizeOf(disk)).toBe(wal.synced.length)
    const rare = await trickle(0)
    for (let i = 1; i <= 80; i++) {
      rare.wal.append(groupOf(`key${i}=v`), i)
      if (i % 40 === 0) await rare.wal.sync()
    }
    expect(await sizeOf(rare.disk)).toBe(rare.wal.synced.length)
  })

  it('by a close or a seal', async () => {
    for (let count = 0; count < 20; count++) {
      for (const end of ['close', 'rotate'] as const) {
        const { disk, fileSystem, wal } = await trickle(count)
        if (count % 2 === 0) wal.append(groupOf('more=v'), count + 1)
        const before = await sizeOf(disk)
        let longest = 0
        fileSystem.observe = ({ kind }) => {
          if (kind === 'sync') longest = Math.max(longest, contentOf(disk, first).length)
        }
        await wal[end]()
        expect(longest - before, `${end} behind ${count}`).toBeLessThanOrEqual(40)
      }
    }
  })
})

describe('when there is no space for room', () => {
  it('it is as long as it can be, and everything is written as long as that can be', async () => {
    for (let left = 0; left < 400; left += 7) {
      const log = await trickle(0)
      const { disk, fileSystem, wal } = log
      fileSystem.byteQuota = fileSystem.bytesWritten + 200 + left
      const refused = await goOn(log, 100).catch((error: unknown) => error)
      const accepted = log.sizes.length
      expect(refused).toMatchObject({ code: 'NO_SPACE' })
      expect(accepted).toBeGreaterThanOrEqual(3)
      fileSystem.heal()
      await goOn(log, 30)
      expect(wal.syncedSequence).toBe(accepted + 30)
      for (const profile of CRASH_PROFILES) {
        const survived = disk.crash(profile, randomFrom(left))
        expect((await replayAll(survived)).operations).toEqual(log.operations)
      }
    }
  })

  it('whatever else is wrong with it, it is not tried again in this segment', async () => {
    const log = await trickle(2)
    const { disk, fileSystem } = log
    let writes = 0
    fileSystem.observe = ({ kind }) => {
      if (kind === 'write') writes++
    }
    // The write of the group, then that of the zeros.
    const fault = fileSystem.fail({ kind: 'write', after: 1, errno: 'EDQUOT' })
    await goOn(log, 40)
    expect([fault.struck, writes]).toEqual([1, 41])
    expect((await replayAll(disk)).operations).toEqual(log.operations)
    await log.wal.rotate()
    await goOn(log, 40)
    expect(await sizeOf(disk, segmentPath(directory, 2))).toBeGreaterThan(log.wal.synced.length)
  })
})

describe('in room that was made', () => {
  it('a group that was not on the device is a torn tail, without the zeros behind it', async () => {
    const { disk, wal, operations } = await trickle(50)
    const end = wal.synced.length
    const next = 'x'.repeat(700)
    wal.append(groupOf(`torn=${next}`), 51)
    expect(wal.synced.length).toBe(end)
    expect(await sizeOf(disk)).toBeGreaterThan(end + 800)
    const random = randomFrom(3)
    let torn = 0
    for (let i = 0; i < 100; i++) {
      const replayed = await replayAll(disk.crash(i % 2 === 0 ? 'torn' : 'prefix', random))
      if (replayed.operations.length === 51) continue
      expect(replayed.operations).toEqual(operations)
      if (replayed.torn === undefined) continue
      torn++
      expect(replayed.torn).toMatchObject({ path: first, offset: end })
      expect(replayed.torn.discardedBytes).toBeLessThanOrEqual(760)
    }
    expect(torn).toBeGreaterThan(20)
  })

  it('a rejected group does not come back behind an accepted one, also when room is made over it', async () => {
    const tail = 'x'.repeat(900)
    let madeOver = false
    for (let count = 60; count < 80; count++) {
      const log = await trickle(count)
      const { disk, fileSystem, wal, operations } = log
      wal.append(groupOf('before=v'), count + 1)
      operations.push(`${count + 1}:before=v`)
      const size = await sizeOf(disk)
      fileSystem.byteQuota = fileSystem.bytesWritten + 40 + (count % 10) * 90
      expect(() => wal.append(groupOf(`no=${tail}`), count + 2)).toThrow()
      fileSystem.heal()
      if (count % 2 === 0) await wal.sync()
      madeOver ||= count % 2 === 0 && (await sizeOf(disk)) > size + 1000
      wal.append(groupOf(`ok=${tail}`), count + 2)
      expect(wal.syncedSequence).toBe(count + 2)
      const random = randomFrom(count)
      for (let i = 0; i < 10; i++) {
        const replayed = await replayAll(disk.crash('random', random))
        expect(replayed.operations).toEqual([...operations, `${count + 2}:ok=${tail}`])
      }
    }
    expect(madeOver).toBe(true)
  })

  it('a reader beside the writer sees no hole, however its reads and the writes are mixed', async () => {
    for (const piece of [8, 24, 40]) {
      const log = await trickle(60)
      const { operations, torn } = await replayAll(beside(log, piece), { readOnly: true })
      expect(log.operations.length).toBeGreaterThanOrEqual(64)
      expect(operations.length).toBeGreaterThanOrEqual(60)
      expect(operations).toEqual(log.operations.slice(0, operations.length))
      expect(torn?.offset ?? 0).toBeLessThan(log.wal.synced.length)
    }
  })
})

/** The file system of a reader that reads so many bytes at once; once a file the writer writes on, when it has read behind the end. */
function beside(log: Trickle, piece: number): FileSystem {
  const withRead = (file: File): File => {
    let isOvertaken = false
    return overriding(file, 'read', async (target: Uint8Array, position: number) => {
      const length = await file.read(target.subarray(0, piece), position)
      if (!isOvertaken && position + length > log.wal.synced.length) {
        isOvertaken = true
        await goOn(log, 2)
      }
      return length
    })
  }
  return overriding(log.disk as FileSystem, 'open', async (path: string, mode: OpenMode) =>
    withRead(await log.disk.open(path, mode)),
  )
}

/** `object` with another method `name`. */
function overriding<T extends object, N extends keyof T>(object: T, name: N, method: T[N]): T {
  return new Proxy(object, {
    get: (target, key) => {
      const value: unknown = key === name ? method : Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
