import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Coverage } from './coverage.js'
import { runOf } from './draw.js'
import { bufferKeys } from './key-space.js'
import { Machine } from './machine.js'

test('a run is a function of its seed, down to the operations of the disk', {
  timeout: 120_000,
}, async () => {
  const runs = runOf(bufferKeys.count, bufferKeys.prefixCount, { crash: 2, reopen: 1, iterate: 4 })
  for (const sampled of fc.sample(runs, { numRuns: 12, seed: 20 })) {
    // With fewer, it is up to the garbage collector how often a table is opened.
    const run = { ...sampled, options: { ...sampled.options, maxOpenFiles: 64 } }
    const [once, twice] = [new Coverage(), new Coverage()]
    await Machine.carryOut(bufferKeys, run, once)
    await Machine.carryOut(bufferKeys, run, twice)
    expect(twice).toEqual(once)
    expect(once.operations).toBeGreaterThan(0)
  }
})
