/** The jobs of background work, described for whoever runs them: memtables and tables in, new tables out. */
import type { CompactionPlan, PickerSettings } from '../compaction/compaction-plan.js'
import type { Jobs } from '../compaction/jobs.js'
import type { TableSettings } from '../compaction/table-writer.js'
import type { Clock } from '../env/clock.js'
import type { Executor } from '../env/executor.js'
import type { Memtable } from '../memtable/memtable.js'
import { type TableMetadata, totalBytes } from '../version/table-metadata.js'
import type { VersionSet } from '../version/version-set.js'

export interface BackgroundJobSettings {
  readonly versions: VersionSet
  readonly executor: Executor
  readonly jobs: Jobs
  readonly clock: Clock
  readonly tables: TableSettings
  readonly picker: PickerSettings
  readonly pinned: { list(): number[] }
  /** The moment (ms since 1970) up to which expired entries may be dropped. */
  readonly droppableUpTo: () => number
}

export class BackgroundJobs {
  readonly #settings: BackgroundJobSettings

  constructor(settings: BackgroundJobSettings) {
    this.#settings = settings
  }

  /** Writes memtables, oldest first, as one table; `undefined` when nothing of them is left. */
  async flush(memtables: readonly Memtable[]): Promise<TableMetadata | undefined> {
    const { versions, executor, jobs, clock, tables, pinned, droppableUpTo } = this.#settings
    for (const memtable of memtables) memtable.pin()
    try {
      const { table } = await executor.execute(jobs.flush, {
        tables,
        memtables: memtables.map(({ image }) => image),
        tableNumber: versions.nextFileNumber(),
        pinned: pinned.list(),
        now: droppableUpTo(),
        createdAt: clock.now(),
      })
      return table
    } finally {
      for (const memtable of memtables) memtable.unpin()
    }
  }

  /** Merges the inputs of `plan` into new tables. @param cancel - word 0 becomes 1 when the job is to end */
  async merge(plan: CompactionPlan, cancel: Int32Array): Promise<readonly TableMetadata[]> {
    const { versions, executor, jobs, clock, tables, picker, pinned, droppableUpTo } = this.#settings
    const [upper, lower] = plan.inputs
    const upperRuns = plan.level === 0 ? upper.map((table) => [table]) : [upper]
    const version = versions.pinCurrent()
    try {
      const { tables: outputs } = await executor.execute(jobs.compaction, {
        tables,
        runs: lower.length === 0 ? upperRuns : [...upperRuns, lower],
        tableNumbers: Array.from({ length: outputCount(plan, picker) }, () => versions.nextFileNumber()),
        targetFileSize: picker.targetFileSize,
        grandparents: plan.grandparents,
        maxGrandparentBytes: picker.maxGrandparentBytes,
        pinned: pinned.list(),
        bottommost: plan.bottommost,
        now: droppableUpTo(),
        createdAt: clock.now(),
        cancel,
      })
      return outputs
    } finally {
      version.unpin()
    }
  }
}

/** Enough numbers for the output of a compaction: the bytes may grow where compression gets worse, and outputs are cut at grandparents too. */
function outputCount({ inputs, grandparents }: CompactionPlan, picker: PickerSettings): number {
  const bySize = Math.ceil((2 * (totalBytes(inputs[0]) + totalBytes(inputs[1]))) / picker.targetFileSize)
  const byOverlap = Math.ceil(totalBytes(grandparents) / picker.maxGrandparentBytes)
  return bySize + byOverlap + 1
}
