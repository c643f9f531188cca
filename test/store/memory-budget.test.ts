/** What a memory limit is divided into. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  LEAST_KEPT_LIMIT,
  LEAST_MEMORY_LIMIT,
  type MemorySizes,
  planMemory,
  plannedBytes,
} from '../../src/store/memory-budget.js'
import { resolveSettings } from '../../src/store/options.js'
import { prometheusText } from '../../src/store/statistics/prometheus.js'
import { codeOf, fill, numbered, openText, TINY } from './stores.js'

const MiB = 1024 * 1024
const limits = fc.integer({ min: LEAST_KEPT_LIMIT, max: 64 * 1024 * MiB })
const given = fc.record(
  {
    memtableSize: fc.integer({ min: 1024, max: 256 * MiB }),
    cacheSize: fc.integer({ min: 0, max: 4096 * MiB }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Partial<MemorySizes>>

/** The plan, or the code of the refusal. */
function planned(limit: number, sizes: Partial<MemorySizes>): ReturnType<typeof planMemory> | string {
  try {
    return planMemory(limit, sizes)
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('a plan', () => {
  test('stays within the limit, and keeps what was given', () => {
    fc.assert(
      fc.property(limits, given, (limit, sizes) => {
        const plan = planned(limit, sizes)
        if (typeof plan === 'string') {
          expect(plan).toBe('INVALID_ARGUMENT')
          return
        }
        expect(plannedBytes(plan)).toBeLessThanOrEqual(limit)
        expect(plan).toMatchObject(sizes)
      }),
    )
  })

  test('is there for every limit when nothing was given, and uses most of it', () => {
    fc.assert(
      fc.property(limits, (limit) => {
        const plan = planMemory(limit)
        expect(plan.memtableSize).toBeGreaterThanOrEqual(MiB)
        expect(plan.cacheSize).toBeGreaterThanOrEqual(2 * MiB)
        expect(plan.tableMemory).toBeGreaterThanOrEqual(2 * MiB)
        expect(plannedBytes(plan)).toBeGreaterThan(limit - MiB)
      }),
    )
  })

  test('grows with the limit in every part', () => {
    fc.assert(
      fc.property(limits, limits, given, (a, b, sizes) => {
        const [small, large] = [planned(Math.min(a, b), sizes), planned(Math.max(a, b), sizes)]
        if (typeof small === 'string') return
        if (typeof large === 'string') throw new Error('what fits a limit fits a larger one')
        expect(large.memtableSize).toBeGreaterThanOrEqual(small.memtableSize)
        expect(large.tableMemory).toBeGreaterThanOrEqual(small.tableMemory)
        // One memtable step may come out of the cache.
        expect(large.cacheSize).toBeGreaterThanOrEqual(small.cacheSize - MiB)
      }),
    )
  })
})

describe('the option memoryLimit', () => {
  test('derives what is not given', () => {
    const { memoryLimit, memtableSize, flushBytes, cacheSize, tableMemory } = resolveSettings({
      memoryLimit: 256 * MiB,
    })
    expect({ memtableSize, flushBytes, cacheSize, tableMemory }).toEqual(planMemory(256 * MiB))
    expect(memoryLimit).toBe(256 * MiB)
    expect(resolveSettings({ memoryLimit: 256 * MiB, cacheSize: 1 }).cacheSize).toBe(1)
    expect(resolveSettings({}).tableMemory).toBeUndefined()
  })

  test('is refused when it cannot be kept, with what to do', async () => {
    const refused = (options: Parameters<typeof resolveSettings>[0]): Promise<string | undefined> =>
      codeOf(() => resolveSettings(options))
    expect(await refused({ memoryLimit: LEAST_MEMORY_LIMIT - 1 })).toBe('INVALID_ARGUMENT')
    for (const memoryLimit of [LEAST_MEMORY_LIMIT, 64 * MiB, LEAST_KEPT_LIMIT - 1]) {
      expect(planMemory(memoryLimit)).toEqual(planMemory(LEAST_KEPT_LIMIT))
    }
    expect(await refused({ memoryLimit: 170.5 * MiB + 0.5 })).toBe('INVALID_ARGUMENT')
    expect(await refused({ memoryLimit: 160 * MiB, cacheSize: 64 * MiB })).toBe('INVALID_ARGUMENT')
    expect(await refused({ memoryLimit: 160 * MiB, persistence: 'none' })).toBe('INVALID_ARGUMENT')
    expect(() => resolveSettings({ memoryLimit: 160 * MiB, cacheSize: 64 * MiB })).toThrow('Raise the limit')
  })
})

test('a long scan leaves half of the block cache to what was in it', async () => {
  const cacheSize = 128 * 1024
  const store = await openText({ cacheSize })
  await fill(store, 0, 4000)
  await store.compact()
  expect((await store.entries().all()).length).toBe(4000)
  const { bytes } = store.stats().cache
  expect(bytes).toBeLessThan(0.6 * cacheSize)
  expect(bytes).toBeGreaterThan(0.4 * cacheSize)
  // Point reads fill the rest.
  for (let i = 0; i < 4000; i += 10) store.getSync(numbered(i))
  expect(store.stats().cache.bytes).toBeGreaterThan(0.9 * cacheSize)
})

test('stats tell what holds memory', async () => {
  const store = await openText({ ...TINY, memtableSize: 1 << 20, memoryLimit: 256 * MiB, cacheSize: 1 << 16 })
  await fill(store, 0, 500)
  await store.flush()
  for await (const _ of store.entries());
  const { memory, cache, tables } = store.stats()
  expect(memory.limitBytes).toBe(256 * MiB)
  expect(memory.cacheBytes).toBe(cache.bytes)
  expect(memory.tableBytes).toBe(tables.memoryBytes)
  expect(memory.tableBytes).toBeGreaterThan(0)
  expect(memory.memtableBytes).toBeGreaterThanOrEqual(2 << 20)
  const { memtableBytes, cacheBytes, tableBytes, bufferBytes } = memory
  expect(memory.totalBytes).toBe(memtableBytes + cacheBytes + tableBytes + bufferBytes)
  const text = prometheusText(store.stats())
  expect(text).toContain(`varve_memory_limit_bytes ${256 * MiB}\n`)
  expect(text).toContain(`varve_memory_bytes{part="tables"} ${tableBytes}\n`)
})
