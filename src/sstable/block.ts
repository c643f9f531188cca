/**
 * A decoded block: sorted entries, each directly addressable. Serves as data block, index partition and top index.
 * Its layout is in block-format.ts.
 *
 * Invariant: the constructor has walked the whole block, so every offset, length, kind and sequence of a `Block` is
 * in bounds, and the accessors need no checks of their own. The order of the keys is not checked here (verifyTable
 * does); a search in a block out of order ends, with a wrong place.
 */
import { compareBytes, EMPTY, readHead, readU32, readU64, VarintReader } from '../base/bytes.js'
import { type FoundEntry, MAX_FOUND_NUMBER } from '../base/entry.js'
import { hash32 } from '../base/hash.js'
import {
  BLOCK_TRAILER_LENGTH,
  FLAG_EVEN,
  FLAG_SEQUENCE_WIDTH_SHIFT,
  FLAG_WIDE_OFFSETS,
  LARGEST_FLAGS,
} from './block-format.js'
import { giveBlockMemory, LARGEST_BLOCK_MEMORY, takeBlockMemory } from './block-memory.js'
import { checkEntries, checkSequences, damaged } from './check-block.js'
import { sharedPrefix } from './separator.js'

/** Up to this many heads V8 keeps in its own heap, which is much cheaper to allocate. */
const MOST_HEADS = 16
/** A block of more entries than this is an index or a large block: a head for each costs little there. */
const MOST_SAMPLED_ENTRIES = 128

/** The largest payload of a block whose memory is used again. */
export const LARGEST_REUSED = LARGEST_BLOCK_MEMORY - MOST_SAMPLED_ENTRIES

/** In bytes, on the processors of today. */
const CACHE_LINE = 64

export class Block {
  #bytes: Uint8Array
  /** The number of entries. */
  readonly count: number
  readonly #sequences: number
  readonly #sequenceWidth: number
  readonly #baseSequence: number
  readonly #offsets: number
  readonly #payloadLength: number
  readonly #wide: boolean
  /** The length of every entry in an even block; else 0. */
  readonly #evenLength: number
  /**
   * For the search, taken at the first one: of every `#stride`-th key the 4 bytes behind the prefix that all keys
   * share, as a big-endian number. They stand together in a cache line or a few, where the keys are spread over the
   * block; and most keys need not be compared at all.
   */
  #heads: Uint32Array | undefined
  #stride = 1
  #prefixLength = 0
  #firstKey = 0
  /** For the lookup of one key: where its fingerprints begin, one byte of each key's hash, behind the payload. */
  #prints = 0

  /** Who uses the block and may still do so when another one is asked for; the block cache is one of them. */
  #pins = 0
  /** Its memory, when that can be used again. */
  #memory: Uint8Array<ArrayBuffer> | undefined

  /**
   * A block with a copy of `payload`, {@link LARGEST_REUSED} bytes at most, in memory that takes in another one behind the last
   * {@link unpin}. Throws `CORRUPTION`.
   */
  static inReusedMemory(payload: Uint8Array): Block {
    const memory = takeBlockMemory(payload.length + MOST_SAMPLED_ENTRIES)
    memory.set(payload)
    const block = new Block(memory, payload.length)
    block.#memory = memory
    return block
  }

  /**
   * Takes over `bytes`, of which the first `length` are the payload; they must not change from now on. Throws `CORRUPTION` when they
   * are not a block.
   */
  constructor(bytes: Uint8Array, length: number = bytes.length) {
    const trailer = length - BLOCK_TRAILER_LENGTH
    if (trailer < 0) throw damaged('trailer is cut off')
    const flags = bytes[trailer + 12]
    const count = readU32(bytes, trailer + 8)
    const wide = (flags & FLAG_WIDE_OFFSETS) !== 0
    const sequenceWidth = (flags >>> FLAG_SEQUENCE_WIDTH_SHIFT) & 7
    const even = (flags & FLAG_EVEN) !== 0
    const offsets = even ? trailer : trailer - count * (wide ? 4 : 2)
    const sequences = offsets - count * sequenceWidth
    if (sequences < 0 || flags > LARGEST_FLAGS) throw damaged('entry count does not fit its size')
    if (even && (wide || count === 0 || sequences % count !== 0)) throw damaged('entries cannot be even')
    this.#bytes = bytes
    this.#payloadLength = length
    this.count = count
    this.#wide = wide
    this.#evenLength = even ? sequences / count : 0
    this.#sequenceWidth = sequenceWidth
    this.#baseSequence = readU64(bytes, trailer)
    this.#offsets = offsets
    this.#sequences = sequences
    checkEntries(this, sequences)
    const largest = this.#baseSequence + 2 ** (8 * sequenceWidth) - 1
    if (largest > MAX_FOUND_NUMBER) checkSequences(this)
  }

  /** The payload, and what may stand behind it. The array is another one at another time. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** From now on it stays as it is, until {@link unpin} at least; else only until another block is asked for. */
  pin(): void {
    this.#pins++
  }

  /** Once for each {@link pin}. Behind the last one nobody uses the block, and its memory takes in another one. */
  unpin(): void {
    if (--this.#pins > 0 || this.#memory === undefined) return
    giveBlockMemory(this.#memory)
    this.#memory = undefined
    this.#bytes = EMPTY
  }

  /** What it holds in memory, now or later. */
  get memoryBytes(): number {
    const { count } = this
    if (this.#memory !== undefined) return this.#memory.length + 4 * MOST_HEADS
    return this.#payloadLength + (count > MOST_SAMPLED_ENTRIES ? 4 * count : 4 * MOST_HEADS + count)
  }

  /** Where entry `index` begins. */
  offsetAt(index: number): number {
    const evenLength = this.#evenLength
    if (evenLength > 0) return index * evenLength
    const bytes = this.#bytes
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
    const bytes = this.#bytes
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
    const bytes = this.#bytes
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
    if (this.count === 0) return 0
    const heads = this.#heads ?? this.#takeHeads()
    const prefixLength = this.#prefixLength
    const compared = Math.min(prefixLength, keyEnd - keyStart)
    const at = this.#firstKey
    const order = compareBytes(this.#bytes, at, at + prefixLength, key, keyStart, keyStart + compared)
    if (order !== 0) return order > 0 ? 0 : this.count
    const wanted = readHead(key, keyStart + prefixLength, keyEnd)
    const stride = this.#stride
    let low = 0
    let high = heads.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const head = heads[middle]
      const before =
        head === wanted ? this.#isBefore(middle * stride, key, keyStart, keyEnd, sequence) : head < wanted
      if (before) low = middle + 1
      else high = middle
    }
    if (stride === 1) return low
    // The entry is at or in front of the head that was found, and behind the head in front of that.
    high = Math.min(this.count, low * stride)
    low = Math.max(0, (low - 1) * stride + 1)
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#isBefore(middle, key, keyStart, keyEnd, sequence)) low = middle + 1
      else high = middle
    }
    return low
  }

  /**
   * Describes in `into` the newest version of the key at or before `sequence`; false when there is none. `hash` is `hash32`
   * of the key.
   *
   * With the first lookup a block gets fingerprints: they are passed over one after the other, and hardly a key is
   * compared that is not the one. They stand behind the offsets and the sequences, in memory that is brought into the
   * processor's cache together, while a binary search waits for memory at each step.
   *
   * Not later: the payload without them, which is garbage from then on, is freed soon while it is young, and very late
   * when it is old.
   */
  find(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    hash: number,
    into: FoundEntry,
  ): boolean {
    const { count } = this
    if (this.#prints === 0 && !this.#takePrints()) {
      const index = this.search(key, keyStart, keyEnd, sequence)
      return index < count && this.#describe(index, key, keyStart, keyEnd, sequence, into)
    }
    const bytes = this.#bytes
    const prints = this.#prints
    const print = hash & 0xff
    for (let index = 0; index < count; index++) {
      if (bytes[prints + index] !== print) continue
      if (this.#describe(index, key, keyStart, keyEnd, sequence, into)) return true
    }
    return false
  }

  /** Describes entry `index` in `into` when it is a version of the key at or before `sequence`. */
  #describe(
    index: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    into: FoundEntry,
  ): boolean {
    const bytes = this.#bytes
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
    if (length !== keyEnd - keyStart) return false
    for (let i = keyStart; i < keyEnd; i++) if (bytes[at++] !== key[i]) return false
    const found = this.sequenceAt(index)
    if (found > sequence) return false
    into.sequence = found
    into.kind = bytes[at++]
    length = bytes[at++]
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
    into.valueBytes = bytes
    into.valueStart = at
    into.valueEnd = at + length
    return true
  }

  /** Brings the fingerprints and the offsets into the processor's cache; the answer means nothing. */
  touch(): number {
    const bytes = this.#bytes
    return bytes[this.#offsets] + bytes[this.#prints === 0 ? 0 : this.#prints + this.count - 1]
  }

  /** The same for the entry that {@link find} will most likely describe. */
  touchEntry(hash: number): number {
    const bytes = this.#bytes
    const prints = this.#prints
    const end = prints === 0 ? 0 : prints + this.count
    const print = hash & 0xff
    for (let i = prints; i < end; i++) {
      if (bytes[i] !== print) continue
      const at = this.offsetAt(i - prints)
      return bytes[at] + bytes[Math.min(at + CACHE_LINE, end - 1)]
    }
    return 0
  }

  /** Takes the fingerprints of the keys; not in a large block. Whether they are there. */
  #takePrints(): boolean {
    const { count } = this
    const payload = this.#bytes
    let bytes = payload
    const prints = this.#payloadLength
    const hasRoom = prints + count <= payload.length
    if (count > MOST_SAMPLED_ENTRIES || (prints > LARGEST_REUSED && !hasRoom)) return false
    if (!hasRoom) {
      bytes = new Uint8Array(prints + count)
      bytes.set(payload)
    }
    for (let i = 0; i < count; i++) {
      const at = this.offsetAt(i)
      const short = payload[at]
      const start = short < 0x80 ? at + 1 : this.#keyStartAt(i)
      const length = short < 0x80 ? short : this.#keyLengthAt(i)
      bytes[prints + i] = hash32(payload, start, start + length)
    }
    this.#bytes = bytes
    this.#prints = prints
    return true
  }

  /** Whether entry `index` is in front of (user key, sequence). */
  #isBefore(index: number, key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): boolean {
    const bytes = this.#bytes
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
    const order = compareBytes(bytes, at, at + length, key, keyStart, keyEnd)
    return order < 0 || (order === 0 && this.sequenceAt(index) > sequence)
  }

  /** Takes the heads of the keys: see `#heads`. */
  #takeHeads(): Uint32Array {
    const last = this.count - 1
    const first = this.#keyStartAt(0)
    const firstEnd = first + this.#keyLengthAt(0)
    const lastStart = this.#keyStartAt(last)
    const lastEnd = lastStart + this.#keyLengthAt(last)
    const prefixLength = sharedPrefix(this.#bytes, first, firstEnd, this.#bytes, lastStart, lastEnd)
    const stride = this.count > MOST_SAMPLED_ENTRIES ? 1 : Math.ceil(this.count / MOST_HEADS)
    const heads = new Uint32Array(Math.ceil(this.count / stride))
    for (let i = 0; i < heads.length; i++) {
      const start = this.#keyStartAt(i * stride)
      heads[i] = readHead(this.#bytes, start + prefixLength, start + this.#keyLengthAt(i * stride))
    }
    this.#prefixLength = prefixLength
    this.#firstKey = first
    this.#stride = stride
    this.#heads = heads
    return heads
  }

  #keyLengthAt(index: number): number {
    return new VarintReader(this.#bytes, this.offsetAt(index)).read()
  }

  #keyStartAt(index: number): number {
    let at = this.offsetAt(index)
    while (this.#bytes[at++] > 0x7f);
    return at
  }
}

/** A block without entries. */
export const EMPTY_BLOCK = new Block(new Uint8Array(BLOCK_TRAILER_LENGTH))
