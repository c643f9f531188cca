/** What the picker hands out, what it is told, and the settings that shape the tree. Plain data. */
import type { TableMetadata } from '../version/table-metadata.js'

/** Why a plan was made. */
export type CompactionReason = 'level0-count' | 'level-size' | 'tombstones' | 'expired' | 'manual'

/**
 * One compaction.
 *
 * `'merge'`: merge the inputs into new tables in `outputLevel`. `'move'`: the one input goes to `outputLevel` as it is.
 * `'drop'`: every entry of the one input has expired and hides nothing below: remove it unread.
 */
export interface CompactionPlan {
  readonly kind: 'merge' | 'move' | 'drop'
  readonly level: number
  /** Deeper than `level`, or the same for a table that is rewritten or dropped where it stands. */
  readonly outputLevel: number
  /** The tables of `level` and those of `outputLevel`; the second list is empty when both are the same level. */
  readonly inputs: readonly [readonly TableMetadata[], readonly TableMetadata[]]
  /** The tables of the level below `outputLevel` in the range: outputs are cut so that none overlaps too many. */
  readonly grandparents: readonly TableMetadata[]
  /** No deeper level has keys in the range: tombstones and expired entries may go for good. */
  readonly bottommost: boolean
  readonly reason: CompactionReason
  /** How urgent it was; 1 and more is due. */
  readonly score: number
  /** The smallest and the largest user key of all inputs. */
  readonly smallest: Uint8Array
  readonly largest: Uint8Array
}

/** What a running compaction holds on to; a {@link CompactionPlan} is one. */
export type RunningCompaction = Pick<
  CompactionPlan,
  'level' | 'outputLevel' | 'inputs' | 'smallest' | 'largest'
>

/** Everything beside the version that picking depends on. */
export interface PickerState {
  /** Milliseconds since 1970. */
  readonly now: number
  /** The plans that are being carried out. */
  readonly running: readonly RunningCompaction[]
  /** For each level the largest key of the last compaction out of it; the next one begins behind it. */
  readonly pointers: readonly (Uint8Array | undefined)[]
  /** The smallest sequence number at which a live reader may still look; what is newer must be kept. */
  readonly oldestSequence: number
  readonly settings: PickerSettings
}

export interface PickerSettings {
  /** Level 0 is due at this many tables. */
  readonly level0Trigger: number
  /** The size of the first level below level 0 that is in use, at most. */
  readonly baseLevelBytes: number
  /** How much larger each level is than the one above it. */
  readonly levelMultiplier: number
  readonly targetFileSize: number
  /** A compaction takes in no more than this if it can. */
  readonly maxCompactionBytes: number
  /** A table is moved only when it overlaps at most this much of the level below its new one. */
  readonly maxGrandparentBytes: number
  /** A table with a larger share of tombstones is compacted ahead of its turn. */
  readonly tombstoneRatio: number
}

/** The settings for tables of `targetFileSize` bytes. */
export function pickerSettings(
  targetFileSize: number,
  changes: Partial<PickerSettings> = {},
): PickerSettings {
  return {
    level0Trigger: 4,
    baseLevelBytes: 8 * targetFileSize,
    levelMultiplier: 10,
    targetFileSize,
    maxCompactionBytes: 25 * targetFileSize,
    maxGrandparentBytes: 10 * targetFileSize,
    tombstoneRatio: 0.3,
    ...changes,
  }
}
