import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import type { FileSystem } from '../../src/env/file-system.js'
import { CRASH_PROFILES } from '../../src/env/memory-crash.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { LogCopy } from '../../src/wal/log-copy.js'
import { replay } from '../../src/wal/replay.js'
import { Wal } from '../../src/wal/wal.js'
import { segmentPath } from '../../src/wal/wal-format.js'
import { randomFrom } from '../model/random.js'
import { databaseId, directory, groupOf, numbersIn, openLog, replayAll } from './logs.js'

const COPY = 1000

/** A log of `count` groups in several segments, not closed. */
async function killedLog(disk: MemoryFileSystem, count: number): Promise<void> {
  const { wal } = await openLog(disk, { segmentSize: 2000 })
  for (let i = 0; i < count; i++) {
    if (wal.full) await wal.rotate()
    wal.append(groupOf(`k${i}=${'v'.repeat(i % 90)}`, `d${i}`), 1 + 2 * i)
  }
}

/** Replays the log into a copy, and lets that be the log; `undefined` when it was given up. */
async function writeAgain(
  fileSystem: FileSystem,
  { fromSequence = 0, segmentSize = 1 << 20 } = {},
): Promise<Wal | undefined> {
  const settings = { fileSystem, directory, databaseId, segmentSize }
  let last = COPY - 1
  const nextNumber = () => ++last
  const copy = new LogCopy(settings, fromSequence, nextNumber)
  const numbers = await numbersIn(fileSystem)
  const { segments, obsolete } = await replay(
    { fileSystem, directory, databaseId, numbers, fromSequence },
    (first, count, bytes, start, end) => copy.add(first, count, bytes, start, end),
  )
  const segment = await copy.finish()
  if (segment === undefined) return undefined
  const old = segments.map(({ number }) => number)
  return Wal.goOn(settings, segment, [...obsolete, ...old], nextNumber)
}

describe('a log that is written again', () => {
  it('holds the same, is on the device, and takes more', async () => {
    const disk = new MemoryFileSystem()
    await killedLog(disk, 300)
    const { operations } = await replayAll(disk)
    expect((await numbersIn(disk)).length).toBeGreaterThan(3)
    const wal = await writeAgain(disk)
    expect([wal?.number, wal?.lastSequence, wal?.syncedSequence]).toEqual([COPY, 600, 600])
    for (const profile of CRASH_PROFILES) {
      const left = disk.crash(profile, randomFrom(1))
      expect((await replayAll(left)).operations, profile).toEqual(operations)
      await wal?.release(0)
    }
    expect(await numbersIn(disk)).toEqual([COPY])
    wal?.append(groupOf('more=1'), 601)
    await wal?.rotate()
    wal?.append(groupOf('more=2'), 602)
    await wal?.close()
    const again = await replayAll(disk.crash('nothing', Math.random))
    expect(again.operations).toEqual([...operations, '601:more=1', '602:more=2'])
    expect(again.closedInOrder).toBe(true)
  })

  it('begins where tables end, in the middle of a group too', async () => {
    const disk = new MemoryFileSystem()
    await killedLog(disk, 40)
    const { operations } = await replayAll(disk)
    const wal = await writeAgain(disk, { fromSequence: 5 })
    await wal?.release(5)
    expect((await replayAll(disk, { fromSequence: 5 })).operations).toEqual(operations.slice(5))
    await expect(replayAll(disk, { fromSequence: 4 })).rejects.toMatchObject({ code: 'CORRUPTION' })
    await wal?.close()
  })

  it('has no more records than it takes', async () => {
    const disk = new MemoryFileSystem()
    await killedLog(disk, 2000)
    const wal = await writeAgain(disk)
    const { counts } = await replayAll(disk)
    let groups = 0
    await replay({ fileSystem: disk, directory, databaseId, numbers: [COPY], fromSequence: 0 }, () => {
      groups++
    })
    expect(counts).toBe(4000)
    expect(groups).toBe(2)
    await wal?.close()
  })

  it('takes the place of what another one has left', async () => {
    const disk = new MemoryFileSystem()
    await killedLog(disk, 40)
    const { operations } = await replayAll(disk)
    const left = await disk.open(`${segmentPath(directory, COPY)}.tmp`, 'create')
    left.writeSync(new Uint8Array(1 << 16).fill(7), 0)
    await left.close()
    const wal = await writeAgain(disk)
    expect(wal?.number).toBe(COPY)
    expect((await replayAll(disk)).operations).toEqual(operations)
    await wal?.close()
  })
})

describe('it is given up, and leaves the log as it was,', () => {
  it('when it does not fit into a segment', async () => {
    const disk = new MemoryFileSystem()
    await killedLog(disk, 3000)
    const before = await replayAll(disk)
    const faults = new FaultFileSystem(disk)
    expect(await writeAgain(faults, { segmentSize: 100_000 })).toBeUndefined()
    expect(faults.openCount).toBe(0)
    expect(await replayAll(disk)).toEqual(before)
    expect((await disk.readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('when a batch is larger than a segment', async () => {
    const disk = new MemoryFileSystem()
    const { wal } = await openLog(disk, { segmentSize: 2000 })
    wal.append(groupOf(`a=${'v'.repeat(3000)}`), 1)
    expect(await writeAgain(disk, { segmentSize: 2000 })).toBeUndefined()
    expect((await replayAll(disk)).counts).toBe(1)
  })

  it('when there was nothing in the log', async () => {
    const disk = new MemoryFileSystem()
    await killedLog(disk, 0)
    const names = await disk.readdir(directory)
    expect(await writeAgain(disk)).toBeUndefined()
    expect(await disk.readdir(directory)).toEqual(names)
  })

  it('when anything fails', async () => {
    const sound = new MemoryFileSystem()
    await killedLog(sound, 300)
    const { operations } = await replayAll(sound)
    const counting = new FaultFileSystem(sound.fork(), { log: true })
    await writeAgain(counting)
    const isCopy = (path: string): boolean => path.startsWith(segmentPath(directory, COPY))
    const calls = counting.log.filter(({ kind, path }) => isCopy(path) || kind === 'syncDir')
    const kinds = new Set(calls.map(({ kind }) => kind))
    expect([...kinds].sort()).toEqual(['close', 'open', 'rename', 'stat', 'sync', 'syncDir', 'write'])
    for (const { index, kind } of calls.filter(({ kind }) => kind !== 'close')) {
      for (const errno of ['EIO', 'ENOSPC']) {
        const disk = sound.fork()
        const faults = new FaultFileSystem(disk)
        faults.fail({ after: index, errno })
        const when = `${errno} at ${kind} ${index}`
        expect(await writeAgain(faults), when).toBeUndefined()
        expect(faults.openCount, when).toBe(0)
        expect(
          (await disk.readdir(directory)).filter((name) => isCopy(`${directory}/${name}`)),
          when,
        ).toEqual([])
        expect((await replayAll(disk.crash('all', Math.random))).operations, when).toEqual(operations)
      }
    }
  })
})
