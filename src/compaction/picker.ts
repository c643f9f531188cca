/**
 * Which compaction comes next: a pure function of the version and the picker's state.
 *
 * What every plan keeps true:
 * - Along one user key, what is in a shallower level is newer. So with a table of level 0 go all older tables of
 *   level 0 that overlap the plan's range, and all levels between `level` and `outputLevel` are empty.
 * - The output level stays disjoint: the plan takes in every table of it that overlaps.
 * - No two running compactions meet: whose key ranges overlap has no level in common with the other.
 *
 * What is due goes in this order: tables that can be dropped unread, level 0 when it holds twice what it may, tables
 * that are mostly tombstones or wholly expired, then the level that is most above its target. Every plan either moves
 * entries deeper or gets rid of some for good, so picking comes to an end.
 */
import { compareKeys } from '../base/bytes.js'
import { lowerBound, overlaps, type TableMetadata, totalBytes } from '../version/table-metadata.js'
import type { Version } from '../version/version.js'
import { LAST_LEVEL } from '../version/version-edit.js'
import type { CompactionPlan, CompactionReason, PickerState, RunningCompaction } from './compaction-plan.js'
import { compactionScores, type LevelTargets, levelTargets, outputBelow } from './level-targets.js'

/** Level 0 is urgent at this score. */
const URGENT = 2

/** What all steps of one pick share. */
interface Context {
  readonly version: Version
  readonly state: PickerState
  readonly targets: LevelTargets
  readonly busy: ReadonlySet<number>
}

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

function contextOf(version: Version, state: PickerState): Context {
  const busy = new Set<number>()
  for (const { inputs } of state.running) {
    for (const table of inputs[0]) busy.add(table.number)
    for (const table of inputs[1]) busy.add(table.number)
  }
  return { version, state, targets: levelTargets(version, state.settings), busy }
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

/** The plan out of `level` for the first of `seeds` that no running compaction holds up. */
function firstFree(
  context: Context,
  level: number,
  seeds: readonly (readonly TableMetadata[])[],
  reason: CompactionReason,
  score: number,
): CompactionPlan | undefined {
  for (const seed of seeds) {
    if (seed.some((table) => context.busy.has(table.number))) continue
    const plan = sink(context, level, seed, reason, score)
    if (isFree(context, plan)) return plan
  }
  return undefined
}

/** The plan that takes `seed` out of `level` to the next level in use. */
function sink(
  context: Context,
  level: number,
  seed: readonly TableMetadata[],
  reason: CompactionReason,
  score: number,
): CompactionPlan {
  const { version, targets, state } = context
  const outputLevel = outputBelow(version, targets, level)
  const seedRange = hullOf(seed)
  const lower = version.tablesOverlapping(outputLevel, seedRange.smallest, seedRange.largest)
  const upper = level > 0 && lower.length > 0 ? widened(context, level, outputLevel, seed, lower) : seed
  const range = hullOf([...upper, ...lower])
  const grandparents =
    outputLevel === LAST_LEVEL
      ? []
      : version.tablesOverlapping(outputLevel + 1, range.smallest, range.largest)
  const movable =
    upper.length === 1 &&
    lower.length === 0 &&
    totalBytes(grandparents) <= state.settings.maxGrandparentBytes &&
    isClean(upper[0], state, reason)
  return {
    kind: movable ? 'move' : 'merge',
    level,
    outputLevel,
    inputs: [upper, lower],
    grandparents,
    bottommost: isBottommost(version, outputLevel, range),
    reason,
    score,
    ...range,
  }
}

/** The plan that rewrites `tables` of one level where they stand. */
function rewrite(
  context: Context,
  level: number,
  tables: readonly TableMetadata[],
  reason: CompactionReason,
  score: number,
): CompactionPlan {
  const range = hullOf(tables)
  return {
    kind: 'merge',
    level,
    outputLevel: level,
    inputs: [tables, []],
    grandparents:
      level === LAST_LEVEL ? [] : context.version.tablesOverlapping(level + 1, range.smallest, range.largest),
    bottommost: isBottommost(context.version, level, range),
    reason,
    score,
    ...range,
  }
}

/** More tables of `level` for the same `lower` tables: they are rewritten anyway. */
function widened(
  context: Context,
  level: number,
  outputLevel: number,
  seed: readonly TableMetadata[],
  lower: readonly TableMetadata[],
): readonly TableMetadata[] {
  const range = hullOf([...seed, ...lower])
  const wider = context.version.tablesOverlapping(level, range.smallest, range.largest)
  if (wider.length === seed.length || wider.some((table) => context.busy.has(table.number))) return seed
  if (totalBytes(wider) + totalBytes(lower) > context.state.settings.maxCompactionBytes) return seed
  const widerRange = hullOf(wider)
  const widerLower = context.version.tablesOverlapping(outputLevel, widerRange.smallest, widerRange.largest)
  return widerLower.length === lower.length ? wider : seed
}

/**
 * The tables of level 0 that go with `seed`: every older one that overlaps what is chosen, because entries must not
 * sink below older ones of the same key; then newer ones that overlap, and small ones, as long as there is room.
 */
function level0Inputs(context: Context, seed: TableMetadata): TableMetadata[] {
  const { settings } = context.state
  const oldestFirst = context.version.levels[0].toReversed()
  let newest = oldestFirst.indexOf(seed)
  let chosen = withOlder(oldestFirst, new Set([seed]), newest)
  for (let index = newest + 1; index < oldestFirst.length; index++) {
    const candidate = oldestFirst[index]
    if (context.busy.has(candidate.number)) continue
    const range = hullOf([...chosen])
    const small = totalBytes([...chosen]) + candidate.sizeBytes <= settings.targetFileSize
    if (!small && !overlaps(candidate, range.smallest, range.largest)) continue
    const wider = withOlder(oldestFirst, new Set([...chosen, candidate]), index)
    if (totalBytes([...wider]) > settings.maxCompactionBytes) break
    if (oldestFirst.some((table) => wider.has(table) && context.busy.has(table.number))) continue
    chosen = wider
    newest = index
  }
  return oldestFirst.filter((table) => chosen.has(table)).reverse()
}

/** `chosen` and every table older than its newest one (`newest`) that overlaps its range, and so on. */
function withOlder(
  oldestFirst: readonly TableMetadata[],
  chosen: Set<TableMetadata>,
  newest: number,
): Set<TableMetadata> {
  for (let before = 0; before !== chosen.size; ) {
    before = chosen.size
    const range = hullOf([...chosen])
    for (let index = 0; index < newest; index++) {
      if (overlaps(oldestFirst[index], range.smallest, range.largest)) chosen.add(oldestFirst[index])
    }
  }
  return chosen
}

/** `tables`, which are in key order, in runs of neighbours that are small enough for one compaction. */
function runsOf(context: Context, level: number, tables: readonly TableMetadata[]): TableMetadata[][] {
  const all = context.version.levels[level]
  const runs: TableMetadata[][] = []
  let run: TableMetadata[] = []
  let bytes = 0
  for (const table of tables) {
    if (context.busy.has(table.number)) continue
    const cost = table.sizeBytes + bytesBelow(context, level, table)
    const neighbours = run.length > 0 && all[lowerBound(all, table.smallest) - 1] === run[run.length - 1]
    if (!neighbours || bytes + cost > context.state.settings.maxCompactionBytes) {
      run = []
      bytes = 0
      runs.push(run)
    }
    run.push(table)
    bytes += cost
  }
  return runs
}

/** What `table` overlaps in the level that it sinks to. */
function bytesBelow(context: Context, level: number, table: TableMetadata): number {
  if (level === LAST_LEVEL) return 0
  const output = outputBelow(context.version, context.targets, level)
  return totalBytes(context.version.tablesOverlapping(output, table.smallest, table.largest))
}

/** Whether nothing is gained by reading the table on its way down. */
function isClean(table: TableMetadata, state: PickerState, reason: CompactionReason): boolean {
  if (reason === 'tombstones' || reason === 'expired') return false
  if (reason === 'manual') return table.tombstoneCount === 0 && table.earliestExpiry > state.now
  return (
    table.latestExpiry > state.now && table.tombstoneCount <= state.settings.tombstoneRatio * table.entryCount
  )
}

/** Whether no level below `level` has keys in the range. */
function isBottommost(version: Version, level: number, range: Range): boolean {
  for (let deeper = level + 1; deeper <= LAST_LEVEL; deeper++) {
    if (version.hasOverlap(deeper, range.smallest, range.largest)) return false
  }
  return true
}

/** Whether an older table of level 0 has keys in the range of `table`. */
function hidesLevel0(version: Version, level: number, table: TableMetadata): boolean {
  if (level !== 0) return false
  const older = version.levels[0].slice(version.levels[0].indexOf(table) + 1)
  return older.some((other) => overlaps(other, table.smallest, table.largest))
}

/** Whether no running compaction has both a level and keys in common with `plan`. */
function isFree(context: Context, plan: RunningCompaction): boolean {
  return context.state.running.every(
    (other) =>
      other.outputLevel < plan.level ||
      plan.outputLevel < other.level ||
      compareKeys(other.largest, plan.smallest) < 0 ||
      compareKeys(plan.largest, other.smallest) < 0,
  )
}

interface Range {
  readonly smallest: Uint8Array
  readonly largest: Uint8Array
}

/** The smallest range that holds all `tables`, of which there is at least one. */
function hullOf(tables: readonly TableMetadata[]): Range {
  let { smallest, largest } = tables[0]
  for (const table of tables) {
    if (compareKeys(table.smallest, smallest) < 0) smallest = table.smallest
    if (compareKeys(table.largest, largest) > 0) largest = table.largest
  }
  return { smallest, largest }
}
