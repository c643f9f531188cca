/**
 * Puts the everyday figures of a benchmark run into README.md, between its two markers, with the date and the machine.
 *
 *     node bench/readme.js [bench/results/RUN.json]     # by default the newest run at 200,000 of several rounds
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cutNote, formatValue } from './report/format.js'
import { summarize } from './report/summary.js'
import { standard } from './workloads/standard.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const results = join(root, 'bench/results')
const BEGIN = '<!-- figures:begin -->'
const END = '<!-- figures:end -->'
/** The size of an everyday run. */
const EVERYDAY = 200_000

/**
 * @typedef {import('./run/journal.js').Plan & { samples: import('./report/summary.js').Sample[] }} Run
 */

/** @param {string} file @returns {Run} */
const read = (file) => JSON.parse(readFileSync(file, 'utf8'))

const { groups } = standard
const workloads = groups.flatMap((group) => group.workloads)

/** Whether a run has all everyday workloads, at the everyday size, more than once. @param {Run} run */
const isStandard = ({ command, sizes = [], rounds = 0, samples = [] }) =>
  command === 'bench' &&
  sizes[0] === EVERYDAY &&
  rounds > 1 &&
  groups.every((group) =>
    group.workloads.some(({ name }) => samples.some(({ workload }) => workload === name)),
  )

function newestRun() {
  const files = readdirSync(results)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(results, name))
  const newest = files.findLast((file) => isStandard(read(file)))
  if (newest === undefined) throw new Error('There is no run yet: npm run bench')
  return newest
}

const file = process.argv[2] ?? newestRun()
const run = read(file)
const [n] = run.sizes
const rows = summarize(
  workloads,
  run.stores,
  run.samples.filter((sample) => sample.n === n),
).filter(({ cells }) => cells.varve !== undefined)
const names = run.stores
  .map(({ name }) => name)
  .filter((name) => rows.some(({ cells }) => cells[name] !== undefined))

const { machine } = run
const lines = [
  `Medians of ${run.rounds} ${run.rounds === 1 ? 'round' : 'rounds'} on ${run.date.slice(0, 10)}, ${n.toLocaleString('en')} entries of 16 + 100 bytes, each`,
  `store in a process of its own, in turns, with ${run.cacheSize / 2 ** 20} MiB of cache; operations or entries per second. Node ${machine.node}, ${machine.platform},`,
  `${machine.cores} × ${machine.processor}, shared. The ratio is Varve against the best durable peer of the row; above 1, Varve is better.`,
  '',
  `| | ${names.join(' | ')} | ratio |`,
  `|---|${names.map(() => '---:').join('|')}|---:|`,
  ...rows.map(({ workload, cells, best }) => {
    const values = names.map((name) => {
      const cell = cells[name]
      return cell === undefined ? '–' : formatValue(cell.median, workload.unit) + (cell.cut ? ' †' : '')
    })
    return `| ${[workload.title, ...values, best === undefined ? '' : `${best.ratio.toFixed(2)} ×`].join(' | ')} |`
  }),
  '',
  ...[cutNote(run, rows)].filter((note) => note !== '').flatMap((note) => [note, '']),
  `From \`${relative(root, file)}\`, made by \`npm run bench\` and put here by \`node bench/readme.js\`.`,
]

const path = join(root, 'README.md')
const readme = readFileSync(path, 'utf8')
const begin = readme.indexOf(BEGIN)
const end = readme.indexOf(END)
if (begin < 0 || end < begin) throw new Error('README.md has lost its markers.')
writeFileSync(path, `${readme.slice(0, begin + BEGIN.length)}\n${lines.join('\n')}\n${readme.slice(end)}`)
