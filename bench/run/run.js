/**
 * Deals the tasks out: every store in a process of its own, in turns, the order rotated from round to round. What is reported is the median of the
 * rounds, and only ratios of one run mean anything: the machine is never the same twice.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { forkInto, MemoryGroup } from '../measure/memory-group.js'
import { duration, progress } from './progress.js'

/** @typedef {import('./journal.js').Plan} Plan */
/** @typedef {import('./journal.js').Finished} Finished */
/** @typedef {import('../workloads/workload.js').Family} Family */
/** @typedef {import('../workloads/workload.js').Group} Group */

/** A load average of more than this is told of. */
const BUSY_LOAD = 0.5

const CHILD = fileURLToPath(new URL('child.js', import.meta.url))

/**
 * Runs one task in a process of its own, under the memory limit if there is one.
 * @param {import('./child.js').Task} task @param {Plan['memoryLimit']} memoryLimit
 */
async function runLimited(task, memoryLimit) {
  if (memoryLimit === undefined || memoryLimit.unenforced !== undefined) return runChild(task, undefined)
  const group = await MemoryGroup.make(memoryLimit.bytes)
  if (typeof group === 'string') throw new Error(`The memory limit could not be set: ${group}`)
  try {
    return await runChild(task, group)
  } finally {
    await group.remove()
  }
}

/**
 * @param {import('./child.js').Task} task @param {MemoryGroup | undefined} group
 * @returns {Promise<import('./child.js').Answer>}
 */
function runChild(task, group) {
  return new Promise((resolve, reject) => {
    const child = forkInto(CHILD, group)
    /** @type {any} */
    let answer
    child.once('message', (message) => {
      answer = message
    })
    child.once('exit', (code, signal) => {
      if (answer?.outcomes) resolve(answer)
      else
        reject(
          new Error(
            answer?.error ??
              `The process ended with ${signal ?? code}${signal === 'SIGKILL' && group ? ': over the memory limit' : ''}.`,
          ),
        )
    })
    child.send(task)
  })
}

/** Every task of the plan, in the order in which they run. @param {Plan} plan @param {Family[]} families */
function tasksOf(plan, families) {
  const tasks = []
  for (let round = 0; round < plan.rounds; round++) {
    for (const n of plan.sizes) {
      for (const group of families.flatMap(({ groups }) => groups)) {
        const takesPart = contendersOf(plan, group)
        for (let turn = 0; turn < takesPart.length; turn++) {
          const { name } = takesPart[(turn + round) % takesPart.length]
          tasks.push({ store: name, group, n, round })
        }
      }
    }
  }
  return tasks
}

/** The stores that take part in a group. @param {Plan} plan @param {Group} group */
export const contendersOf = ({ stores, storesNamed }, group) =>
  stores.filter(
    ({ name, durable }) =>
      (durable || !group.durableOnly) &&
      (storesNamed || (group.stores ? group.stores.includes(name) : DEFAULT_STORES.includes(name))),
  )

/** The peers that a Node user would pick, and Varve. */
export const DEFAULT_STORES = ['varve', 'classic-level', 'lmdb', 'better-sqlite3', 'rocksdb']

/**
 * Runs what the journal does not have yet. Ctrl+C ends it: what has ended by then is reported, and can be gone on with.
 * @param {import('./journal.js').Journal} journal
 * @param {Family[]} families
 * @param {{ directory: string, out: string }} where
 * @returns {Promise<boolean>} whether it came to the end
 */
export async function run(journal, families, { directory, out }) {
  const { plan } = journal
  const tasks = tasksOf(plan, families).filter(({ store, group, n, round }) => {
    return !journal.has({ store, group: group.name, n, round })
  })
  if (plan.memoryLimit?.unenforced !== undefined) {
    console.error(`\nTHE MEMORY LIMIT IS NOT ENFORCED, only measured by: ${plan.memoryLimit.unenforced}\n`)
  }
  if (plan.machine.load > BUSY_LOAD) {
    console.error(
      `The machine is busy (load ${plan.machine.load.toFixed(1)}): expect wide spreads, trust ratios only.`,
    )
  }
  console.error(`${tasks.length} processes, one after the other; ${await forecast(plan, tasks, out)}.`)
  await mkdir(directory, { recursive: true })
  const workDirectory = await mkdtemp(join(directory, 'varve-bench-'))
  let done = 0
  let interrupted = false
  const interrupt = () => {
    if (interrupted) process.exit(130)
    interrupted = true
    console.error('\nEnding; once more to end at once.')
  }
  process.on('SIGINT', interrupt)
  const bar = progress(tasks.length)
  try {
    for (const { store, group, n, round } of tasks) {
      if (interrupted) break
      bar.begin(`round ${round + 1}, ${group.name}, ${n.toLocaleString('en')} entries: ${store}`)
      const startedAt = performance.now()
      const workloads = group.workloads.map(({ name }) => name)
      const { operations = n, seed, cacheSize, limitMs } = plan
      const task = { store, group: group.name, workloads, n, operations, seed, cacheSize, limitMs }
      const answer = await runLimited({ ...task, workDirectory }, plan.memoryLimit).catch((error) => ({
        error: error.message,
      }))
      const seconds = (performance.now() - startedAt) / 1000
      // A child that Ctrl+C has ended as well has nothing to say.
      if (interrupted && 'error' in answer) break
      await journal.add({ store, group: group.name, n, round, seconds, ...answer })
      done++
      bar.end()
    }
  } finally {
    bar.stop()
    process.off('SIGINT', interrupt)
    await rm(workDirectory, { recursive: true, force: true })
  }
  return done === tasks.length
}

/**
 * How long it will take: as long as the same tasks took in the newest run that has them, in proportion to the entries; without one, what the time
 * limits allow at most.
 * @param {Plan} plan @param {{ store: string, group: Group, n: number }[]} tasks @param {string} out
 */
async function forecast(plan, tasks, out) {
  const names = (await readdir(out).catch(() => [])).filter((name) => name.endsWith('.json')).sort()
  /** @type {Map<string, { n: number, seconds: number }>} */
  const known = new Map()
  for (const name of names) {
    /** @type {{ tasks?: Finished[] }} */
    const { tasks: earlier = [] } = JSON.parse(await readFile(join(out, name), 'utf8'))
    for (const { store, group, n, seconds } of earlier) known.set(`${store} ${group}`, { n, seconds })
  }
  let seconds = 0
  let guessed = 0
  for (const { store, group, n } of tasks) {
    const earlier = known.get(`${store} ${group.name}`)
    if (earlier) seconds += earlier.seconds * Math.max(1, n / earlier.n)
    else {
      guessed++
      // Some load the store first, all start a process and check the answers.
      seconds += ((group.workloads.length + 1) * plan.limitMs) / 1000
    }
  }
  return guessed === 0
    ? `about ${duration(seconds)}, to judge by earlier runs`
    : `at most ${duration(seconds)}, much less if no workload needs its ${plan.limitMs / 1000} s`
}
