/** The thread of the background work dies, before a job, in the middle of it, or behind it: the store tells, and goes on. */
import { expect, test } from 'vitest'
import { open, VarveError } from '../../src/index.js'
import { type Executor, type Job, ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { drive } from '../crash/turns.js'

type Death = 'before' | 'behind' | 'never'

/** Runs jobs inline; each ends as `deaths` says. Whoever asked hears what `WorkerExecutor` tells of a thread that died. */
class MortalExecutor implements Executor {
  readonly #deaths: () => Death
  jobs = 0

  constructor(deaths: () => Death) {
    this.#deaths = deaths
  }

  async execute<Input, Output>(job: Job<Input, Output>, input: Input): Promise<Output> {
    this.jobs++
    const death = this.#deaths()
    const output = death === 'before' ? undefined : await job.run(input)
    if (death !== 'never' || output === undefined) {
      throw new VarveError(
        'IO_ERROR',
        'The background thread ended with exit code 3; the next job starts a new one.',
      )
    }
    return output
  }

  async close(): Promise<void> {}
}

const OPTIONS = {
  valueEncoding: 'utf8',
  memtableSize: 4096,
  targetFileSize: 2048,
  walSegmentSize: 4096,
  level0CompactionTrigger: 2,
  shardCount: 1,
} as const

test.each(['before', 'behind'] as const)('%s every second job', async (death) => {
  let turn = 0
  const executor = new MortalExecutor(() => (turn++ % 2 === 0 ? death : 'never'))
  const fileSystem = new MemoryFileSystem()
  const clock = new ManualClock()
  const store = await open<string, string>('/db', { ...OPTIONS, fileSystem, clock, executor })
  const errors: VarveError[] = []
  store.on('error', (error) => errors.push(error))
  const written = new Map<string, string>()
  for (let i = 0; i < 400; i++) {
    const [key, value] = [`key${i % 50}`, `${i}`.padEnd(200, '.')]
    // A writer that has to wait for a flush is told when it fails, and may write again.
    for (let attempt = 0; ; attempt++) {
      const code = await drive(store.set(key, value), clock).then(
        () => undefined,
        (error: VarveError) => error.code,
      )
      if (code === undefined) break
      expect(code).toBe('IO_ERROR')
      expect(attempt, 'attempts at one write').toBeLessThan(100)
      await clock.advanceInTurns(100)
    }
    written.set(key, value)
  }
  expect(errors.length).toBeGreaterThan(3)
  expect(errors.every(({ code }) => code === 'IO_ERROR')).toBe(true)
  expect(executor.jobs).toBeGreaterThan(10)
  const expected = [...written].sort(([a], [b]) => (a < b ? -1 : 1))
  expect(await store.entries().all()).toEqual(expected)
  await drive(store.close(), clock)
  // Whatever tables the dead left behind are gone with the next open.
  const again = await open<string, string>('/db', { ...OPTIONS, fileSystem, clock })
  expect(await again.entries().all()).toEqual(expected)
  // So are those that a compaction has replaced which the open has begun.
  for (let turns = 0; turns < 100; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
  const tables = again.stats().levels.reduce((sum, level) => sum + level.tables, 0)
  const files = (await fileSystem.readdir('/db')).filter((name) => name.endsWith('.sst'))
  expect(files.length).toBe(tables)
  await drive(again.close(), clock)
})
