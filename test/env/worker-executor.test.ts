import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { corruption, VarveError } from '../../src/base/errors.js'
import { decodeError, encodeError } from '../../src/env/error-transfer.js'
import type { Job } from '../../src/env/executor.js'
import { type JobResponse, type JobTable, serveJobs } from '../../src/env/serve-jobs.js'
import { WorkerExecutor } from '../../src/env/worker-executor.js'
import { compile } from './fixtures/compile.js'

const worker = new URL('./fixtures/jobs-worker.mjs', import.meta.url)

function job<Input = undefined, Output = string>(name: string): Job<Input, Output> {
  return { name, run: () => Promise.reject(new Error('runs in the worker only')) }
}

describe('WorkerExecutor', () => {
  let executor = new WorkerExecutor(worker)
  afterEach(async () => {
    await executor.close()
    executor = new WorkerExecutor(worker)
  })

  it('runs jobs in a worker and answers each by its own result', async () => {
    const doubled = [1, 2, 3].map((value) =>
      executor.execute(job<{ value: number }, number>('double'), { value }),
    )
    expect(await Promise.all(doubled)).toEqual([2, 4, 6])
  })

  it('hands on workerData', async () => {
    const other = new WorkerExecutor(worker, { workerData: { blockSize: 4096 }, name: 'upkeep' })
    expect(await other.execute(job<undefined, unknown>('data'), undefined)).toEqual({ blockSize: 4096 })
    await other.close()
  })

  it('runs jobs at the same time', async () => {
    const waiting = executor.execute(job('wait'), undefined)
    await executor.execute(job('release'), undefined)
    expect(await waiting).toBe('released')
  })

  it('rejects with the error of the job', async () => {
    const failed = await executor.execute(job('unknown'), undefined).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(VarveError)
    expect(failed).toMatchObject({ code: 'CORRUPTION', path: '/t.sst', offset: 7 })
  })

  it('rejects an input that cannot be cloned, and goes on', async () => {
    await expect(executor.execute(job<unknown>('double'), () => {})).rejects.toThrow(/could not be cloned/)
    expect(await executor.execute(job<{ value: number }, number>('double'), { value: 4 })).toBe(8)
  })

  it.each([
    ['throw', /nobody caught this/],
    ['exit', /exit code 3/],
  ])('rejects all jobs when the worker dies by %s, and starts a new one', async (how, reason) => {
    const waiting = executor.execute(job('wait'), undefined, { keepAlive: true })
    const deadly = executor.execute(job(how), undefined)
    for (const one of await Promise.allSettled([waiting, deadly])) {
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'IO_ERROR' } })
      if (one.status === 'rejected') expect(one.reason.message).toMatch(reason)
    }
    expect(await executor.execute(job<{ value: number }, number>('double'), { value: 2 })).toBe(4)
  })

  it('rejects when the module cannot be loaded', async () => {
    const missing = new WorkerExecutor(new URL('./fixtures/missing.mjs', import.meta.url))
    await expect(missing.execute(job('x'), undefined)).rejects.toMatchObject({ code: 'IO_ERROR' })
    await missing.close()
  })

  it('aborts running jobs on close, and every job after', async () => {
    const waiting = executor.execute(job('wait'), undefined)
    await Promise.all([
      expect(waiting).rejects.toMatchObject({ code: 'ABORTED' }),
      executor.close(),
      executor.close(),
    ])
    await expect(executor.execute(job('wait'), undefined)).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('keeps a finished program alive for jobs that someone awaits, and for no others', async () => {
    const compiled = await mkdtemp(join(tmpdir(), 'varve-worker-'))
    const url = await compile('env/worker-executor.ts', compiled)
    const program = (keepAlive: boolean): string =>
      `const { WorkerExecutor } = await import(${JSON.stringify(url)})
       const executor = new WorkerExecutor(new URL(${JSON.stringify(worker.href)}))
       executor.execute({ name: 'slow' }, undefined, { keepAlive: ${keepAlive} }).then(console.log)`
    const run = async (keepAlive: boolean): Promise<string> => {
      const args = ['--input-type=module', '-e', program(keepAlive)]
      return (await promisify(execFile)(process.execPath, args, { timeout: 10_000 })).stdout
    }
    expect(await Promise.all([run(true), run(false)])).toEqual(['done\n', ''])
    await rm(compiled, { recursive: true })
  }, 20_000)
})

describe('serveJobs', () => {
  const ask = async (jobs: JobTable, name: string, input?: unknown): Promise<JobResponse> => {
    const { port1, port2 } = new MessageChannel()
    serveJobs(port2, jobs)
    const response = new Promise<JobResponse>((resolve) => port1.once('message', resolve))
    port1.postMessage({ id: 5, name, input })
    try {
      return await response
    } finally {
      port1.close()
    }
  }
  const jobs = new Map<string, (input: never) => Promise<unknown>>([
    ['echo', async (input: unknown) => input],
    ['fail', () => Promise.reject(corruption('A bad block', '/1.sst', 12))],
    ['uncloneable', async () => () => {}],
  ])

  it('answers with the output', async () => {
    expect(await ask(jobs, 'echo', { a: [1] })).toEqual({ id: 5, output: { a: [1] } })
  })

  it('answers with the error', async () => {
    const response = await ask(jobs, 'fail')
    expect(response).toMatchObject({
      id: 5,
      error: { varve: true, code: 'CORRUPTION', path: '/1.sst', offset: 12 },
    })
  })

  it('answers an unknown job and an output that cannot be cloned with an error', async () => {
    expect(await ask(jobs, 'nothing')).toMatchObject({
      error: { message: expect.stringContaining("'nothing'") },
    })
    expect(await ask(jobs, 'uncloneable')).toMatchObject({
      error: { message: expect.stringContaining('cloned') },
    })
  })
})

describe('an error on its way between threads', () => {
  const sent = (error: unknown): Error => decodeError(structuredClone(encodeError(error)))

  it('stays a VarveError with all that it names', () => {
    const error = corruption(
      'A bad block',
      '/1.sst',
      12,
      Object.assign(new RangeError('short'), { code: 'EIO' }),
    )
    const received = sent(error)
    expect(received).toBeInstanceOf(VarveError)
    expect(received).toMatchObject({ code: 'CORRUPTION', path: '/1.sst', offset: 12, message: error.message })
    expect(received.stack).toBe(error.stack)
    expect(received.cause).toMatchObject({ name: 'RangeError', message: 'short', code: 'EIO' })
    expect(sent(new VarveError('NO_SPACE', 'full'))).toMatchObject({ path: undefined, offset: undefined })
  })

  it('stays another error with its message, code and stack', () => {
    const error = Object.assign(new TypeError('no'), { code: 'ENOSPC', path: '/x' })
    expect(sent(error)).not.toBeInstanceOf(VarveError)
    expect(sent(error)).toMatchObject({ name: 'TypeError', message: 'no', code: 'ENOSPC', path: '/x' })
    expect(sent(error).stack).toBe(error.stack)
    expect(sent('a string')).toMatchObject({ message: 'a string' })
  })

  it('ends although its causes go round in a circle', () => {
    const error = new Error('round')
    error.cause = error
    expect(sent(error)).toMatchObject({ message: 'round', cause: { message: 'round' } })
  })
})
