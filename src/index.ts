/** Varve: an embedded, durable, ordered key-value store. */
export { type ErrorCode, VarveError } from './base/errors.js'
export type { Clock, Timer } from './env/clock.js'
export type { Executor, Job } from './env/executor.js'
export type { File, FileStatus, FileSystem, Lock, LockHolder } from './env/file-system.js'
export type { Change } from './store/change.js'
export type { StoreEvents } from './store/events.js'
export type { KeyEncodingName, KeyInput, OrderedKey } from './store/key-encoding.js'
export type { LatencyStatistics } from './store/latency.js'
export type { OpenReader } from './store/leases.js'
export { type InMemoryOptions, open, openInMemory } from './store/open.js'
export type {
  CompressionOption,
  Durability,
  LeakDetection,
  Persistence,
  StoreOptions,
} from './store/options.js'
export { type PrometheusOptions, prometheusText } from './store/prometheus.js'
export type { KeyRange } from './store/range.js'
export type { RangeIterator } from './store/range-iterator.js'
export type { Moment, RangeOptions, TransactionRange } from './store/range-options.js'
export type { Entry } from './store/reader.js'
export type { SnapshotInfo } from './store/snapshot-info.js'
export type { SnapshotOptions } from './store/snapshots.js'
export type { StallStatistics } from './store/stall-gate.js'
export type { LevelStatistics, StoreStatistics } from './store/statistics.js'
export type { Store } from './store/store.js'
export type { Transaction, TransactionEntries } from './store/transaction.js'
export type { CustomValueEncoding, ValueEncodingName, ValueInput } from './store/value-encoding.js'
export type { View } from './store/view.js'
export type { WatchOptions } from './store/watch-options.js'
export type { KeyOrRange } from './store/watch-target.js'
export type { Watcher } from './store/watcher.js'
export type { BatchResult } from './store/writable.js'
export { type BatchOperation, WriteBatch } from './store/write-batch.js'
export type { DurabilityOptions, TransactionOptions, WriteOptions } from './store/write-options.js'
