/**
 * A short run of every target in fuzz/: what was kept of earlier runs, valid inputs, and some thousand mutations. The
 * same seeds every time; `npm run fuzz` goes on where this ends. Every target must be able to fail: see below.
 */
import { describe, expect, test } from 'vitest'
import { corpusOf, inputOf, problemOf, reduced, seedsOf } from '../../fuzz/fuzz.js'
import { targets } from '../../fuzz/targets/index.js'

const FIRST_SEED = Number(process.env.VARVE_SEED ?? 1)
/** How long one target goes on at most: a busy machine tries fewer seeds. */
const TIME_MS = 500
const SEEDS = 2_000

describe.each(targets)('$name', (target) => {
  test('answers what was kept as it should', async () => {
    for (const { file, bytes } of corpusOf(target)) {
      const problem = await problemOf(target, bytes)
      if (problem !== undefined)
        throw new Error(`node fuzz/run.js ${target.name} --input ${file}`, { cause: problem })
    }
  })

  test('takes what the builders write', async () => {
    for (const [i, seed] of seedsOf(target).entries()) {
      expect(await problemOf(target, seed), `seed input ${i}`).toBeUndefined()
    }
    // At least the first is no error: a decoder that refuses everything would pass the rest.
    expect(await target.run(seedsOf(target)[0])).toEqual(expect.any(String))
  })

  test('answers mutations with a value or a typed error', async () => {
    const end = performance.now() + TIME_MS
    let seed = FIRST_SEED
    for (; seed < FIRST_SEED + SEEDS && performance.now() < end; seed++) {
      const problem = await problemOf(target, inputOf(target, seed))
      if (problem !== undefined)
        throw new Error(`node fuzz/run.js ${target.name} --seed ${seed}`, { cause: problem })
    }
    expect(seed).toBeGreaterThan(FIRST_SEED)
  })
})

describe('the fuzzer', () => {
  const [target] = targets
  const ask = (run: (bytes: Uint8Array) => string | Promise<string>) =>
    problemOf({ ...target, run }, Uint8Array.of(1, 2, 3))

  test.each<[string, (bytes: Uint8Array) => string | Promise<string>, RegExp]>([
    [
      'another throw',
      () => {
        throw new TypeError('oops')
      },
      /TypeError/,
    ],
    [
      'a read out of bounds',
      (bytes) => `${new Uint8Array(bytes.buffer)[bytes.byteOffset + 3]}`,
      /other surroundings/,
    ],
    ['memory that nothing bounds', (bytes) => `${new Array(2 ** 24).fill(bytes[0]).length}`, /memory/],
    [
      'a prototype that changed',
      () => {
        Object.defineProperty(Object.prototype, 'polluted', { value: true, configurable: true })
        return ''
      },
      /prototype/,
    ],
  ])('finds %s', async (_what, run, message) => {
    const problem = await ask(run)
    Reflect.deleteProperty(Object.prototype, 'polluted')
    expect(problem?.message).toMatch(message)
  })

  test('reduces an input to what matters', async () => {
    const input = Uint8Array.from({ length: 200 }, (_, i) => i)
    const small = await reduced(input, async (candidate) => candidate.includes(7) && candidate.includes(150))
    expect([...small]).toEqual([7, 150])
  })

  test('makes the same input of the same seed', () => {
    for (const one of targets) expect(inputOf(one, 5)).toEqual(inputOf(one, 5))
  })
})
