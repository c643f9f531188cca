/**
 * The power goes before every operation of the file system in turn. Whatever is left must open on a prefix of the
 * commit order that holds all that was synced.
 * Left out on purpose, each sync of the protocol must be found missing: that is what proves this test.
 */

import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import type { File, FileSystem, OpenMode } from '../../src/env/file-system.js'
import { CRASH_PROFILES } from '../../src/env/memory-crash.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { segmentPath } from '../../src/wal/wal-format.js'
import { randomFrom } from '../model/random.js'
import { contentOf, directory, groupOf, openLog, replayAll } from './logs.js'

/** One moment at which the power went, and what must be found again. */
interface Crash {
  readonly survived: MemoryFileSystem
  /** What was committed, in order. */
  readonly committed: readonly string[]
  /** The group that was being committed, and those that were rejected since: one of them may have got through. */
  readonly undecided: readonly (readonly string[])[]
  /** How many operations are known to be on the device. */
  readonly synced: number
  readonly when: string
}

/** How often room was made ahead of the records, and how often that was filled. */
const rooms = { made: 0, crossed: 0 }

type Chance = () => number
type Wrap = (fileSystem: FileSystem) => FileSystem

/** Opens the log on `disk`, writes to it for a while, and takes a crash before each operation. */
async function live(disk: MemoryFileSystem, random: Chance, steps: number, wrap: Wrap): Promise<Crash[]> {
  const crashes: Crash[] = []
  const committed = (await replayAll(disk)).operations
  let undecided: string[][] = []
  let synced = () => committed.length
  const faults = new FaultFileSystem(disk, {
    observe: ({ kind, path, index }) => {
      const profile = CRASH_PROFILES[Math.floor(random() * CRASH_PROFILES.length)]
      crashes.push({
        survived: disk.crash(profile, random),
        committed: committed.slice(),
        undecided: undecided.slice(),
        synced: synced(),
        when: `${profile} before operation ${index}, ${kind} ${path}`,
      })
    },
    shorten: (_, length) => (random() < 0.2 ? Math.ceil(random() * length) : length),
  })
  const { wal } = await openLog(wrap(faults), { segmentSize: 1500 })
  synced = () => wal.syncedSequence
  let attempt = 0
  // Now and then a log that is synced in small pieces, and so has room ahead.
  const trickles = random() < 0.5
  let room = { number: 0, end: 0 }
  for (let step = 0; step < steps; step++) {
    const texts = Array.from(
      { length: trickles ? 1 : 1 + Math.floor(random() * 3) },
      () =>
        `k${committed.length}.${++attempt}=${'v'.repeat(trickles ? 1 : random() < 0.1 ? 900 : random() * 40)}`,
    )
    const full = random() < 0.1
    if (full) faults.byteQuota = faults.bytesWritten + Math.floor(random() * 200)
    try {
      // Also with room behind the last record, as a flush does.
      if (wal.full || (trickles && random() < 0.05)) await wal.rotate()
      const group = texts.map((text, index) => `${committed.length + index + 1}:${text}`)
      undecided.push(group)
      wal.append(groupOf(...texts), committed.length + 1)
      committed.push(...group)
      undecided = []
    } catch (error) {
      expect(error).toMatchObject({ code: 'NO_SPACE' })
    }
    faults.byteQuota = Number.POSITIVE_INFINITY
    if (random() < (trickles ? 0.7 : 0.2)) {
      await wal.sync()
      const { number, length } = wal.synced
      const size = contentOf(disk, segmentPath(directory, number)).length
      if (room.number === number && room.end < length) rooms.crossed++
      if (size > length && (room.number !== number || size > room.end)) {
        rooms.made++
        room = { number, end: size }
      }
    }
    if (random() < 0.1) await new Promise(setImmediate)
  }
  if (random() < 0.5) await wal.close()
  return crashes
}

/** Throws unless what survived opens on a prefix of the commit order that holds all that was synced. */
async function check({ survived, committed, undecided, synced, when }: Crash): Promise<void> {
  const { operations } = await replayAll(survived.crash('all', () => 0)).catch((error: unknown) => {
    throw new Error(`${when}: ${String(error)}`)
  })
  const more = undecided.find((group) => operations.join() === [...committed, ...group].join())
  const expected = committed.slice(0, operations.length)
  if (more === undefined && operations.join() !== expected.join()) expect(operations, when).toEqual(expected)
  expect(operations.length, when).toBeGreaterThanOrEqual(synced)
}

/** Lives, crashes, and lives on from some of the crashes. */
async function generations(
  seed: number,
  steps: number,
  wrap: Wrap = (fileSystem) => fileSystem,
): Promise<number> {
  const random = randomFrom(seed)
  let disk = new MemoryFileSystem()
  let states = 0
  for (let generation = 0; generation < 4; generation++) {
    const crashes = await live(disk, random, steps, wrap)
    for (const crash of crashes) await check(crash)
    states += crashes.length
    // The first generation is followed from anywhere, the later ones from within recovery too.
    const reach = generation % 2 === 0 ? crashes.length : 8
    disk = crashes[Math.floor(random() * Math.min(reach, crashes.length))].survived
  }
  return states
}

/** Leaves out each sync for which `without` says so. */
function ablated(without: (kind: 'sync' | 'syncDir', path: string, nth: number) => boolean): Wrap {
  return (inner) => {
    const counts = new Map<string, number>()
    const leaveOut = (kind: 'sync' | 'syncDir', path: string): boolean => {
      const nth = counts.get(path) ?? 0
      counts.set(path, nth + 1)
      return without(kind, path, nth)
    }
    const wrapFile = (file: File, path: string): File => ({
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position) => file.read(target, position),
      writeSync: (source, position) => file.writeSync(source, position),
      sync: async () => (leaveOut('sync', path) ? undefined : file.sync()),
      syncSync: () => (leaveOut('sync', path) ? undefined : file.syncSync()),
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      close: () => file.close(),
      closeSync: () => file.closeSync(),
    })
    return {
      open: async (path: string, mode: OpenMode) => wrapFile(await inner.open(path, mode), path),
      openSync: (path: string, mode: OpenMode) => wrapFile(inner.openSync(path, mode), path),
      lockHolder: (path) => inner.lockHolder(path),
      rename: (from, to) => inner.rename(from, to),
      unlink: (path) => inner.unlink(path),
      link: (existing, created) => inner.link(existing, created),
      mkdir: (path) => inner.mkdir(path),
      rmdir: (path) => inner.rmdir(path),
      readdir: (path) => inner.readdir(path),
      stat: (path) => inner.stat(path),
      syncDir: async (path) => (leaveOut('syncDir', path) ? undefined : inner.syncDir(path)),
      lock: (path) => inner.lock(path),
    }
  }
}

/** Whether any of some runs finds a violation. */
async function found(wrap: Wrap): Promise<boolean> {
  for (let seed = 1; seed <= 40; seed++) {
    try {
      await generations(seed, 40, wrap)
    } catch {
      return true
    }
  }
  return false
}

describe('after a crash', () => {
  it('the log opens on a prefix of the commit order that holds all that was synced', async () => {
    let states = 0
    for (let seed = 1; seed <= Number(process.env.VARVE_SEEDS ?? 12); seed++) {
      try {
        states += await generations(seed, 50)
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
    expect(states).toBeGreaterThan(2000)
    expect(rooms.made).toBeGreaterThan(50)
    expect(rooms.crossed).toBeGreaterThan(20)
  })

  it('recovery gives the same again, wherever it is interrupted', async () => {
    const random = randomFrom(5)
    for (const crash of (await live(new MemoryFileSystem(), random, 40, (same) => same)).slice(-30)) {
      const { operations } = await replayAll(crash.survived.crash('all', random))
      for (const again of await live(crash.survived, random, 0, (same) => same)) {
        expect((await replayAll(again.survived)).operations, again.when).toEqual(operations)
      }
    }
  })
})

describe('the crash test finds it when', () => {
  const cases: Record<string, Wrap> = {
    'nothing is synced': ablated((kind) => kind === 'sync'),
    'names are not synced': ablated((kind, path) => kind === 'syncDir' && path === '/db'),
    'the header of a segment is not synced': ablated((kind, _, nth) => kind === 'sync' && nth === 0),
    'groups are not synced': ablated((kind, _, nth) => kind === 'sync' && nth > 0),
  }
  for (const [what, wrap] of Object.entries(cases)) {
    it(what, async () => {
      expect(await found(wrap)).toBe(true)
    })
  }
})
