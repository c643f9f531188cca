/** `varve/testing`: what a program needs to test itself against crashes, faults and time. Re-exports only. */
export type { Clock, Timer } from './env/clock.js'
export { type ExecuteOptions, type Executor, InlineExecutor, type Job } from './env/executor.js'
export { FaultFileSystem, type FaultFileSystemOptions } from './env/fault-file-system.js'
export type { Fault, FaultSpec, Operation, OperationKind } from './env/fault-plan.js'
export {
  type File,
  type FileStatus,
  type FileSystem,
  type Lock,
  LockHeldError,
  type LockHolder,
  type OpenMode,
} from './env/file-system.js'
export { ManualClock } from './env/manual-clock.js'
export { CRASH_PROFILES, type CrashProfile, type Random } from './env/memory-crash.js'
export { MemoryFile, MemoryFileSystem, type MemoryFileSystemOptions } from './env/memory-file-system.js'
