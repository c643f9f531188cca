/**
 * A share of all bits of a small store, flipped one at a time; another share in every run.
 *
 * `VARVE_SEED=7 npm run vitest -- test/damage/bits.test.ts` replays a run; `npm run test:bits` flips every bit.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { flipBits, type Tally } from './bits.js'
import { makeStore, type SmallStore } from './images.js'

const ALL = process.env.MODE === 'bits'
const SEED = Number(process.env.VARVE_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** Flips of each store in a normal run. */
const SHARE = 250

let small: SmallStore
beforeAll(async () => {
  small = await makeStore(12)
})

/** Spread over the bits of all files, from a seed. */
function share(total: number, seed: number): (name: string, count: number) => Iterable<number> {
  if (ALL) return (_name, count) => Array.from({ length: count }, (_, bit) => bit)
  const step = Math.max(1, Math.floor(total / SHARE))
  let next = seed % step
  return (_name, count) => {
    const bits: number[] = []
    for (; next < count; next += 1 + ((next * 48_271 + seed) % (2 * step))) bits.push(next)
    next -= count
    return bits
  }
}

function summary(tallies: ReadonlyMap<string, Tally>): string {
  const lines = [...tallies].map(([name, tally]) => {
    return `${name.padEnd(18)} ${Object.entries(tally)
      .map(([what, count]) => `${what} ${count}`)
      .join(', ')}`
  })
  return lines.join('\n')
}

describe('any bit flipped', () => {
  test.each(['closed', 'crashed'] as const)(
    `of a %s store: right answers or typed errors, and verify finds it (seed ${SEED})`,
    async (kind) => {
      const image = small[kind]
      const total = [...image.values()].reduce((sum, bytes) => sum + bytes.length * 8, 0)
      const tallies = await flipBits({
        image,
        states: kind === 'closed' ? [small.state] : [small.state, small.before],
        bits: share(total, SEED),
      })
      const flips = [...tallies.values()].reduce((sum, tally) => sum + tally.flips, 0)
      if (ALL) console.log(`${kind}: every one of ${flips} bits\n${summary(tallies)}`)
      expect(flips).toBeGreaterThan(ALL ? total - 1 : SHARE / 4)
    },
    ALL ? 3_600_000 : 120_000,
  )
})
