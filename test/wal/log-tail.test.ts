import { describe, expect, test } from 'vitest'
import { whenResident } from '../../src/iterator/not-resident.js'
import { MemoryFileSystem } from '../../src/testing.js'
import { LogTail } from '../../src/wal/log-tail.js'
import { Wal } from '../../src/wal/wal.js'
import type { SegmentExtent } from '../../src/wal/wal-format.js'
import { databaseId, directory, groupOf } from './logs.js'

async function createLog(lastSequence = 0, segmentSize = 1 << 20): Promise<Wal> {
  const fileSystem = new MemoryFileSystem()
  await fileSystem.mkdir(directory)
  let number = 1
  return Wal.create(
    { fileSystem, directory, databaseId, segmentSize },
    { number, lastSequence },
    () => ++number,
  )
}

/** The sequence numbers of all that the tail hands out now. */
async function read(tail: LogTail, limit = Number.POSITIVE_INFINITY): Promise<number[]> {
  const sequences: number[] = []
  const take = (_operation: unknown, sequence: number): boolean => {
    sequences.push(sequence)
    return sequences.length < limit
  }
  await whenResident(() => tail.fill(take))
  return sequences
}

const notFound = expect.objectContaining({ code: 'NOT_FOUND' })

describe('a tail of the log', () => {
  test('hands out what is there, in portions, and what comes in later', async () => {
    const wal = await createLog()
    wal.append(groupOf('a=1', 'b=2', 'c'), 1)
    const tail = wal.follow(2)
    expect(await read(tail, 1)).toEqual([2])
    expect(await read(tail)).toEqual([3])
    expect(await read(tail)).toEqual([])
    wal.append(groupOf('d=1'), 4)
    await wal.rotate()
    wal.append(groupOf('e=1'), 5)
    expect(await read(tail)).toEqual([4, 5])
    await wal.rotate()
    expect(await read(tail)).toEqual([])
    wal.append(groupOf('f=1'), 6)
    expect(await read(tail)).toEqual([6])
    await tail.close()
    await wal.close()
  })

  test('reads the last bytes of the newest segment at once, so that it reaches the end', async () => {
    const wal = await createLog()
    wal.append(groupOf('a=1'), 1)
    const tail = wal.follow(1)
    await read(tail)
    wal.append(groupOf('b=1'), 2)
    expect(tail.fill(() => true)).toBe(false)
    expect(tail.next).toBe(3)
    await tail.close()
    await wal.close()
  })

  test('looks for segments when it has come to the end of one, not for each record', async () => {
    const fileSystem = new MemoryFileSystem()
    await fileSystem.mkdir(directory)
    const settings = { fileSystem, directory, databaseId }
    const first = { number: 1, lastSequence: 0 }
    const wal = await Wal.create({ ...settings, segmentSize: 1 << 20 }, first, () => 2)
    for (let i = 1; i <= 100; i++) wal.append(groupOf(`${i}=1`), i)
    let looks = 0
    const extents = (): SegmentExtent[] => {
      looks++
      return wal.extents
    }
    const tail = new LogTail(settings, extents, 1)
    expect(await read(tail)).toHaveLength(100)
    expect(looks).toBeLessThan(10)
    await tail.close()
    await wal.close()
  })

  test('reads on in a segment that was deleted under it', async () => {
    const wal = await createLog()
    for (let i = 1; i <= 9; i++) wal.append(groupOf(`${i}=${'x'.repeat(100_000)}`), i)
    const tail = wal.follow(1)
    expect(await read(tail, 1)).toEqual([1])
    await wal.rotate()
    wal.append(groupOf('j=1'), 10)
    expect(await wal.release(9)).toBe(1)
    expect(await read(tail)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
    await tail.close()
    await wal.close()
  })

  test('says so when a segment that it needs was deleted', async () => {
    const wal = await createLog()
    wal.append(groupOf('a=1'), 1)
    const early = wal.follow(1)
    await wal.rotate()
    wal.append(groupOf('b=1'), 2)
    await wal.release(1)
    await expect(read(early)).rejects.toEqual(notFound)
    expect(await read(wal.follow(2))).toEqual([2])
    await wal.close()
  })

  test('says so when the log begins later, though a segment without a group comes first', async () => {
    const wal = await createLog(5)
    await wal.rotate()
    wal.append(groupOf('a=1'), 6)
    await expect(read(wal.follow(3))).rejects.toEqual(notFound)
    expect(await read(wal.follow(6))).toEqual([6])
    await wal.close()
  })

  test('has nothing to say of what was not written yet', async () => {
    const wal = await createLog()
    expect(await read(wal.follow(1))).toEqual([])
    expect(await read(wal.follow(9))).toEqual([])
    await wal.close()
  })
})
