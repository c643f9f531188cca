/**
 * RocksDB itself, in C++, by its own `db_bench` (Debian: `rocksdb-tools`): what the same workloads cost where there is no JavaScript at all. It can do
 * LevelDB's list only, and is no peer: nobody can use it from Node.js.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SYNCED = 5_000
const READS = 200_000
const SEEK_LENGTH = 100
const SEEKS = 10_000

const common = [
  '--key_size=16',
  '--value_size=100',
  '--compression_type=snappy',
  '--compression_ratio=0.5',
  '--bloom_bits=10',
  '--threads=1',
]

/**
 * Runs the benchmarks on one database; the microseconds of an operation by the name of the benchmark.
 * @param {string} directory @param {string[]} settings @returns {Promise<Record<string, number>>}
 */
async function measure(directory, settings) {
  const { stdout } = await run('db_bench', [`--db=${directory}`, ...common, ...settings], {
    maxBuffer: 2 ** 26,
  })
  const lines = stdout.matchAll(/(\w+)\s*:\s+([\d.]+) micros\/op/g)
  return Object.fromEntries([...lines].map(([, name, micros]) => [name, Number(micros)]))
}

/** @param {number} micros @param {number} [each] @returns {import('../workloads/workload.js').Outcome} */
const rate = (micros, each = 1) => ({ value: (each / micros) * 1e6 })

/** @type {import('./session.js').Adapter} */
export const rocksdbNative = {
  name: 'rocksdb-native',
  durable: false,
  settings: `db_bench ${common.join(' ')} with the same cache; not a peer, a reference. Debian builds it with assertions, as it says itself`,
  version: async () => /[\d.]+/.exec((await run('db_bench', ['--version'])).stdout)?.[0] ?? '',
  open: () => Promise.reject(new Error('db_bench runs workloads of its own.')),
  measure: async (group, { directory, n, cacheSize }) => {
    const settings = [`--cache_size=${cacheSize}`, `--num=${n}`]
    if (group === 'fillseq') {
      const { fillseq } = await measure(directory, [...settings, '--benchmarks=fillseq'])
      return { fillseq: rate(fillseq) }
    }
    if (group === 'fillbatch') {
      const filled = await measure(directory, [...settings, '--benchmarks=fillrandom', '--batch_size=100'])
      return { fillbatch: rate(filled.fillrandom) }
    }
    if (group === 'fillsync') {
      const synced = [...settings, `--num=${Math.min(n, SYNCED)}`, '--benchmarks=fillrandom', '--sync=1']
      return { fillsync: rate((await measure(directory, synced)).fillrandom) }
    }
    if (group !== 'fillrandom-on') return {}
    const reads = Math.min(n, READS)
    const list = 'fillrandom,overwrite,compact,readrandom,readmissing,readseq,readreverse,seekrandom'
    const first = await measure(directory, [...settings, `--reads=${reads}`, `--benchmarks=${list}`])
    const again = [...settings, '--use_existing_db=1', `--reads=${Math.min(reads, SEEKS)}`]
    const second = await measure(directory, [
      ...again,
      `--seek_nexts=${SEEK_LENGTH}`,
      '--benchmarks=seekrandom,deleteseq',
    ])
    const { compact, ...rest } = first
    return {
      ...Object.fromEntries(Object.entries(rest).map(([name, micros]) => [name, rate(micros)])),
      compact: { value: compact / 1000 },
      'seekrandom-100': rate(second.seekrandom, SEEK_LENGTH),
      deleteseq: rate(second.deleteseq),
    }
  },
}
