/** How the report judges: medians, the best peer in either direction, and every kind of goal. */
import { describe, expect, test } from 'vitest'
import { median, summarize } from '../../bench/report/summary.js'
import type { Workload } from '../../bench/workloads/workload.js'

const stores = [
  { name: 'varve', durable: true, own: true },
  { name: 'varve-in-memory', durable: false, own: true },
  { name: 'one', durable: true, own: false },
  { name: 'other', durable: true, own: false },
  { name: 'fleeting', durable: false, own: false },
]

/** The row of a workload with one value for each store, in their order. */
function rowOf(workload: Partial<Workload>, ...values: number[]) {
  const rates: Workload = { name: 'w', title: 'w', unit: 'per second', ...workload }
  const samples = values.map((value, i) => ({
    store: stores[i].name,
    workload: 'w',
    n: 1,
    round: 0,
    value,
  }))
  return summarize([rates], stores, samples)[0]
}

test('a median is the one in the middle, or between two', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
})

describe('the best peer', () => {
  test('has the most of what is better for being more, and must be durable', () => {
    expect(rowOf({}, 100, 1, 20, 50, 1000).best).toEqual({ store: 'other', ratio: 2 })
  })

  test('has the least of what is better for being less', () => {
    expect(rowOf({ unit: 'ms' }, 10, 1, 40, 20, 1).best).toEqual({ store: 'other', ratio: 2 })
  })
})

describe('a goal', () => {
  test.each<[string, Partial<Workload>, number[], boolean | undefined]>([
    ['of a ratio, reached', { goalRatio: 2 }, [100, 1, 20, 50], true],
    ['of a ratio, missed', { goalRatio: 2.1 }, [100, 1, 20, 50], false],
    ['of a ratio without a peer', { goalRatio: 2 }, [100, 1], undefined],
    ['of a value that is to be reached', { goalValue: 100 }, [99, 200], false],
    ['of a value in any column', { goalValue: 100, goalOfAny: true }, [99, 200], true],
    ['of a value that is not to be passed', { goalValue: 100, unit: 'ms' }, [101, 1], false],
    ['beside one store, reached', { goalPeer: 'one', unit: 'bytes' }, [20, 1, 20, 5], true],
    ['beside one store, by a ratio', { goalPeer: 'fleeting', goalRatio: 0.5 }, [40, 1, 20, 5, 100], false],
    ['that there is none of', {}, [40, 1, 20], undefined],
  ])('%s', (_name, workload, values, met) => {
    expect(rowOf(workload, ...values).met).toBe(met)
  })

  test('beside another row is judged by the best peer there', () => {
    const workloads: Workload[] = [
      { name: 'single', title: '', unit: 'per second' },
      { name: 'many', title: '', unit: 'per second', goalRow: 'single', goalRatio: 10 },
    ]
    const values = { single: [30, 0, 20], many: [200, 0, 500] }
    const samples = Object.entries(values).flatMap(([workload, list]) =>
      list.map((value, i) => ({ store: stores[i].name, workload, n: 1, round: 0, value })),
    )
    expect(summarize(workloads, stores, samples)[1].met).toBe(true)
  })
})
