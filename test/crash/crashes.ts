/** The crashes that a moment may meet, and what each leaves. */
import { createHash } from 'node:crypto'
import { CRASH_PROFILES, type CrashProfile, type MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import type { Promised } from './history.js'
import type { Point } from './run.js'

/**
 * How everything ends: a loss of power in one of the profiles, or a kill, which leaves the page cache. `'kill-midwrite'`: in
 * the middle of the write that comes next, of which a part is there.
 */
export type Death = CrashProfile | 'kill' | 'kill-midwrite'

export const DEATHS: readonly Death[] = [...CRASH_PROFILES, 'kill', 'kill-midwrite']

/** A death, and the seed of what is left to chance in it. */
export interface Crash {
  readonly death: Death
  readonly seed: number
}

/** What is left to chance in a death: so many times as much as in another it is tried. */
const VARIETY: Readonly<Record<Death, number>> = {
  nothing: 0,
  all: 0,
  'data-first': 0,
  'unlinks-first': 0,
  kill: 0,
  'kill-midwrite': 1,
  'metadata-first': 1,
  names: 2,
  prefix: 2,
  random: 2,
  torn: 2,
  garbage: 2,
}

/** Every death, those that chance has a part in `density` times or twice that. */
export function crashesAt(point: Pick<Point, 'step'>, density: number, random: () => number): Crash[] {
  const crashes: Crash[] = []
  for (const death of DEATHS) {
    if (death === 'kill-midwrite' && point.step?.kind !== 'write') continue
    const times = VARIETY[death] === 0 ? 1 : Math.max(1, Math.round(VARIETY[death] * density))
    for (let i = 0; i < times; i++) crashes.push({ death, seed: Math.floor(random() * 2 ** 32) })
  }
  return crashes
}

/** What a crash at `point` leaves. */
export function imageOf(
  { disk, step }: Pick<Point, 'disk' | 'step'>,
  { death, seed }: Crash,
): MemoryFileSystem {
  const random = randomFrom(seed)
  if (death !== 'kill' && death !== 'kill-midwrite') return disk.crash(death, random)
  const image = disk.fork()
  if (death === 'kill-midwrite' && step?.bytes !== undefined) {
    const file = image.openSync(step.path, 'modify')
    file.writeSync(step.bytes.subarray(0, Math.floor(random() * step.bytes.length)), step.position ?? 0)
    file.closeSync()
  }
  return image
}

export function isKill({ death }: Crash): boolean {
  return death === 'kill' || death === 'kill-midwrite'
}

/** The first state that may be left when all of these have come, one in the recovery from the other. */
export function floorOf({ os, disk }: Promised, crashes: readonly Crash[]): number {
  return crashes.every(isKill) ? os : disk
}

/** The same for file systems that hold the same: of one that was killed also what of it is durable. */
export async function fingerprint(image: MemoryFileSystem, killed: boolean): Promise<string> {
  const hash = createHash('md5')
  await hashTree(image, '', hash)
  if (killed) {
    await hashTree(image.crash('nothing', Math.random), '', hash)
    await hashTree(image.crash('data-first', Math.random), '', hash)
  }
  return hash.digest('base64')
}

async function hashTree(
  disk: MemoryFileSystem,
  path: string,
  hash: ReturnType<typeof createHash>,
): Promise<void> {
  for (const name of (await disk.readdir(path)).sort()) {
    const child = `${path}/${name}`
    const status = await disk.stat(child)
    hash.update(`${status?.kind} ${status?.sizeBytes} ${child}\n`)
    if (status?.kind === 'directory') {
      await hashTree(disk, child, hash)
    } else if (status !== undefined) {
      const bytes = new Uint8Array(status.sizeBytes)
      const file = disk.openSync(child, 'read')
      file.readSync(bytes, 0)
      file.closeSync()
      hash.update(bytes)
    }
  }
}
