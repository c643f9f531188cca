/**
 * Proves that memory does not grow with the data: loads two million entries in a process of its own, watches its
 * resident memory, reads everything back forwards and backwards. Fails when the process ever took more than the
 * limit beyond what Node.js itself takes with Varve imported.
 *
 * With a memory cgroup (version 1 or 2) the kernel enforces the limit as well; where none may be made, that is said.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { forkInto, MemoryGroup } from './measure/memory-group.js'
import { directorySize, residentMemory } from './measure/system.js'
import { checkLimits } from './memory-limit.js'

const MEBIBYTE = 2 ** 20
const SAMPLE_EVERY_MS = 20
const CHILD = fileURLToPath(new URL('memory-child.js', import.meta.url))

const { values: flags } = parseArgs({
  options: {
    n: { type: 'string', short: 'n', default: '2000000' },
    limit: { type: 'string', default: '256' },
    'memory-limit': { type: 'string' },
    value: { type: 'string', default: '100' },
    directory: { type: 'string', default: tmpdir() },
    cgroup: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (flags.help) {
  console.log(`Usage: npm run bench:memory -- [options]

  -n, --n count         entries of 16 + 100 bytes (default 2000000)
      --limit MiB       allowed beyond Node.js itself (default 256)
      --directory path  where the store is made (default the system's temporary directory)
      --memory-limit MiB,…  instead, check that the option memoryLimit is kept; 'default' measures without it
      --value bytes     the length of a value with --memory-limit (default 100)
      --cgroup path     an empty memory cgroup (version 1 or 2) to run in; by default one is made if that is allowed`)
  process.exit(0)
}
const n = Number(flags.n)
if (flags['memory-limit'] !== undefined) {
  const limits = flags['memory-limit']
    .split(',')
    .map((text) => (text === 'default' ? undefined : Number(text)))
  const kept = await checkLimits({ n, valueLength: Number(flags.value), limits, directory: flags.directory })
  console.log(kept ? 'OK' : 'FAILED: more memory than allowed')
  process.exit(kept ? 0 : 1)
}
const limit = Number(flags.limit) * MEBIBYTE

/** @param {number} bytes */
const mebibytes = (bytes) => `${(bytes / MEBIBYTE).toFixed(1)} MiB`

/**
 * Runs the child with a task; hands on its messages; resolves to the most memory that it had resident.
 * @param {object} task
 * @param {{ group?: MemoryGroup | undefined, onMessage?: (message: any, resident: number) => void }} [options]
 */
async function watchChild(task, { group, onMessage } = {}) {
  const child = forkInto(CHILD, group)
  const pid = /** @type {number} */ (child.pid)
  let peak = 0
  let failure = ''
  const timer = setInterval(async () => {
    peak = Math.max(peak, (await residentMemory(pid)) ?? 0)
  }, SAMPLE_EVERY_MS)
  child.on('message', (/** @type {any} */ message) => {
    peak = Math.max(peak, message.peak)
    if (message.error) failure = message.error
    else onMessage?.(message, message.resident)
  })
  child.send(task)
  const status = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  clearInterval(timer)
  if (failure || status !== 0)
    throw new Error(
      failure ||
        `The process ended with ${status}${status === 'SIGKILL' ? ": over the cgroup's limit?" : ''}`,
    )
  return peak
}

const directory = await mkdtemp(join(flags.directory, 'varve-memory-'))
/** @type {MemoryGroup | undefined} */
let group
try {
  const own = await watchChild({ kind: 'idle' })
  console.log(`Node.js with Varve imported     ${mebibytes(own)}`)

  const made =
    flags.cgroup === undefined
      ? await MemoryGroup.make(own + limit)
      : await MemoryGroup.existing(flags.cgroup, own + limit)
  if (typeof made === 'string') console.log(`NOT ENFORCED by the kernel      ${made}; only measured`)
  else {
    group = made
    console.log(`Enforced by the kernel          ${mebibytes(own + limit)} in ${group.path}`)
  }

  const startedAt = performance.now()
  const peak = await watchChild(
    { kind: 'load', n, path: join(directory, 'store'), seed: 1 },
    {
      group,
      onMessage: ({ what }, resident) => {
        const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
        console.log(`${what.padEnd(31)} ${mebibytes(resident)} resident, ${seconds} s`)
      },
    },
  )
  const used = peak - own
  console.log(
    `On disk                         ${mebibytes(await directorySize(directory))} for ${mebibytes(n * 116)} of entries`,
  )
  console.log(
    `Peak beyond Node.js             ${mebibytes(used)} of ${mebibytes(limit)} allowed (peak ${mebibytes(peak)})`,
  )
  console.log(used <= limit ? 'OK' : 'FAILED: more memory than allowed')
  process.exitCode = used <= limit ? 0 : 1
} catch (error) {
  console.error(`FAILED: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  await rm(directory, { recursive: true, force: true })
  await group?.remove()
}
