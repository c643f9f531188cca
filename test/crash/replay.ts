/** One line that replays a failure, written and read. */
import { type Crash, DEATHS, floorOf, imageOf } from './crashes.js'
import { type Expected, examine } from './examine.js'
import { recoveryPoints } from './recovery.js'
import { carryOut, type Outcome, type Point, type Sequence } from './run.js'
import { MODES, STARTS } from './settings.js'
import type { Judge } from './step-file-system.js'

/** A sequence, where it was crashed, and where its recovery was. */
export interface Replay {
  readonly sequence: Sequence
  /** The sync that fails, by the index of its point. */
  readonly failed?: number | undefined
  readonly point?: number
  readonly recoveryPoint?: number
  readonly crashes?: readonly Crash[]
}

/** `old/hybrid-os set,flush !7 @9 torn#5 @3 all#1`: a failed sync at 7, a crash at 9, another at 3 of the recovery. */
export function formatReplay({ sequence, failed, point, recoveryPoint, crashes = [] }: Replay): string {
  const { start, mode, letters } = sequence
  const parts = [`${start}/${mode}`, letters.length === 0 ? '-' : letters.join()]
  if (failed !== undefined) parts.push(`!${failed}`)
  for (const [i, { death, seed }] of crashes.entries()) {
    parts.push(`@${i === 0 ? point : recoveryPoint}`, `${death}#${seed}`)
  }
  return parts.join(' ')
}

/** The command that replays what {@link formatReplay} has written. */
export function replayLine(formatted: string): string {
  return `npm run test:crashes -- --replay '${formatted}'`
}

export function parseReplay(line: string): Replay {
  const [where = '', letters = '', ...rest] = line.trim().split(/\s+/)
  const [startName, mode = ''] = where.split('/')
  const start = STARTS.find((one) => one === startName)
  if (start === undefined || !MODES.has(mode)) throw new Error(`not a replay: ${line}`)
  const sequence = { start, mode, letters: letters === '-' ? [] : letters.split(',') }
  const failed = rest[0]?.startsWith('!') ? Number(rest.shift()?.slice(1)) : undefined
  const points: number[] = []
  const crashes: Crash[] = []
  for (let i = 0; i + 1 < rest.length; i += 2) {
    points.push(Number(rest[i].slice(1)))
    const [name, seed] = rest[i + 1].split('#')
    const death = DEATHS.find((one) => one === name)
    if (death === undefined) throw new Error(`not a death: ${name}`)
    crashes.push({ death, seed: Number(seed) })
  }
  const [point, recoveryPoint] = points
  return {
    sequence,
    failed,
    crashes,
    ...(point === undefined ? {} : { point }),
    ...(recoveryPoint === undefined ? {} : { recoveryPoint }),
  }
}

/** The replay names a point that is not there any more. */
export class StaleReplayError extends Error {}

/** Throws what the replayed crash is found guilty of. */
export async function replay(
  { sequence, failed, point, recoveryPoint, crashes = [] }: Replay,
  judge?: () => Judge,
): Promise<void> {
  const outcome = await carryOut(sequence, { failed, judge })
  const [crash, next] = crashes
  if (crash === undefined) return
  const at = outcome.points.find(({ index }) => index === point)
  if (at === undefined) throw new StaleReplayError(`there is no point ${point}`)
  let image = imageOf(at, crash)
  if (next !== undefined) {
    const points = await recoveryPoints(image, sequence.mode, at.now, judge?.())
    const second = points.find(({ index }) => index === recoveryPoint)
    if (second === undefined) throw new StaleReplayError(`there is no point ${recoveryPoint} in the recovery`)
    image = imageOf(second, next)
  }
  await examine(image, {
    ...expectedAt(outcome, sequence.mode, at, crashes),
    judge,
    again: true,
    thorough: true,
  })
}

/** What may be found behind crashes at a point. */
export function expectedAt(
  { states }: Outcome,
  modeName: string,
  { promised, now, closed }: Point,
  crashes: readonly Crash[],
): Omit<Expected, 'again' | 'thorough' | 'judge'> {
  const mode = MODES.get(modeName)
  if (mode === undefined) throw new Error(`there is no mode ${modeName}`)
  const { issued, snapshots, perhaps } = promised
  return {
    mode,
    states,
    floor: floorOf(promised, crashes),
    issued,
    snapshots,
    perhaps,
    now,
    closed: closed && crashes.length === 1,
  }
}
