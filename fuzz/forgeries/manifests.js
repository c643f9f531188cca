/** Forgeries of the MANIFEST: its records, its edits, and what they say together. */
import { writeU32 } from '../../dist/base/bytes.js'
import { crc32, fileSalt, salted } from '../../dist/base/checksum.js'
import { manifestName, sstName } from '../../dist/base/file-names.js'
import { framedLength, headerCheck, RECORD_HEADER_LENGTH } from '../../dist/record/record-format.js'
import { MANIFEST_HEADER_LENGTH, ManifestRecord } from '../../dist/version/manifest-format.js'
import { sealManifest } from '../seal.js'
import { manifestOf } from '../targets/versions.js'
import { Field } from './forged-store.js'

/** @typedef {import('./forged-store.js').ForgedStore} ForgedStore */
/** @typedef {import('./forged-store.js').RawRecord} RawRecord */
/** @typedef {import('./index.js').Forgery} Forgery */
/** @typedef {import('../random.js').Random} Random */

/** The live MANIFEST is changed. @param {(store: ForgedStore) => unknown} change */
const manifest = (change) => (/** @type {ForgedStore} */ store) => {
  change(store)
  return store.manifestName
}

/** @param {string} rule @param {string | RegExp} what @param {(store: ForgedStore) => unknown} change @param {Partial<Forgery>} [more] @returns {Forgery} */
const refused = (rule, what, change, more = {}) => ({
  rule,
  by: 'open',
  what,
  forge: manifest(change),
  ...more,
})

/** A field of a table in the MANIFEST that is not what it must be. @param {keyof typeof Field} name @param {readonly unknown[]} values @param {string} what */
const field = (name, values, what) =>
  refused(`an edit tells a table's ${name}`, `An edit makes no sense: A version edit ${what}`, (store) => {
    const [, fields] = store.someTable()
    fields[Field[name]] = store.random.pick(values)
  })

/** Overwrites bytes of the header and seals it. @param {(header: Uint8Array, random: Random) => void} change */
const header = (change) => (/** @type {ForgedStore} */ store) => {
  store.finishManifest = (bytes) => {
    change(bytes, store.random)
    writeU32(bytes, 44, crc32(bytes.subarray(0, 44)))
    return bytes
  }
}

const BROKEN_COUNTS = [-1, 1.5, Number.NaN, '1', null, 2 ** 60]
const BAD_COUNTERS = [...BROKEN_COUNTS, 2 ** 52 + 1]

/** @type {readonly Forgery[]} */
export const manifestForgeries = [
  refused('a MANIFEST has a header', 'The header of a MANIFEST is cut off', (store) => {
    store.finishManifest = (bytes) => bytes.slice(0, store.random.below(48))
  }),
  refused(
    'the header of a MANIFEST has its checksum',
    'The checksum of the header of a MANIFEST is wrong',
    (store) => {
      store.finishManifest = (bytes) => {
        bytes[store.random.below(48)] ^= 1 << store.random.below(8)
        return bytes
      }
    },
  ),
  refused(
    'a MANIFEST says that it is one',
    'This is no MANIFEST',
    header((bytes, random) => void (bytes[random.below(8)] ^= 1)),
  ),
  refused(
    'a MANIFEST has a known format',
    /has format \d+; this version of Varve reads format/,
    header((bytes, random) => writeU32(bytes, 8, random.pick([0, 2, 0xffff_ffff]))),
    { isLater: true },
  ),
  refused('an epoch has one behind it', 'A MANIFEST has an epoch with none behind it', (store) => {
    store.header.epoch = store.random.pick([2 ** 52 + 1, 2 ** 53 - 1])
  }),
  refused('a MANIFEST is of its store', 'CURRENT and the MANIFEST are of different stores', (store) => {
    store.header.databaseId = store.header.databaseId.map((byte) => byte ^ 1)
  }),
  refused(
    'a MANIFEST is the one of its name',
    'The MANIFEST stands under a wrong name',
    (store) => void store.header.number++,
  ),
  refused(
    'CURRENT and MANIFEST are of one time',
    'CURRENT and the MANIFEST are of different times',
    (store) => {
      store.header.epoch += store.random.pick([1, 5])
    },
  ),
  refused(
    'a sealed MANIFEST has the length that CURRENT tells',
    /^The MANIFEST had \d+ bytes when the store was closed/,
    (store) => {
      store.current.sealedLength = 1
      store.sealedBy = store.random.pick([1, 100_000])
    },
  ),
  refused('a sealed MANIFEST is not blank at its end', 'The MANIFEST has gone blank', (store) => {
    store.current.sealedLength = 1
    store.finishManifest = (bytes) =>
      new Uint8Array([...bytes, ...new Uint8Array(8 * (1 + store.random.below(8)))])
  }),
  refused('a record of a MANIFEST is long enough', 'A record is too short', (store) => {
    store.finishManifest = (bytes) => {
      // The mark behind the snapshot, which is the last record, is made shorter.
      const forged = bytes.slice()
      writeU32(forged, forged.length - 24 + 8, store.random.below(8))
      return sealManifest(forged)
    }
  }),
  refused('a record ends in its file', 'A record is cut off', (store) => {
    store.finishManifest = (bytes) => {
      // The snapshot, whose header has the right check for the length that it claims.
      const length = store.random.pick([bytes.length, 0x7fff_ffff, 0xffff_fff0])
      const salt = salted(fileSalt(store.header.databaseId, store.header.number), MANIFEST_HEADER_LENGTH)
      const check = headerCheck(length, bytes[MANIFEST_HEADER_LENGTH + 12], salt)
      writeU32(bytes, MANIFEST_HEADER_LENGTH + 8, length)
      for (let i = 0; i < 3; i++) bytes[MANIFEST_HEADER_LENGTH + 13 + i] = check >>> (8 * i)
      return bytes
    }
  }),
  refused('a record is synced up to itself at most', 'A record contradicts the one before it', (store) => {
    store.records[1].synced = store.random.pick([100_000, 2 ** 40])
  }),
  refused('what is synced stays synced', 'A record contradicts the one before it', (store) => {
    store.addEdit({})
    store.records[2].synced = store.random.below(48)
  }),
  refused('a snapshot stands in front of all edits', 'A record stands where it must not', (store) => {
    if (store.random.oneIn(2)) store.records.reverse()
    else store.records.push({ type: ManifestRecord.snapshotPart, edits: [{}] })
  }),
  refused('a record of a MANIFEST is of a known kind', 'A record is of no known kind', (store) => {
    store.records.push({ type: store.random.pick([0, 5, 200]), edits: [] })
  }),
  refused('a mark is nothing but a mark', 'A record is of no known kind', (store) => {
    store.records.push({ type: ManifestRecord.mark, edits: [{}] })
  }),
  refused('an edit ends in its record', 'An edit is cut off', (store) => {
    const edit = new Uint8Array([0x80])
    store.records.push({ type: ManifestRecord.edits, edits: [edit] })
    store.finishManifest = (bytes) => {
      const at = bytes.length - framedLength(8 + 4 + edit.length) + RECORD_HEADER_LENGTH + 8
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      view.setUint32(at, view.getUint32(at, true) + store.random.pick([1, 100, 2 ** 31]), true)
      return sealManifest(bytes)
    }
  }),
  refused('a MANIFEST has a whole snapshot', 'The snapshot of a MANIFEST is cut off', (store) => {
    store.records = store.random.oneIn(2) ? [] : [{ ...store.records[0], type: ManifestRecord.snapshotPart }]
  }),
  refused(
    'what a later record calls synced is whole',
    /^(A record is cut off|No record begins here|The checksum of a record is wrong)/,
    (store) => {
      store.current.sealedLength = 0
      store.addEdit({})
      store.finishManifest = (bytes) => {
        // The edit in front of the last mark.
        bytes[bytes.length - 24 - 1 - store.random.below(16)] ^= 1
        return bytes
      }
    },
  ),
  refused('an edit is one value', 'An edit makes no sense: A structured value is damaged', (store) => {
    const { random } = store
    store.records.push({
      type: ManifestRecord.edits,
      edits: [
        random
          .pick([
            [0x80, 0x80],
            [0x81],
            [0xdf, 0xff, 0xff, 0xff, 0xff],
            [0xc1],
            [0xd4, 0x72, 0x40],
            [0xc9, 0xff, 0xff, 0xff, 0xff, 0x42],
          ])
          .map(Number),
      ].map((bytes) => Uint8Array.from(bytes)),
    })
  }),
  refused(
    'an edit is not nested without end',
    'An edit makes no sense: A structured value is damaged',
    (store) => {
      const depth = 9 + store.random.below(3000)
      const bytes = new Uint8Array(depth + 8).fill(0x91)
      bytes.set([0x81, 0xa5, 0x61, 0x64, 0x64, 0x65, 0x64], 0)
      bytes[bytes.length - 1] = 0x90
      store.records.push({ type: ManifestRecord.edits, edits: [bytes] })
    },
  ),
  refused('an edit is a map', 'An edit makes no sense: A version edit is not a map', (store) => {
    store.records.push({
      type: ManifestRecord.edits,
      edits: [
        store.random.pick([[0x90], [0x05], [0xc0], [0xc4, 0x00]].map((bytes) => Uint8Array.from(bytes))),
      ],
    })
  }),
  refused('an edit holds known fields', 'holds a field that this version does not know', (store) => {
    store.addEdit({ [store.random.pick(['constructor', 'toString', 'later'])]: 1 })
  }),
  ...['added', 'removed', 'logSynced'].map((name) =>
    refused(`an edit's ${name} is a list`, 'is not a list where it must be', (store) => {
      store.addEdit({
        [name]: store.random.pick(
          name === 'logSynced' ? [5, [1], [1, 2, 3], null] : [5, 'x', { a: 1 }, [[1, 2, 3]], [5]],
        ),
      })
    }),
  ),
  ...['flushedSequence', 'lastSequence', 'logNumber', 'nextFileNumber'].map((name) =>
    refused(
      `an edit's ${name} is a number`,
      /An edit makes no sense: A version edit holds a (wrong number|number with none behind it)/,
      (store) => {
        store.addEdit({ [name]: store.random.pick(BAD_COUNTERS) })
      },
    ),
  ),
  refused('an edit says yes or no', 'holds something else where it must say yes or no', (store) => {
    store.addEdit({ logged: store.random.pick([0, 1, 'true', null]) })
  }),
  refused('a property is a short text', 'holds a property that is not a short text', (store) => {
    store.addEdit({
      properties: store.random.pick([{ a: 5 }, { a: 'x'.repeat(5000) }, { ['x'.repeat(5000)]: 'a' }]),
    })
  }),
  refused('a level is one that there is', 'holds a wrong level', (store) => {
    const { random } = store
    if (random.oneIn(2)) store.someTable()[0] = random.pick([7, 8, 2 ** 31])
    else store.addEdit({ removed: [[7, 3]] })
  }),
  field('number', [0], 'holds a wrong file number'),
  field('sizeBytes', BROKEN_COUNTS, 'holds a wrong number'),
  field('entryCount', BROKEN_COUNTS, 'holds a wrong number'),
  field('tombstoneCount', BROKEN_COUNTS, 'holds a wrong number'),
  field('rawKeyBytes', BROKEN_COUNTS, 'holds a wrong number'),
  field('rawValueBytes', BROKEN_COUNTS, 'holds a wrong number'),
  field('smallestSequence', [2 ** 52 + 1], 'holds a number with none behind it'),
  field('largestSequence', [2 ** 52 + 1], 'holds a number with none behind it'),
  field('smallest', ['a', 5, null, new Uint8Array(70_000)], 'holds a wrong key'),
  field('largest', ['a', 5, null, new Uint8Array(70_000)], 'holds a wrong key'),
  field('earliestExpiry', [Number.NaN, null, '1'], 'holds a wrong moment'),
  field('latestExpiry', [Number.NaN, null, '1'], 'holds a wrong moment'),
  field('createdAt', [Number.NaN, null, '1'], 'holds a wrong moment'),
  .../** @type {[string, (fields: any[]) => void][]} */ ([
    ['has entries', (fields) => void (fields[Field.entryCount] = fields[Field.tombstoneCount] = 0)],
    [
      'has no more tombstones than entries',
      (fields) => void (fields[Field.tombstoneCount] = fields[Field.entryCount] + 1),
    ],
    [
      'has sequence numbers in order',
      (fields) => void (fields[Field.smallestSequence] = fields[Field.largestSequence] + 1),
    ],
    [
      'expires first before it expires last',
      (fields) => void ([fields[Field.earliestExpiry], fields[Field.latestExpiry]] = [2, 1]),
    ],
    [
      'has keys in order',
      (fields) => void (fields[Field.smallest] = new Uint8Array([...fields[Field.largest], 0])),
    ],
  ]).map(([rule, change]) =>
    refused(`a table of an edit ${rule}`, 'describes a table that cannot be', (store) =>
      change(store.someTable()[1]),
    ),
  ),
  refused(
    'an edit removes what is there',
    /An edit makes no sense: .*which an edit removes, stands in level/,
    (store) => {
      const [level, fields] = store.someTable()
      const { random } = store
      store.addEdit({ removed: [random.oneIn(2) ? [level, 999] : [(level + 1) % 7, fields[Field.number]]] })
    },
  ),
  refused(
    'an edit adds what is new to its level',
    /An edit makes no sense: .*which an edit adds, is new to level/,
    (store) => {
      const table = store.someTable()
      if (store.random.oneIn(2)) store.tables.push(table)
      else store.addEdit({ added: [table] })
    },
  ),
  refused(
    'a table stands at one level',
    /The edits make no sense together: .*a table stands in one place only/,
    (store) => {
      const [level, fields] = store.someTable()
      store.addEdit({ added: [[level === 0 ? 1 : level - 1, fields]] })
    },
  ),
  refused(
    'the tables of a level are disjoint',
    /The edits make no sense together: .*tables \d+ and \d+ of level \d are disjoint/,
    (store) => {
      const deep = store.tables.filter(([level]) => level > 0)
      const at = 1 + store.random.below(deep.length - 1)
      const [before, behind] = [deep[at - 1][1], deep[at][1]]
      before[Field.largest] = store.random.pick([behind[Field.smallest], behind[Field.largest]])
    },
  ),
  .../** @type {[string, RegExp, (state: any) => any][]} */ ([
    [
      'what is flushed stays flushed',
      /what is flushed stays flushed/,
      (state) => ({ flushedSequence: state.flushedSequence - 1 }),
    ],
    ['the log is not needed again', /never needed again/, (state) => ({ logNumber: state.logNumber - 1 })],
    [
      'file numbers are never reused',
      /file numbers are never reused/,
      (state) => ({ nextFileNumber: state.nextFileNumber - 1 }),
    ],
    [
      'what is on the device stays there',
      /what is on the device stays there/,
      (state) => ({ logSynced: [state.logSynced[0], state.logSynced[1] - 1] }),
    ],
    [
      'a table has a number of the store',
      /was handed out by the store/,
      (state) => ({ added: [[0, state.added[0][1].with(Field.number, state.nextFileNumber)]] }),
    ],
  ]).map(([rule, what, edit]) => refused(rule, what, (store) => store.addEdit(edit(store.snapshot)))),
  {
    rule: 'every table of the MANIFEST is there',
    by: 'open',
    what: 'A table is missing',
    verifyWhat: 'A table that the MANIFEST names is missing',
    forge(store) {
      const name = sstName(store.someTable()[1][Field.number])
      store.files.delete(name)
      return name
    },
  },
  {
    rule: 'the MANIFEST that CURRENT names is there',
    by: 'open',
    what: 'The MANIFEST is missing',
    verifyWhat: 'The MANIFEST that CURRENT names is missing',
    forge(store) {
      const name = store.manifestName
      store.onFinished = () => void store.files.delete(name)
      return name
    },
  },
  {
    rule: 'no newer MANIFEST was live',
    by: 'open',
    what: /^CURRENT is an old one: MANIFEST-\d+ has taken the place/,
    forge(store) {
      const number = store.header.number + store.random.pick([1, 1000])
      const records = [
        { type: ManifestRecord.snapshotEnd, synced: 0, edits: [new Uint8Array([0x80])] },
        { type: ManifestRecord.mark, synced: -1, edits: [] },
      ]
      store.files.set(
        manifestName(number),
        manifestOf(number, records, store.databaseId, store.header.epoch + 1),
      )
      return 'CURRENT'
    },
  },
]
