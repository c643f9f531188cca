/** Byte strings: order, fixed-width integers, varints. All integers are little-endian; all offsets are in bytes. */
import { VarveError } from './errors.js'

/** The empty byte string. */
export const EMPTY = new Uint8Array(0)

/** Whether the machine's own words are little-endian, as nearly all are. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/**
 * Compares `a[aStart, aEnd)` with `b[bStart, bEnd)` in byte order; negative, zero or positive.
 * A loop, because a native call costs more than comparing the short keys that a store sees.
 */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart
  const bLength = bEnd - bStart
  const shorter = aLength < bLength ? aLength : bLength
  for (let i = 0; i < shorter; i++) {
    const difference = a[aStart + i] - b[bStart + i]
    if (difference !== 0) return difference
  }
  return aLength - bLength
}

/** Compares two whole byte strings in byte order. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length)
}

/** Up to this length a loop copies faster than `TypedArray.set`, whose call costs about 50 ns whatever it moves. */
const LOOP_COPY_LENGTH = 24

/** Copies `source[start, end)` to `target` at `at`. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): void {
  if (end - start <= LOOP_COPY_LENGTH) {
    for (let i = start; i < end; i++) target[at++] = source[i]
  } else if (start === 0 && end === source.length) {
    target.set(source, at)
  } else {
    target.set(source.subarray(start, end), at)
  }
}

/** Memory of its own whose content is undefined: for what is overwritten at once. */
export function uninitialized(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

/** A private copy of `source[start, end)`. */
export function copyOf(source: Uint8Array, start = 0, end = source.length): Uint8Array {
  const copy = new Uint8Array(end - start)
  copyBytes(source, start, end, copy, 0)
  return copy
}

/** Writes an unsigned 32-bit integer. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Reads an unsigned 32-bit integer. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/** The first 4 bytes of `bytes[start, end)` as a big-endian number, zeros where there are none. */
export function readHead(bytes: Uint8Array, start: number, end: number): number {
  if (start + 4 <= end) {
    return (
      ((bytes[start] << 24) | (bytes[start + 1] << 16) | (bytes[start + 2] << 8) | bytes[start + 3]) >>> 0
    )
  }
  let head = 0
  for (let i = 0; i < 4; i++) head = (head << 8) | (start + i < end ? bytes[start + i] : 0)
  return head >>> 0
}

/** Writes an integer from 0 to 2^53−1 as an unsigned 64-bit integer. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value >>> 0)
  writeU32(bytes, at + 4, Math.floor(value / 0x1_0000_0000))
}

/** Reads an unsigned 64-bit integer; one above 2^53−1 comes back as an unsafe integer, which callers reject. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4) * 0x1_0000_0000 + readU32(bytes, at)
}

/** The most bytes that {@link writeVarint} writes. */
export const MAX_VARINT_LENGTH = 8

/** Writes an integer from 0 to 2^53−1 as a little-endian base-128 varint; returns the position behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    if (value < 0x8000_0000) {
      bytes[at++] = value | 0x80
      value >>>= 7
    } else {
      bytes[at++] = (value % 0x80) | 0x80
      value = Math.floor(value / 0x80)
    }
  }
  bytes[at++] = value
  return at
}

/**
 * Reads varints from bytes that may be damaged: never beyond `limit`, never above 2^53−1.
 * A hot loop reads a one-byte varint itself and comes here for longer ones.
 */
export class VarintReader {
  bytes: Uint8Array
  /** Where the next varint begins. */
  position: number
  limit: number

  constructor(bytes: Uint8Array = EMPTY, position = 0, limit: number = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.limit = limit
  }

  /** The next varint; throws `CORRUPTION` when it is cut off or too large. */
  read(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < MAX_VARINT_LENGTH && this.position < this.limit; i++) {
      const byte = this.bytes[this.position++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw new VarveError('CORRUPTION', 'A variable-length integer is cut off or too large.')
  }
}
