/** Forgeries of the small files, and of names. */
import { crc32 } from '../../dist/base/checksum.js'
import { sealText } from '../seal.js'

/** @typedef {import('./forged-store.js').ForgedStore} ForgedStore */
/** @typedef {import('./index.js').Forgery} Forgery */

/** @param {string} text */
const sealed = (text) => Buffer.from(sealText(new Uint8Array(Buffer.from(text, 'latin1')))).toString('latin1')

/** CURRENT with a line changed and the checksum right. @param {string} rule @param {RegExp} from @param {readonly string[]} to @returns {Forgery} */
const current = (rule, from, to) => ({
  rule,
  by: 'open',
  what: 'CURRENT is not what the store writes',
  forge(store) {
    store.finishCurrent = (text) => sealed(text.replace(from, store.random.pick(to)))
    return 'CURRENT'
  },
})

/** SNAPSHOT of a snapshot with a line changed. @param {string} rule @param {string} what @param {RegExp} from @param {readonly string[]} to @returns {Forgery} */
const snapshot = (rule, what, from, to) => ({
  rule,
  by: 'verify',
  what,
  forge(store) {
    const name = 'snapshots/first/SNAPSHOT'
    const text = Buffer.from(store.bytesOf(name)).toString('latin1')
    store.files.set(
      name,
      new Uint8Array(Buffer.from(sealed(text.replace(from, store.random.pick(to))), 'latin1')),
    )
    return name
  },
})

/** CURRENT is gone, and so is everything but files of one kind. @param {string} what @param {string} kept @returns {Forgery} */
const missing = (what, kept) => ({
  rule: `CURRENT is there where ${what} is`,
  by: 'open',
  what: /^CURRENT is missing although /,
  forge(store) {
    store.onFinished = () => {
      for (const name of [...store.files.keys()])
        if (!name.includes('/') && !name.includes(kept)) store.files.delete(name)
    }
    return 'CURRENT'
  },
})

/** @type {readonly Forgery[]} */
export const nameForgeries = [
  current('CURRENT says that it is one', /varve current 1/, [
    'varve current 2',
    'varve',
    '',
    'varve snapshot 1',
  ]),
  current('CURRENT names a MANIFEST', /MANIFEST-\d+/, [
    '000002.wal',
    'CURRENT',
    '000006.sst',
    '../CURRENT',
    'MANIFEST-',
    'x.tmp',
    'snapshots',
  ]),
  current('CURRENT names a MANIFEST by a number of the store', /MANIFEST-\d+/, [
    'MANIFEST-000000',
    'MANIFEST-9999999999999999',
    'MANIFEST-9007199254740991',
  ]),
  current('CURRENT names a MANIFEST in one way', /MANIFEST-0*/, [
    'MANIFEST-000000000',
    'MANIFEST-0',
    'MANIFEST-',
  ]),
  current('CURRENT has an epoch with one behind it', /epoch \d+/, [
    'epoch 9007199254740991',
    'epoch 4503599627370497',
  ]),
  current('CURRENT has numbers', /epoch \d+/, [
    'epoch',
    'epoch -1',
    'epoch 1.5',
    'epoch 01',
    'epoch 9999999999999999',
  ]),
  current('CURRENT has an epoch that is written in one way', /epoch /, ['epoch 0', 'epoch 00']),
  current('CURRENT has a database id', /database [0-9a-f]+/, [
    'database 00',
    'database',
    `database ${'g'.repeat(32)}`,
    `database ${'A'.repeat(32)}`,
  ]),
  current('CURRENT has a length of the MANIFEST', /sealed \d+/, [
    'sealed',
    'sealed 00',
    'sealed 9999999999999999',
    'sealed -1',
  ]),
  current('CURRENT is nothing but its lines', /epoch/, [
    'later 1\nepoch',
    '\nepoch',
    ' epoch',
    'epoch\u001b[2J',
  ]),
  {
    rule: 'CURRENT has its checksum',
    by: 'open',
    what: 'The checksum of CURRENT is wrong',
    forge(store) {
      store.finishCurrent = (text) =>
        text.replace(
          /crc32 [0-9a-f]+/,
          () => `crc32 ${crc32(Buffer.from(text)).toString(16).padStart(8, '0')}`,
        )
      return 'CURRENT'
    },
  },
  missing('a segment of the log', '.wal'),
  missing('a table', '.sst'),
  missing('a MANIFEST', 'MANIFEST-'),
  snapshot('SNAPSHOT says that it is one', 'SNAPSHOT is not what the store writes', /varve snapshot 1/, [
    'varve snapshot 2',
    '',
    'varve current 1',
  ]),
  snapshot('SNAPSHOT has a moment', 'SNAPSHOT tells of what cannot be', /created \d+/, [
    'created 8640000000000001',
    'created 9999999999999999',
  ]),
  snapshot('SNAPSHOT has a sequence number', 'SNAPSHOT tells of what cannot be', /sequence \d+/, [
    'sequence 9999999999999999',
  ]),
  snapshot('SNAPSHOT has numbers', 'SNAPSHOT is not what the store writes', /sequence \d+/, [
    'sequence',
    'sequence -1',
    'sequence 1e3',
    'sequence 12345678901234567',
  ]),
  {
    rule: 'SNAPSHOT has its checksum',
    by: 'verify',
    what: 'SNAPSHOT is not what the store writes',
    forge(store) {
      const name = 'snapshots/first/SNAPSHOT'
      const bytes = store.bytesOf(name)
      bytes[bytes.length - 2] = bytes[bytes.length - 2] === 0x30 ? 0x31 : 0x30
      return name
    },
  },
  {
    rule: 'a snapshot has its SNAPSHOT',
    by: 'verify',
    what: 'SNAPSHOT is missing, so this is no snapshot',
    forge(store) {
      store.files.delete('snapshots/first/SNAPSHOT')
      return 'snapshots/first/SNAPSHOT'
    },
  },
]
