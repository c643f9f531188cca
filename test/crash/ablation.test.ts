/**
 * Each step of the protocols, left out, is found out: by the crash that `npm run test:ablation` has found and kept or, where a
 * change of the protocols has moved that, by one that is looked for again.
 */
import { describe, expect, test } from 'vitest'
import { catchAgain, findCatch } from './ablate.js'
import { ABLATIONS } from './ablations.js'
import kept from './ablations.json' with { type: 'json' }
import { SCENARIOS } from './scenarios.js'

/** The crashes that are tried at most where the kept one shows nothing any more. */
const MOST_STATES = 5000

test('every step has its crash', () => {
  expect(kept.map(({ name }) => name)).toEqual(ABLATIONS.map(({ name }) => name))
})

describe('without the step it is found out, with it all is well', () => {
  for (const ablation of ABLATIONS) {
    test(ablation.name, { timeout: 300_000 }, async () => {
      const scenario = SCENARIOS.get(ablation.name)
      if (scenario !== undefined) {
        await scenario(false)
        await expect(scenario(true)).rejects.toThrow()
        return
      }
      const line = kept.find(({ name }) => name === ablation.name)?.replay ?? ''
      expect((await catchAgain(ablation, line)) ?? (await findCatch(ablation, MOST_STATES))).toBeDefined()
    })
  }
})
