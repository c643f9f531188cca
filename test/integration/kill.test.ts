/** SIGKILL in the middle of everything, in every mode; `npm run test:kills` does the same some thousand times. */
import { expect, test } from 'vitest'
import { randomFrom } from '../model/random.js'
import { KilledStore, MODES, SCENARIOS } from './fixtures/kills.mjs'
import { DamagedStore, REPAIRS } from './fixtures/repair-kills.mjs'
import { builtPackage, inDirectory } from './real-store.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 2 ** 31)), VARVE_KILLS = '2' } = process.env

/** In so many kills, some must have come in the middle of what they are to interrupt. */
const MOST_KILLS = 40

test.each(MODES)(
  `a process that is killed leaves a prefix: $persistence, $durability (VARVE_SEED=${VARVE_SEED})`,
  { timeout: 600_000 },
  (mode) =>
    inDirectory(async (directory) => {
      const { open } = await builtPackage()
      const random = randomFrom(Number(VARVE_SEED))
      const store = new KilledStore(open, directory, 'write', mode)
      for (let kills = 0; kills < Number(VARVE_KILLS); kills++) await store.kill(random)
      expect(store.acknowledged).toBeGreaterThan(0)
    }),
)

test.each(SCENARIOS.slice(1))(
  `a process that is killed in a %s leaves it whole or undone (VARVE_SEED=${VARVE_SEED})`,
  { timeout: 600_000 },
  (scenario) =>
    inDirectory(async (directory) => {
      const { open } = await builtPackage()
      const random = randomFrom(Number(VARVE_SEED))
      const mode = MODES[Math.floor(random() * MODES.length)]
      const store = new KilledStore(open, directory, scenario, mode)
      for (let kills = 0; store.inActs < Number(VARVE_KILLS); kills++) {
        expect(kills, `kills of ${JSON.stringify(mode)}`).toBeLessThan(MOST_KILLS)
        await store.kill(random)
      }
    }),
)

test.each(REPAIRS)(
  `a process that is killed in a repair leaves the damaged store as it was: the %s (VARVE_SEED=${VARVE_SEED})`,
  { timeout: 600_000 },
  (how) =>
    inDirectory(async (directory) => {
      const damaged = await DamagedStore.make(await builtPackage(), directory)
      const random = randomFrom(Number(VARVE_SEED))
      for (let kills = 0; damaged.inTheMiddle < Number(VARVE_KILLS); kills++) {
        expect(kills).toBeLessThan(MOST_KILLS)
        await damaged.kill(how, random)
      }
    }),
)
