/** SIGKILL in the middle of writes, in every mode; `npm run test:kills` does the same some thousand times. */
import { expect, test } from 'vitest'
import { randomFrom } from '../model/random.js'
import { MODES, writeAndKill, writesLeft } from './fixtures/kills.mjs'
import { builtPackage, inDirectory } from './real-store.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 2 ** 31)), VARVE_KILLS = '2' } = process.env

test.each(MODES)(
  `a process that is killed leaves a prefix: $persistence, $durability (VARVE_SEED=${VARVE_SEED})`,
  { timeout: 600_000 },
  (mode) =>
    inDirectory(async (directory) => {
      const { open } = await builtPackage()
      const random = randomFrom(Number(VARVE_SEED))
      let written = 0
      let acknowledged = 0
      for (let kills = 0; kills < Number(VARVE_KILLS); kills++) {
        const last = await writeAndKill(directory, mode, written, Math.ceil(random() * 400))
        acknowledged = Math.max(acknowledged, last)
        written = await writesLeft(open, directory, mode, last)
      }
      expect(acknowledged).toBeGreaterThan(0)
    }),
)
