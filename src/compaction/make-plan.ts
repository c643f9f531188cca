/**
 * Plans of compactions: what must go with the tables that one begins with, and what may.
 *
 * What every plan keeps true:
 * - Along one user key, what is in a shallower level is newer. So with a table of level 0 go all older tables of
 *   level 0 that overlap the plan's range, and all levels between `level` and `outputLevel` are empty.
 * - The output level stays disjoint: the plan takes in every table of it that overlaps.
 * - No two running compactions meet: whose key ranges overlap has no level in common with the other.
 */
import { compareKeys } from '../base/bytes.js'
import { lowerBound, overlaps, type TableMetadata, totalBytes } from '../version/table-metadata.js'
import type { Version } from '../version/version.js'
import { LAST_LEVEL } from '../version/version-edit.js'
import type { CompactionPlan, CompactionReason, PickerState, RunningCompaction } from './compaction-plan.js'
import { type LevelTargets, levelTargets, outputBelow } from './level-targets.js'

/** What all steps of one pick share. */
export interface Context {
  readonly version: Version
  readonly state: PickerState
  readonly targets: LevelTargets
  readonly busy: ReadonlySet<number>
}

/** What is running is worked out once a pick. */
export function contextOf(version: Version, state: PickerState): Context {
  const busy = new Set<number>()
  for (const { inputs } of state.running) {
    for (const table of inputs[0]) busy.add(table.number)
    for (const table of inputs[1]) busy.add(table.number)
  }
  return { version, state, targets: levelTargets(version, state.settings), busy }
}

/** The plan out of `level` for the first of `seeds` that no running compaction holds up. */
export function firstFree(
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
export function rewrite(
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
export function level0Inputs(context: Context, seed: TableMetadata): TableMetadata[] {
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
export function runsOf(context: Context, level: number, tables: readonly TableMetadata[]): TableMetadata[][] {
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
export function isBottommost(version: Version, level: number, range: Range): boolean {
  for (let deeper = level + 1; deeper <= LAST_LEVEL; deeper++) {
    if (version.hasOverlap(deeper, range.smallest, range.largest)) return false
  }
  return true
}

/** Whether no running compaction has both a level and keys in common with `plan`. */
export function isFree(context: Context, plan: RunningCompaction): boolean {
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
export function hullOf(tables: readonly TableMetadata[]): Range {
  let { smallest, largest } = tables[0]
  for (const table of tables) {
    if (compareKeys(table.smallest, smallest) < 0) smallest = table.smallest
    if (compareKeys(table.largest, largest) > 0) largest = table.largest
  }
  return { smallest, largest }
}
