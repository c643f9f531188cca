/** One line that replays a failure, written and read. */
import { type Crash, DEATHS, floorOf, imageOf } from './crashes.js'
import { examine } from './examine.js'
import { recoveryPoints } from './recovery.js'
import { carryOut, type RunOptions, type Sequence } from './run.js'
import { MODES, STARTS } from './settings.js'

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

export function replayLine(replay: Replay): string {
  return `npm run test:crashes -- --replay '${formatReplay(replay)}'`
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

/** Throws what the replayed crash is found guilty of. */
export async function replay(
  { sequence, failed, point, recoveryPoint, crashes = [] }: Replay,
  verdict?: RunOptions['verdict'],
): Promise<void> {
  const outcome = await carryOut(sequence, {
    mayFail: failed !== undefined,
    verdict: (step, index) => (index === failed ? 'fail' : (verdict?.(step, index) ?? 'make')),
  })
  const [crash, next] = crashes
  if (crash === undefined) return
  // The first point of that index is the moment of the crash; a run takes each index once.
  const at = outcome.points.find(({ index }) => index === point)
  const mode = MODES.get(sequence.mode)
  if (at === undefined || mode === undefined) throw new Error(`there is no point ${point}`)
  const { promised, now } = at
  const { issued, snapshots, perhaps } = promised
  let image = imageOf(at, crash)
  if (next !== undefined) {
    const second = (await recoveryPoints(image, sequence.mode, now)).find(
      ({ index }) => index === recoveryPoint,
    )
    if (second === undefined) throw new Error(`there is no point ${recoveryPoint} in the recovery`)
    image = imageOf(second, next)
  }
  const { states } = outcome
  const floor = floorOf(promised, crashes)
  await examine(image, { mode, states, floor, issued, snapshots, perhaps, now, again: true, thorough: true })
}
