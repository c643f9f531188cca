/** The memory of a process at default options. Keys are made as they are needed, so that the process holds the store and little else. */
import { randomIntegers } from '../data/random.js'
import { expect, expectLength } from '../measure/expect.js'
import { peakMemory } from '../measure/system.js'
import { IN_FLIGHT } from './loops.js'

const MEBIBYTE = 2 ** 20
const GOAL_MIB = 168

/** @type {import('./workload.js').Group} */
export const memory = {
  name: 'memory',
  title: 'memory at default options',
  defaults: true,
  count: () => 0,
  shape: { distinctValues: 4096 },
  workloads: [
    {
      name: 'memory',
      title: 'peak memory at default options: load, get, scan',
      unit: 'bytes',
      goal: `≤ ${GOAL_MIB} MiB`,
      goalValue: GOAL_MIB * MEBIBYTE,
    },
  ],
  run: async ({ session, dataset, n, seed, written }) => {
    const { values } = dataset
    let next = 0
    const lane = async () => {
      while (next < n) {
        const index = next++
        await session.put(dataset.keyAt(index), values.at(index))
      }
    }
    // A synchronous store has no use for several lanes, and they do it no harm.
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
    written.bytes += n * (dataset.keyAt(0).length + values.length)
    const random = randomIntegers(seed)
    for (let i = 0; i < n / 2; i++)
      expectLength(await session.get(dataset.keyAt(random() % n)), values.length)
    expect((await session.scan()) === n, `a scan gives ${n} entries`)
    return { memory: { value: await peakMemory() } }
  },
}
