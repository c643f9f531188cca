/**
 * How long Varve's hot paths take, as multiples of what the baseline takes. Turns of both are a few milliseconds long and interleaved, time is that of
 * the processor, and what counts is the lower quartile: a busy machine is as busy for one as for the other.
 *
 *     node test/performance/measure.mjs        # after npm run build
 */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Baseline } from './baseline.mjs'
import { ENTRIES, paths } from './paths.mjs'

const TURNS = 11
const WARM_UP_TURNS = 5
/** Entries that one turn of the baseline handles; a turn of `scan` goes through everything. */
const BASELINE_ENTRIES = { get: 4000, put: 1500, scan: ENTRIES }
/** No flush in the middle of a turn. */
const MEMTABLE_BYTES = 64 * 2 ** 20
/** A small part of what the stores hold: nearly every lookup reads its block, from the page cache. */
const SMALL_CACHE_BYTES = 64 * 2 ** 10

/** A bijection of 32-bit integers (the finalizer of MurmurHash3). @param {number} word */
function mixed(word) {
  let bits = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** 16 hexadecimal digits in random order; no index gives the key of another. @param {number} index */
const keyAt = (index) =>
  mixed(index).toString(16).padStart(8, '0') + mixed(~index).toString(16).padStart(8, '0')

/** The stores, the baseline and the keys, in a directory that is there. @param {string} directory */
export async function prepare(directory) {
  const { open, WriteBatch } = await import(new URL('../../dist/index.js', import.meta.url).href)
  const value = Buffer.alloc(100, 'varve and the varying silt of its seasons ')
  const keys = Array.from({ length: ENTRIES }, (_, i) => keyAt(i))
  /** @param {string} name @param {object} [options] */
  const openFilled = async (name, options) => {
    const store = await open(join(directory, name), { memtableSize: MEMTABLE_BYTES, ...options })
    for (let from = 0; from < ENTRIES; from += 1000) {
      const batch = new WriteBatch()
      for (let i = from; i < from + 1000; i++) batch.set(keys[i], value)
      await store.applyBatch(batch)
    }
    return store
  }
  /** @param {string} name @param {object} [options] */
  const openSettled = async (name, options) => {
    const store = await openFilled(name, options)
    await store.flush()
    await store.compact()
    return store
  }
  let drawn = 0
  let made = ENTRIES
  return {
    reader: await openSettled('reader'),
    cold: await openSettled('cold', { cacheSize: SMALL_CACHE_BYTES }),
    unflushed: await openFilled('unflushed'),
    writer: await open(join(directory, 'writer'), { memtableSize: MEMTABLE_BYTES }),
    baseline: new Baseline(keys.toSorted(), value),
    log: openSync(join(directory, 'baseline.log'), 'a'),
    WriteBatch,
    value,
    /** Keys to ask for; new ones are those that no store has yet. @param {'present' | 'absent' | 'new'} of @param {number} count */
    draw: (of, count) =>
      Array.from({ length: count }, () => {
        if (of === 'new') return keyAt(made++)
        return of === 'present' ? keys[mixed(drawn++) % ENTRIES] : keyAt(2 ** 30 + drawn++)
      }),
  }
}

/** @typedef {Awaited<ReturnType<typeof prepare>>} Prepared */

/** One turn of the baseline. @param {Prepared} prepared @param {'get' | 'put' | 'scan'} what @param {string[]} keys */
function runBaseline({ baseline, log, value }, what, keys) {
  if (what === 'scan') baseline.scan()
  else if (what === 'put') for (const key of keys) baseline.put(log, key, value)
  else for (const key of keys) baseline.get(key)
}

/** Processor time of `work`, in microseconds. @param {() => unknown} work */
async function processorTime(work) {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** A quarter of the values are below: what garbage collections and busy neighbours add is not in it. @param {number[]} values */
const lowerQuartile = (values) => values.toSorted((a, b) => a - b)[values.length >> 2]

/**
 * How many times as long as the baseline a path takes, entry by entry.
 * @param {Prepared} prepared @param {import('./paths.mjs').Path} path
 */
async function ratioOf(prepared, { against, entries, keys: wanted, run }) {
  const own = []
  const other = []
  for (let turn = 0; turn < WARM_UP_TURNS + TURNS; turn++) {
    const ownKeys = wanted ? prepared.draw(wanted.of, wanted.count) : []
    const otherKeys = prepared.draw(against === 'put' ? 'new' : 'present', BASELINE_ENTRIES[against])
    own.push(await processorTime(() => run(prepared, ownKeys)))
    other.push(await processorTime(() => runBaseline(prepared, against, otherKeys)))
  }
  const [ownTime, otherTime] = [own, other].map((times) => lowerQuartile(times.slice(WARM_UP_TURNS)))
  return ownTime / entries / (otherTime / BASELINE_ENTRIES[against])
}

/**
 * Measures the paths with these names, or all.
 * @param {string[]} names
 * @returns {Promise<Record<string, number>>}
 */
async function measure(names) {
  const directory = mkdtempSync(join(tmpdir(), 'varve-guard-'))
  try {
    const prepared = await prepare(directory)
    /** @type {Record<string, number>} */
    const ratios = {}
    for (const path of paths) {
      if (names.length === 0 || names.includes(path.name)) ratios[path.name] = await ratioOf(prepared, path)
    }
    for (const store of [prepared.reader, prepared.cold, prepared.unflushed, prepared.writer])
      await store.close()
    closeSync(prepared.log)
    return ratios
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

console.log(JSON.stringify(await measure(process.argv.slice(2)), null, 2))
