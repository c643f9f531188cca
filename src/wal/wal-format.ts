/**
 * What stands in a WAL segment, apart from the framing and the operations. Written down in docs/format/wal.md.
 *
 * A segment is a header record and then group records; a seal record ends it when the next segment takes over, a
 * close record when the store was closed. Group, seal and close begin with the same fixed prefix.
 *
 * On disk: never change. A change of any layout below takes a new format version; where the first 32 bytes of the
 * header stand stays the same in every version, so that an old reader can tell a newer segment from a damaged one.
 */
import { join } from 'node:path'
import { copyBytes, readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { unsupportedFormat } from '../base/errors.js'
import { walName } from '../base/file-names.js'
import { framedLength, frameRecord, RECORD_HEADER_LENGTH } from '../record/record-format.js'
import { RecordReader } from '../record/record-reader.js'

/** The format version that this code writes. */
export const WAL_FORMAT_VERSION = 1

/** The types of the records in a segment. */
export const RecordType = {
  /** First in every segment. */
  header: 1,
  /** One group or batch of operations. */
  group: 2,
  /** The segment ends here; the next one is named and its file is there. */
  seal: 3,
  /** The store was closed; everything in front is on the device. */
  close: 4,
} as const

/** The bytes in front of a group's operations: first sequence u64, synced-up-to u64, count u32, chain u32. */
export const GROUP_HEADER_LENGTH = 24

const DATABASE_ID_LENGTH = 16
const HEADER_PAYLOAD_LENGTH = 72

/** The bytes that the header record takes; where the first group of a segment begins. */
export const SEGMENT_HEADER_LENGTH = framedLength(HEADER_PAYLOAD_LENGTH)

/** A segment and how much of it there is. */
export interface SegmentExtent {
  readonly number: number
  /** The last sequence number in it, or before it when it holds no group. */
  readonly lastSequence: number
  /** The bytes from its beginning that count. */
  readonly length: number
}

/** How a segment ended, as its successor's header tells it. */
export interface SegmentEnd extends SegmentExtent {
  /** The bytes that its file has; those behind `length` are the rest of a torn write. */
  readonly sizeBytes: number
  /** The checksum of its last record. */
  readonly chain: number
}

/** The header of a segment. */
export interface SegmentHeader {
  readonly formatVersion: number
  readonly databaseId: Uint8Array
  readonly number: number
  /** The last sequence number in front of this segment. */
  readonly baseSequence: number
  /** The segment before it, unless this one begins a chain. Its last sequence number is not written. */
  readonly previous: Omit<SegmentEnd, 'lastSequence'> | undefined
}

/** The path of segment `number`. */
export function segmentPath(directory: string, number: number): string {
  return join(directory, walName(number))
}

/** The header record of a segment. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const buffer = new Uint8Array(SEGMENT_HEADER_LENGTH)
  const at = RECORD_HEADER_LENGTH
  writeU32(buffer, at, header.formatVersion)
  copyBytes(header.databaseId, 0, DATABASE_ID_LENGTH, buffer, at + 8)
  writeU64(buffer, at + 24, header.number)
  writeU64(buffer, at + 32, header.baseSequence)
  if (header.previous !== undefined) {
    writeU64(buffer, at + 40, header.previous.number)
    writeU64(buffer, at + 48, header.previous.length)
    writeU64(buffer, at + 56, header.previous.sizeBytes)
    writeU32(buffer, at + 64, header.previous.chain)
  }
  return frameRecord(
    buffer,
    HEADER_PAYLOAD_LENGTH,
    RecordType.header,
    fileSalt(header.databaseId, header.number),
    0,
  )
}

/**
 * The header at the beginning of a segment's bytes; `undefined` when none stands there whole. It is checked under
 * the identity that it claims itself, so that a segment of another database or under another name is told apart
 * from one whose header never got to the device. The fields behind `number` of a newer version mean nothing.
 */
export function decodeSegmentHeader(bytes: Uint8Array, path: string): SegmentHeader | undefined {
  const at = RECORD_HEADER_LENGTH
  if (bytes.length < at + 32) return undefined
  const databaseId = bytes.slice(at + 8, at + 8 + DATABASE_ID_LENGTH)
  const number = readU64(bytes, at + 24)
  const reader = new RecordReader(bytes, fileSalt(databaseId, number), path)
  if (reader.next() !== 'record' || reader.type !== RecordType.header) return undefined
  const formatVersion = readU32(bytes, at)
  const whole = reader.payloadEnd - reader.payloadStart >= HEADER_PAYLOAD_LENGTH
  const previousNumber = whole ? readU64(bytes, at + 40) : 0
  return {
    formatVersion,
    databaseId,
    number,
    baseSequence: whole ? readU64(bytes, at + 32) : 0,
    previous:
      previousNumber === 0
        ? undefined
        : {
            number: previousNumber,
            length: readU64(bytes, at + 48),
            sizeBytes: readU64(bytes, at + 56),
            chain: readU32(bytes, at + 64),
          },
  }
}

/** Throws `UNSUPPORTED_FORMAT` for a segment of another format version. */
export function checkFormat({ formatVersion }: SegmentHeader, path: string): void {
  if (formatVersion === WAL_FORMAT_VERSION) return
  throw unsupportedFormat(path, formatVersion, WAL_FORMAT_VERSION, path)
}

/** Writes the prefix of a group, seal or close record at `at`. */
export function writePrefix(
  bytes: Uint8Array,
  at: number,
  subject: number,
  syncedUpTo: number,
  count: number,
  chain: number,
): void {
  writeU64(bytes, at, subject)
  writeU64(bytes, at + 8, syncedUpTo)
  writeU32(bytes, at + 16, count)
  writeU32(bytes, at + 20, chain)
}

/** A group's first sequence number, a seal's next segment, a close's last sequence number. */
export function prefixSubject(bytes: Uint8Array, payloadStart: number): number {
  return readU64(bytes, payloadStart)
}

/** The bytes of this segment that were known to be on the device when the record was written. */
export function prefixSyncedUpTo(bytes: Uint8Array, payloadStart: number): number {
  return readU64(bytes, payloadStart + 8)
}

/** The number of operations; 0 in a seal or close. */
export function prefixCount(bytes: Uint8Array, payloadStart: number): number {
  return readU32(bytes, payloadStart + 16)
}

/** The checksum of the record before. */
export function prefixChain(bytes: Uint8Array, payloadStart: number): number {
  return readU32(bytes, payloadStart + 20)
}
