/** The figures that the Go design claims, of a store in memory, on its own hardware: what this engine does for them, in memory and durable. */
import { expectLength } from '../measure/expect.js'
import { inFlight } from './loops.js'
import { getFastest, runWanted } from './reads.js'
import { rate } from './workload.js'
import { loadAndSettle, putAwaited, putBatches, putInFlight } from './writing.js'

const GETS = 200_000

/** @param {string} name @param {string} title @param {number} claim a second @param {string} [words] */
const claimed = (name, title, claim, words) => ({
  ...rate(name, title),
  goal: words ?? `${claim.toLocaleString('en')} claimed`,
  goalValue: claim,
  goalOfAny: true,
})

/** @param {import('./workload.js').Context} context @param {Uint32Array} sample */
function getInFlight(context, sample) {
  const { session, dataset } = context
  if (!session.concurrent) return undefined
  return inFlight(
    context,
    sample.length,
    async (i) => expectLength(await session.get(dataset.keys[sample[i]]), dataset.values.length),
    { warmUp: true },
  )
}

/** In worker threads, as many as there are processors. @param {import('./workload.js').Context} context @param {Uint32Array} sample */
async function getInThreads({ session, dataset }, sample) {
  if (session.getInThreads === undefined) return undefined
  const keys = Array.from(sample, (index) => dataset.keys[index])
  return { value: await session.getInThreads(keys, dataset.values.length) }
}

const stores = [
  'varve',
  'varve-durability-memory',
  'varve-in-memory',
  'memory-level',
  'classic-level',
  'lmdb',
  'better-sqlite3',
]

/** @type {import('./workload.js').Family} */
export const goDesign = {
  name: 'go',
  title: 'What the Go design claims',
  about:
    'The claims are those of a store in memory, on the hardware of whoever made them; goals are met if Varve in any of its columns meets them.',
  groups: [
    {
      name: 'go-set',
      title: 'Set',
      stores,
      workloads: [claimed('go-set', 'Set, each awaited', 500_000)],
      run: async (context) => ({ 'go-set': await putAwaited(context) }),
    },
    {
      name: 'go-set-64',
      title: 'Set, 64 in flight',
      stores,
      workloads: [claimed('go-set-64', 'Set, 64 in flight', 500_000)],
      run: async (context) => ({ 'go-set-64': await putInFlight(context) }),
    },
    {
      name: 'go-batch',
      title: 'batches of 100',
      stores,
      workloads: [claimed('go-batch', 'batches of 100, entries', 5_000_000, '50,000 batches claimed')],
      run: async (context) => ({ 'go-batch': await putBatches(context) }),
    },
    {
      name: 'go-get',
      title: 'Get',
      stores,
      workloads: [
        claimed('go-get', 'Get, synchronous (fastest way)', 1_000_000),
        claimed('go-get-64', 'concurrent Get, 64 in flight in one thread', 5_000_000),
        claimed('go-get-threads', 'concurrent Get, in a thread for each processor', 5_000_000),
      ],
      run: async (context, wanted) => {
        await loadAndSettle(context)
        const sample = context.dataset.sample(Math.min(context.n, GETS), 7)
        return runWanted(
          {
            'go-get': () => getFastest(context, sample),
            'go-get-64': () => getInFlight(context, sample),
            'go-get-threads': () => getInThreads(context, sample),
          },
          wanted,
        )
      },
    },
  ],
}
