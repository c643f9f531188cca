/** The everyday workloads, each way of writing by itself: 16-byte keys in random order, 100-byte values. */
import { withLoopDelay } from '../measure/loop-delay.js'
import { memory } from './memory.js'
import { reads } from './reads.js'
import { delays, rate } from './workload.js'
import { putAwaited, putBatches, putInFlight } from './writing.js'

const SYNCED_PUTS = 5_000
const SYNCED_PUTS_IN_FLIGHT = 50_000

/** @type {import('./workload.js').Family} */
export const standard = {
  name: 'standard',
  title: 'Everyday workloads',
  about: '16-byte keys in random order, 100-byte values that compress to half.',
  groups: [
    {
      name: 'put',
      title: 'puts, each awaited',
      workloads: [rate('put', 'put, random keys, each awaited, no fsync', 10), ...delays('put')],
      run: async (context) => ({ put: await withLoopDelay(() => putAwaited(context)) }),
    },
    {
      name: 'put-64',
      title: 'puts, 64 in flight',
      workloads: [rate('put-64', 'put, 64 in flight, no fsync', 4), ...delays('put-64')],
      run: async (context) => {
        if (!context.session.concurrent) return {}
        return { 'put-64': await withLoopDelay(async () => (await putInFlight(context)) ?? { value: 0 }) }
      },
    },
    {
      name: 'batch',
      title: 'batches of 100',
      workloads: [rate('batch', 'batches of 100, random keys, no fsync', 3), ...delays('batch')],
      run: async (context) => ({ batch: await withLoopDelay(() => putBatches(context)) }),
    },
    {
      name: 'put-sync',
      title: 'puts with fsync, each awaited',
      sync: true,
      durableOnly: true,
      workloads: [rate('put-sync', 'put with fsync, each awaited', 1.2)],
      run: async (context) => ({ 'put-sync': await putAwaited(context, Math.min(context.n, SYNCED_PUTS)) }),
    },
    {
      name: 'put-sync-64',
      title: 'puts with fsync, 64 in flight',
      sync: true,
      durableOnly: true,
      workloads: [rate('put-sync-64', 'put with fsync, 64 in flight', 4)],
      run: async (context) => ({
        'put-sync-64': await putInFlight(context, Math.min(context.n, SYNCED_PUTS_IN_FLIGHT)),
      }),
    },
    reads,
    memory,
  ],
}
