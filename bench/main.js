/** Varve beside its peers. `npm run bench -- --help` lists the options; `run/run.js` says how it is done. */
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
import { DEFAULT_STORES } from './run/run.js'
import { stores } from './stores/index.js'
import { families, names, pick } from './workloads/index.js'

const help = `Usage: npm run bench -- [options]

  -w, --only x,y        families, groups or workloads to run, or 'all' (default standard)
${families
  .map(
    (family) =>
      `                        ${family.name}\n${family.groups
        .map(
          ({ name, workloads }) =>
            `                          ${name}: ${workloads.map((workload) => workload.name).join(', ')}`,
        )
        .join('\n')}`,
  )
  .join('\n')}
  -s, --stores a,b      stores to run, or 'all' (default ${DEFAULT_STORES.join(',')};
                        some groups have others) of ${Object.keys(stores).join(', ')}
  -n, --n count,…       entries (default 200000); a table for each count
      --operations n    of the workloads that have a number of their own (YCSB); default as many as entries
  -r, --rounds count    rounds (default 3); the median is reported
${commonHelp}
`

const { values: flags } = parseArgs({
  options: {
    ...commonOptions,
    only: { type: 'string', short: 'w', default: 'standard' },
    n: { type: 'string', short: 'n', default: '200000' },
    operations: { type: 'string' },
  },
})
if (flags.help) {
  console.log(help)
  process.exit(0)
}

/** @returns {Promise<import('./run/journal.js').Plan>} */
async function planOf() {
  const only = select(flags.only, names, 'workload')
  const families = pick(new Set(only))
  const wanted = flags.stores
    ? select(flags.stores, Object.keys(stores), 'store')
    : new Set([
        ...DEFAULT_STORES,
        ...families.flatMap(({ groups }) => groups.flatMap((group) => group.stores ?? [])),
      ])
  return {
    date: new Date().toISOString(),
    machine: machine(),
    command: 'bench',
    only,
    sizes: positives('n', flags.n),
    operations: flags.operations === undefined ? undefined : positive('operations', flags.operations),
    rounds: positive('rounds', flags.rounds ?? '3'),
    seed: positive('seed', flags.seed),
    cacheSize: positive('cache', flags.cache) * MEBIBYTE,
    limitMs: positive('limit', flags.limit) * 1000,
    storesNamed: flags.stores !== undefined,
    stores: await available([...wanted]),
  }
}

await measure({ command: 'bench', planOf, familiesOf: (plan) => pick(new Set(plan.only)), flags })
