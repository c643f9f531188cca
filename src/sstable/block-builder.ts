/**
 * Builds the payload of one block after another (layout: see block-format.ts), reusing its memory.
 *
 * Invariant: entries are added in order; the caller asserts it, because only the caller sees across blocks.
 */
import { copyBytes, writeU32, writeU64, writeVarint } from '../base/bytes.js'
import {
  BLOCK_TRAILER_LENGTH,
  FLAG_EVEN,
  FLAG_SEQUENCE_WIDTH_SHIFT,
  FLAG_WIDE_OFFSETS,
  MAX_NARROW_PAYLOAD,
} from './block-format.js'

/** The bytes of an entry outside its key and value, for estimates: lengths, kind, sequence, offset. */
const ENTRY_OVERHEAD = 8

/** The bytes of `value` as an unsigned integer without leading zeros; 0 for 0. */
function byteWidth(value: number): number {
  let width = 0
  while (value >= 1) {
    value /= 256
    width++
  }
  return width
}

export class BlockBuilder {
  /** The number of entries added since the last {@link reset}. */
  count = 0
  /** The entries; [`lastKeyStart`, `lastKeyEnd`) is the key of the last one, until the next `add`. */
  bytes: Uint8Array
  lastKeyStart = 0
  lastKeyEnd = 0
  lastSequence = 0
  #length = 0
  #offsets = new Uint32Array(64)
  #sequences = new Float64Array(64)

  /** @param expectedBytes what to reserve; more is made room for. */
  constructor(expectedBytes: number) {
    this.bytes = new Uint8Array(expectedBytes + 256)
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    kind: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const keyLength = keyEnd - keyStart
    const valueLength = valueEnd - valueStart
    const needed = this.#length + keyLength + valueLength + 17
    if (needed > this.bytes.length) this.#growBytes(needed)
    if (this.count === this.#offsets.length) this.#growColumns()
    const bytes = this.bytes
    let at = this.#length
    this.#offsets[this.count] = at
    this.#sequences[this.count] = sequence
    if (keyLength < 0x80) bytes[at++] = keyLength
    else at = writeVarint(bytes, at, keyLength)
    copyBytes(key, keyStart, keyEnd, bytes, at)
    this.lastKeyStart = at
    at += keyLength
    this.lastKeyEnd = at
    bytes[at++] = kind
    if (valueLength < 0x80) bytes[at++] = valueLength
    else at = writeVarint(bytes, at, valueLength)
    copyBytes(value, valueStart, valueEnd, bytes, at)
    this.#length = at + valueLength
    this.lastSequence = sequence
    this.count++
  }

  /** About what the payload would take if it were finished now. */
  get estimatedSizeBytes(): number {
    return this.#length + this.count * (ENTRY_OVERHEAD - 3) + BLOCK_TRAILER_LENGTH
  }

  /** About what {@link estimatedSizeBytes} would be after an entry with such a key and value. */
  estimateWith(keyLength: number, valueLength: number): number {
    return this.estimatedSizeBytes + keyLength + valueLength + ENTRY_OVERHEAD
  }

  /** The payload, a view that is good until the next {@link add}. */
  finish(): Uint8Array {
    const count = this.count
    let base = count === 0 ? 0 : Number.MAX_SAFE_INTEGER
    let largest = 0
    for (let i = 0; i < count; i++) {
      const sequence = this.#sequences[i]
      if (sequence < base) base = sequence
      if (sequence > largest) largest = sequence
    }
    const width = count === 0 ? 0 : byteWidth(largest - base)
    const withoutOffsets = this.#length + count * width + BLOCK_TRAILER_LENGTH
    const even = this.#isEven()
    const wide = !even && withoutOffsets + count * 2 > MAX_NARROW_PAYLOAD
    const length = even ? withoutOffsets : withoutOffsets + count * (wide ? 4 : 2)
    if (length > this.bytes.length) this.#growBytes(length)
    let at = this.#writeSequences(this.#length, base, width)
    if (!even) at = this.#writeOffsets(at, wide)
    writeU64(this.bytes, at, base)
    writeU32(this.bytes, at + 8, count)
    const offsets = even ? FLAG_EVEN : wide ? FLAG_WIDE_OFFSETS : 0
    this.bytes[at + 12] = (width << FLAG_SEQUENCE_WIDTH_SHIFT) | offsets
    return this.bytes.subarray(0, length)
  }

  /** Begins the next block. */
  reset(): void {
    this.count = 0
    this.#length = 0
  }

  /** Whether all entries have the same length, so that their offsets need not be written. */
  #isEven(): boolean {
    const count = this.count
    if (count === 0) return false
    const entryLength = this.#length / count
    for (let i = 1; i < count; i++) if (this.#offsets[i] !== i * entryLength) return false
    return true
  }

  #writeSequences(at: number, base: number, width: number): number {
    for (let i = 0; i < this.count; i++) {
      let rest = this.#sequences[i] - base
      for (let byte = 0; byte < width; byte++) {
        if (byte === 4) rest = Math.floor(rest / 0x1_0000_0000)
        this.bytes[at++] = byte < 4 ? (rest >>> 0) >>> (8 * byte) : rest >>> (8 * (byte - 4))
      }
    }
    return at
  }

  #writeOffsets(at: number, wide: boolean): number {
    const bytes = this.bytes
    for (let i = 0; i < this.count; i++) {
      const offset = this.#offsets[i]
      bytes[at] = offset
      bytes[at + 1] = offset >>> 8
      if (wide) {
        bytes[at + 2] = offset >>> 16
        bytes[at + 3] = offset >>> 24
      }
      at += wide ? 4 : 2
    }
    return at
  }

  #growBytes(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.#length))
    this.bytes = grown
  }

  #growColumns(): void {
    const offsets = new Uint32Array(this.#offsets.length * 2)
    offsets.set(this.#offsets)
    this.#offsets = offsets
    const sequences = new Float64Array(this.#sequences.length * 2)
    sequences.set(this.#sequences)
    this.#sequences = sequences
  }
}
