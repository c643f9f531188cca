/**
 * CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), native where Node has it (≥ 20.15).
 *
 * Salting: the initial value of the CRC is mixed from who wrote the bytes and where they belong, so that stale
 * or misdirected bytes never pass. CRC-32 is a bijection of its initial value for fixed data, hence two different
 * salts never give the same checksum for the same bytes.
 */
import * as zlib from 'node:zlib'

const table = new Uint32Array(256)
for (let n = 0; n < 256; n++) {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  table[n] = c
}

/** The portable implementation; the same function as {@link crc32}, about ten times slower. */
export function portableCrc32(bytes: Uint8Array, initial = 0): number {
  let crc = ~initial
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]) & 0xff]
  return ~crc >>> 0
}

/** One byte more. The state is `~initial` at first; the checksum of what was taken in so far is `~state >>> 0`. */
export function crc32Step(state: number, byte: number): number {
  return (state >>> 8) ^ table[(state ^ byte) & 0xff]
}

const native = (zlib as { crc32?: (bytes: Uint8Array, initial?: number) => number }).crc32

/** CRC-32 of `bytes`, continued from `initial` (an unsigned 32-bit integer). */
export const crc32: (bytes: Uint8Array, initial?: number) => number = native ?? portableCrc32

/** The salt of one file: `identity` (16 bytes, the database id) and the file's number. */
export function fileSalt(identity: Uint8Array, fileNumber: number): number {
  const low = fileNumber >>> 0
  const high = Math.floor(fileNumber / 0x1_0000_0000) >>> 0
  return crc32(
    Uint8Array.of(low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8, high >>> 16, high >>> 24),
    crc32(identity),
  )
}

/** The salt of one place in a file: distinct for every offset below 2^32, and mixed above it. */
export function salted(salt: number, offset: number): number {
  return (salt ^ offset ^ Math.imul(Math.floor(offset / 0x1_0000_0000), 0x9e3779b1)) >>> 0
}
