/**
 * Reads the groups of one segment and decides whether damage is a torn tail or rot.
 *
 * A torn tail is what a crash leaves of writes that were never synced: it is cut off. Rot is damage to what was on
 * the device: `CORRUPTION`. Rot it is when the segment has a successor, since all of it was synced before the
 * successor took over; when a record behind the damage says that the device had more than that; and when the caller
 * knows so. The rules are written down in docs/format/wal.md, "Torn or rotten".
 */
import { corruption } from '../base/errors.js'
import { RecordReader } from '../record/record-reader.js'
import { isPossibleGroup } from './operation.js'
import {
  GROUP_HEADER_LENGTH,
  prefixChain,
  prefixCount,
  prefixSubject,
  prefixSyncedUpTo,
  RecordType,
  SEGMENT_HEADER_LENGTH,
  type SegmentHeader,
} from './wal-format.js'

export class SegmentReader {
  readonly #records: RecordReader
  readonly #path: string
  #chain = 0
  #length = 0
  #vouchedChain = 0
  #vouchedLength = 0
  #lastSequence: number

  /** The group that was read: its operations stand in `bytes[operationsStart, operationsEnd)`. */
  readonly bytes: Uint8Array
  offset = 0
  firstSequence = 0
  count = 0
  operationsStart = 0
  operationsEnd = 0

  /** The type of the last record. */
  lastType: number = RecordType.header
  /** The segment that a seal names. */
  sealedFor = 0

  /**
   * @param bytes - the segment; when it has a successor, as much of it as counts
   * @param salt - the segment's `fileSalt`
   */
  constructor(bytes: Uint8Array, salt: number, path: string, header: SegmentHeader) {
    this.bytes = bytes
    this.#records = new RecordReader(bytes, salt, path)
    this.#path = path
    this.#lastSequence = header.baseSequence
  }

  /** The bytes from the beginning up to the end of the last good record. */
  get length(): number {
    return this.#length
  }

  /** The checksum of the last good record. */
  get chain(): number {
    return this.#chain
  }

  /**
   * Where the last good record ends that a successor may vouch for, and its checksum. A close record is none: the store
   * is closed all the same when it does not get to the device.
   */
  get vouched(): { readonly length: number; readonly chain: number } {
    return { length: this.#vouchedLength, chain: this.#vouchedChain }
  }

  /** The last sequence number so far. */
  get lastSequence(): number {
    return this.#lastSequence
  }

  /** Moves to the next group; false where the good records end. Throws `CORRUPTION` on a record that cannot be. */
  next(): boolean {
    const records = this.#records
    while (records.next() === 'record') {
      const { type } = records
      // The first one is the header, which the caller has read.
      if (records.offset > 0) this.#checkPrefix()
      this.#chain = records.checksum
      this.#length = records.nextOffset
      this.lastType = type
      if (type !== RecordType.close) {
        this.#vouchedChain = this.#chain
        this.#vouchedLength = this.#length
      }
      if (type === RecordType.group) {
        this.#takeGroup()
        return true
      }
      if (type === RecordType.seal) this.sealedFor = prefixSubject(this.bytes, records.payloadStart)
    }
    return false
  }

  /**
   * Throws `CORRUPTION` when the good records of a segment without a successor end before they may.
   * @param known - the bytes that the caller knows to have been on the device
   * @returns the bytes to be discarded, but for the zeros at the end
   */
  checkTail(known: number): number {
    const records = this.#records
    if (this.#length < known)
      throw corruption('The log ends before what was on the device', this.#path, this.#length)
    records.seek(this.#length)
    if (records.next() === 'end') return 0
    const { why } = records
    for (
      let at = records.findNext(this.#length);
      at !== undefined;
      at = records.findNext(records.nextOffset)
    ) {
      records.seek(at)
      records.next()
      if (this.#prefixLength() < GROUP_HEADER_LENGTH) throw this.#impossible('A record is too short')
      if (prefixSyncedUpTo(this.bytes, records.payloadStart) > this.#length) {
        throw corruption(`${why}, in a part of the log that was on the device`, this.#path, this.#length)
      }
    }
    return lengthWithoutZeros(this.bytes) - this.#length
  }

  #takeGroup(): void {
    const { payloadStart, payloadEnd, offset } = this.#records
    this.offset = offset
    this.firstSequence = prefixSubject(this.bytes, payloadStart)
    this.count = prefixCount(this.bytes, payloadStart)
    this.operationsStart = payloadStart + GROUP_HEADER_LENGTH
    this.operationsEnd = payloadEnd
    if (!isPossibleGroup(this.firstSequence, this.count) || this.firstSequence <= this.#lastSequence)
      throw this.#impossible('A group has impossible sequence numbers')
    this.#lastSequence = this.firstSequence + this.count - 1
  }

  /** A record that is whole and stands in its place, and yet does not fit: never what a crash leaves. */
  #checkPrefix(): void {
    const { type, payloadStart, offset } = this.#records
    if (type < RecordType.group || type > RecordType.close)
      throw this.#impossible('A record has an unknown type')
    if (this.#prefixLength() < GROUP_HEADER_LENGTH) throw this.#impossible('A record is too short')
    if (this.lastType > RecordType.group)
      throw this.#impossible('A record stands behind the end of the segment')
    if (prefixChain(this.bytes, payloadStart) !== this.#chain) {
      throw this.#impossible('A record does not follow the one before it')
    }
    const syncedUpTo = prefixSyncedUpTo(this.bytes, payloadStart)
    if (syncedUpTo < SEGMENT_HEADER_LENGTH || syncedUpTo > offset) {
      throw this.#impossible('A record claims an impossible sync')
    }
  }

  #prefixLength(): number {
    return this.#records.payloadEnd - this.#records.payloadStart
  }

  #impossible(what: string): Error {
    return corruption(what, this.#path, this.#records.offset)
  }
}

/** How long the bytes are but for the zeros at their end. */
export function lengthWithoutZeros(bytes: Uint8Array): number {
  let length = bytes.length
  while (bytes[length - 1] === 0) length--
  return length
}
