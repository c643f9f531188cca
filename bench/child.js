/** Runs one group of workloads on one store, in this process alone, and sends the outcomes to the parent. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Dataset } from './dataset.js'
import { stores } from './stores/index.js'
import { groups } from './workloads.js'

/**
 * @typedef {object} Task
 * @property {string} store
 * @property {string} group
 * @property {string[]} workloads
 * @property {number} n
 * @property {number} seed
 * @property {number} cacheSize
 * @property {number} limitMs
 * @property {string} workDirectory
 */

/** @param {Task} task */
async function run(task) {
  const adapter = await stores[task.store]()
  const group = groups.find(({ name }) => name === task.group)
  if (!group) throw new Error(`No group of workloads is called ${task.group}.`)

  await mkdir(task.workDirectory, { recursive: true })
  const directory = join(await mkdtemp(join(task.workDirectory, `${task.store}-`)), 'store')
  try {
    const dataset = group.defaults ? new Dataset(0, task.seed, 4096) : new Dataset(task.n, task.seed)
    const options = { cacheSize: group.defaults ? undefined : task.cacheSize, sync: group.sync ?? false }
    let session = await adapter.open(directory, options)
    const reopen = async () => {
      session = await adapter.open(directory, options)
      return session
    }
    const context = { session, reopen, dataset, n: task.n, limitMs: task.limitMs, directory }
    const outcomes = await group.run(context, new Set(task.workloads))
    await session.close()
    return outcomes
  } finally {
    await rm(join(directory, '..'), { recursive: true, force: true })
  }
}

process.once('message', async (task) => {
  /** @type {object} */
  let answer
  try {
    answer = { outcomes: await run(/** @type {Task} */ (task)) }
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  // A native binding may keep threads; the process has nothing more to do.
  process.send?.(answer, () => process.exit())
})
