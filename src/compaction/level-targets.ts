/**
 * How large each level ought to be, and how far it is from that.
 *
 * Dynamic level targets, computed from the bottom level up (Dong et al., "Optimizing Space Amplification in RocksDB",
 * CIDR 2017, section 3.2): the last level is as large as the data are, each level above it a tenth. So about 90% of
 * the data are in the last level whatever the store's size, and space amplification stays near 1.1. Levels above the
 * base level are not in use: level 0 goes straight to the base level, and what is left in them is drained.
 */
import { totalBytes } from '../version/table-metadata.js'
import type { Version } from '../version/version.js'
import { LAST_LEVEL, LEVEL_COUNT } from '../version/version-edit.js'
import type { PickerSettings } from './compaction-plan.js'

export interface LevelTargets {
  /** The first level below level 0 that ought to be in use. */
  readonly baseLevel: number
  /** The bytes that each level may hold; 0 for a level not in use, Infinity for the last, 0 and unused for level 0. */
  readonly targetBytes: readonly number[]
}

/** The targets for the shape that `version` has. */
export function levelTargets(version: Version, settings: PickerSettings): LevelTargets {
  const targetBytes: number[] = new Array(LEVEL_COUNT).fill(0)
  targetBytes[LAST_LEVEL] = Number.POSITIVE_INFINITY
  let baseLevel = LAST_LEVEL
  let size = Math.max(...version.levelBytes.slice(1))
  while (baseLevel > 1 && size > settings.baseLevelBytes) {
    baseLevel--
    size /= settings.levelMultiplier
    targetBytes[baseLevel] = size
  }
  return { baseLevel, targetBytes }
}

/**
 * The level that takes what `level` gives: the next one that is in use or holds something. So all levels between the
 * two are empty, and nothing ever sinks below what is older.
 */
export function outputBelow(version: Version, targets: LevelTargets, level: number): number {
  let output = level + 1
  while (output < targets.baseLevel && version.levels[output].length === 0) output++
  return output
}

/** How one level stands. */
export interface LevelScore {
  readonly level: number
  readonly tables: number
  readonly bytes: number
  readonly targetBytes: number
  /** 1 and more is due. */
  readonly score: number
}

/** How the tree stands, for picking, for statistics and for back-pressure. */
export interface CompactionScores {
  readonly levels: readonly LevelScore[]
  readonly level0Count: number
  readonly baseLevel: number
  /** An estimate of the bytes that compactions must rewrite until nothing is due. */
  readonly pendingBytes: number
}

/** Scores every level of `version`; tables that a running compaction takes away (`busy`) do not count. */
export function compactionScores(
  version: Version,
  settings: PickerSettings,
  busy: ReadonlySet<number> = new Set(),
): CompactionScores {
  const targets = levelTargets(version, settings)
  const levels = version.levels.map((tables, level) => {
    const free = busy.size === 0 ? tables : tables.filter((table) => !busy.has(table.number))
    const freeBytes = busy.size === 0 ? version.levelBytes[level] : totalBytes(free)
    return {
      level,
      tables: tables.length,
      bytes: version.levelBytes[level],
      targetBytes: targets.targetBytes[level],
      score:
        level === 0 ? free.length / settings.level0Trigger : levelScore(targets, settings, level, freeBytes),
    }
  })
  return {
    levels,
    level0Count: version.levels[0].length,
    baseLevel: targets.baseLevel,
    pendingBytes: pendingBytes(version, targets, settings),
  }
}

/** A level that ought to be empty is due as soon as it holds anything. */
function levelScore(targets: LevelTargets, settings: PickerSettings, level: number, bytes: number): number {
  if (level === LAST_LEVEL || bytes === 0) return 0
  if (level < targets.baseLevel) return 1 + bytes / settings.baseLevelBytes
  return bytes / targets.targetBytes[level]
}

/** What is above its target sinks level by level and drags along what it overlaps there, in proportion. */
function pendingBytes(version: Version, targets: LevelTargets, settings: PickerSettings): number {
  let total = 0
  let sinking = 0
  if (version.levels[0].length >= settings.level0Trigger) {
    sinking = version.levelBytes[0]
    total += sinking + version.levelBytes[outputBelow(version, targets, 0)]
  }
  for (let level = 1; level < LAST_LEVEL; level++) {
    const bytes = version.levelBytes[level] + sinking
    const excess = bytes - targets.targetBytes[level]
    if (bytes === 0 || excess <= 0) {
      sinking = 0
      continue
    }
    const below = version.levelBytes[outputBelow(version, targets, level)]
    if (level >= targets.baseLevel || version.levels[level].length > 0) total += excess * (1 + below / bytes)
    sinking = excess
  }
  return total
}
