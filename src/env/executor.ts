/**
 * Where background jobs run: in a worker thread in production, inline and deterministic under test.
 *
 * A job is a named function of plain, structured-cloneable input. The layers above define the jobs; an executor
 * only knows how to run one.
 */

/** A background job, bound to this thread's file system. */
export interface Job<Input, Output> {
  /** The name under which the worker module knows the same job. */
  readonly name: string
  /** Runs it on this thread. */
  run(input: Input): Promise<Output>
}

/** How a job is run. */
export interface ExecuteOptions {
  /**
   * Keeps the process alive until the job has ended: for a job that a caller awaits. Without it a finished program
   * may exit in the middle, as it should for upkeep that nobody waits for. `false` by default.
   */
  readonly keepAlive?: boolean
}

export interface Executor {
  /** Runs `job` to its end; rejects with its error, and with `IO_ERROR` when the thread died. */
  execute<Input, Output>(job: Job<Input, Output>, input: Input, options?: ExecuteOptions): Promise<Output>
  /** Tells that a job will come soon: a thread that takes long to start may start now. */
  prepare?(): void
  /** Waits for nothing: running jobs are abandoned and reject with `ABORTED`. Idempotent. */
  close(): Promise<void>
}

/** Runs every job on the calling thread: deterministic, for tests and for file systems that live in this process. */
export class InlineExecutor implements Executor {
  execute<Input, Output>(job: Job<Input, Output>, input: Input): Promise<Output> {
    return job.run(input)
  }

  async close(): Promise<void> {}
}
