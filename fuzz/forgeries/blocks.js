/** Forgeries of sorted blocks: a data block of a table says what cannot be. */
import { writeU32, writeU64, writeVarint } from '../../dist/base/bytes.js'
import { entriesOf } from '../tables.js'

/** @typedef {import('./forged-store.js').ForgedStore} ForgedStore */
/** @typedef {import('../random.js').Random} Random */
/** @typedef {import('./index.js').Forgery} Forgery */

/** @typedef {{ key: Uint8Array, kind: number, value: Uint8Array, bytes?: Uint8Array }} RawEntry `bytes` overrules the rest */

/** @param {number} value */
function varint(value) {
  const bytes = new Uint8Array(10)
  return bytes.slice(0, writeVarint(bytes, 0, value))
}

/** @param {RawEntry} entry */
function entryBytes({ key, kind, value, bytes }) {
  return bytes ?? new Uint8Array([...varint(key.length), ...key, kind, ...varint(value.length), ...value])
}

/**
 * A block of any entries, with sequence numbers from `base` on.
 * @param {readonly RawEntry[]} entries
 * @param {{ base?: number, flags?: number, behind?: Uint8Array, extraOffset?: boolean, shift?: number, sequences?: readonly Uint8Array[] }} [settings]
 */
function rawBlock(entries, { base = 7, flags = 0, behind, extraOffset, shift = 0, sequences = [] } = {}) {
  const pieces = entries.map(entryBytes)
  const offsets = []
  let at = 0
  for (const piece of pieces) {
    offsets.push(at)
    at += piece.length
  }
  if (extraOffset) offsets.push(at)
  offsets[offsets.length - 1] += shift
  const wide = at > 0xff00
  const table = new Uint8Array(offsets.length * (wide ? 4 : 2))
  const view = new DataView(table.buffer)
  for (const [i, offset] of offsets.entries())
    wide ? view.setUint32(i * 4, offset, true) : view.setUint16(i * 2, offset, true)
  const trailer = new Uint8Array(13)
  writeU64(trailer, 0, base)
  writeU32(trailer, 8, offsets.length)
  trailer[12] = flags | (wide ? 1 : 0)
  return new Uint8Array(Buffer.concat([...pieces, behind ?? new Uint8Array(0), ...sequences, table, trailer]))
}

/** Puts another payload in the place of a data block's. @param {(entries: ReturnType<typeof entriesOf>, payload: Uint8Array, random: Random) => Uint8Array} make */
const block = (make) => (/** @type {ForgedStore} */ store) =>
  store.changeTable(({ blocks }) => {
    const chosen = store.random.pick(blocks)
    chosen.payload = make(entriesOf(chosen.payload), chosen.payload, store.random)
    chosen.kind = 0
  })

/** The same, with something else in the place of the last entry. @param {(last: RawEntry, random: Random) => RawEntry} change */
const lastEntry = (change) =>
  block((entries, _payload, random) => {
    const last = entries[entries.length - 1]
    return rawBlock([...entries.slice(0, -1), change(last, random)])
  })

/** @param {Omit<Forgery, 'by'>[]} forgeries @returns {Forgery[]} */
const read = (forgeries) => forgeries.map((forgery) => ({ by: 'read', ...forgery }))

export const blockForgeries = read([
  {
    rule: 'a block is longer than its trailer',
    what: "A block's trailer is cut off",
    forge: block((_entries, payload, random) => payload.slice(0, 1 + random.below(12))),
  },
  {
    rule: 'a block has room for the entries that it counts',
    what: "A block's entry count does not fit its size",
    forge: block((_entries, payload, random) => {
      const forged = payload.slice()
      writeU32(forged, forged.length - 5, random.pick([forged.length, 0xffff, 0x7fff_ffff, 0xffff_ffff]))
      return forged
    }),
  },
  {
    rule: 'a block has known flags',
    what: "A block's entry count does not fit its size",
    forge: block((entries, _payload, random) => rawBlock(entries, { flags: 16 << random.below(4) })),
  },
  {
    rule: 'entries begin where the block says',
    what: "A block's offset table points beside an entry",
    forge: block((entries, _payload, random) => rawBlock(entries, { shift: random.pick([1, 2, 50]) })),
  },
  {
    rule: 'an entry is there',
    what: "A block's entry is cut off",
    forge: block((entries) => rawBlock(entries, { extraOffset: true })),
  },
  {
    rule: 'a key in a block is as long as a key may be',
    what: "A block's key is too long",
    forge: lastEntry((last, random) => ({ ...last, key: new Uint8Array(random.pick([65_536, 70_000])) })),
  },
  {
    rule: 'a key in a block ends in it',
    what: "A block's key reaches beyond its entries",
    forge: lastEntry((last, random) => ({
      ...last,
      bytes: new Uint8Array([...varint(last.key.length + random.pick([1, 2, 100])), ...last.key]),
    })),
  },
  {
    rule: 'an entry has a known kind',
    what: /^A block's entry kind \d+ is unknown/,
    forge: lastEntry((last, random) => ({ ...last, kind: random.pick([5, 6, 127, 255]) })),
  },
  {
    rule: 'an entry has a value',
    what: "A block's entry is cut off",
    forge: lastEntry((last) => ({
      ...last,
      bytes: new Uint8Array([...varint(last.key.length), ...last.key, 1]),
    })),
  },
  {
    rule: 'a value in a block ends in it',
    what: "A block's value reaches beyond its entries",
    forge: lastEntry((last, random) => ({
      ...last,
      bytes: new Uint8Array([
        ...varint(last.key.length),
        ...last.key,
        1,
        ...varint(random.pick([1, 200, 2 ** 31, 2 ** 40])),
      ]),
    })),
  },
  {
    rule: 'entries fill their block',
    what: "A block's entries do not fill their space",
    forge: block((entries, _payload, random) =>
      rawBlock(entries, { behind: new Uint8Array(1 + random.below(9)) }),
    ),
  },
  {
    rule: 'an expiry in a block is whole',
    what: "A block's value is too short for its expiry",
    forge: lastEntry((last, random) => ({ ...last, kind: 2, value: new Uint8Array(random.below(8)) })),
  },
  {
    rule: 'an expiry in a block is a moment',
    what: "A block's expiry is no moment",
    forge: lastEntry((last) => ({ ...last, kind: 2, value: new Uint8Array(8).fill(255) })),
  },
  {
    rule: 'a sequence number in a block has one behind it',
    what: "A block's sequence number is too large",
    forge: block((entries, _payload, random) =>
      rawBlock(entries, { base: random.pick([2 ** 52 + 1, Number.MAX_SAFE_INTEGER, 2 ** 60]) }),
    ),
  },
  {
    rule: 'a sequence number in a block has one behind it, wherever it is',
    what: "A block's sequence number is too large",
    forge: block((entries) =>
      rawBlock(entries, {
        flags: 7 << 1,
        sequences: entries.map((_, i) => new Uint8Array(7).fill(i === entries.length - 1 ? 255 : 0)),
      }),
    ),
  },
  {
    rule: 'a length in a block ends in it',
    what: 'A variable-length integer is cut off or too large',
    forge: lastEntry((last, random) => ({ ...last, bytes: new Uint8Array(1 + random.below(3)).fill(0x80) })),
  },
  {
    rule: 'a length in a block is a number',
    what: 'A variable-length integer is cut off or too large',
    forge: lastEntry((last) => ({ ...last, bytes: new Uint8Array([...new Uint8Array(7).fill(255), 0x7f]) })),
  },
])
