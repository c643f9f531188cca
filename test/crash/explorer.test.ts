/**
 * A share of the exploration that `npm run test:crashes` does in whole: every word of up to two letters once, each from a start
 * and in a mode that the seed decides, and as many longer words, failed syncs with what comes behind them, and crashed
 * recoveries as some seconds allow.
 */
import { expect, test } from 'vitest'
import { randomFrom } from '../model/random.js'
import { Explorer } from './explorer.js'
import { replayLine } from './replay.js'
import { carryOut, type Sequence } from './run.js'
import { eachWordOnce, shuffled } from './sequences.js'
import { STARTS } from './settings.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 2 ** 31)) } = process.env

/** Processor time for what goes beyond those, in ms. */
const BUDGET_MS = 12_000

function spentMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

test(`crashes anywhere leave what was promised (VARVE_SEED=${VARVE_SEED})`, {
  timeout: 900_000,
}, async () => {
  const seed = Number(VARVE_SEED)
  const random = randomFrom(seed)
  const began = spentMs()
  const explorer = new Explorer({
    seed,
    density: 0.5,
    recoveryShare: 0.001,
    againShare: 0.2,
    onFailure: (replay, error) => {
      throw new Error(replayLine(replay), { cause: error })
    },
  })
  for (const length of [0, 1, 2]) {
    for (const sequence of eachWordOnce(length, seed)) await explorer.explore(sequence)
  }
  expect(explorer.counts.sequences).toBeGreaterThan(360)
  expect(explorer.counts.states).toBeGreaterThan(20_000)
  const syncs = shuffled(eachWordOnce(1, seed), 0, random)
  const longer = shuffled(eachWordOnce(3, seed), 0, random)
  const ended = spentMs()
  while (spentMs() - ended < BUDGET_MS) {
    const [sync, word] = [syncs.pop(), longer.pop()]
    if (sync !== undefined) {
      await explorer.exploreFailedSyncs(sync)
      await explorer.exploreResumes(sync)
    }
    if (word !== undefined) await explorer.explore(word)
  }
  console.log(
    `crashes: ${JSON.stringify({ ...explorer.counts, cpuSeconds: Math.round((spentMs() - began) / 1000) })}`,
  )
})

test('the letter burst makes one table of several memtables', async () => {
  for (const start of STARTS) {
    const one = await tablesOf({ start, mode: 'wal-os', letters: ['fill', 'flush'] })
    const several = await tablesOf({ start, mode: 'wal-os', letters: ['burst'] })
    expect(Math.max(...several), start).toBeGreaterThan(2.5 * Math.max(...one))
  }
})

/** How many bytes each table has that is written. */
async function tablesOf(sequence: Sequence): Promise<number[]> {
  const { points } = await carryOut(sequence, { from: 0 })
  const sizes = new Map<string, number>()
  for (const { step } of points) {
    if (step?.kind !== 'write' || !step.path.endsWith('.sst')) continue
    sizes.set(step.path, (sizes.get(step.path) ?? 0) + (step.bytes?.length ?? 0))
  }
  return [...sizes.values()]
}

test('the letter trickle fills room ahead in the log, and makes more', async () => {
  for (const start of STARTS) {
    const { points } = await carryOut({ start, mode: 'wal-os', letters: ['trickle'] }, { from: 0 })
    const logged = points.flatMap(({ step }) =>
      step?.kind === 'write' && step.path.endsWith('.wal') ? [step] : [],
    )
    const rooms = logged.filter(({ bytes }) => bytes?.every((byte) => byte === 0))
    expect(rooms.length).toBe(2)
    const [first, second] = rooms.map(({ position = 0 }) => position)
    expect(second - first).toBeGreaterThan(rooms[0].bytes?.length ?? 0)
    const inRoom = logged.filter(({ position = 0 }) => position > first && position < second)
    expect(inRoom.length).toBeGreaterThan(2)
  }
})
