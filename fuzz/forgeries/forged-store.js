/**
 * A store's directory taken apart, so that one thing in it can be made a lie, and put together again with everything else as it
 * must be: checksums, lengths, marks of what is on the device, and what one file says of another.
 */
import { Buffer } from 'node:buffer'
import { readU64 } from '../../dist/base/bytes.js'
import { fileSalt } from '../../dist/base/checksum.js'
import { CURRENT_NAME, manifestName, sstName, walName } from '../../dist/base/file-names.js'
import { packMessage, unpackMessage } from '../../dist/base/message-pack.js'
import { framedLength, frameRecord, RECORD_HEADER_LENGTH } from '../../dist/record/record-format.js'
import { RecordReader } from '../../dist/record/record-reader.js'
import { decodeCurrent, encodeCurrent } from '../../dist/version/current-file.js'
import { ManifestRecord } from '../../dist/version/manifest-format.js'
import { decodeManifest } from '../../dist/version/manifest-reader.js'
import { snapshotOf } from '../../dist/version/manifest-state.js'
import { encodeVersionEdit } from '../../dist/version/version-edit.js'
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  GROUP_HEADER_LENGTH,
  prefixCount,
  prefixSubject,
  prefixSyncedUpTo,
  RecordType,
  SEGMENT_HEADER_LENGTH,
  writePrefix,
} from '../../dist/wal/wal-format.js'
import { tableApart, tableTogether } from '../tables.js'
import { manifestOf } from '../targets/versions.js'

/** @typedef {import('../random.js').Random} Random */
/** @typedef {import('../directory.js').Files} Files */
/** @typedef {import('../tables.js').TableParts} TableParts */

/** The fields of a table in a version edit, in order. */
export const Field = {
  number: 0,
  sizeBytes: 1,
  entryCount: 2,
  tombstoneCount: 3,
  smallest: 4,
  largest: 5,
  smallestSequence: 6,
  largestSequence: 7,
  earliestExpiry: 8,
  latestExpiry: 9,
  rawKeyBytes: 10,
  rawValueBytes: 11,
  createdAt: 12,
}

/** So many entries of the store that is forged do not fit into two blocks. */
const SEVERAL_BLOCKS = 8

/** @typedef {[level: number, fields: any[]]} AddedTable */
/** @typedef {Record<string, any>} RawEdit what a version edit says, right or wrong */
/** @typedef {{ type: number, synced?: number, edits: (RawEdit | Uint8Array)[], body?: Uint8Array }} RawRecord of a MANIFEST */
/**
 * @typedef {object} LogRecord
 * @property {number} type
 * @property {number} subject
 * @property {number} synced
 * @property {number} count
 * @property {Uint8Array} operations
 * @property {number} [chain] instead of what it must be
 * @property {Uint8Array} [payload] instead of all of it
 */
/**
 * @typedef {object} Segment
 * @property {number} number
 * @property {import('../../dist/wal/wal-format.js').SegmentHeader} header
 * @property {number} headerType
 * @property {LogRecord[]} records
 * @property {(bytes: Uint8Array) => Uint8Array} [finish] the last word on the file
 */

export class ForgedStore {
  /** @type {Files} */
  files
  /** @type {Random} */
  random
  /** What CURRENT says; when sealed, the length is made to fit the MANIFEST unless `sealedBy` is set. */
  current
  sealedBy = 0
  /** What the header of the MANIFEST says. */
  header
  /** The state of the store, as one edit. @type {RawEdit} */
  snapshot
  /** The records of the MANIFEST, the snapshot first. @type {RawRecord[]} */
  records
  /** The last word on the MANIFEST. @type {((bytes: Uint8Array) => Uint8Array) | undefined} */
  finishManifest
  /** The last word on CURRENT. @type {((text: string) => string) | undefined} */
  finishCurrent
  /** The last word on the directory. @type {(() => void) | undefined} */
  onFinished
  /** The log, oldest first. @type {Segment[]} */
  log

  /** @param {Files} files @param {Random} random */
  constructor(files, random) {
    this.files = files
    this.random = random
    this.current = { ...decodeCurrent(this.bytesOf(CURRENT_NAME), CURRENT_NAME) }
    const { identity, state } = decodeManifest(this.bytesOf(this.manifestName), this.manifestName)
    this.header = { ...identity }
    this.snapshot = /** @type {RawEdit} */ (
      unpackMessage(new Uint8Array(encodeVersionEdit(snapshotOf(state)[0])))
    )
    this.records = [
      { type: ManifestRecord.snapshotEnd, synced: 0, edits: [this.snapshot] },
      { type: ManifestRecord.mark, edits: [] },
    ]
    this.log = this.#segments()
  }

  get manifestName() {
    return manifestName(this.current.manifestNumber)
  }

  get databaseId() {
    return this.current.databaseId
  }

  /** @param {string} name */
  bytesOf(name) {
    const bytes = this.files.get(name)
    if (bytes === undefined) throw new Error(`${name} is not there`)
    return bytes
  }

  /** The tables that the MANIFEST names. @returns {AddedTable[]} */
  get tables() {
    return this.snapshot.added
  }

  /** Some table of several blocks; by default of any level. @param {(level: number) => boolean} [ofLevel] */
  someTable(ofLevel = () => true) {
    return this.random.pick(
      this.tables.filter(([level, fields]) => ofLevel(level) && fields[Field.entryCount] >= SEVERAL_BLOCKS),
    )
  }

  /** Adds an edit behind what is there. @param {RawEdit} edit */
  addEdit(edit) {
    this.records.push({ type: ManifestRecord.edits, edits: [edit] }, { type: ManifestRecord.mark, edits: [] })
  }

  /**
   * Changes what is in a table; returns its name. The MANIFEST knows its new size.
   * @param {(parts: TableParts, fields: any[]) => void} change @param {(bytes: Uint8Array) => Uint8Array} [finish] @param {AddedTable} [table]
   */
  changeTable(change, finish = (bytes) => bytes, table = this.someTable()) {
    const [, fields] = table
    const name = sstName(fields[Field.number])
    const parts = tableApart(this.bytesOf(name))
    // They follow from the parts, unless a change says otherwise.
    const { expiryIndexOffset, expiryIndexSize, ...properties } = parts.properties
    parts.properties = properties
    change(parts, fields)
    const bytes = finish(tableTogether(parts))
    this.files.set(name, bytes)
    fields[Field.sizeBytes] = bytes.length
    return name
  }

  /** The file of the last segment. */
  get newestSegment() {
    return /** @type {Segment} */ (this.log.at(-1))
  }

  /** The directory with everything put together. @returns {Files} */
  finish() {
    this.#writeLog()
    const parts = this.records.map(({ type, synced = -1, edits }) => ({
      type,
      synced,
      edits: edits.map((edit) => (edit instanceof Uint8Array ? edit : new Uint8Array(packMessage(edit)))),
    }))
    const { databaseId, number, epoch } = this.header
    const plain = manifestOf(number, parts, databaseId, epoch)
    const manifest = this.finishManifest?.(plain) ?? plain
    this.files.set(this.manifestName, manifest)
    const sealedLength = this.current.sealedLength > 0 ? this.sealedBy || manifest.length : this.sealedBy
    const text = Buffer.from(encodeCurrent({ ...this.current, sealedLength })).toString('latin1')
    this.files.set(CURRENT_NAME, new Uint8Array(Buffer.from(this.finishCurrent?.(text) ?? text, 'latin1')))
    this.onFinished?.()
    return this.files
  }

  #segments() {
    const names = [...this.files.keys()].filter((name) => /^\d+\.wal$/.test(name)).sort()
    return names.flatMap((name) => {
      const bytes = this.bytesOf(name)
      const header = decodeSegmentHeader(bytes, name)
      if (header === undefined) return []
      const reader = new RecordReader(bytes, fileSalt(header.databaseId, header.number), name)
      /** @type {LogRecord[]} */
      const records = []
      reader.next()
      while (reader.next() === 'record') {
        const { type, payloadStart, payloadEnd } = reader
        records.push({
          type,
          subject: prefixSubject(bytes, payloadStart),
          synced: prefixSyncedUpTo(bytes, payloadStart),
          count: prefixCount(bytes, payloadStart),
          operations: bytes.slice(payloadStart + GROUP_HEADER_LENGTH, payloadEnd),
        })
      }
      return [{ number: header.number, header: { ...header }, headerType: RecordType.header, records }]
    })
  }

  /** Each header tells of the segment before it as that has become, unless it was made to tell something else. */
  #writeLog() {
    /** @type {{ number: number, length: number, sizeBytes: number, chain: number } | undefined} */
    let before
    for (const segment of this.log) {
      const { header, number } = segment
      const told = header.previous
      if (before !== undefined && told !== undefined && !('isForged' in told))
        segment.header = { ...header, previous: before }
      const bytes = segmentOf(segment)
      const written = segment.finish?.(bytes) ?? bytes
      this.files.set(walName(number), written)
      const last = lastRecordOf(bytes)
      before = { number, length: bytes.length, sizeBytes: written.length, chain: last }
    }
  }
}

/** The bytes of a segment. Marks of what is on the device never reach beyond their record. @param {Segment} segment */
export function segmentOf({ header, headerType, records }) {
  const salt = fileSalt(header.databaseId, header.number)
  const first = encodeSegmentHeader(header)
  if (headerType !== RecordType.header) {
    const payload = first.slice(RECORD_HEADER_LENGTH, SEGMENT_HEADER_LENGTH)
    first.set(frameRecord(first.slice(), payload.length, headerType, salt, 0))
  }
  const pieces = [first]
  let offset = first.length
  let chain = lastRecordOf(first)
  for (const record of records) {
    const piece = framed(record, chain, salt, offset)
    pieces.push(piece)
    chain = new DataView(piece.buffer, piece.byteOffset).getUint32(0, true)
    offset += piece.length
  }
  return new Uint8Array(Buffer.concat(pieces))
}

/** @param {LogRecord} record @param {number} chain @param {number} salt @param {number} offset */
function framed(record, chain, salt, offset) {
  const payload = record.payload ?? new Uint8Array(GROUP_HEADER_LENGTH + record.operations.length)
  if (record.payload === undefined) {
    const { subject, synced, count } = record
    writePrefix(payload, 0, subject, synced, count, record.chain ?? chain)
    payload.set(record.operations, GROUP_HEADER_LENGTH)
  }
  const buffer = new Uint8Array(framedLength(payload.length))
  buffer.set(payload, RECORD_HEADER_LENGTH)
  return frameRecord(buffer, payload.length, record.type, salt, offset).slice()
}

/** The checksum of the last record in the bytes of a segment. @param {Uint8Array} bytes */
function lastRecordOf(bytes) {
  const salt = fileSalt(bytes.slice(24, 40), readU64(bytes, 40))
  const reader = new RecordReader(bytes, salt, 'log')
  let checksum = 0
  while (reader.next() === 'record') checksum = reader.checksum
  return checksum
}
