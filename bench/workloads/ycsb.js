/**
 * The core workloads A to F of the Yahoo! Cloud Serving Benchmark (Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC 2010):
 * zipfian requests with exponent 0.99, scattered over the keys; the latest entries first in D; scans of 1 to 100 entries in E. A record is one
 * value of 1 KiB, not ten fields of 100 bytes.
 *
 * They run one after the other on one store of `n` records, in the order that YCSB asks for: A, B, C, F, D, E.
 */
import { drawn, mixed } from '../data/random.js'
import { zipfianTrace } from '../data/zipfian.js'
import { expect, expectLength, expectValue } from '../measure/expect.js'
import { inFlight, oneByOne } from './loops.js'
import { runWanted } from './reads.js'
import { rate } from './workload.js'
import { loadAndSettle } from './writing.js'

const EXPONENT = 0.99
const VALUE_LENGTH = 1024
const LONGEST_SCAN = 100
const CHECKED_RECORDS = 200

/** @typedef {import('./workload.js').Context} Context */
/** @typedef {'read' | 'update' | 'insert' | 'scan' | 'modify'} Operation */

/** What comes often, what comes seldom, and how often that is in a hundred. */
const MIXES = /** @type {const} */ ({
  a: { often: 'read', seldom: 'update', percent: 50 },
  b: { often: 'read', seldom: 'update', percent: 5 },
  c: { often: 'read', seldom: 'read', percent: 0 },
  f: { often: 'read', seldom: 'modify', percent: 50 },
  d: { often: 'read', seldom: 'insert', percent: 5, latest: true },
  e: { often: 'scan', seldom: 'insert', percent: 5 },
})

/** The records as they ought to be: which value each has now. */
class Records {
  #context
  /** By the number of a record, the number of its value. @type {number[]} */
  #valueOf
  #writes = 0
  /** Acknowledged, while one before it is still under way. @type {Set<number>} */
  #early = new Set()
  /** How many records may be asked for: all of them have been acknowledged. @type {number} */
  count

  /** @param {Context} context */
  constructor(context) {
    this.#context = context
    this.#valueOf = context.dataset.keys.map((_, index) => index)
    this.count = this.#valueOf.length
  }

  /** Puts another value under record number `index`. @param {number} index */
  update(index) {
    const { session, dataset, written } = this.#context
    const value = index + ++this.#writes
    this.#valueOf[index] = value
    written.bytes += dataset.keys[index].length + VALUE_LENGTH
    return session.put(dataset.keys[index], dataset.values.at(value))
  }

  async insert() {
    const { dataset } = this.#context
    const index = this.#valueOf.length
    dataset.keys.push(dataset.keyAt(index))
    await this.update(index)
    this.#early.add(index)
    while (this.#early.delete(this.count)) this.count++
  }

  /** Looks at some of the records, byte by byte. */
  async check() {
    const { session, dataset } = this.#context
    for (const index of drawn({ count: CHECKED_RECORDS, below: this.count, seed: 98 })) {
      const key = dataset.keys[index]
      expectValue(await session.get(key), dataset.values.at(this.#valueOf[index]), key)
    }
  }
}

/**
 * The operations of one workload, drawn before the clock runs.
 * @param {Context} context @param {keyof typeof MIXES} letter @param {Records} records
 */
function script({ operations: count, seed }, letter, records) {
  const {
    often,
    seldom,
    percent,
    latest = false,
  } = /** @type {{ often: Operation, seldom: Operation, percent: number, latest?: boolean }} */ (
    MIXES[letter]
  )
  const own = mixed(seed + letter.charCodeAt(0))
  const chances = drawn({ count, below: 100, seed: own })
  const ranks = zipfianTrace({ keys: records.count, requests: count, exponent: EXPONENT, seed: own + 1 })
  const lengths = drawn({ count, below: LONGEST_SCAN, seed: own + 2 })
  return {
    count,
    /** @param {number} i */
    operation: (i) => (chances[i] < percent ? seldom : often),
    /** The most popular records are scattered over all of them, or are the ones that came last. @param {number} i */
    record: (i) => (latest ? records.count - 1 - ranks[i] : mixed(ranks[i]) % records.count),
    /** @param {number} i */
    scanLength: (i) => lengths[i] + 1,
  }
}

/** @param {Context} context @param {keyof typeof MIXES} letter @param {Records} records @param {boolean} concurrent */
async function measure(context, letter, records, concurrent) {
  const { session, dataset } = context
  const { operation, record, scanLength, count } = script(context, letter, records)
  // One client at a time reads in the fastest way that the store has.
  const read = (!concurrent && session.getSync) || session.get
  /** @type {Record<Operation, (i: number) => unknown>} */
  const perform = {
    read: async (i) => expectLength(await read(dataset.keys[record(i)]), VALUE_LENGTH),
    update: (i) => records.update(record(i)),
    insert: () => records.insert(),
    scan: async (i) => {
      const seen = await session.seek(dataset.keys[record(i)], scanLength(i))
      expect(seen > 0 && seen <= scanLength(i), 'a scan gives as many entries as it is told')
    },
    modify: async (i) => {
      const index = record(i)
      expectLength(await read(dataset.keys[index]), VALUE_LENGTH)
      await records.update(index)
    },
  }
  const outcome = await (concurrent ? inFlight : oneByOne)(context, count, (i) => perform[operation(i)](i))
  // Two writes of one record that were in flight together may have come in either order.
  if (!concurrent) await records.check()
  return outcome
}

/**
 * @param {string} name @param {string} title @param {boolean} concurrent
 * @returns {import('./workload.js').Group}
 */
function group(name, title, concurrent) {
  const titles = {
    a: 'A: half reads, half updates',
    b: 'B: 95% reads, 5% updates',
    c: 'C: reads',
    d: 'D: 95% reads of the latest, 5% inserts',
    e: 'E: 95% scans of 1 to 100, 5% inserts',
    f: 'F: half reads, half read-modify-writes',
  }
  return {
    name,
    title,
    shape: { valueLength: VALUE_LENGTH },
    workloads: Object.entries(titles).map(([letter, what]) =>
      rate(`${name}-${letter}`, `${what}${concurrent ? ', 64 in flight' : ''}`),
    ),
    run: async (context, wanted) => {
      if (concurrent && !context.session.concurrent) return {}
      await loadAndSettle(context)
      const records = new Records(context)
      const letters = /** @type {(keyof typeof MIXES)[]} */ (Object.keys(MIXES))
      return runWanted(
        Object.fromEntries(
          letters.map((letter) => [`${name}-${letter}`, () => measure(context, letter, records, concurrent)]),
        ),
        wanted,
      )
    },
  }
}

/** @type {import('./workload.js').Family} */
export const ycsb = {
  name: 'ycsb-all',
  title: 'YCSB',
  about:
    'Core workloads A to F, zipfian 0.99, values of 1 KiB, on a settled store. Operations a second; a scan is one operation. Once one operation ' +
    'after the other, reads in the fastest way that the store has, once 64 in flight.',
  groups: [group('ycsb', 'YCSB, one by one', false), group('ycsb-64', 'YCSB, 64 in flight', true)],
}
