/** The real thread of the background work dies, at any moment, again and again: the store tells, and goes on without a reopen. */
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { randomFrom } from '../model/random.js'
import { OPTIONS } from './fixtures/workload.mjs'
import { builtPackage, inDirectory } from './real-store.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 2 ** 31)) } = process.env
const DEATHS = 12
const MOST_DELAY_MS = 8

/** Every worker that anybody starts, the newest last. */
const workers: Worker[] = []
const threads: { Worker: typeof Worker } = createRequire(import.meta.url)('node:worker_threads')
const Original = threads.Worker

beforeAll(() => {
  threads.Worker = class extends Original {
    constructor(...parameters: ConstructorParameters<typeof Worker>) {
      super(...parameters)
      workers.push(this)
    }
  }
  syncBuiltinESMExports()
})
afterAll(() => {
  threads.Worker = Original
  syncBuiltinESMExports()
})

test(
  `a store whose thread dies loses nothing that was acknowledged, and goes on (VARVE_SEED=${VARVE_SEED})`,
  { timeout: 120_000 },
  () =>
    inDirectory(async (directory) => {
      const { open, verify } = await builtPackage()
      const random = randomFrom(Number(VARVE_SEED))
      const store = await open<string, string>(directory, OPTIONS)
      const errors: string[] = []
      store.on('error', ({ code }) => errors.push(code))
      const written = new Map<string, string>()
      let refusals = 0
      const until = Date.now() + 60_000
      for (let i = 0, deaths = 0; deaths < DEATHS; i++) {
        const [key, value] = [`key${i % 70}`, `${i}:`.padEnd(200, '.')]
        const refusal = await store.set(key, value).then(
          () => undefined,
          (error: { code: string }) => error.code,
        )
        if (refusal === undefined) written.set(key, value)
        else {
          // Until the background work has tried again, writers that wait for it are told of its last attempt.
          expect(refusal).toBe('IO_ERROR')
          refusals++
          await sleep(20)
        }
        expect(Date.now(), `${deaths} deaths, ${refusals} refusals`).toBeLessThan(until)
        const last = workers.at(-1)
        if (i % 60 !== 59 || last === undefined || last.threadId === -1) continue
        await sleep(random() * MOST_DELAY_MS)
        await last.terminate()
        deaths++
      }
      expect(new Set(errors)).toEqual(new Set(['IO_ERROR']))
      expect(workers.length).toBeGreaterThan(DEATHS / 2)
      const expected = [...written].sort(([a], [b]) => (a < b ? -1 : 1))
      expect(await store.entries().all()).toEqual(expected)
      await store.compact()
      await store.close()
      const again = await open<string, string>(directory, OPTIONS)
      expect(await again.entries().all()).toEqual(expected)
      await again.close()
      expect(await verify(directory)).toMatchObject({ ok: true, findings: [] })
    }),
)
