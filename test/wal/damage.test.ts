import { beforeEach, describe, expect, it } from 'vitest'
import { readU32 } from '../../src/base/bytes.js'
import { fileSalt } from '../../src/base/checksum.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { frameRecord, RECORD_HEADER_LENGTH } from '../../src/record/record-format.js'
import { Wal } from '../../src/wal/wal.js'
import { encodeSegmentHeader, SEGMENT_HEADER_LENGTH, segmentPath } from '../../src/wal/wal-format.js'
import {
  contentOf,
  databaseId,
  directory,
  groupOf,
  numbersIn,
  openLog,
  putFile,
  recordOffsets,
  replayAll,
} from './logs.js'

const first = segmentPath(directory, 1)
const second = segmentPath(directory, 2)
let disk: MemoryFileSystem

beforeEach(() => {
  disk = new MemoryFileSystem()
})

const corrupt = (path: string, offset?: number) =>
  expect.objectContaining({ code: 'CORRUPTION', path, ...(offset === undefined ? {} : { offset }) })

/** What a replay gives: the operations, or where it found corruption. */
async function outcome(fileSystem: MemoryFileSystem): Promise<string[] | { code: string; path: string }> {
  try {
    return (await replayAll(fileSystem)).operations
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'path' in error) {
      return { code: String(error.code), path: String(error.path) }
    }
    throw error
  }
}

/** One segment, not closed: groups 1 to 6, of which the fifth knows that the first three are on the device. */
async function liveLog(): Promise<{ bytes: Uint8Array; offsets: number[]; operations: string[] }> {
  const { wal } = await openLog(disk)
  for (let i = 1; i <= 6; i++) {
    if (i === 4) await wal.sync()
    wal.append(groupOf(`key${i}=value${i}`), i)
  }
  const bytes = contentOf(disk, first)
  const operations = [1, 2, 3, 4, 5, 6].map((i) => `${i}:key${i}=value${i}`)
  return { bytes, offsets: recordOffsets(bytes, 1), operations }
}

/** Three segments, sealed, sealed and live, with two groups each. */
async function chainedLog(): Promise<void> {
  const { wal } = await openLog(disk)
  for (let i = 1; i <= 6; i++) {
    wal.append(groupOf(`key${i}=value${i}`), i)
    if (i === 2 || i === 4) await wal.rotate()
  }
  await wal.sync()
}

describe('a live segment', () => {
  it('cut off anywhere gives the groups before the cut', async () => {
    const { bytes, offsets, operations } = await liveLog()
    for (let length = 0; length <= bytes.length; length++) {
      await putFile(disk, first, bytes.subarray(0, length))
      const replayed = await replayAll(disk)
      const whole = Math.max(0, offsets.filter((offset) => offset > 0 && offset <= length).length - 1)
      expect(replayed.operations).toEqual(operations.slice(0, whole))
      if (length < SEGMENT_HEADER_LENGTH) expect([replayed.segments, replayed.obsolete]).toEqual([[], [1]])
      else {
        const end = offsets[whole + 1]
        // Zeros at the end may never have been more than room.
        const written = bytes.findLastIndex((byte, at) => at < length && byte !== 0) + 1
        expect(replayed.torn?.discardedBytes ?? 0).toBe(Math.max(0, written - end))
        if (length > end) expect(replayed.torn).toMatchObject({ path: first, offset: end })
      }
    }
  })

  it('with zeros or garbage behind it loses nothing', async () => {
    const { bytes, operations } = await liveLog()
    for (const filler of [0, 1, 0xd7, 0xff]) {
      const longer = new Uint8Array(bytes.length + 5000).fill(filler)
      longer.set(bytes)
      await putFile(disk, first, longer)
      const replayed = await replayAll(disk)
      expect(replayed.operations).toEqual(operations)
      expect(replayed.torn?.discardedBytes ?? 0).toBe(filler === 0 ? 0 : 5000)
    }
  })

  it('with any bit flipped gives a prefix, and CORRUPTION below what was on the device', async () => {
    const { bytes, offsets, operations } = await liveLog()
    const synced = offsets[4]
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >>> 3] ^= 1 << (bit & 7)
      await putFile(disk, first, damaged)
      const result = await outcome(disk)
      if (bit >>> 3 < synced) expect(result).toEqual({ code: 'CORRUPTION', path: first })
      else {
        const intact = offsets.findLastIndex((offset) => offset <= bit >>> 3)
        expect(result).toEqual(operations.slice(0, intact - 1))
      }
    }
  })

  it('with any 64 bytes zeroed gives a prefix, and CORRUPTION below what was on the device', async () => {
    const { bytes, offsets, operations } = await liveLog()
    for (let at = 0; at < bytes.length; at += 8) {
      const damaged = bytes.slice()
      damaged.fill(0, at, at + 64)
      await putFile(disk, first, damaged)
      const result = await outcome(disk)
      if (at < offsets[4]) expect(result).toEqual({ code: 'CORRUPTION', path: first })
      else expect(result).toEqual(operations.slice(0, offsets.findLastIndex((offset) => offset <= at) - 1))
    }
  })

  it('is refused when it is shorter than the caller knows', async () => {
    const { bytes, offsets } = await liveLog()
    const known = { number: 1, length: offsets[4] }
    expect((await replayAll(disk, { known })).lastSequence).toBe(6)
    await putFile(disk, first, bytes.subarray(0, offsets[4]))
    expect((await replayAll(disk, { known })).lastSequence).toBe(3)
    await putFile(disk, first, bytes.subarray(0, offsets[4] - 1))
    await expect(replayAll(disk, { known })).rejects.toEqual(corrupt(first, offsets[3]))
    await putFile(disk, first, bytes.subarray(0, 50))
    await expect(replayAll(disk, { known })).rejects.toEqual(corrupt(first))
    await disk.unlink(first)
    await expect(replayAll(disk, { known })).rejects.toEqual(corrupt(first))
  })
})

describe('a record that another one replaced', () => {
  /** Changes the payload of the record at `offset` and frames it anew, as nobody but a stale write could. */
  function forge(bytes: Uint8Array, number: number, offset: number, end: number): Uint8Array {
    const record = bytes.slice(offset, end)
    const payloadLength = readU32(record, 8)
    record[RECORD_HEADER_LENGTH + payloadLength - 1] ^= 1
    frameRecord(record, payloadLength, record[12], fileSalt(databaseId, number), offset)
    const forged = bytes.slice()
    forged.set(record, offset)
    return forged
  }

  it('is found out by the next record', async () => {
    const { bytes, offsets, operations } = await liveLog()
    await putFile(disk, first, forge(bytes, 1, offsets[5], offsets[6]))
    await expect(replayAll(disk)).rejects.toEqual(corrupt(first, offsets[6]))
    await putFile(disk, first, forge(bytes, 1, offsets[6], offsets[7]))
    expect((await replayAll(disk)).operations).toEqual([...operations.slice(0, 5), '6:key6=value7'])
  })

  it('is found out by the next segment', async () => {
    const { wal } = await openLog(disk)
    wal.append(groupOf('a=1'), 1)
    const reopened = await openLog(disk)
    reopened.wal.append(groupOf('b=2'), 2)
    const bytes = contentOf(disk, first)
    await putFile(disk, first, forge(bytes, 1, SEGMENT_HEADER_LENGTH, bytes.length))
    await expect(replayAll(disk)).rejects.toEqual(corrupt(first, bytes.length))
  })
})

describe('a segment that was closed in order', () => {
  it('is refused with any bit of a group flipped', async () => {
    const { wal } = await openLog(disk)
    wal.append(groupOf('a=1', 'b=2'), 1)
    wal.append(groupOf('c=3'), 3)
    await wal.close()
    const bytes = contentOf(disk, first)
    const mark = recordOffsets(bytes, 1)[3]
    for (let bit = 0; bit < mark * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >>> 3] ^= 1 << (bit & 7)
      await putFile(disk, first, damaged)
      expect(await outcome(disk)).toEqual({ code: 'CORRUPTION', path: first })
    }
  })
})

describe('a sealed segment', () => {
  it('is refused with any bit flipped, cut off anywhere, or with anything behind it', async () => {
    await chainedLog()
    const bytes = contentOf(disk, second)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >>> 3] ^= 1 << (bit & 7)
      await putFile(disk, second, damaged)
      await expect(replayAll(disk)).rejects.toEqual(corrupt(second))
    }
    for (let length = 0; length < bytes.length; length++) {
      await putFile(disk, second, bytes.subarray(0, length))
      await expect(replayAll(disk)).rejects.toEqual(corrupt(second))
    }
    for (const behind of [[0], [1, 2, 3], [...bytes]]) {
      await putFile(disk, second, Uint8Array.of(...bytes, ...behind))
      await expect(replayAll(disk)).rejects.toEqual(corrupt(second))
    }
  })

  it('that is missing is refused, unless tables hold it', async () => {
    await chainedLog()
    await disk.unlink(second)
    await expect(replayAll(disk)).rejects.toEqual(corrupt(second))
    await expect(replayAll(disk, { fromSequence: 3 })).rejects.toEqual(corrupt(second))
    expect(await replayAll(disk, { fromSequence: 4 })).toMatchObject({
      operations: ['5:key5=value5', '6:key6=value6'],
      obsolete: [1],
    })
    await disk.unlink(first)
    expect((await replayAll(disk, { fromSequence: 4 })).operations.length).toBe(2)
  })

  it('that is missing at the beginning is refused, unless tables hold it', async () => {
    await chainedLog()
    await disk.unlink(first)
    await expect(replayAll(disk, { fromSequence: 1 })).rejects.toEqual(corrupt(first))
    expect((await replayAll(disk, { fromSequence: 2 })).operations.length).toBe(4)
  })

  it('vouches for the live one: that cannot be missing', async () => {
    await chainedLog()
    await disk.unlink(segmentPath(directory, 3))
    await expect(replayAll(disk)).rejects.toEqual(corrupt(segmentPath(directory, 3)))
  })

  it('swapped with another, from another database or from an older copy is refused', async () => {
    await chainedLog()
    const [one, two] = [contentOf(disk, first), contentOf(disk, second)]
    await putFile(disk, first, two)
    await putFile(disk, second, one)
    await expect(replayAll(disk)).rejects.toEqual(corrupt(second, 0))
    const other = new MemoryFileSystem()
    await other.mkdir(directory)
    const wal = await Wal.create(
      { fileSystem: other, directory, databaseId: databaseId.toReversed(), segmentSize: 1000 },
      { number: 2, lastSequence: 2 },
      () => 9,
    )
    wal.append(groupOf('x=1'), 3)
    await wal.close()
    await putFile(disk, first, one)
    await putFile(disk, second, contentOf(other, second))
    await expect(replayAll(disk)).rejects.toEqual(corrupt(second, 0))
    await putFile(disk, second, two.subarray(0, recordOffsets(two, 2)[2]))
    await expect(replayAll(disk)).rejects.toEqual(corrupt(second))
  })

  it('keeps the torn end that recovery cut off, and nothing else', async () => {
    const { bytes, offsets, operations } = await liveLog()
    await putFile(disk, first, bytes.subarray(0, offsets[6] - 1))
    const { wal } = await openLog(disk)
    wal.append(groupOf('again=5'), 5)
    await wal.close()
    const expected = [...operations.slice(0, 4), '5:again=5']
    expect((await replayAll(disk)).operations).toEqual(expected)
    await putFile(disk, first, bytes)
    await expect(replayAll(disk)).rejects.toEqual(corrupt(first))
  })
})

describe('the newest file', () => {
  it('that never got its header whole is ignored, and its number kept out of use', async () => {
    await chainedLog()
    const third = contentOf(disk, segmentPath(directory, 3))
    for (const bytes of [
      third.subarray(0, 0),
      third.subarray(0, 40),
      new Uint8Array(4096),
      new Uint8Array(99).fill(7),
    ]) {
      await putFile(disk, segmentPath(directory, 4), bytes)
      const replayed = await replayAll(disk)
      expect([replayed.operations.length, replayed.obsolete]).toEqual([6, [4]])
    }
    const { wal } = await openLog(disk)
    expect([wal.number, await wal.release(0), await numbersIn(disk)]).toEqual([5, 1, [1, 2, 3, 5]])
    await wal.close()
  })

  it('with a damaged header is refused once it took a group', async () => {
    const { bytes } = await liveLog()
    bytes.fill(0, 0, SEGMENT_HEADER_LENGTH)
    await putFile(disk, first, bytes)
    await expect(replayAll(disk)).rejects.toEqual(corrupt(first))
  })

  it('of a newer format is refused as such', async () => {
    const header = { formatVersion: 2, databaseId, number: 1, baseSequence: 0, previous: undefined }
    await disk.mkdir(directory)
    await putFile(disk, first, encodeSegmentHeader(header))
    await expect(replayAll(disk)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT', path: first })
  })

  it('with a group that is no sequence of operations is refused, naming the place', async () => {
    const { wal } = await openLog(disk)
    const group = groupOf('a=1')
    group.bytes[group.length - 2] = 200
    wal.append(group, 1)
    await wal.close()
    await expect(replayAll(disk)).rejects.toEqual(corrupt(first, SEGMENT_HEADER_LENGTH))
  })
})
