/** Runs one group of workloads on one store, in this process alone, and sends what came out to the parent. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Dataset } from '../data/dataset.js'
import { Stopwatch } from '../measure/stopwatch.js'
import { deviceBytes, directorySize, peakMemory, resetPeakMemory } from '../measure/system.js'
import { stores } from '../stores/index.js'
import { allGroups } from '../workloads/index.js'

/**
 * @typedef {object} Task
 * @property {string} store
 * @property {string} group
 * @property {string[]} workloads
 * @property {number} n
 * @property {number} operations
 * @property {number} seed
 * @property {number} cacheSize
 * @property {number} limitMs
 * @property {string} workDirectory
 *
 * @typedef {object} Resources What a group took of the machine; bytes.
 * @property {number} memory the peak of the process, from before the store was opened
 * @property {number} memoryBefore what the process had resident then: Node.js, the keys and values
 * @property {number} disk the files at the end
 * @property {number} entries keys and values written
 * @property {number | undefined} written to the device, by the whole process
 * @property {number | undefined} read from the device
 * @property {number | undefined} ownWriteAmplification as the store counts it
 *
 * @typedef {object} Answer
 * @property {import('../workloads/workload.js').Outcomes} outcomes
 * @property {Resources} [resources] not of a program that has workloads of its own
 */

/** @param {Task} task @returns {Promise<Answer>} */
async function run(task) {
  const adapter = await stores[task.store]()
  const group = allGroups.find(({ name }) => name === task.group)
  if (!group) throw new Error(`No group of workloads is called ${task.group}.`)

  await mkdir(task.workDirectory, { recursive: true })
  const directory = join(await mkdtemp(join(task.workDirectory, `${task.store}-`)), 'store')
  try {
    if (adapter.measure) return { outcomes: await adapter.measure(group.name, { ...task, directory }) }
    const dataset = new Dataset(group.count?.(task.n) ?? task.n, task.seed, group.shape)
    await resetPeakMemory()
    const memoryBefore = process.memoryUsage.rss()
    const deviceBefore = await deviceBytes()
    const options = { cacheSize: group.defaults ? undefined : task.cacheSize, sync: group.sync ?? false }
    /** @type {number | undefined} */
    let ownWriteAmplification
    const context = {
      session: await adapter.open(directory, options),
      close: async () => {
        ownWriteAmplification ??= context.session.writeAmplification?.()
        await context.session.close()
      },
      open: async () => {
        const watch = new Stopwatch()
        context.session = await adapter.open(directory, options)
        return watch.elapsedMs
      },
      dataset,
      n: task.n,
      operations: task.operations,
      seed: task.seed,
      limitMs: task.limitMs,
      directory,
      store: task.store,
      written: { bytes: 0 },
    }
    const outcomes = await group.run(context, new Set(task.workloads))
    await context.close()
    const deviceAfter = await deviceBytes()
    const resources = {
      memory: await peakMemory(),
      memoryBefore,
      disk: await directorySize(directory),
      entries: context.written.bytes,
      written: deviceAfter && deviceBefore && deviceAfter.written - deviceBefore.written,
      read: deviceAfter && deviceBefore && deviceAfter.read - deviceBefore.read,
      ownWriteAmplification,
    }
    return { outcomes, resources }
  } finally {
    await rm(join(directory, '..'), { recursive: true, force: true })
  }
}

process.once('message', async (task) => {
  /** @type {object} */
  let answer
  try {
    answer = await run(/** @type {Task} */ (task))
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  // A native binding may keep threads; the process has nothing more to do.
  process.send?.(answer, () => process.exit())
})
