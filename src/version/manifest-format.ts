/**
 * The layout of a MANIFEST: a header, then records in the framing of src/record. Written down in docs/format/manifest.md.
 *
 * A MANIFEST begins with a snapshot, synced before CURRENT names the file; behind it stand the edits, each synced before
 * the version behind it is published. Every payload begins with "synced up to": the file was durable up to there when
 * the record was written. So what is damaged below any such mark is rot, and only what is behind them all can be torn.
 */
import { readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { crc32 } from '../base/checksum.js'
import { MAX_FOUND_NUMBER } from '../base/entry.js'
import { corruption, unsupportedFormat } from '../base/errors.js'

/** On disk: never change. */
export const MANIFEST_MAGIC: Uint8Array = Uint8Array.from([0x76, 0x61, 0x72, 0x76, 0x65, 0x4d, 0x41, 0x4e]) // "varveMAN"

/** The format that this version writes and the only one that it reads. */
export const MANIFEST_FORMAT = 1

/** On disk: never change. A multiple of the alignment of records. */
export const MANIFEST_HEADER_LENGTH = 48

/** On disk: never change. */
export const ManifestRecord = {
  /** A part of the snapshot; more follow. */
  snapshotPart: 1,
  /** The last part of the snapshot. */
  snapshotEnd: 2,
  /** One or more edits that were made durable together. */
  edits: 3,
  /** Nothing but its "synced up to". The first one tells that CURRENT named this file. */
  mark: 4,
} as const

/** The bytes of "synced up to" in front of every payload's body. */
export const SYNCED_LENGTH = 8

/** What the header says: which file of which store this is. */
export interface ManifestIdentity {
  readonly databaseId: Uint8Array
  readonly number: number
  readonly epoch: number
}

export function encodeManifestHeader({ databaseId, number, epoch }: ManifestIdentity): Uint8Array {
  const bytes = new Uint8Array(MANIFEST_HEADER_LENGTH)
  bytes.set(MANIFEST_MAGIC, 0)
  writeU32(bytes, 8, MANIFEST_FORMAT)
  bytes.set(databaseId, 12)
  writeU64(bytes, 28, number)
  writeU64(bytes, 36, epoch)
  writeU32(bytes, 44, crc32(bytes.subarray(0, 44)))
  return bytes
}

/** Decodes the header in front of `bytes`; throws `CORRUPTION`, or `UNSUPPORTED_FORMAT` for a sound header of another format. */
export function decodeManifestHeader(bytes: Uint8Array, path: string): ManifestIdentity {
  if (bytes.length < MANIFEST_HEADER_LENGTH)
    throw corruption('The header of a MANIFEST is cut off', path, bytes.length)
  if (crc32(bytes.subarray(0, 44)) !== readU32(bytes, 44)) {
    throw corruption('The checksum of the header of a MANIFEST is wrong', path, 0)
  }
  if (MANIFEST_MAGIC.some((byte, index) => bytes[index] !== byte))
    throw corruption('This is no MANIFEST', path, 0)
  const format = readU32(bytes, 8)
  if (format !== MANIFEST_FORMAT) {
    throw unsupportedFormat(path, format, MANIFEST_FORMAT, path)
  }
  const identity = { databaseId: bytes.slice(12, 28), number: readU64(bytes, 28), epoch: readU64(bytes, 36) }
  if (identity.epoch > MAX_FOUND_NUMBER)
    throw corruption('A MANIFEST has an epoch with none behind it', path, 36)
  return identity
}
