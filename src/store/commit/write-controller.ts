/**
 * Back-pressure: whether writers run free, are slowed, or stop, and why.
 *
 * Graded: level-0 tables slow writers long before they stop them. Self-ending: each reason is one that a scheduled
 * flush or compaction takes away. A pure decision over the shape of the store; who waits is the commit pipeline's work.
 */

/** What the decision looks at. */
export interface WritePressure {
  readonly level0Tables: number
  /** Bytes that compactions have still to move to bring every level to its target. */
  readonly compactionDebtBytes: number
}

/** Where slowing and stopping begin. */
export interface WriteLimits {
  readonly level0Slowdown: number
  readonly level0Stop: number
  readonly debtSlowdownBytes: number
  readonly debtStopBytes: number
}

/** How many tables more than the trigger level 0 gets at most: each scan merges them all. */
const MOST_BEFORE_SLOWDOWN = 36
const MOST_BEFORE_STOP = 60

/**
 * The limits of a store whose level 0 is compacted at `level0Trigger` tables.
 *
 * Far from the trigger on purpose: the more tables level 0 has, the more of them a compaction takes along for one rewrite of the
 * base level, so a long burst finds its balance there, between slowing and stopping; and a table of level 0 that does not have
 * a key costs a lookup one probe of its filter. What is behind with sinking costs no reader anything, only room. The ratios of other
 * limits are in docs/performance.md.
 */
export function writeLimits(level0Trigger: number, baseLevelBytes: number): WriteLimits {
  return {
    level0Slowdown: Math.min(10 * level0Trigger, level0Trigger + MOST_BEFORE_SLOWDOWN),
    level0Stop: Math.min(16 * level0Trigger, level0Trigger + MOST_BEFORE_STOP),
    debtSlowdownBytes: 64 * baseLevelBytes,
    debtStopBytes: 256 * baseLevelBytes,
  }
}

export type StallReason = 'memtables' | 'level0' | 'compaction debt'

export interface StallState {
  readonly level: 'none' | 'slow' | 'stop'
  readonly reason: StallReason | undefined
  /** While slow: how much of the way to a stop is gone, in [0, 1). */
  readonly severity: number
}

/** Writers run free. */
export const FREE: StallState = { level: 'none', reason: undefined, severity: 0 }

function graded(value: number, slowdown: number, stop: number, reason: StallReason): StallState {
  if (value >= stop) return { level: 'stop', reason, severity: 1 }
  if (value < slowdown) return FREE
  return { level: 'slow', reason, severity: (value - slowdown) / (stop - slowdown) }
}

/** The most severe of all reasons. */
export function stallStateOf(pressure: WritePressure, limits: WriteLimits): StallState {
  const { level0Tables, compactionDebtBytes } = pressure
  const states = [
    graded(level0Tables, limits.level0Slowdown, limits.level0Stop, 'level0'),
    graded(compactionDebtBytes, limits.debtSlowdownBytes, limits.debtStopBytes, 'compaction debt'),
  ]
  let worst = FREE
  for (const state of states) if (state.severity > worst.severity || worst.level === 'none') worst = state
  return worst
}

/** The rate at the gentle end of slowing, and its floor just before a stop, in bytes a second. */
const FASTEST_SLOW_RATE = 32 * 1024 * 1024
const SLOWEST_SLOW_RATE = 2 * 1024 * 1024

/** How long a write of `bytes` is delayed while slow, in milliseconds: the rate falls geometrically with severity. */
export function slowdownDelayMs(bytes: number, severity: number): number {
  const rate = FASTEST_SLOW_RATE * (SLOWEST_SLOW_RATE / FASTEST_SLOW_RATE) ** severity
  return (bytes / rate) * 1000
}
