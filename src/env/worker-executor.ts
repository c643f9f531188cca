/**
 * Runs jobs in a worker thread.
 *
 * The worker starts with the first job and is started again with the next job after it died. Invariant: every job
 * that was posted is in `#running` until it is settled, exactly once: by its response, by the death of the worker,
 * or by `close`. The thread keeps the process alive only while a job with `keepAlive` runs.
 */
import { type ResourceLimits, Worker } from 'node:worker_threads'
import { VarveError } from '../base/errors.js'
import { decodeError } from './error-transfer.js'
import type { ExecuteOptions, Executor, Job } from './executor.js'
import type { JobRequest, JobResponse } from './serve-jobs.js'

/** What {@link WorkerExecutor} can be told. */
export interface WorkerExecutorOptions {
  /** Handed to the worker module as `workerData`. */
  readonly workerData?: unknown
  /** The name of the thread in debuggers. */
  readonly name?: string
  /** Bounds on the thread's own V8 heap. Default: V8's. */
  readonly resourceLimits?: ResourceLimits
}

interface RunningJob {
  readonly keepAlive: boolean
  resolve(output: unknown): void
  reject(error: Error): void
}

/** Runs jobs in one worker thread whose module calls `serveJobs`. */
export class WorkerExecutor implements Executor {
  readonly #moduleUrl: URL
  readonly #options: WorkerExecutorOptions
  readonly #running = new Map<number, RunningJob>()
  #worker: Worker | undefined
  #nextId = 0
  #keepAlive = 0
  #closed = false

  constructor(moduleUrl: URL, options: WorkerExecutorOptions = {}) {
    this.#moduleUrl = moduleUrl
    this.#options = options
  }

  async execute<Input, Output>(
    job: Job<Input, Output>,
    input: Input,
    options: ExecuteOptions = {},
  ): Promise<Output> {
    if (this.#closed)
      throw new VarveError('ABORTED', `The job '${job.name}' came after its executor was closed.`)
    const worker = (this.#worker ??= this.#start())
    const request: JobRequest = { id: this.#nextId++, name: job.name, input }
    // Throws for an input that cannot be cloned, before anything waits for it.
    worker.postMessage(request)
    const keepAlive = options.keepAlive ?? false
    if (keepAlive && this.#keepAlive++ === 0) worker.ref()
    return new Promise<Output>((resolve, reject) => {
      this.#running.set(request.id, { keepAlive, resolve: resolve as (output: unknown) => void, reject })
    })
  }

  prepare(): void {
    if (!this.#closed) this.#worker ??= this.#start()
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#worker = undefined
    this.#rejectAll(() => new VarveError('ABORTED', 'The store was closed while a background job ran.'))
    await worker?.terminate()
  }

  #start(): Worker {
    const { workerData, name, resourceLimits } = this.#options
    // The program's own arguments may not fit a worker: `node --input-type=module -e …` would stop it from loading.
    const worker = new Worker(this.#moduleUrl, {
      workerData,
      execArgv: [],
      ...(name === undefined ? {} : { name }),
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    })
    worker.on('message', (response: JobResponse) => this.#settle(response))
    worker.on('error', (error) => this.#died(worker, `with ${String(error)}`, error))
    worker.on('messageerror', (error) => this.#died(worker, 'answering what cannot be read', error))
    worker.on('exit', (exitCode) => this.#died(worker, `with exit code ${exitCode}`))
    // Last: listening for messages keeps the process alive again.
    worker.unref()
    return worker
  }

  #settle(response: JobResponse): void {
    const job = this.#running.get(response.id)
    if (job === undefined) return
    this.#running.delete(response.id)
    if (job.keepAlive && --this.#keepAlive === 0) this.#worker?.unref()
    if ('error' in response) job.reject(decodeError(response.error))
    else job.resolve(response.output)
  }

  #died(worker: Worker, how: string, cause?: unknown): void {
    // An 'error' is followed by an 'exit', perhaps when the next worker already runs.
    if (worker !== this.#worker) return
    this.#worker = undefined
    this.#rejectAll(
      () =>
        new VarveError('IO_ERROR', `The background thread ended ${how}; the next job starts a new one.`, {
          ...(cause === undefined ? {} : { cause }),
        }),
    )
    void worker.terminate()
  }

  #rejectAll(reason: () => VarveError): void {
    const jobs = [...this.#running.values()]
    this.#running.clear()
    this.#keepAlive = 0
    for (const job of jobs) job.reject(reason())
  }
}
