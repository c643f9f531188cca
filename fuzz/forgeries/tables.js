/** Forgeries of tables: footer, index, filter, expiry index, properties. */
import { gzipSync } from 'node:zlib'
import { writeU32, writeU64 } from '../../dist/base/bytes.js'
import { FOOTER_LENGTH } from '../../dist/sstable/footer.js'
import { Field } from './forged-store.js'

/** @typedef {import('./forged-store.js').ForgedStore} ForgedStore */
/** @typedef {import('../tables.js').TableParts} TableParts */
/** @typedef {import('../random.js').Random} Random */
/** @typedef {import('./index.js').Forgery} Forgery */

/** @param {(parts: TableParts, random: Random) => void} change */
const table = (change) => (/** @type {ForgedStore} */ store) =>
  store.changeTable((parts) => change(parts, store.random))

/** @param {(footer: Uint8Array, random: Random) => void} change */
const footer = (change) => table((parts, random) => void (parts.finish = (bytes) => change(bytes, random)))

/** Adds to a number in the footer. @param {number} at @param {number} by */
const shifted = (at, by) =>
  footer((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    view.setUint32(at, view.getUint32(at, true) + by, true)
  })

/** @param {(bytes: Uint8Array, random: Random) => Uint8Array} finish */
const fileBytes = (finish) => (/** @type {ForgedStore} */ store) =>
  store.changeTable(
    () => undefined,
    (bytes) => finish(bytes, store.random),
  )

/** Where handles stand in the footer. */
const [FILTER, INDEX, PROPERTIES] = [0, 12, 24]

/** The bytes of a block that begins where a handle in the footer says, one of them flipped. @param {number} handle */
const flipped = (handle) =>
  fileBytes((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    bytes[view.getUint32(bytes.length - FOOTER_LENGTH + handle, true)] ^= 1
    return bytes
  })

/** Makes an index of two levels, whose entries in the top level are changed. @param {(handle: Uint8Array, parts: TableParts) => Uint8Array} change */
const partition = (change) =>
  table((parts) => {
    parts.levels = 2
    parts.changePartition = change
  })

/** A property that is not what it must be. @param {string} name @param {readonly unknown[]} values @param {Partial<Forgery>} [more] @returns {Forgery} */
const property = (name, values, more = {}) => ({
  rule: `a table tells its ${name}`,
  by: 'read',
  what: `The properties have no valid '${name}'`,
  forge: table(({ properties }, random) => {
    const value = random.pick(values)
    if (value === undefined) delete properties[name]
    else properties[name] = value
  }),
  ...more,
})

const WRONG_COUNTS = [-1, 1.5, Number.NaN, 2 ** 60, '1', null, undefined]

/** @type {readonly Forgery[]} */
export const tableForgeries = [
  {
    rule: 'a table ends as a table does',
    by: 'read',
    what: 'The file does not end as an SSTable does',
    forge: fileBytes((bytes, random) => {
      if (random.oneIn(2)) return bytes.slice(0, random.below(FOOTER_LENGTH))
      bytes[bytes.length - 1 - random.below(8)] ^= 1
      return bytes
    }),
  },
  {
    rule: 'a footer has its checksum',
    by: 'read',
    what: "The footer's checksum does not match",
    forge: fileBytes((bytes, random) => {
      bytes[bytes.length - 9 - random.below(FOOTER_LENGTH - 8)] ^= 1
      return bytes
    }),
  },
  {
    rule: 'a table has a known format',
    by: 'read',
    what: /^The SSTable has format \d+; this version of Varve reads format/,
    isLater: true,
    forge: footer((bytes, random) => writeU32(bytes, 40, random.pick([0, 2, 0xffff_ffff]))),
  },
  {
    rule: 'an index has one level or two',
    by: 'read',
    what: /^The footer tells of \d+ index levels/,
    forge: footer((bytes, random) => writeU32(bytes, 36, random.pick([0, 3, 0x7fff_ffff]))),
  },
  {
    rule: 'the filter stands in front of the index',
    by: 'read',
    what: 'The footer names blocks that are not where they must be',
    forge: shifted(FILTER, 10_000),
  },
  {
    rule: 'the index ends where the properties begin',
    by: 'read',
    what: 'The footer names blocks that are not where they must be',
    forge: shifted(INDEX + 8, -1),
  },
  {
    rule: 'the properties end where the footer begins',
    by: 'read',
    what: 'The footer names blocks that are not where they must be',
    forge: shifted(PROPERTIES + 8, -1),
  },
  {
    rule: 'a table has the length that the MANIFEST tells',
    by: 'open',
    what: /^A table has \d+ bytes instead of \d+/,
    verifyWhat: /^The SSTable is not \d+ bytes long/,
    forge(store) {
      const [, fields] = store.someTable()
      fields[Field.sizeBytes] += store.random.pick([1, -1, 1000])
      return `${String(fields[Field.number]).padStart(6, '0')}.sst`
    },
  },
  {
    rule: 'a table is the one of its name',
    by: 'read',
    what: /^The file is table \d+ of another place/,
    forge: table((parts) => void parts.number++),
  },
  {
    rule: 'a table is of this store',
    by: 'read',
    what: /^The file is table \d+ of another place/,
    forge: table((parts) => void (parts.databaseId = parts.databaseId.map((byte) => byte ^ 1))),
  },
  ...[INDEX, PROPERTIES].map((handle) => ({
    rule: `a block has its checksum: ${handle === INDEX ? 'index' : 'properties'}`,
    by: /** @type {const} */ ('read'),
    what: "A block's checksum does not match",
    forge: flipped(handle),
  })),
  {
    rule: 'a block has its checksum: data',
    by: 'read',
    what: "A block's checksum does not match",
    forge: fileBytes((bytes, random) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      bytes[random.below(view.getUint32(bytes.length - FOOTER_LENGTH, true))] ^= 1 << random.below(8)
      return bytes
    }),
  },
  {
    rule: 'a block has its checksum: filter',
    by: 'verify',
    what: "A block's checksum does not match",
    forge: flipped(FILTER),
  },
  {
    rule: 'a block has an envelope',
    by: 'read',
    what: 'A block is shorter than its envelope',
    forge: footer((bytes, random) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      const size = view.getUint32(PROPERTIES + 8, true)
      const left = random.below(5)
      // The index takes what the properties give.
      view.setUint32(INDEX + 8, view.getUint32(INDEX + 8, true) + size - left, true)
      view.setUint32(PROPERTIES, view.getUint32(PROPERTIES, true) + size - left, true)
      view.setUint32(PROPERTIES + 8, left, true)
    }),
  },
  {
    rule: 'a block has a known compression',
    by: 'read',
    what: /^A block's compression kind \d+ is unknown/,
    forge: table(({ blocks }, random) => void (random.pick(blocks).kind = random.pick([3, 4, 255]))),
  },
  {
    rule: 'a compressed block can hold what it claims to hold',
    by: 'read',
    what: 'A block claims to hold more than it can',
    forge: table(({ blocks }, random) => {
      const block = random.pick(blocks)
      block.kind = 1
      // A varint of the size, and an element that is no such thing.
      const claim = random.pick([
        [0xff, 0xff, 0xff, 0xff, 0x07],
        [0xff, 0xff, 0xff, 0xff, 0x0f],
        [0x80, 0x80, 0x80, 0x80, 0x01],
      ])
      block.stored = new Uint8Array([...claim, 0xfc, ...block.payload])
    }),
  },
  {
    rule: 'a compressed block decompresses',
    by: 'read',
    what: 'A block does not decompress',
    forge: table(({ blocks }, random) => {
      const block = random.pick(blocks)
      block.kind = 1 + random.below(2)
      block.stored = new Uint8Array([40, 0xf0, ...new Uint8Array(60).fill(0xff)])
    }),
  },
  {
    rule: 'a compressed block holds no more than it claims',
    by: 'read',
    what: 'A block does not decompress',
    forge: table(({ blocks }, random) => {
      const block = random.pick(blocks)
      block.kind = 2
      const piece = gzipSync(block.payload)
      block.stored = new Uint8Array(Buffer.concat(Array.from({ length: 2 + random.below(3) }, () => piece)))
    }),
  },
  {
    rule: 'the keys of a table are in order',
    by: 'read',
    what: 'The properties tell of a table without entries',
    forge: table(({ properties }) => {
      properties.smallestKey = new Uint8Array([255])
    }),
  },
  {
    rule: 'a table has entries',
    by: 'read',
    what: 'The properties tell of a table without entries',
    forge: table(({ properties }) => {
      properties.entryCount = 0
    }),
  },
  {
    rule: 'the expiry index begins behind the filter',
    by: 'read',
    what: 'The properties name an expiry index that is not where it must be',
    forge: table(({ properties }, random) => {
      properties.expiryIndexOffset = random.pick([0, 1, 10])
      properties.expiryIndexSize = 0
    }),
  },
  {
    rule: 'the expiry index ends in front of the index',
    by: 'read',
    what: 'The properties name an expiry index that is not where it must be',
    forge: table(({ properties }, random) => {
      properties.expiryIndexSize = random.pick([100_000, 2 ** 31, 2 ** 40])
    }),
  },
  {
    rule: 'an index is not empty',
    by: 'read',
    what: 'The index is empty',
    forge: table((parts) => void (parts.index = [])),
  },
  {
    rule: 'a partition of the index stands behind the data',
    by: 'read',
    what: /^An index entry names \d+ bytes that are no block of its kind/,
    forge: partition((_handle, parts) => new Uint8Array([0, parts.blocks[0].payload.length & 0x7f, 0])),
  },
  {
    rule: 'a partition of the index stands in front of the top',
    by: 'read',
    what: /^An index entry names \d+ bytes that are no block of its kind/,
    forge: partition((handle) => new Uint8Array([...handle.subarray(0, -2), 0xff, 0x7f, 0])),
  },
  {
    rule: 'an entry of the top index is whole',
    by: 'read',
    what: 'An index entry has no block handle',
    forge: partition(() => new Uint8Array([0x80])),
  },
  {
    rule: 'an index leads to data only',
    by: 'read',
    what: /^An index entry names \d+ bytes that are no block of its kind/,
    forge: table(({ index }, random) => {
      const entry = random.pick(index)
      if (random.oneIn(2)) entry.size = random.pick([100_000, 0x7fff_ffff, 2 ** 40])
      else [entry.offset, entry.size] = [random.pick([50_000, 2 ** 31, 2 ** 52]), 100]
    }),
  },
  {
    rule: 'an index leads to whole blocks',
    by: 'read',
    what: /^An index entry names \d+ bytes that are no block of its kind/,
    forge: table(({ index }, random) => void (random.pick(index).size = random.below(6))),
  },
  {
    rule: 'an index leads on',
    by: 'scan',
    what: /^An index entry names \d+ bytes that are no block of its kind/,
    verifyWhat: 'The blocks leave a gap',
    forge: table(({ index }, random) => {
      const at = 1 + random.below(index.length - 1)
      ;[index[at - 1].block, index[at].block] = [index[at].block, index[at - 1].block]
    }),
  },
  {
    rule: 'an index leads to each block once',
    by: 'scan',
    what: /^An index entry names \d+ bytes that are no block of its kind/,
    verifyWhat: 'The blocks leave a gap',
    forge: table(({ index }, random) => {
      const at = 1 + random.below(index.length - 1)
      index[at].block = index[at - 1].block
    }),
  },
  {
    rule: 'a filter tells how many hashes it has',
    by: 'verify',
    what: 'A filter block has an impossible size or hash count',
    forge: table((parts, random) => void (parts.filter = Uint8Array.of(1, 2, 3, random.pick([0, 31, 255])))),
  },
  {
    rule: 'a filter has bits',
    by: 'verify',
    what: 'A filter block has an impossible size or hash count',
    forge: table((parts, random) => void (parts.filter = Uint8Array.of(1 + random.below(30)))),
  },
  {
    rule: 'a filter has content',
    by: 'verify',
    what: 'A filter block has an impossible size or hash count',
    forge: table((parts) => void (parts.filter = new Uint8Array(0))),
  },
  {
    rule: 'an expiry index is whole',
    by: 'verify',
    what: 'The expiry index is cut off',
    forge: table((parts, random) => void (parts.expiries = new Uint8Array(20 + 1 + random.below(19)))),
  },
  {
    rule: 'an expiry index is in order',
    by: 'verify',
    what: 'The expiry index is out of order',
    forge: table((parts, random) => {
      parts.expiries = new Uint8Array(40)
      const view = new DataView(parts.expiries.buffer)
      view.setFloat64(0, random.pick([5, Number.NaN]), true)
      view.setFloat64(20, random.pick([1, Number.NaN]), true)
    }),
  },
  {
    rule: 'an expiry index names blocks of the table',
    by: 'verify',
    what: 'The expiry index names what is no data block',
    forge: table((parts, random) => {
      parts.expiries = new Uint8Array(20)
      if (random.oneIn(2)) writeU64(parts.expiries, 8, random.pick([100_000, 2 ** 31, 2 ** 60]))
      else writeU32(parts.expiries, 16, random.pick([100_000, 2 ** 31, 0xffff_ffff]))
    }),
  },
  ...['entryCount', 'tombstoneCount', 'expiringCount', 'dataBlockCount'].map((name) =>
    property(name, WRONG_COUNTS),
  ),
  ...['expiryIndexOffset', 'expiryIndexSize', 'rawKeyBytes', 'rawValueBytes'].map((name) =>
    property(name, [-1, 1.5, Number.NaN, 2 ** 60, '1']),
  ),
  ...['smallestSequence', 'largestSequence'].map((name) => property(name, [...WRONG_COUNTS, 2 ** 52 + 1])),
  ...['smallestKey', 'largestKey'].map((name) =>
    property(name, ['text', 5, null, undefined, new Uint8Array(70_000)]),
  ),
  ...['earliestExpiry', 'latestExpiry', 'createdAt', 'filterBitsPerKey'].map((name) =>
    property(name, [Number.NaN, '1', null, undefined]),
  ),
  property('compression', ['lz4', '', 5, null, undefined]),
  property('map', [], {
    rule: 'properties are a map',
    forge: table((parts, random) => {
      parts.properties = /** @type {any} */ (random.pick([null, 5, 'text', true]))
    }),
  }),
]
