/**
 * Proves that the option `memoryLimit` is kept: for each limit a process of its own loads, scans, reads at random, overwrites under scans and
 * compacts; the most memory that it ever had resident, less that of a bare Node.js process, may be a fifth above the limit at most.
 *
 * Without a limit it only measures, at default options.
 */
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine } from './measure/system.js'

const MEBIBYTE = 2 ** 20
const TOLERANCE = 1.2
const CHILD = fileURLToPath(new URL('memory-limit-child.js', import.meta.url))

/**
 * Runs the child; resolves to what it reports: after each phase the most memory that it ever had resident.
 * @param {object} task
 * @returns {Promise<{ what: string, peak: number }[]>}
 */
async function measure(task) {
  const child = fork(CHILD, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  /** @type {{ what: string, peak: number }[]} */
  const phases = []
  let failure = ''
  child.on('message', (/** @type {any} */ message) => {
    if (message.error) failure = message.error
    else phases.push(message)
  })
  child.send(task)
  const status = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  if (failure || status !== 0) throw new Error(failure || `The process ended with ${status}.`)
  return phases
}

/**
 * Prints a table; whether every limit was kept.
 * @param {{ n: number, valueLength: number, limits: (number | undefined)[], directory: string }} what limits in MiB
 */
export async function checkLimits({ n, valueLength, limits, directory }) {
  const { node, processor } = machine()
  const bare = (await measure({}))[0].peak
  const data = ((n * (16 + valueLength)) / MEBIBYTE).toFixed(0)
  console.log(`${n.toLocaleString('en')} entries of 16 + ${valueLength} bytes (${data} MiB)`)
  console.log(`Node.js ${node} on ${processor}; bare Node.js takes ${(bare / MEBIBYTE).toFixed(0)} MiB\n`)
  const columns = []
  for (const limit of limits) {
    const path = await mkdtemp(join(directory, 'varve-memory-'))
    try {
      const options = limit === undefined ? {} : { memoryLimit: limit * MEBIBYTE }
      columns.push(await measure({ n, valueLength, path: join(path, 'store'), options }))
    } finally {
      await rm(path, { recursive: true, force: true })
    }
  }
  const heads = limits.map((limit) => (limit === undefined ? 'default' : `${limit} MiB`))
  console.log(`| peak beyond bare Node.js, MiB | ${heads.join(' | ')} |`)
  console.log(`|---|${heads.map(() => '---:|').join('')}`)
  for (const [row, { what }] of columns[0].entries()) {
    const cells = columns.map((phases) => ((phases[row].peak - bare) / MEBIBYTE).toFixed(0))
    console.log(`| ${what} | ${cells.join(' | ')} |`)
  }
  const shares = columns.map((phases, i) => {
    const limit = limits[i]
    const peak = phases.at(-1)?.peak ?? Number.NaN
    return limit === undefined ? undefined : (peak - bare) / (limit * MEBIBYTE)
  })
  const cells = shares.map((share) => (share === undefined ? '' : `${(share * 100).toFixed(0)} %`))
  console.log(`| of the limit | ${cells.join(' | ')} |\n`)
  return shares.every((share) => share === undefined || share <= TOLERANCE)
}
