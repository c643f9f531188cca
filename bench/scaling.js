/** How the cost of everything goes with the number of entries, from ten thousand to ten million. `npm run bench:scaling -- --help` */
import { parseArgs } from 'node:util'
import { machine } from './measure/system.js'
import {
  available,
  commonHelp,
  commonOptions,
  MEBIBYTE,
  positive,
  positives,
  select,
} from './run/command-line.js'
import { measure } from './run/measure.js'
import { stores } from './stores/index.js'
import { scaling } from './workloads/scaling.js'

const { values: flags } = parseArgs({
  options: {
    ...commonOptions,
    stores: { type: 'string', short: 's', default: 'varve,classic-level' },
    n: { type: 'string', short: 'n', default: '10000,100000,1000000,10000000' },
  },
})
if (flags.help) {
  console.log(`Usage: npm run bench:scaling -- [options]

  -s, --stores a,b      stores to run, or 'all' (default varve,classic-level) of
                        ${Object.keys(stores).join(', ')}
  -n, --n count,…       entries (default 10000,100000,1000000,10000000)
  -r, --rounds count    rounds (default 1); the median is reported
${commonHelp}
`)
  process.exit(0)
}

/** @returns {Promise<import('./run/journal.js').Plan>} */
const planOf = async () => ({
  date: new Date().toISOString(),
  machine: machine(),
  command: 'scaling',
  only: [],
  sizes: positives('n', flags.n),
  operations: undefined,
  rounds: positive('rounds', flags.rounds ?? '1'),
  seed: positive('seed', flags.seed),
  cacheSize: positive('cache', flags.cache) * MEBIBYTE,
  limitMs: positive('limit', flags.limit) * 1000,
  storesNamed: true,
  stores: await available(select(flags.stores, Object.keys(stores), 'store')),
})

await measure({ command: 'scaling', planOf, familiesOf: () => [scaling], flags })
