/**
 * Mutations of byte strings that know what lengths, counts and offsets look like, but no format. What knows a format
 * (formats.js, tables.js) builds on them.
 */
import { writeU32, writeU64, writeVarint } from '../dist/base/bytes.js'

/** Numbers at which decoders go wrong. */
export const HOSTILE_NUMBERS = [
  0,
  1,
  2,
  7,
  8,
  9,
  0x7f,
  0x80,
  0xff,
  0x100,
  0x7fff,
  0xffff,
  0x1_0000,
  0x1_0001,
  0xff_ffff,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fff0,
  0xffff_ffff,
  2 ** 32,
  2 ** 40,
  2 ** 52,
  Number.MAX_SAFE_INTEGER - 1,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  2 ** 63,
]

const INTERESTING_BYTES = [
  0x00, 0x01, 0x02, 0x07, 0x0a, 0x20, 0x22, 0x5c, 0x7f, 0x80, 0x90, 0xc1, 0xd4, 0xfe, 0xff,
]

/** The most that one mutation adds. */
const LARGEST_INSERTION = 256

/**
 * A changed copy of `bytes`.
 * @param {Uint8Array} bytes
 * @param {import('./random.js').Random} random
 * @param {readonly Uint8Array[]} others what pieces are taken from
 */
export function mutateBytes(bytes, random, others = [bytes]) {
  let mutated = bytes.slice()
  for (let times = 1 + random.below(3); times > 0; times--)
    mutated = random.pick(MUTATIONS)(mutated, random, others)
  return mutated
}

/** @type {readonly ((bytes: Uint8Array, random: import('./random.js').Random, others: readonly Uint8Array[]) => Uint8Array)[]} */
const MUTATIONS = [
  function flipBit(bytes, random) {
    if (bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8)
    return bytes
  },
  function setByte(bytes, random) {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.pick(INTERESTING_BYTES)
    return bytes
  },
  function setU32(bytes, random) {
    if (bytes.length >= 4) writeU32(bytes, random.below(bytes.length - 3), random.pick(HOSTILE_NUMBERS) >>> 0)
    return bytes
  },
  function setBigEndianU32(bytes, random) {
    if (bytes.length < 4) return bytes
    const at = random.below(bytes.length - 3)
    writeU32(bytes, at, random.pick(HOSTILE_NUMBERS) >>> 0)
    bytes.subarray(at, at + 4).reverse()
    return bytes
  },
  function setU64(bytes, random) {
    if (bytes.length >= 8) writeU64(bytes, random.below(bytes.length - 7), random.pick(HOSTILE_NUMBERS))
    return bytes
  },
  function setFloat(bytes, random) {
    if (bytes.length < 8) return bytes
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const float = random.pick([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e300, -1])
    view.setFloat64(random.below(bytes.length - 7), float, true)
    return bytes
  },
  function setVarint(bytes, random) {
    const varint = new Uint8Array(10)
    const length = writeVarint(varint, 0, Math.min(random.pick(HOSTILE_NUMBERS), Number.MAX_SAFE_INTEGER))
    return spliced(
      bytes,
      random.below(bytes.length + 1),
      random.oneIn(2) ? length : 1,
      varint.subarray(0, length),
    )
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random.below(bytes.length + 1))
  },
  function remove(bytes, random) {
    const at = random.below(bytes.length + 1)
    return spliced(bytes, at, 1 + random.below(Math.min(16, bytes.length - at + 1)), new Uint8Array(0))
  },
  function duplicate(bytes, random) {
    const at = random.below(bytes.length + 1)
    const piece = bytes.slice(at, at + 1 + random.below(LARGEST_INSERTION))
    return spliced(bytes, random.oneIn(2) ? at : random.below(bytes.length + 1), 0, piece)
  },
  function splice(bytes, random, others) {
    const other = random.pick(others)
    const from = random.below(other.length + 1)
    const piece = other.subarray(from, from + 1 + random.below(LARGEST_INSERTION))
    const replaced = random.oneIn(2) ? piece.length : random.below(piece.length + 1)
    return spliced(bytes, random.below(bytes.length + 1), replaced, piece)
  },
  function insertZeros(bytes, random) {
    return spliced(bytes, random.below(bytes.length + 1), 0, new Uint8Array(1 + random.below(32)))
  },
]

/**
 * `bytes` with `inserted` in the place of the `removed` bytes at `at`.
 * @param {Uint8Array} bytes @param {number} at @param {number} removed @param {Uint8Array} inserted
 */
function spliced(bytes, at, removed, inserted) {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed))
  const result = new Uint8Array(at + inserted.length + rest.length)
  result.set(bytes.subarray(0, at), 0)
  result.set(inserted, at)
  result.set(rest, at + inserted.length)
  return result
}
