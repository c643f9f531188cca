/**
 * Records: the framing that the WAL and the MANIFEST share. Written down in docs/format/record.md.
 *
 * A record begins at an offset that is a multiple of 8 and is a header of 16 bytes, the payload, and zeros up to
 * the next multiple of 8. What must always hold:
 * - The checksum covers every byte of the record, the padding too, and is salted with the file and the offset:
 *   bytes that belong elsewhere, or were written here by another file of the same name, never pass.
 * - The header has a small check of its own, so that a reader that looks for the next record behind damage
 *   rejects almost every false start without touching the payload.
 *
 * On disk: never change.
 */

import { writeU32 } from '../base/bytes.js'
import { crc32, salted } from '../base/checksum.js'

/** The bytes in front of a payload: checksum u32, magic u32, payload length u32, type u8, header check u24. */
export const RECORD_HEADER_LENGTH = 16

/** Records begin at multiples of this. */
export const RECORD_ALIGNMENT = 8

/** The bytes `d7 56 52 43`: no UTF-8 text holds them, since a lead byte `d7` wants a continuation byte. */
export const RECORD_MAGIC = 0x435256d7

/** The bytes that a record with a payload of `payloadLength` bytes takes in the file. */
export function framedLength(payloadLength: number): number {
  return Math.ceil((RECORD_HEADER_LENGTH + payloadLength) / RECORD_ALIGNMENT) * RECORD_ALIGNMENT
}

/** The header's own check: 24 bits mixed from the length, the type and the place. */
export function headerCheck(payloadLength: number, type: number, placeSalt: number): number {
  let hash = Math.imul(payloadLength ^ placeSalt, 0x9e3779b1) ^ type
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 8
}

/**
 * Makes a record of the payload that stands at {@link RECORD_HEADER_LENGTH} in `buffer`, in place: fills in the
 * header in front of it and the zeros behind it, for which `buffer` must have room.
 *
 * @param salt - the `fileSalt` of the file
 * @param offset - where in the file the record will be written, a multiple of 8
 * @returns the record, a view of `buffer`, to be written whole
 */
export function frameRecord(
  buffer: Uint8Array,
  payloadLength: number,
  type: number,
  salt: number,
  offset: number,
): Uint8Array {
  const placeSalt = salted(salt, offset)
  const length = framedLength(payloadLength)
  for (let i = RECORD_HEADER_LENGTH + payloadLength; i < length; i++) buffer[i] = 0
  // The checksum's own place holds the salt while it is computed: one view serves checksum and write.
  writeU32(buffer, 0, placeSalt)
  writeU32(buffer, 4, RECORD_MAGIC)
  writeU32(buffer, 8, payloadLength)
  buffer[12] = type
  const check = headerCheck(payloadLength, type, placeSalt)
  buffer[13] = check
  buffer[14] = check >>> 8
  buffer[15] = check >>> 16
  const record = buffer.subarray(0, length)
  writeU32(buffer, 0, crc32(record))
  return record
}
