/** The background jobs by name, bound to a thread's file system; and the module in which a worker thread serves them. */
import type { Job } from '../env/executor.js'
import type { JobTable } from '../env/serve-jobs.js'
import { type CompactionInput, type CompactionOutput, runCompaction } from './compaction-job.js'
import { type FlushInput, type FlushOutput, runFlush } from './flush-job.js'
import type { JobEnvironment } from './table-writer.js'

/** The jobs of a store. */
export interface Jobs {
  readonly flush: Job<FlushInput, FlushOutput>
  readonly compaction: Job<CompactionInput, CompactionOutput>
}

/** The jobs, bound to `environment`. */
export function jobsOn(environment: JobEnvironment): Jobs {
  return {
    flush: { name: 'flush', run: (input) => runFlush(environment, input) },
    compaction: { name: 'compaction', run: (input) => runCompaction(environment, input) },
  }
}

/** The same jobs by name, for a worker thread. */
export function jobTable(environment: JobEnvironment): JobTable {
  const { flush, compaction } = jobsOn(environment)
  return new Map<string, (input: never) => Promise<unknown>>([
    [flush.name, flush.run],
    [compaction.name, compaction.run],
  ])
}

/** The module that a worker thread runs to serve the jobs. */
export const WORKER_MODULE = new URL('./worker.js', import.meta.url)
