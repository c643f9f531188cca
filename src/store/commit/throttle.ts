/**
 * The throttle: measures what the current version asks of writers, and holds them back by it.
 *
 * Graded: a delay that grows with the severity, then a stop. Whoever is stopped waits at the gate, and the caller has
 * scheduled the background work that lets him go.
 */
import type { PickerSettings } from '../../compaction/compaction-plan.js'
import { compactionScores } from '../../compaction/level-targets.js'
import type { Version } from '../../version/version.js'
import type { CommitGroup } from './commit-pipeline.js'
import type { StallGate } from './stall-gate.js'
import {
  FREE,
  type StallState,
  slowdownDelayMs,
  stallStateOf,
  type WriteLimits,
  writeLimits,
} from './write-controller.js'

/** A slowed write waits once it owes this much; shorter timers cost more than they hold back. */
const MIN_DELAY_MS = 1

export class Throttle {
  readonly #gate: StallGate
  readonly #picker: PickerSettings
  readonly #limits: WriteLimits
  readonly #waitForRelief: () => Promise<void>
  /** What the current version asks of writers. */
  #pressure: StallState = FREE
  #owedMs = 0

  /** @param waitForRelief - schedules what brings relief, and resolves with it */
  constructor(gate: StallGate, picker: PickerSettings, waitForRelief: () => Promise<void>) {
    this.#gate = gate
    this.#picker = picker
    this.#waitForRelief = waitForRelief
    this.#limits = writeLimits(picker.level0Trigger, picker.baseLevelBytes)
  }

  /** `version` is the current one. */
  measure(version: Version): void {
    const compactionDebtBytes = compactionScores(version, this.#picker).pendingBytes
    this.#pressure = stallStateOf(
      { level0Tables: version.levels[0].length, compactionDebtBytes },
      this.#limits,
    )
  }

  /** What the writers of `group` wait for; `undefined` when they need not. */
  hold(group: CommitGroup): Promise<void> | undefined {
    const { level, reason, severity } = this.#pressure
    if (level === 'none') {
      if (this.#gate.statistics.level === 'slow') this.#gate.enter('none', undefined)
      return undefined
    }
    this.#gate.enter(level, reason)
    if (level === 'stop') return this.#waitForRelief()
    if (group.slowed) return undefined
    group.slowed = true
    this.#owedMs += slowdownDelayMs(group.operations.length, severity)
    if (this.#owedMs < MIN_DELAY_MS) return undefined
    const delayMs = this.#owedMs
    this.#owedMs = 0
    return this.#gate.delay(delayMs)
  }
}
