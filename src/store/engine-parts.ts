/** What an engine is put together from. */
import type { BlockCache } from '../cache/block-cache.js'
import { type PickerSettings, pickerSettings } from '../compaction/compaction-plan.js'
import type { Jobs } from '../compaction/jobs.js'
import type { TableSettings } from '../compaction/table-writer.js'
import type { Clock } from '../env/clock.js'
import type { Executor } from '../env/executor.js'
import type { FileSystem } from '../env/file-system.js'
import { ArenaPool } from '../memtable/arena.js'
import { Memtable } from '../memtable/memtable.js'
import type { Block } from '../sstable/block.js'
import type { TableCache } from '../sstable/table-cache.js'
import type { VersionSet } from '../version/version-set.js'
import type { Wal } from '../wal/wal.js'
import type { StoreEmitter } from './events.js'
import type { LiveState } from './live-state.js'
import type { ObsoleteTables } from './obsolete-tables.js'
import type { Settings } from './options.js'

/** What recovery hands over. */
export interface EngineParts {
  readonly settings: Settings
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly executor: Executor
  readonly jobs: Jobs
  readonly tableSettings: TableSettings
  readonly picker: PickerSettings
  readonly versions: VersionSet
  /** `undefined` for a store without a log. */
  readonly wal: Wal | undefined
  readonly tableCache: TableCache
  readonly blockCache: BlockCache<Block>
  /** The memtables, with what the log held beyond the tables. */
  readonly live: LiveState
  readonly lastSequence: number
  readonly events: StoreEmitter
  readonly obsoleteTables: ObsoleteTables
  /** Random numbers in [0, 1). */
  readonly random: () => number
  /** Deletes table files that no version names. Best effort. */
  readonly discardTables: (numbers: readonly number[]) => Promise<void>
}

/** Where the memtables of a store come from. */
export function arenasFor(settings: Settings): ArenaPool {
  return new ArenaPool(settings.memtableSize + Memtable.headBytes(settings.shardCount))
}

/** How a store picks its compactions. */
export function pickerFor(settings: Settings): PickerSettings {
  return pickerSettings(settings.targetFileSize, {
    level0Trigger: settings.level0CompactionTrigger,
    levelMultiplier: settings.levelSizeMultiplier,
  })
}
