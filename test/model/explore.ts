/**
 * Carries out many random runs. A failure prints one line that replays it; `VARVE_SEED` and `VARVE_RUNS` choose the
 * runs.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import { CRASH_PROFILES } from '../../src/testing.js'
import type { Weights } from './commands.js'
import { Coverage } from './coverage.js'
import { runOf } from './draw.js'
import type { RankedKeys } from './key-space.js'
import { Machine } from './machine.js'

const { VARVE_SEED, VARVE_PATH, VARVE_RUNS } = process.env

/** How long a test may take at most, in ms: `VARVE_RUNS` is for long nights. */
export const TIMEOUT_MS = VARVE_RUNS === undefined ? 600_000 : 86_400_000

/** A failure is made small for this long, in ms. */
const SHRINKING_MS = 60_000

/** Carries out so many runs with `keys`; throws when one of them fails, or when they meet too little. */
export async function explore(
  file: string,
  keys: RankedKeys,
  weights: Weights,
  numRuns: number,
): Promise<void> {
  const coverage = new Coverage()
  let failedAt: number | undefined
  const property = fc.asyncProperty(runOf(keys.count, keys.prefixCount, weights), async (run) => {
    // What is not tried counts as a success, so the smallest failure so far stands.
    if (failedAt !== undefined && performance.now() - failedAt > SHRINKING_MS) return
    try {
      await Machine.carryOut(keys, run, coverage)
    } catch (error) {
      failedAt ??= performance.now()
      throw error
    }
  })
  const outcome = await fc.check(property, {
    numRuns: VARVE_RUNS === undefined ? numRuns : Number(VARVE_RUNS),
    ...(VARVE_SEED === undefined ? {} : { seed: Number(VARVE_SEED) }),
    ...(VARVE_PATH === undefined ? {} : { path: VARVE_PATH, endOnFailure: true }),
  })
  if (outcome.failed) {
    const { seed, counterexamplePath, counterexample, errorInstance } = outcome
    const replay = `VARVE_SEED=${seed} VARVE_PATH=${counterexamplePath} npm run vitest -- run ${file}`
    throw new Error(`${replay}\n${JSON.stringify(counterexample?.[0])}`, { cause: errorInstance })
  }
  if (VARVE_RUNS !== undefined || VARVE_PATH !== undefined) return
  expect(coverage.flushes, 'flushes').toBeGreaterThan(numRuns)
  expect(coverage.compactions, 'compactions').toBeGreaterThan(numRuns)
  expect(coverage.reopens, 'clean reopens').toBeGreaterThan(numRuns / 10)
  expect(coverage.recoveryCrashes, 'crashes in the middle of a recovery').toBeGreaterThan(numRuns / 10)
  expect(coverage.deepest, 'levels in use at once').toBeGreaterThanOrEqual(2)
  if (weights.crash > 4) expect(coverage.crashes.size, 'crash profiles').toBe(CRASH_PROFILES.length + 1)
  for (const what of ['conflict', 'expiry', 'restore', 'snapshot']) {
    expect(coverage.met.get(what) ?? 0, what).toBeGreaterThan(0)
  }
}
