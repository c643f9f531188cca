/**
 * Which compaction comes next: a pure function of the version and the picker's state.
 *
 * What is due goes in this order: tables that can be dropped unread, level 0 when it holds twice what it may, tables
 * that are mostly tombstones or wholly expired, then the level that is most above its target. Every plan either moves
 * entries deeper or gets rid of some for good, so picking comes to an end.
 */
import { compareKeys } from '../base/bytes.js'
import { overlaps, type TableMetadata } from '../version/table-metadata.js'
import type { Version } from '../version/version.js'
import { LAST_LEVEL } from '../version/version-edit.js'
import type { CompactionPlan, PickerState } from './compaction-plan.js'
import { compactionScores } from './level-targets.js'
import {
  type Context,
  contextOf,
  firstFree,
  hullOf,
  isBottommost,
  isFree,
  level0Inputs,
  rewrite,
  runsOf,
} from './make-plan.js'

/** Level 0 is urgent at this score. */
const URGENT = 2

/** The range and the extent of a manual compaction. */
export interface ManualRange {
  /** The first and the last user key, both inclusive; `undefined` for no bound. */
  readonly start?: Uint8Array
  readonly end?: Uint8Array
  /** Tables with nothing but newer entries stay: the store's last sequence number when the compaction began. */
  readonly upToSequence: number
  /** Tables of the last level with this number or a larger one stay: the next file number when it began. */
  readonly beforeNumber: number
  /** Whether tables of the last level are rewritten even when nothing tells that they would shrink. */
  readonly force: boolean
}

/** The compaction that is most due, or `undefined` when none is, or none that a running one does not hold up. */
export function pickCompaction(version: Version, state: PickerState): CompactionPlan | undefined {
  const context = contextOf(version, state)
  const drop = pickDrop(context)
  if (drop !== undefined) return drop
  const { levels } = compactionScores(version, state.settings, context.busy)
  if (levels[0].score >= URGENT) {
    const urgent = pickLevel0(context, levels[0].score)
    if (urgent !== undefined) return urgent
  }
  const marked = pickMarked(context)
  if (marked !== undefined) return marked
  const due = levels.filter(({ score }) => score >= 1).sort((a, b) => b.score - a.score)
  for (const { level, score } of due) {
    const plan = level === 0 ? pickLevel0(context, score) : pickLevel(context, level, score)
    if (plan !== undefined) return plan
  }
  return undefined
}

/**
 * The next step of a manual compaction, which pushes everything in the range to the last level and rewrites what
 * there is to gain in it. Asked again after each step until it answers `undefined`; `'blocked'` means that a running
 * compaction must end first.
 */
export function pickManual(
  version: Version,
  state: PickerState,
  range: ManualRange,
): CompactionPlan | 'blocked' | undefined {
  const context = contextOf(version, state)
  for (let level = 0; level < LAST_LEVEL; level++) {
    const tables = version.tablesOverlapping(level, range.start, range.end)
    const old = tables.filter((table) => table.smallestSequence <= range.upToSequence)
    if (old.length === 0) continue
    const seeds =
      level === 0
        ? old.toReversed().map((table) => level0Inputs(context, table))
        : runsOf(context, level, old)
    return firstFree(context, level, seeds, 'manual', 1) ?? 'blocked'
  }
  const worth = version
    .tablesOverlapping(LAST_LEVEL, range.start, range.end)
    .filter(
      (table) =>
        table.number < range.beforeNumber &&
        (range.force || table.tombstoneCount > 0 || table.earliestExpiry <= state.now),
    )
  if (worth.length === 0) return undefined
  for (const run of runsOf(context, LAST_LEVEL, worth)) {
    const plan = rewrite(context, LAST_LEVEL, run, 'manual', 1)
    if (isFree(context, plan)) return plan
  }
  return 'blocked'
}

/** The pointers of {@link PickerState} behind `plan`. */
export function advancePointers(
  pointers: readonly (Uint8Array | undefined)[],
  plan: CompactionPlan,
): (Uint8Array | undefined)[] {
  const advanced = pointers.slice()
  if (plan.level > 0) advanced[plan.level] = hullOf(plan.inputs[0]).largest
  return advanced
}

/** A table that may go unread: all of it has expired, for every reader, and it hides nothing that is older. */
function pickDrop(context: Context): CompactionPlan | undefined {
  const { version, state } = context
  for (const { level, table } of version.tables()) {
    if (table.latestExpiry > state.now || table.largestSequence > state.oldestSequence) continue
    if (!isBottommost(version, level, table) || hidesLevel0(version, level, table)) continue
    const plan: CompactionPlan = { ...rewrite(context, level, [table], 'expired', 1), kind: 'drop' }
    if (isFree(context, plan)) return plan
  }
  return undefined
}

/** The table with the largest share of dead entries, where that share is large. */
function pickMarked(context: Context): CompactionPlan | undefined {
  const { version, state } = context
  const marked: { level: number; table: TableMetadata; expired: boolean; ratio: number }[] = []
  for (const { level, table } of version.tables()) {
    if (level === 0) continue
    const expired = table.latestExpiry <= state.now
    const ratio = expired ? 1 : table.tombstoneCount / table.entryCount
    if (ratio > state.settings.tombstoneRatio) marked.push({ level, table, expired, ratio })
  }
  marked.sort((a, b) => b.ratio - a.ratio)
  for (const { level, table, expired, ratio } of marked) {
    const reason = expired ? 'expired' : 'tombstones'
    if (!isBottommost(version, level, table)) {
      const plan = firstFree(context, level, [[table]], reason, ratio)
      if (plan !== undefined) return plan
    } else if (table.largestSequence <= state.oldestSequence) {
      // Only when no reader keeps what is dead: otherwise the rewritten table would be marked again.
      const plan = rewrite(context, level, [table], reason, ratio)
      if (isFree(context, plan)) return plan
    }
  }
  return undefined
}

function pickLevel0(context: Context, score: number): CompactionPlan | undefined {
  const seeds = context.version.levels[0].toReversed().map((table) => level0Inputs(context, table))
  return firstFree(context, 0, seeds, 'level0-count', score)
}

/** Tables of `level` in turn, from behind the last compaction's range. */
function pickLevel(context: Context, level: number, score: number): CompactionPlan | undefined {
  const tables = context.version.levels[level]
  const pointer = context.state.pointers[level]
  const next =
    pointer === undefined ? 0 : tables.findIndex((table) => compareKeys(table.smallest, pointer) > 0)
  const from = Math.max(0, next)
  const seeds = [...tables.slice(from), ...tables.slice(0, from)].map((table) => [table])
  return firstFree(context, level, seeds, 'level-size', score)
}

/** Whether an older table of level 0 has keys in the range of `table`. */
function hidesLevel0(version: Version, level: number, table: TableMetadata): boolean {
  if (level !== 0) return false
  const older = version.levels[0].slice(version.levels[0].indexOf(table) + 1)
  return older.some((other) => overlaps(other, table.smallest, table.largest))
}
