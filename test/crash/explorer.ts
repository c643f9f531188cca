/**
 * Explores: every point of a sequence, every crash at it, and for a share of what they leave every point of the recovery and
 * every crash at that. What was examined before is known by its fingerprint and not examined again.
 */
import { randomFrom } from '../model/random.js'
import { type Crash, crashesAt, fingerprint, imageOf, isKill } from './crashes.js'
import { examine } from './examine.js'
import { type RecoveryPoint, recoveryPoints } from './recovery.js'
import { expectedAt, formatReplay, type Replay } from './replay.js'
import { carryOut, type Outcome, type Point, type RunOptions, type Sequence } from './run.js'
import type { Judge } from './step-file-system.js'

export interface Counts {
  sequences: number
  points: number
  /** Crashes at points, and those of them in the middle of a recovery. */
  states: number
  recoveryStates: number
  /** Those whose outcome was opened and examined: each that differs from all before. */
  examined: number
  failedSyncs: number
}

export interface ExplorerOptions {
  readonly seed: number
  /** How often chance has a try in each profile; 1 if not told. */
  readonly density?: number
  /** The share of the outcomes of crashes whose recovery is crashed too; from 0 to 1. */
  readonly recoveryShare?: number
  /** The share of outcomes that are crashed and opened once more, and of those in which snapshots are restored. */
  readonly againShare?: number
  readonly thoroughShare?: number
  /** Decides about the calls of a process. */
  readonly judge?: (() => Judge) | undefined
  /** Called for every failure with what replays it (see replay.ts); what it throws ends the exploration. */
  readonly onFailure: (replay: string, error: unknown) => void
}

export class Explorer {
  readonly counts: Counts = {
    sequences: 0,
    points: 0,
    states: 0,
    recoveryStates: 0,
    examined: 0,
    failedSyncs: 0,
  }
  readonly #options: ExplorerOptions
  readonly #random: () => number
  readonly #seen = new Set<string>()

  constructor(options: ExplorerOptions) {
    this.#options = options
    this.#random = randomFrom(options.seed)
  }

  /** All crashes behind the last letter of `sequence` was begun. */
  async explore(sequence: Sequence): Promise<void> {
    this.counts.sequences++
    const from = sequence.letters.length - 1
    const outcome = await this.#carryOut(sequence, { from }, { sequence })
    if (outcome === undefined) return
    for (const point of outcome.points) await this.#exploreCrashes(sequence, outcome, point, undefined)
  }

  /** The same when a sync fails that was made behind the last letter was begun, each in turn. */
  async exploreFailedSyncs(sequence: Sequence): Promise<void> {
    const from = sequence.letters.length - 1
    const outcome = await this.#carryOut(sequence, { from }, { sequence })
    for (const { step, index } of outcome?.points ?? []) {
      if (step?.kind === 'sync') await this.exploreFailedSync(sequence, index)
    }
  }

  /** Resumes behind each failed sync of the last letter, and writes behind that. */
  async exploreResumes(sequence: Sequence): Promise<void> {
    const letters = [...sequence.letters, 'resume', 'set-disk']
    const outcome = await this.#carryOut({ ...sequence, letters }, { from: letters.length - 3 }, { sequence })
    for (const { step, index, place } of outcome?.points ?? []) {
      const isHere = step?.kind === 'sync' && place === letters.length - 3
      if (isHere) await this.exploreFailedSync({ ...sequence, letters }, index)
    }
  }

  /** Lets the sync at point `failed` fail, and what it was for never reach the device; then all crashes behind it. */
  async exploreFailedSync(sequence: Sequence, failed: number): Promise<void> {
    this.counts.failedSyncs++
    const outcome = await this.#carryOut(sequence, { failed }, { sequence, failed })
    for (const point of outcome?.points ?? []) {
      if (outcome !== undefined && point.index > failed) {
        await this.#exploreCrashes(sequence, outcome, point, failed)
      }
    }
  }

  async #carryOut(sequence: Sequence, options: RunOptions, replay: Replay): Promise<Outcome | undefined> {
    try {
      return await carryOut(sequence, { ...options, judge: this.#options.judge })
    } catch (error) {
      this.#options.onFailure(formatReplay(replay), error)
      return undefined
    }
  }

  async #exploreCrashes(
    sequence: Sequence,
    outcome: Outcome,
    point: Point,
    failed: number | undefined,
  ): Promise<void> {
    this.counts.points++
    const { density = 1, recoveryShare = 0 } = this.#options
    for (const crash of crashesAt(point, density, this.#random)) {
      this.counts.states++
      const replay: Replay = { sequence, failed, point: point.index, crashes: [crash] }
      const isNew = await this.#examine(outcome, point, imageOf(point, crash), replay)
      if (isNew && this.#random() < recoveryShare) await this.#exploreRecovery(outcome, point, crash, replay)
    }
  }

  /** Crashes at every point of the recovery from `crash`. */
  async #exploreRecovery(outcome: Outcome, point: Point, crash: Crash, replay: Replay): Promise<void> {
    const { density = 1 } = this.#options
    const points = await this.#recoveryPoints(point, crash, replay)
    for (const second of points) {
      for (const next of crashesAt(second, density / 2, this.#random)) {
        this.counts.recoveryStates++
        const crashes = [crash, next]
        const whole = { ...replay, recoveryPoint: second.index, crashes }
        await this.#examine(outcome, point, imageOf(second, next), whole)
      }
    }
  }

  /** A recovery that does not succeed is a failure of the crash before it. */
  async #recoveryPoints(point: Point, crash: Crash, replay: Replay): Promise<RecoveryPoint[]> {
    try {
      return await recoveryPoints(
        imageOf(point, crash),
        replay.sequence.mode,
        point.now,
        this.#options.judge?.(),
      )
    } catch (error) {
      this.#options.onFailure(formatReplay(replay), error)
      return []
    }
  }

  /** Whether it was new. */
  async #examine(
    outcome: Outcome,
    point: Point,
    image: ReturnType<typeof imageOf>,
    replay: Replay,
  ): Promise<boolean> {
    const { crashes = [] } = replay
    const { sequence } = replay
    const expected = expectedAt(outcome, sequence.mode, point, crashes)
    const { floor, issued, now, snapshots, closed } = expected
    // What is asked of it is known by the newest state, the first that counts, and the snapshots.
    const asked = `${sequence.mode} ${sequence.letters.slice(0, -1)} ${floor} ${issued} ${now} ${[...snapshots.keys()]} ${closed}`
    const key = `${await fingerprint(image, crashes.every(isKill))} ${asked}`
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    this.counts.examined++
    const { judge } = this.#options
    const { againShare = 1, thoroughShare = 0.1 } = this.#options
    const again = this.#random() < againShare
    const thorough = this.#random() < thoroughShare
    try {
      await examine(image, { ...expected, judge, again, thorough })
    } catch (error) {
      this.#options.onFailure(formatReplay(replay), error)
    }
    return true
  }
}
