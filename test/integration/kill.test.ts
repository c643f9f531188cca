import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { randomFrom } from '../model/random.js'
import { OPTIONS, writeOf } from './fixtures/workload.mjs'
import { builtPackage, inDirectory } from './real-store.js'

const WRITER = fileURLToPath(new URL('./fixtures/write-until-killed.mjs', import.meta.url))
const { VARVE_SEED = String(Math.floor(Math.random() * 2 ** 31)), VARVE_KILLS = '12' } = process.env

/** Lets a process write from write `from` on, kills it behind so many acknowledgements; the largest write acknowledged. */
async function writeAndKill(directory: string, from: number, acknowledgements: number): Promise<number> {
  const child = spawn(process.execPath, [WRITER, directory, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let last = from - 1
  let left = acknowledgements
  for await (const line of createInterface(child.stdout)) {
    if (--left === 0) child.kill('SIGKILL')
    last = Math.max(last, Number(line))
  }
  const [, signal] = await exited
  expect(signal, 'the process was killed, it did not fail').toBe('SIGKILL')
  return last
}

test(
  `what was acknowledged survives SIGKILL, in order and whole (VARVE_SEED=${VARVE_SEED})`,
  { timeout: 600_000 },
  () =>
    inDirectory(async (directory) => {
      const { open } = await builtPackage()
      const random = randomFrom(Number(VARVE_SEED))
      let written = 0
      for (let kills = 0; kills < Number(VARVE_KILLS); kills++) {
        const last = await writeAndKill(directory, written, Math.ceil(random() * 1500))
        await using store = await open<string, string>(directory, OPTIONS)
        // Each operation takes one sequence number: replay the writes up to that of the store.
        const { sequence } = store.stats()
        const model = new Map<string, string>()
        let replayed = 0
        for (written = 0; replayed < sequence; written++) {
          for (const { key, value } of writeOf(written)) {
            replayed++
            if (value === undefined) model.delete(key)
            else model.set(key, value)
          }
        }
        expect(replayed, 'no half batch').toBe(sequence)
        expect(written, 'every acknowledged write is there').toBeGreaterThan(last)
        const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
        expect(await store.entries().all()).toEqual(expected)
        expect([...store.entries({ reverse: true })]).toEqual(expected.toReversed())
        for (const [key, value] of expected) expect(store.getSync(key)).toBe(value)
      }
      expect(written).toBeGreaterThan(1000)
    }),
)
