/**
 * Reads the records of one file, or of a part of it, whose bytes are all in memory, however damaged they are.
 *
 * What must always hold: nothing is read outside the bytes; a record is reported only when its whole checksum
 * fits its file and offset; and the work is linear in the bytes. The last needs care when looking for the next
 * record behind damage, since every position may claim to begin a long record: a claim must pass the header's own
 * check before its payload is read, and claims that fail all the same draw on a budget.
 */

import { readU32, writeU32 } from '../base/bytes.js'
import { crc32, portableCrc32, salted } from '../base/checksum.js'
import { corruption } from '../base/errors.js'
import {
  framedLength,
  headerCheck,
  RECORD_ALIGNMENT,
  RECORD_HEADER_LENGTH,
  RECORD_MAGIC,
} from './record-format.js'

/** What {@link RecordReader.next} found. */
export type RecordOutcome = 'record' | 'end' | 'bad'

/** For as many bytes of false records, in multiples of the file's, a reader looks on behind damage. */
const FALSE_RECORD_BUDGET = 2

const saltBytes = new Uint8Array(4)
const magicByte = RECORD_MAGIC & 0xff

export class RecordReader {
  readonly bytes: Uint8Array
  readonly #salt: number
  readonly #path: string
  readonly #bytesAt: number
  #budget: number

  /** Where the record that was read begins, or where the bytes went bad or ended. */
  offset = 0
  /** Where the next record begins. */
  nextOffset = 0
  type = 0
  payloadStart = 0
  payloadEnd = 0
  /** The checksum of the record that was read. */
  checksum = 0
  /** Why the bytes at `offset` are no record, after `'bad'`. */
  why = ''

  /**
   * @param bytes - the file from `bytesAt` on; a record that goes on behind them is bad
   * @param salt - the `fileSalt` of the file
   * @param path - names the file in errors
   * @param bytesAt - where in the file `bytes` begin, a multiple of 8; all other offsets are offsets in `bytes`
   */
  constructor(bytes: Uint8Array, salt: number, path: string, bytesAt = 0) {
    this.bytes = bytes
    this.#bytesAt = bytesAt
    this.#salt = salt
    this.#path = path
    this.#budget = FALSE_RECORD_BUDGET * bytes.length
  }

  /** Lets {@link next} go on at `offset`, a multiple of 8. */
  seek(offset: number): void {
    this.nextOffset = offset
  }

  /**
   * Reads the record at `nextOffset`. `'end'`: nothing but zeros is left. `'bad'`: something else is, see `why`.
   * After `'end'` and `'bad'` it stays where it is.
   */
  next(): RecordOutcome {
    this.offset = this.nextOffset
    if (!this.#claims(this.offset)) {
      if (this.#onlyZerosFrom(this.offset)) return 'end'
      this.why =
        this.offset + RECORD_HEADER_LENGTH > this.bytes.length
          ? 'A record is cut off'
          : 'No record begins here'
      return 'bad'
    }
    const payloadLength = readU32(this.bytes, this.offset + 8)
    const end = this.offset + framedLength(payloadLength)
    if (end > this.bytes.length) {
      this.why = 'A record is cut off'
      return 'bad'
    }
    if (!this.#checksumFits(this.offset, end)) {
      this.why = 'The checksum of a record is wrong'
      return 'bad'
    }
    this.checksum = readU32(this.bytes, this.offset)
    this.type = this.bytes[this.offset + 12]
    this.payloadStart = this.offset + RECORD_HEADER_LENGTH
    this.payloadEnd = this.payloadStart + payloadLength
    this.nextOffset = end
    return 'record'
  }

  /**
   * The offset of the first whole record at or behind `from`, which `next` then reads after a {@link seek}.
   * Throws `CORRUPTION` when the bytes were forged to look like too many records.
   */
  findNext(from: number): number | undefined {
    const { bytes } = this
    const last = bytes.length - RECORD_HEADER_LENGTH
    for (let at = Math.ceil(from / RECORD_ALIGNMENT) * RECORD_ALIGNMENT; at <= last; at += RECORD_ALIGNMENT) {
      if (bytes[at + 4] !== magicByte || !this.#claims(at)) continue
      const end = at + framedLength(readU32(bytes, at + 8))
      if (end > bytes.length) continue
      if (this.#checksumFits(at, end)) return at
      this.#budget -= end - at
      if (this.#budget < 0) throw corruption('The file holds too many false records', this.#path, at)
    }
    return undefined
  }

  /** Whether a header stands at `at`; the payload is not looked at. */
  #claims(at: number): boolean {
    const { bytes } = this
    if (at + RECORD_HEADER_LENGTH > bytes.length || readU32(bytes, at + 4) !== RECORD_MAGIC) return false
    const check = bytes[at + 13] | (bytes[at + 14] << 8) | (bytes[at + 15] << 16)
    return (
      check === headerCheck(readU32(bytes, at + 8), bytes[at + 12], salted(this.#salt, this.#bytesAt + at))
    )
  }

  #checksumFits(at: number, end: number): boolean {
    writeU32(saltBytes, 0, salted(this.#salt, this.#bytesAt + at))
    return crc32(this.bytes.subarray(at + 4, end), portableCrc32(saltBytes)) === readU32(this.bytes, at)
  }

  #onlyZerosFrom(at: number): boolean {
    const { bytes } = this
    for (let i = at; i < bytes.length; i++) if (bytes[i] !== 0) return false
    return true
  }
}
