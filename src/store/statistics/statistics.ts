/** What a store tells of itself: plain data, gathered when asked. */
import { idleChunkBytes } from '../../base/chunk-pool.js'
import type { BlockCache } from '../../cache/block-cache.js'
import type { PickerSettings } from '../../compaction/compaction-plan.js'
import { compactionScores } from '../../compaction/level-targets.js'
import type { Block } from '../../sstable/block.js'
import { idleBlockBytes } from '../../sstable/block-memory.js'
import type { BackgroundCounters } from '../background.js'
import type { CommitJournal } from '../commit/commit-journal.js'
import type { StallGate, StallStatistics } from '../commit/stall-gate.js'
import type { Bound } from '../eviction/bound.js'
import type { CurrentVersion, LiveState } from '../live-state.js'
import type { Settings } from '../options.js'
import { EVERYTHING } from '../range.js'
import { estimateBytes, estimateCount } from '../reading/estimate.js'
import type { Leases, OpenReader } from '../reading/leases.js'
import type { ReadSource } from '../reading/read-source.js'
import type { LatencyStatistics } from './latency.js'

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
  /** Values that were written since the store was opened, in whatever way; a new time to live is one. */
  readonly sets: number
  /** Keys that were deleted, there or not; `clear(range)` deletes each key in it. */
  readonly deletes: number
  /**
   * Point reads since the store was opened: keys asked for by `get`, `getMany`, `exists`, `getEntry`, `ttl`, also of views
   * and transactions, but for what a transaction has written itself.
   */
  readonly gets: number
  /** Point reads that found a value, and those that did not. */
  readonly hits: number
  readonly misses: number
  /** Hits for each point read. */
  readonly hitRate: number
  /** Live entries, and the bytes of their keys and values: exact in a bounded store, else estimates. */
  readonly entries: number
  readonly bytes: number
  /** Entries that were removed to make room. */
  readonly evicted: number
  /**
   * Entries that were removed because they had expired. Exact while somebody listens; else without those that flush and
   * compaction drop on their way, and with the overwritten ones of tables that have expired as a whole.
   */
  readonly expired: number
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
  /** What holds memory in this thread outside the V8 heap. */
  readonly memory: {
    /** The option `memoryLimit`, which is about the whole process. */
    readonly limitBytes: number | undefined
    /** Of all memtables, with those that wait for their next use. */
    readonly memtableBytes: number
    /** Decompressed blocks. */
    readonly cacheBytes: number
    /** Indexes and filters of open tables. */
    readonly tableBytes: number
    /** Buffers that wait for their next use. */
    readonly bufferBytes: number
    readonly totalBytes: number
  }
  readonly filter: { readonly probes: number; readonly negatives: number; readonly falsePositives: number }
  readonly flush: { readonly count: number; readonly bytesWritten: number }
  readonly compaction: {
    readonly count: number
    readonly bytesRead: number
    readonly bytesWritten: number
    readonly debtBytes: number
  }
  readonly amplification: {
    /** Bytes that log, flushes and compactions wrote for each byte of keys and values that was written. */
    readonly write: number
    /** Tables that were searched, behind their filters, for each key that was looked up, by reads and by writes. */
    readonly read: number
    /** Bytes of all tables for each byte of the deepest level in use. */
    readonly space: number
  }
  /** What is open and reads: it holds memory and files back. */
  readonly readers: {
    readonly iterators: number
    readonly views: number
    readonly transactions: number
    /** The one that was opened first. */
    readonly oldest: OpenReader | undefined
    /** Those that were garbage collected without having been closed, since the store was opened. */
    readonly leaked: number
  }
  readonly stalls: StallStatistics
  /**
   * Of `get` and `getSync`, and of writes of all kinds from the call until the promise resolves, but for `clear`. One
   * operation in sixteen is timed; `metrics: false` turns it off.
   */
  readonly latency: { readonly read: LatencyStatistics; readonly write: LatencyStatistics }
}

/** What the figures are taken from. */
export interface StatisticsSource extends ReadSource {
  readonly parts: ReadSource['parts'] & {
    readonly versions: CurrentVersion
    readonly blockCache: BlockCache<Block>
    readonly picker: PickerSettings
    readonly settings: Pick<Settings, 'memoryLimit'>
  }
  readonly bound: Pick<Bound, 'used' | 'occupied'> | undefined
  readonly live: LiveState
  readonly journal: Pick<CommitJournal, 'segmentCount' | 'sizeBytes' | 'syncedSequence'>
  readonly background: { readonly counters: BackgroundCounters }
  readonly gate: StallGate
}

export function statisticsOf(engine: StatisticsSource): StoreStatistics {
  const { journal } = engine
  const occupied = engine.bound?.occupied
  const entries = occupied?.entries ?? estimateCount(engine.readState)
  const { versions, blockCache, tableCache, picker } = engine.parts
  const scores = compactionScores(versions.current, picker)
  const { metrics } = engine
  const { hits, misses } = blockCache
  const { lookups, searches, probes, negatives, falsePositives } = tableCache.lookupStatistics
  const background = engine.background.counters
  const frozen = engine.live.frozen
  return {
    sequence: engine.sequence,
    gets: metrics.gets,
    sets: metrics.sets,
    deletes: metrics.deletes,
    hits: metrics.hits,
    misses: metrics.gets - metrics.hits,
    hitRate: ratio(metrics.hits, metrics.gets),
    entries,
    // No entries have no bytes, whatever of what was removed is there still.
    bytes: occupied?.bytes ?? (entries === 0 ? 0 : estimateBytes(engine.readState, EVERYTHING, tableCache)),
    evicted: metrics.evicted,
    expired: metrics.expired,
    levels: scores.levels.map(({ level, tables, bytes, targetBytes, score }) => ({
      level,
      tables,
      bytes,
      entries: versions.current.levels[level].reduce((sum, table) => sum + table.entryCount, 0),
      targetBytes: Number.isFinite(targetBytes) ? targetBytes : 0,
      score,
    })),
    memtable: {
      entries: engine.live.active.entryCount,
      bytes: engine.live.active.sizeBytes,
      frozen: frozen.length,
      frozenBytes: frozen.reduce((sum, memtable) => sum + memtable.sizeBytes, 0),
    },
    wal: {
      segments: journal.segmentCount,
      bytes: journal.sizeBytes,
      syncedSequence: journal.syncedSequence,
    },
    cache: {
      bytes: blockCache.sizeBytes,
      capacityBytes: blockCache.capacityBytes,
      hits,
      misses,
      hitRate: ratio(hits, hits + misses),
    },
    tables: { open: tableCache.count, memoryBytes: tableCache.memoryBytes },
    memory: memoryOf(engine),
    filter: { probes, negatives, falsePositives },
    flush: { count: background.flushes, bytesWritten: background.flushBytes },
    compaction: {
      count: background.compactions,
      bytesRead: background.compactionBytesRead,
      bytesWritten: background.compactionBytesWritten,
      debtBytes: scores.pendingBytes,
    },
    amplification: {
      write: ratio(
        metrics.bytesLogged + background.flushBytes + background.compactionBytesWritten,
        metrics.bytesWritten,
      ),
      read: ratio(searches, lookups),
      space: ratio(
        versions.current.totalBytes,
        versions.current.levelBytes.findLast((bytes) => bytes > 0) ?? 0,
      ),
    },
    readers: readersOf(engine.leases),
    stalls: engine.gate.statistics,
    latency: { read: metrics.readLatency.statistics, write: metrics.writeLatency.statistics },
  }
}

function memoryOf({ live, parts }: StatisticsSource): StoreStatistics['memory'] {
  const memtableBytes = live.memoryBytes
  const cacheBytes = parts.blockCache.sizeBytes
  const tableBytes = parts.tableCache.memoryBytes
  const bufferBytes = idleChunkBytes() + idleBlockBytes()
  return {
    limitBytes: parts.settings.memoryLimit,
    memtableBytes,
    cacheBytes,
    tableBytes,
    bufferBytes,
    totalBytes: memtableBytes + cacheBytes + tableBytes + bufferBytes,
  }
}

function readersOf(leases: Leases): StoreStatistics['readers'] {
  const counts = { iterator: 0, view: 0, transaction: 0 }
  let oldest: OpenReader | undefined
  for (const lease of leases.list()) {
    counts[lease.kind]++
    oldest ??= lease
  }
  return {
    iterators: counts.iterator,
    views: counts.view,
    transactions: counts.transaction,
    oldest,
    leaked: leases.leaked,
  }
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
