/**
 * A store several times as large as the memory of its process, under a memory cgroup. `npm run bench:larger -- --help` lists the options.
 *
 * Where no cgroup can be made that is said aloud, here and in the report: then the limit is only what the amount of data is measured by.
 */
import { parseArgs } from 'node:util'
import { MemoryGroup } from './measure/memory-group.js'
import { machine } from './measure/system.js'
import { available, commonHelp, commonOptions, MEBIBYTE, positive, select } from './run/command-line.js'
import { measure } from './run/measure.js'
import { stores } from './stores/index.js'
import { ENTRY_LENGTH, largerThanMemory } from './workloads/larger-than-memory.js'

const { values: flags } = parseArgs({
  options: {
    ...commonOptions,
    stores: { type: 'string', short: 's', default: 'varve,classic-level,lmdb,rocksdb' },
    memory: { type: 'string', short: 'm', default: '300' },
    times: { type: 'string', default: '4' },
    n: { type: 'string', short: 'n' },
    limit: { type: 'string', default: '60' },
  },
})
if (flags.help) {
  console.log(`Usage: npm run bench:larger -- [options]

  -m, --memory MiB      what a process may use, page cache and all (default 300)
      --times count     so many times as many bytes of entries (default 4)
  -n, --n count         or so many entries of 16 + 250 bytes
  -s, --stores a,b      stores to run, or 'all' (default varve,classic-level,lmdb,rocksdb) of
                        ${Object.keys(stores).join(', ')}
  -r, --rounds count    rounds (default 1); the median is reported
${commonHelp.replace('(default 15)', '(default 60), loading after ten times as long')}
`)
  process.exit(0)
}

/** @returns {Promise<import('./run/journal.js').Plan>} */
async function planOf() {
  const bytes = positive('memory', flags.memory) * MEBIBYTE
  const group = await MemoryGroup.make(bytes)
  const unenforced = typeof group === 'string' ? group : undefined
  if (typeof group !== 'string') await group.remove()
  const n = flags.n ?? String(Math.ceil((positive('times', flags.times) * bytes) / ENTRY_LENGTH))
  return {
    date: new Date().toISOString(),
    machine: machine(),
    command: 'larger',
    only: [],
    sizes: [positive('n', n)],
    operations: undefined,
    rounds: positive('rounds', flags.rounds ?? '1'),
    seed: positive('seed', flags.seed),
    cacheSize: positive('cache', flags.cache) * MEBIBYTE,
    limitMs: positive('limit', flags.limit) * 1000,
    storesNamed: true,
    stores: await available(select(flags.stores, Object.keys(stores), 'store')),
    memoryLimit: { bytes, unenforced },
  }
}

await measure({ command: 'larger', planOf, familiesOf: () => [largerThanMemory], flags })
