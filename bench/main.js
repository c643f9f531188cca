/**
 * Varve beside its peers. `npm run bench -- --help` lists the options.
 *
 * Every store runs in a process of its own, in turns, the order rotated from round to round; what is reported is the
 * median of the rounds. Only ratios of one run mean anything: the machine is never the same twice.
 */
import { fork } from 'node:child_process'
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import cliProgress from 'cli-progress'
import { markdownReport, summarize, terminalReport } from './report.js'
import { stores } from './stores/index.js'
import { machine } from './system.js'
import { groups } from './workloads.js'

const DEFAULT_STORES = ['varve', 'classic-level', 'lmdb', 'better-sqlite3', 'rocksdb']
const MEBIBYTE = 2 ** 20

const options = /** @type {const} */ ({
  stores: { type: 'string', short: 's', default: DEFAULT_STORES.join(',') },
  workloads: { type: 'string', short: 'w', default: 'all' },
  n: { type: 'string', short: 'n', default: '200000' },
  rounds: { type: 'string', short: 'r', default: '3' },
  cache: { type: 'string', default: '64' },
  limit: { type: 'string', default: '15' },
  seed: { type: 'string', default: '1' },
  directory: { type: 'string', default: tmpdir() },
  out: { type: 'string', default: fileURLToPath(new URL('results/', import.meta.url)) },
  help: { type: 'boolean', short: 'h', default: false },
})

const help = `Usage: npm run bench -- [options]

  -s, --stores a,b      stores to run, or 'all' (default ${DEFAULT_STORES.join(',')})
                        of ${Object.keys(stores).join(', ')}
  -w, --workloads x,y   workloads or groups of them to run, or 'all' (default)
${groups.map(({ name, workloads }) => `                        ${name}: ${workloads.map((w) => w.name).join(', ')}`).join('\n')}
  -n, --n count         entries (default 200000)
  -r, --rounds count    rounds (default 3); the median is reported
      --cache MiB       cache of each store (default 64)
      --limit seconds   a workload ends after this long (default 15)
      --seed number     the seed of the data (default 1)
      --directory path  where the stores are made (default the system's temporary directory)
      --out path        where the results go (default bench/results)
`

/** @param {string} what @returns {never} */
function refuse(what) {
  console.error(`${what} See --help.`)
  process.exit(2)
}

/** @param {string} name @param {string} text */
function positive(name, text) {
  const value = Number(text)
  return value > 0 && Number.isInteger(value)
    ? value
    : refuse(`--${name} is a positive integer, not "${text}".`)
}

/** @param {string} list @param {string[]} known @param {string} what */
function select(list, known, what) {
  if (list === 'all') return known
  const wanted = list.split(',').map((name) => name.trim())
  const unknown = wanted.find((name) => !known.includes(name))
  return unknown === undefined ? wanted : refuse(`No ${what} is called "${unknown}".`)
}

/** @param {string} list the names of workloads, or of groups of them */
function selectWorkloads(list) {
  const names = groups.flatMap(({ name, workloads }) => [name, ...workloads.map((workload) => workload.name)])
  const wanted = new Set(select(list, names, 'workload'))
  return groups
    .map((group) => ({
      ...group,
      workloads: wanted.has(group.name)
        ? group.workloads
        : group.workloads.filter(({ name }) => wanted.has(name)),
    }))
    .filter(({ workloads }) => workloads.length > 0)
}

/** The stores that are there; what is missing is said aloud. @param {string[]} names */
async function available(names) {
  /** @type {{ name: string, version: string, adapter: import('./stores/session.js').Adapter }[]} */
  const found = []
  for (const name of names) {
    try {
      const adapter = await stores[name]()
      if (adapter.own) await access(new URL('../dist/index.js', import.meta.url))
      found.push({ name, version: await adapter.version(), adapter })
    } catch (error) {
      console.error(
        `Skipping ${name}: it is not ${name.startsWith('varve') ? 'built' : 'installed'} (${error}).`,
      )
    }
  }
  return found.length > 0 ? found : refuse('None of the stores is there.')
}

/**
 * Runs one task in a process of its own.
 * @param {import('./child.js').Task} task
 * @returns {Promise<Record<string, import('./workloads.js').Outcome>>}
 */
function runChild(task) {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('child.js', import.meta.url), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    /** @type {any} */
    let answer
    child.once('message', (message) => {
      answer = message
    })
    child.once('exit', (code, signal) => {
      if (answer?.outcomes) resolve(answer.outcomes)
      else reject(new Error(answer?.error ?? `The process ended with ${signal ?? code}.`))
    })
    child.send(task)
  })
}

/** A bar on a terminal, a line a step elsewhere. @param {number} total */
function progress(total) {
  if (!process.stderr.isTTY) {
    let done = 0
    return {
      /** @param {string} what */
      step: (what) => console.error(`[${++done}/${total}] ${what}`),
      stop: () => {},
    }
  }
  const bar = new cliProgress.SingleBar(
    {
      format: ' {bar} {value}/{total}  {what}',
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr,
    },
    cliProgress.Presets.shades_classic,
  )
  bar.start(total, 0, { what: '' })
  return {
    /** @param {string} what */
    step: (what) => bar.increment(1, { what }),
    stop: () => bar.stop(),
  }
}

const { values: flags } = parseArgs({ options })
if (flags.help) {
  console.log(help)
  process.exit(0)
}
const n = positive('n', flags.n)
const rounds = positive('rounds', flags.rounds)
const seed = positive('seed', flags.seed)
const cacheSize = positive('cache', flags.cache) * MEBIBYTE
const limitMs = positive('limit', flags.limit) * 1000
const selectedGroups = selectWorkloads(flags.workloads)
const contenders = await available(select(flags.stores, Object.keys(stores), 'store'))
await mkdir(flags.directory, { recursive: true })
const workDirectory = await mkdtemp(join(flags.directory, 'varve-bench-'))

/** @type {import('./report.js').Sample[]} */
const samples = []
/** @type {string[]} */
const failures = []
const bar = progress(rounds * selectedGroups.length * contenders.length)
try {
  for (let round = 0; round < rounds; round++) {
    for (const group of selectedGroups) {
      for (let turn = 0; turn < contenders.length; turn++) {
        const { name, adapter } = contenders[(turn + round) % contenders.length]
        bar.step(`round ${round + 1}, ${group.name}: ${name}`)
        if (group.durableOnly && !adapter.durable) continue
        const workloads = group.workloads.map((workload) => workload.name)
        const task = { store: name, group: group.name, workloads, n, seed, cacheSize, limitMs, workDirectory }
        try {
          const outcomes = await runChild(task)
          for (const workload of group.workloads) {
            const outcome = outcomes[workload.name]
            const value = workload.derive ? workload.derive(outcomes) : outcome?.value
            if (value === undefined) continue
            samples.push({
              store: name,
              workload: workload.name,
              round,
              value,
              cut: outcome?.cut,
              details: outcome?.details,
            })
          }
        } catch (error) {
          failures.push(
            `${name}, ${group.name}, round ${round + 1}: ${error instanceof Error ? error.message : error}`,
          )
        }
      }
    }
  }
} finally {
  bar.stop()
  await rm(workDirectory, { recursive: true, force: true })
}

const run = {
  date: new Date().toISOString(),
  machine: machine(),
  n,
  rounds,
  seed,
  cacheSize,
  limitMs,
  stores: contenders.map(({ name, version, adapter }) => ({
    name,
    version,
    durable: adapter.durable,
    own: adapter.own ?? false,
    settings: adapter.settings,
  })),
}
const rows = summarize(
  selectedGroups.flatMap(({ workloads }) => workloads),
  run,
  samples,
)
console.log(terminalReport(run, rows))
for (const failure of failures) console.error(`FAILED  ${failure}`)

await mkdir(flags.out, { recursive: true })
const file = join(flags.out, run.date.replaceAll(':', '-').replace(/\.\d+Z$/, ''))
await writeFile(`${file}.json`, `${JSON.stringify({ ...run, samples, failures }, null, 2)}\n`)
await writeFile(`${file}.md`, markdownReport(run, rows))
console.log(`Written to ${relative(process.cwd(), file)}.json and .md`)
process.exitCode = failures.length > 0 ? 1 : 0
