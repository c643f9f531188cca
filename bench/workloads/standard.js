/** The everyday workloads, each way of writing by itself: 16-byte keys in random order, 100-byte values. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { withLoopDelay } from '../measure/loop-delay.js'
import { Stopwatch } from '../measure/stopwatch.js'
import { memory } from './memory.js'
import { reads } from './reads.js'
import { recovery } from './recovery.js'
import { delays, rate } from './workload.js'
import { putAwaited, putBatches, putInFlight } from './writing.js'

const SYNCED_PUTS = 5_000
const SYNCED_PUTS_IN_FLIGHT = 50_000
const BARE_SYNCS = 2_000

/** @type {import('./workload.js').Workload} */
const bareShare = {
  name: 'put-sync-share',
  title: '… as a share of a bare loop of write and fdatasync',
  unit: 'share',
  goal: '≥ 0.9',
  goalValue: 0.9,
}

/**
 * The most that the device gives to one who waits for each write: entries a second, as bytes at the end of a file.
 * @param {import('./workload.js').Context} context
 */
function bareSyncs({ directory, dataset, limitMs }) {
  const file = openSync(join(directory, '..', 'bare'), 'a')
  const entry = Buffer.concat([Buffer.from(dataset.keys[0]), dataset.values.at(0)])
  const watch = new Stopwatch(limitMs)
  let done = 0
  for (; done < BARE_SYNCS && watch.elapsedMs < limitMs; done++) {
    writeSync(file, entry)
    fdatasyncSync(file)
  }
  closeSync(file)
  return watch.rate(done, done).value
}

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
      workloads: [rate('put-sync', 'put with fsync, each awaited', 1.2), bareShare],
      run: async (context) => {
        const outcome = await putAwaited(context, Math.min(context.n, SYNCED_PUTS))
        return { 'put-sync': outcome, [bareShare.name]: { value: outcome.value / bareSyncs(context) } }
      },
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
    recovery,
    memory,
  ],
}
