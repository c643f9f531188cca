/** Opening a store whose process was killed: what was written is in the log only, and is there. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expectContents } from '../measure/expect.js'
import { rate } from './workload.js'

/**
 * A full log: as many entries as the stores with the smallest memtables, of 4 MiB with what each entry costs there, gather
 * before they write a table. With fewer, what an opening costs in any case would pass for the rate.
 */
const MOST_ENTRIES = 26_000
const MEGABYTE = 1e6

/** @type {import('./workload.js').Group} */
export const recovery = {
  name: 'recovery',
  title: 'recovery from the log',
  durableOnly: true,
  workloads: [
    { name: 'recover', title: 'open after kill -9, up to 26,000 entries in the log', unit: 'ms' },
    {
      ...rate('recover-rate', '… bytes of entries a second'),
      goal: '≥ 100 MB',
      goalValue: 100 * MEGABYTE,
    },
  ],
  run: async (context) => {
    const { dataset, directory, store, n, seed } = context
    const count = Math.min(n, MOST_ENTRIES)
    await context.close()
    const writer = fork(fileURLToPath(new URL('../run/doomed-writer.js', import.meta.url)))
    const ended = once(writer, 'exit')
    writer.send({ store, directory, count, seed })
    await Promise.race([once(writer, 'message'), ended])
    writer.kill('SIGKILL')
    await ended
    const elapsedMs = await context.open()
    await expectContents(context.session, dataset, count)
    const bytes = count * dataset.meanEntryBytes
    return { recover: { value: elapsedMs }, 'recover-rate': { value: (bytes / elapsedMs) * 1000 } }
  },
}
