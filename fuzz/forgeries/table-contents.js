/** Forgeries that only reading everything shows: what is in a table, against what table and MANIFEST say of it. */
import { sstName } from '../../dist/base/file-names.js'
import { blockOf, entriesOf } from '../tables.js'
import { Field } from './forged-store.js'

/** @typedef {import('./forged-store.js').ForgedStore} ForgedStore */
/** @typedef {import('../tables.js').TableParts} TableParts */
/** @typedef {import('../random.js').Random} Random */
/** @typedef {import('./index.js').Forgery} Forgery */

/** @param {(parts: TableParts, random: Random) => void} change */
const table = (change) => (/** @type {ForgedStore} */ store) =>
  store.changeTable((parts) => change(parts, store.random))

/** @param {(entries: ReturnType<typeof entriesOf>) => void} change */
const entries = (change) =>
  table(({ blocks }, random) => {
    const block = random.pick(blocks.slice(1).filter(({ payload }) => entriesOf(payload).length > 1))
    const found = entriesOf(block.payload)
    change(found)
    block.payload = blockOf(found)
  })

/** A count that the entries contradict; the MANIFEST says the same. @param {'entryCount' | 'tombstoneCount' | 'rawKeyBytes' | 'rawValueBytes'} name @returns {Forgery} */
const wrongCount = (name) => ({
  rule: `a table has the ${name} that it tells`,
  by: 'verify',
  what: new RegExp(`^The properties claim \\d+ for '${name}'`),
  forge: (store) =>
    store.changeTable((parts, fields) => {
      const count = /** @type {number} */ (parts.properties[name])
      fields[Field[name]] = parts.properties[name] = count + 1
    }),
})

/** A field that the table contradicts. @param {keyof typeof Field} name @returns {Forgery} */
const mismatch = (name) => ({
  rule: `MANIFEST and table agree on the ${name}`,
  by: 'verify',
  what: new RegExp(`^The MANIFEST claims [\\d.Infity]+ for '${name}'`),
  forge(store) {
    const [, fields] = store.someTable()
    const value = fields[Field[name]]
    fields[Field[name]] = name === 'smallestSequence' ? value - 1 : Number.isFinite(value) ? value + 1 : 1e12
    if (name === 'tombstoneCount') fields[Field.entryCount] += 1
    fields[Field.latestExpiry] = Number.POSITIVE_INFINITY
    return sstName(fields[Field.number])
  },
})

/** @type {readonly Forgery[]} */
export const contentForgeries = [
  {
    rule: 'index keys are in order',
    by: 'verify',
    what: 'The index is out of order',
    forge: table(({ index }, random) => {
      const at = 1 + random.below(index.length - 1)
      index[at].key = index[at - 1].key
      index[at].sequence = index[at - 1].sequence
    }),
  },
  {
    rule: 'blocks leave no gap',
    by: 'verify',
    what: 'The blocks leave a gap',
    forge: table(({ index }, random) => void index.splice(random.below(index.length - 1), 1)),
  },
  {
    rule: 'an index key is not in front of its block',
    by: 'verify',
    what: 'An index key is before its block',
    forge: table(({ index, blocks }, random) => {
      const at = random.below(index.length)
      const first = entriesOf(blocks[at].payload)[0]
      index[at].key = first.key
      index[at].sequence = first.sequence + 1
    }),
  },
  {
    rule: 'the index leads to all data',
    by: 'verify',
    what: 'The index ends before the data',
    forge: table(({ index }) => void index.pop()),
  },
  {
    rule: 'entries of a table are in order',
    by: 'verify',
    what: 'Entries are out of order',
    forge: entries((found) => void found.reverse()),
  },
  {
    rule: 'an entry stands in a table once',
    by: 'verify',
    what: 'Entries are out of order',
    forge: entries((found) => void found.splice(1, 0, { ...found[0] })),
  },
  {
    rule: 'an entry stands behind the index key of the block before',
    by: 'verify',
    what: 'An entry is before its index key',
    forge: table(({ index, blocks }, random) => {
      const at = random.below(index.length - 1)
      const first = entriesOf(blocks[at + 1].payload)[0]
      index[at].key = first.key
      index[at].sequence = first.sequence
    }),
  },
  {
    rule: 'a filter lets every key of its table through',
    by: 'verify',
    what: 'The filter lacks a key',
    forge: table((parts) => {
      parts.filter = new Uint8Array(9)
      parts.filter[8] = 5
    }),
  },
  {
    rule: 'sequence numbers of a table are within its bounds',
    by: 'verify',
    what: 'A sequence number is outside the bounds of the table',
    forge: (store) =>
      store.changeTable((parts, fields) => {
        const name = store.random.pick(/** @type {const} */ (['smallestSequence', 'largestSequence']))
        fields[Field[name]] += name === 'smallestSequence' ? 1 : -1
        parts.properties[name] = fields[Field[name]]
      }),
  },
  {
    rule: 'a table begins with its smallest key',
    by: 'verify',
    what: 'The first key is not the smallest key of the table',
    forge: (store) =>
      store.changeTable(
        (parts, fields) => {
          fields[Field.smallest] = parts.properties.smallestKey = new Uint8Array(0)
        },
        undefined,
        // Elsewhere it would meet the table in front of it.
        store.someTable((level) => level === 0),
      ),
  },
  {
    rule: 'a table ends with its largest key',
    by: 'verify',
    what: 'The last key is not the largest key of the table',
    forge: (store) =>
      store.changeTable((parts, fields) => {
        const key = /** @type {Uint8Array} */ (parts.properties.largestKey)
        fields[Field.largest] = parts.properties.largestKey = new Uint8Array([...key, 0])
      }),
  },
  .../** @type {const} */ (['entryCount', 'tombstoneCount', 'rawKeyBytes', 'rawValueBytes']).map(wrongCount),
  {
    rule: 'the expiry index lists every block that expires',
    by: 'verify',
    what: 'The expiry index lists other blocks than those that expire',
    forge: table((parts) => {
      parts.expiries = new Uint8Array([...(parts.expiries ?? []), ...new Uint8Array(20).fill(0)])
      new DataView(parts.expiries.buffer).setFloat64(parts.expiries.length - 20, 1e300, true)
    }),
  },
  {
    rule: 'the expiry index tells when a block expires first',
    by: 'verify',
    what: 'The expiry index is wrong about a block',
    forge: (store) => {
      const expiring = store.tables.filter(
        ([, fields]) => fields[Field.earliestExpiry] !== Number.POSITIVE_INFINITY,
      )
      return store.changeTable(
        (parts) => {
          const bytes = /** @type {Uint8Array} */ (parts.expiries)
          const view = new DataView(bytes.buffer, bytes.byteOffset)
          view.setFloat64(0, view.getFloat64(0, true) - 1, true)
        },
        undefined,
        store.random.pick(expiring),
      )
    },
  },
  .../** @type {const} */ ([
    'entryCount',
    'tombstoneCount',
    'smallestSequence',
    'largestSequence',
    'earliestExpiry',
    'rawKeyBytes',
    'rawValueBytes',
    'createdAt',
  ]).map(mismatch),
  {
    rule: 'MANIFEST and table agree on the smallest key',
    by: 'verify',
    what: 'MANIFEST and table disagree on the smallest key',
    forge(store) {
      const [, fields] = store.someTable((level) => level === 0)
      fields[Field.smallest] = new Uint8Array(0)
      return sstName(fields[Field.number])
    },
  },
  {
    rule: 'MANIFEST and table agree on the largest key',
    by: 'verify',
    what: 'MANIFEST and table disagree on the largest key',
    forge(store) {
      const [, fields] = store.someTable()
      fields[Field.largest] = new Uint8Array([...fields[Field.largest], 0])
      return sstName(fields[Field.number])
    },
  },
]
