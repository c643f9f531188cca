/**
 * A decoded block: sorted entries, each directly addressable. Serves as data block, index partition and top index.
 *
 * Layout (docs/format/sstable.md): entries | sequences | offset table | trailer. On disk: never change.
 *
 *   entry     varint keyLength | user key | kind u8 | varint valueLength | stored value
 *   sequences per entry (sequence − baseSequence), little-endian, `sequenceWidth` bytes
 *   offsets   per entry where it begins, u16 or u32
 *   trailer   baseSequence u64 | entry count u32 | flags u8 (bit 0: u32 offsets; bits 1–3: sequenceWidth, 0 to 7)
 *
 * Sequence numbers stand in a column of their own because the builder knows their minimum only at the end; a block
 * whose entries share one sequence (an index) spends nothing on them.
 *
 * Invariant: the constructor has walked the whole block, so every offset, length, kind and sequence of a `Block` is
 * in bounds, and the accessors need no checks of their own. The order of the keys is not checked here (verifyTable
 * does); a search in a block out of order ends, with a wrong place.
 */
import { compareBytes, readU32, readU64, VarintReader } from '../base/bytes.js'
import { EXPIRY_LENGTH, Kind, MAX_KIND, MAX_SEQUENCE } from '../base/entry.js'
import { VarveError } from '../base/errors.js'

/** The bytes of the trailer. */
export const BLOCK_TRAILER_LENGTH = 13
/** Trailer flag: offsets are u32 instead of u16. */
export const FLAG_WIDE_OFFSETS = 1
/** Where the sequence width begins in the trailer's flags. */
export const FLAG_SEQUENCE_WIDTH_SHIFT = 1
/** The largest payload with u16 offsets. */
export const MAX_NARROW_PAYLOAD = 0xffff

function damaged(what: string): VarveError {
  return new VarveError('CORRUPTION', `A block's ${what}.`)
}

export class Block {
  readonly bytes: Uint8Array
  /** The number of entries. */
  readonly count: number
  readonly #sequences: number
  readonly #sequenceWidth: number
  readonly #baseSequence: number
  readonly #offsets: number
  readonly #wide: boolean

  /** Takes over `bytes`, which must not change from now on; throws `CORRUPTION` when they are not a block. */
  constructor(bytes: Uint8Array) {
    const trailer = bytes.length - BLOCK_TRAILER_LENGTH
    if (trailer < 0) throw damaged('trailer is cut off')
    const flags = bytes[trailer + 12]
    const count = readU32(bytes, trailer + 8)
    const wide = (flags & FLAG_WIDE_OFFSETS) !== 0
    const sequenceWidth = (flags >>> FLAG_SEQUENCE_WIDTH_SHIFT) & 7
    const offsets = trailer - count * (wide ? 4 : 2)
    const sequences = offsets - count * sequenceWidth
    if (sequences < 0 || flags > 15) throw damaged('entry count does not fit its size')
    this.bytes = bytes
    this.count = count
    this.#wide = wide
    this.#sequenceWidth = sequenceWidth
    this.#baseSequence = readU64(bytes, trailer)
    this.#offsets = offsets
    this.#sequences = sequences
    this.#checkEntries()
    this.#checkSequences()
  }

  /** Where entry `index` begins. */
  offsetAt(index: number): number {
    const bytes = this.bytes
    if (this.#wide) return readU32(bytes, this.#offsets + index * 4)
    const at = this.#offsets + index * 2
    return bytes[at] | (bytes[at + 1] << 8)
  }

  /** Where entry `index` ends: its stored value too. */
  endAt(index: number): number {
    return index + 1 < this.count ? this.offsetAt(index + 1) : this.#sequences
  }

  /** Where the stored value of entry `index` begins; for an index block. */
  valueStartAt(index: number): number {
    const bytes = this.bytes
    let at = this.offsetAt(index)
    let length = bytes[at++]
    if (length > 0x7f) {
      length &= 0x7f
      let byte: number
      let shift = 7
      do {
        byte = bytes[at++]
        length |= (byte & 0x7f) << shift
        shift += 7
      } while (byte > 0x7f)
    }
    // Behind the key: the kind, then the value's length, then the value.
    at += length + 1
    while (bytes[at++] > 0x7f);
    return at
  }

  sequenceAt(index: number): number {
    const bytes = this.bytes
    const width = this.#sequenceWidth
    const at = this.#sequences + index * width
    switch (width) {
      case 0:
        return this.#baseSequence
      case 1:
        return this.#baseSequence + bytes[at]
      case 2:
        return this.#baseSequence + (bytes[at] | (bytes[at + 1] << 8))
      case 3:
        return this.#baseSequence + (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16))
      default: {
        let high = 0
        for (let i = width - 1; i >= 4; i--) high = high * 256 + bytes[at + i]
        return this.#baseSequence + high * 0x1_0000_0000 + readU32(bytes, at)
      }
    }
  }

  /** The first entry at or behind (user key, sequence) in the order of entries; `count` when there is none. */
  search(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): number {
    const bytes = this.bytes
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      let at = this.offsetAt(middle)
      let length = bytes[at++]
      if (length > 0x7f) {
        length &= 0x7f
        let byte: number
        let shift = 7
        do {
          byte = bytes[at++]
          length |= (byte & 0x7f) << shift
          shift += 7
        } while (byte > 0x7f)
      }
      const order = compareBytes(bytes, at, at + length, key, keyStart, keyEnd)
      if (order < 0 || (order === 0 && this.sequenceAt(middle) > sequence)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Entries must fill `[0, sequences)` without a gap, in the order of their offsets. */
  #checkEntries(): void {
    const bytes = this.bytes
    const end = this.#sequences
    let at = 0
    for (let index = 0; index < this.count; index++) {
      if (this.offsetAt(index) !== at) throw damaged('offset table points beside an entry')
      let length = at < end ? bytes[at++] : 0x80
      if (length > 0x7f) {
        const reader = new VarintReader(bytes, at - 1, end)
        length = reader.read()
        at = reader.position
      }
      at += length
      if (at >= end) throw damaged('key reaches beyond its entries')
      const kind = bytes[at++]
      if (kind > MAX_KIND) throw damaged(`entry kind ${kind} is unknown`)
      length = at < end ? bytes[at++] : 0x80
      if (length > 0x7f) {
        const reader = new VarintReader(bytes, at - 1, end)
        length = reader.read()
        at = reader.position
      }
      if (kind === Kind.putWithExpiry && length < EXPIRY_LENGTH)
        throw damaged('value is too short for its expiry')
      at += length
      if (at > end) throw damaged('value reaches beyond its entries')
    }
    if (at !== end) throw damaged('entries do not fill their space')
  }

  #checkSequences(): void {
    if (this.#baseSequence + 2 ** (8 * this.#sequenceWidth) - 1 <= MAX_SEQUENCE) return
    for (let index = 0; index < this.count; index++) {
      if (this.sequenceAt(index) > MAX_SEQUENCE) throw damaged('sequence number is too large')
    }
    if (this.#baseSequence > MAX_SEQUENCE) throw damaged('sequence number is too large')
  }
}

/** A block without entries. */
export const EMPTY_BLOCK = new Block(new Uint8Array(BLOCK_TRAILER_LENGTH))
