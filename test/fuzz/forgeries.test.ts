/**
 * Every rule that the files of a store keep, broken alone, with all checksums right: found by whom it must be, and named as what it
 * is and where it is (fuzz/forgeries). `npm run fuzz -- forgery` breaks them in more ways.
 */
import { expect, test } from 'vitest'
import { unpackDirectory } from '../../fuzz/directory.js'
import { type Forgery, forgeries } from '../../fuzz/forgeries/index.js'
import { seedsOf } from '../../fuzz/fuzz.js'
import { Random } from '../../fuzz/random.js'
import { checkForged, forged, forgery } from '../../fuzz/targets/forgery.js'

const SEED = Number(process.env.VARVE_SEED ?? 1)

const breaking = (rule: Forgery): Promise<void> => {
  const [store] = seedsOf(forgery)
  return checkForged(unpackDirectory(forged(rule, unpackDirectory(store), new Random(SEED))))
}

test.each(forgeries)('$by: $rule', breaking)

test('each rule has a name of its own', () => {
  expect(new Set(forgeries.map(({ rule }) => rule)).size).toBe(forgeries.length)
})

test('a rule that is kept is missed', async () => {
  await expect(breaking({ ...forgeries[0], forge: () => 'CURRENT' })).rejects.toThrow(/^verify does not find/)
})
