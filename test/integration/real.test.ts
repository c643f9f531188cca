import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseFileName } from '../../src/base/file-names.js'
import type { Store } from '../../src/index.js'
import { randomFrom } from '../model/random.js'
import { OPTIONS } from './fixtures/workload.mjs'
import { builtPackage, inDirectory } from './real-store.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 2 ** 31)), VARVE_RUNS = '600' } = process.env
const KEYS = 80

/** All entries, forwards and backwards, synchronously and not, are those of the model. */
async function expectEntries(store: Store<string, string>, model: Map<string, string>): Promise<void> {
  const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
  expect(await store.entries().all()).toEqual(expected)
  expect([...store.entries({ reverse: true })]).toEqual(expected.toReversed())
}

test(
  `a store on a real disk, with a real worker thread, is its model (VARVE_SEED=${VARVE_SEED} replays)`,
  { timeout: 120_000 },
  () =>
    inDirectory(async (parent) => {
      const { open, WriteBatch } = await builtPackage()
      const random = randomFrom(Number(VARVE_SEED))
      const below = (n: number): number => Math.floor(random() * n)
      const directory = join(parent, 'made', 'on', 'the', 'way')
      const openStore = (): Promise<Store<string, string>> => open<string, string>(directory, OPTIONS)
      let store = await openStore()
      let compactions = 0
      const model = new Map<string, string>()
      const inFlight: Promise<unknown>[] = []
      const keyAt = (): string => `key/${String(below(KEYS)).padStart(3, '0')}`
      for (let n = 0; n < Number(VARVE_RUNS); n++) {
        const key = keyAt()
        const value = `${n}:`.padEnd(below(400), String(n))
        const choice = below(20)
        if (choice < 10) {
          inFlight.push(store.set(key, value, choice === 0 ? { durability: 'disk' } : {}))
          model.set(key, value)
        } else if (choice < 12) {
          const wasThere = model.delete(key)
          expect(await store.delete(key)).toBe(wasThere)
        } else if (choice < 14) {
          const batch = new WriteBatch<string, string>()
          for (let i = below(12); i >= 0; i--) {
            const other = keyAt()
            batch.set(other, value)
            model.set(other, value)
          }
          inFlight.push(store.applyBatch(batch))
        } else if (choice < 16) {
          await Promise.all(inFlight.splice(0))
          expect(await store.get(key)).toBe(model.get(key))
          expect(store.getSync(key)).toBe(model.get(key))
        } else if (choice === 16) {
          inFlight.push(store.sync())
        } else if (choice === 17 && below(4) === 0) {
          await store.flush()
        } else if (choice === 18 && below(8) === 0) {
          await store.compact()
        } else if (choice === 19 && below(4) === 0) {
          await Promise.all(inFlight.splice(0))
          compactions += store.stats().compaction.count
          await store.close()
          store = await openStore()
          await expectEntries(store, model)
        }
      }
      await Promise.all(inFlight)
      await expectEntries(store, model)
      compactions += store.stats().compaction.count
      await store.close()
      expect(compactions).toBeGreaterThan(5)
      const left = (await readdir(directory)).map((name) => parseFileName(name)?.kind)
      expect(left).not.toContain('temporary')
      expect(left).not.toContain('lock')
    }),
)
