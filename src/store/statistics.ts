/** What a store tells of itself: plain data, gathered when asked. */
import { compactionScores } from '../compaction/level-targets.js'
import type { Engine } from './engine.js'
import type { StallStatistics } from './stall-gate.js'

export interface LevelStatistics {
  readonly level: number
  readonly tables: number
  /** Bytes on disk. */
  readonly bytes: number
  /** Entries, with tombstones and old versions. */
  readonly entries: number
  /** What compaction keeps the level's bytes below; 0 where it has no bound. */
  readonly targetBytes: number
  /** 1 and more: a compaction is due. */
  readonly score: number
}

export interface StoreStatistics {
  /** The sequence number of the last write. */
  readonly sequence: number
  /** Writes since the store was opened. */
  readonly sets: number
  readonly deletes: number
  /** Point reads since the store was opened. */
  readonly gets: number
  /** Point reads that found a value. */
  readonly hits: number
  readonly misses: number
  readonly hitRate: number
  readonly levels: readonly LevelStatistics[]
  readonly memtable: {
    /** Of the active memtable. */
    readonly entries: number
    readonly bytes: number
    readonly frozen: number
    readonly frozenBytes: number
  }
  readonly wal: { readonly segments: number; readonly bytes: number; readonly syncedSequence: number }
  readonly cache: {
    readonly bytes: number
    readonly capacityBytes: number
    readonly hits: number
    readonly misses: number
    readonly hitRate: number
  }
  readonly tables: { readonly open: number; readonly memoryBytes: number }
  readonly filter: { readonly probes: number; readonly negatives: number; readonly falsePositives: number }
  readonly flush: { readonly count: number; readonly bytesWritten: number }
  readonly compaction: {
    readonly count: number
    readonly bytesRead: number
    readonly bytesWritten: number
    readonly debtBytes: number
  }
  readonly stalls: StallStatistics
}

export function statisticsOf(engine: Engine): StoreStatistics {
  const { versions, wal, blockCache, tableCache, picker } = engine.parts
  const scores = compactionScores(versions.current, picker)
  const { hits, misses } = blockCache
  const { probes, negatives, falsePositives } = tableCache.filterStatistics
  const background = engine.background.counters
  const frozen = engine.frozenMemtables
  return {
    sequence: engine.lastSequence,
    ...engine.counters,
    misses: engine.counters.gets - engine.counters.hits,
    hitRate: ratio(engine.counters.hits, engine.counters.gets),
    levels: scores.levels.map(({ level, tables, bytes, targetBytes, score }) => ({
      level,
      tables,
      bytes,
      entries: versions.current.levels[level].reduce((sum, table) => sum + table.entryCount, 0),
      targetBytes: Number.isFinite(targetBytes) ? targetBytes : 0,
      score,
    })),
    memtable: {
      entries: engine.activeMemtable.entryCount,
      bytes: engine.activeMemtable.sizeBytes,
      frozen: frozen.length,
      frozenBytes: frozen.reduce((sum, memtable) => sum + memtable.sizeBytes, 0),
    },
    wal: { segments: wal.segmentCount, bytes: wal.sizeBytes, syncedSequence: wal.syncedSequence },
    cache: {
      bytes: blockCache.sizeBytes,
      capacityBytes: blockCache.capacityBytes,
      hits,
      misses,
      hitRate: ratio(hits, hits + misses),
    },
    tables: { open: tableCache.count, memoryBytes: tableCache.memoryBytes },
    filter: { probes, negatives, falsePositives },
    flush: { count: background.flushes, bytesWritten: background.flushBytes },
    compaction: {
      count: background.compactions,
      bytesRead: background.compactionBytesRead,
      bytesWritten: background.compactionBytesWritten,
      debtBytes: scores.pendingBytes,
    },
    stalls: engine.gate.statistics,
  }
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
