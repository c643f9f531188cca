/**
 * What each feature costs, and what it costs when it is not used. `npm run bench:features -- --help` lists the options.
 *
 * Each measurement is of a fresh store, behind a garbage collection, so that nobody pays for its predecessor. Variants of
 * a feature take turns within a round, the order is turned from round to round, and what is reported is the median of the
 * ratios of one round each: a busy minute of the machine is in both sides. What waits for nothing is measured in processor
 * time, which other processes do not add to.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readOnly } from './features/read-only.js'
import { reads } from './features/reads.js'
import { removals } from './features/removals.js'
import { markdownTable, rowsOf, terminalTable } from './features/report.js'
import { watching } from './features/watching.js'
import { writes } from './features/writes.js'
import { machine } from './measure/system.js'

const all = [...writes, ...reads, ...removals, ...watching, ...readOnly]

const { values: flags } = parseArgs({
  options: {
    features: { type: 'string', short: 'f', default: 'all' },
    rounds: { type: 'string', short: 'r', default: '9' },
    out: { type: 'string', default: fileURLToPath(new URL('results/features/', import.meta.url)) },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (flags.help) {
  console.log(`Usage: npm run bench:features -- [options]

  -f, --features a,b  which to measure (default all): ${all.map(({ name }) => name).join(', ')}
  -r, --rounds count  rounds (default 9), beside one to warm up
      --out path      where the results go (default bench/results/features)`)
  process.exit(0)
}
const wanted = flags.features.split(',')
const features = flags.features === 'all' ? all : all.filter(({ name }) => wanted.includes(name))
const rounds = Number(flags.rounds)
if (features.length === 0 || !(rounds > 0)) {
  console.error('No such features, or no rounds. See --help.')
  process.exit(2)
}
if (globalThis.gc === undefined) {
  console.error('Run this with node --expose-gc, as npm run bench:features does.')
  process.exit(2)
}

/** @type {import('./features/report.js').Sample[]} */
const samples = []
for (let round = 0; round <= rounds; round++) {
  for (const feature of features) {
    if (feature.once && round % 3 !== 1 % rounds) continue
    const names = Object.keys(feature.variants)
    for (let turn = 0; turn < names.length; turn++) {
      // From the front and from the back by turns: every variant follows every neighbour.
      const at = (turn + round) % names.length
      const variant = names[round % 2 === 0 ? at : names.length - 1 - at]
      globalThis.gc()
      const value = await feature.variants[variant]()
      if (round > 0) samples.push({ feature: feature.name, variant, round, value })
    }
  }
  console.error(round === 0 ? 'warm' : `round ${round} of ${rounds}`)
}

const run = { date: new Date().toISOString(), machine: machine(), rounds }
const { node, platform, cores, processor } = run.machine
const tables = features.map((feature) => {
  const rows = rowsOf(feature, samples)
  terminalTable(feature, rows)
  return markdownTable(feature, rows)
})
const report = [
  `# What features cost, ${run.date.slice(0, 10)}`,
  `Medians of ${rounds} rounds; the ratio is the median of the ratios to the first row, each within one round. Entries of 16 + 100 bytes; processor time, where nothing else is said. Node ${node}, ${platform}, ${cores} × ${processor}, shared.`,
  ...tables,
]
await mkdir(flags.out, { recursive: true })
const file = join(flags.out, run.date.replaceAll(':', '-').replace(/\.\d+Z$/, ''))
await writeFile(
  `${file}.json`,
  `${JSON.stringify({ ...run, features: features.map(({ variants, ...rest }) => ({ ...rest, variants: Object.keys(variants) })), samples }, null, 2)}\n`,
)
await writeFile(`${file}.md`, `${report.join('\n\n')}\n`)
console.log(`\nWritten to ${relative(process.cwd(), file)}.json and .md`)
