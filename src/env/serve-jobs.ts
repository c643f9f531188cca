/**
 * The worker's side of {@link WorkerExecutor}, and the messages between the two.
 *
 * One request has exactly one response with the same id; responses come in the order in which jobs end.
 */
import { encodeError, type TransferredError } from './error-transfer.js'

/** Asks the worker to run a job. */
export interface JobRequest {
  readonly id: number
  readonly name: string
  readonly input: unknown
}

/** Tells how a job ended: with `error` if it failed. */
export type JobResponse =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly error: TransferredError }

/** Jobs by their names. */
export type JobTable = ReadonlyMap<string, (input: never) => Promise<unknown>>

/** The worker's end of the channel: `parentPort`, or a port in a test. */
export interface JobPort {
  on(event: 'message', listener: (request: JobRequest) => void): unknown
  postMessage(response: JobResponse): void
}

/** Runs what is asked for on `port`, any number of jobs at once, until the thread ends. */
export function serveJobs(port: JobPort, jobs: JobTable): void {
  port.on('message', async ({ id, name, input }) => {
    try {
      const job = jobs.get(name)
      if (job === undefined) throw new Error(`this worker knows no job named '${name}'`)
      // An output that cannot be cloned throws here and is answered as a failure.
      port.postMessage({ id, output: await job(input as never) })
    } catch (error) {
      port.postMessage({ id, error: encodeError(error) })
    }
  })
}
