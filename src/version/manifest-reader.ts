/**
 * Reads a MANIFEST, however damaged: the answer is its state, or `CORRUPTION`.
 *
 * Torn or rotten: the writer syncs each record of edits before it writes the next one, so at most the last group and
 * the mark behind it can be torn. Bad bytes are a torn tail when they stand behind the whole snapshot and behind
 * everything that a later whole record calls synced; anything else is rot. In a sealed MANIFEST nothing is torn.
 */
import { compareKeys, readU32, readU64 } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { corruption, readError, VarveError } from '../base/errors.js'
import { closeQuietly, type File, type FileSystem, readFully } from '../env/file-system.js'
import { RecordReader } from '../record/record-reader.js'
import {
  decodeManifestHeader,
  MANIFEST_HEADER_LENGTH,
  type ManifestIdentity,
  ManifestRecord,
  SYNCED_LENGTH,
} from './manifest-format.js'
import { type ManifestState, StateBuilder } from './manifest-state.js'
import { decodeVersionEdit, type VersionEdit } from './version-edit.js'

export interface ManifestContents {
  readonly identity: ManifestIdentity
  readonly state: ManifestState
  /** Whether CURRENT has named this file: something stands behind the snapshot. */
  readonly wasLive: boolean
  /** The bytes that count; what is behind them is a torn tail. */
  readonly validLength: number
}

/** What CURRENT says of the file. */
export interface ManifestExpectation extends ManifestIdentity {
  readonly sealedLength: number
}

/** Reads all bytes of a MANIFEST; throws `CORRUPTION` when it is not there. */
export async function readManifestBytes(fileSystem: FileSystem, path: string): Promise<Uint8Array> {
  let file: File | undefined
  try {
    if ((await fileSystem.stat(path)) === undefined) throw corruption('The MANIFEST is missing', path)
    file = await fileSystem.open(path, 'read')
    const bytes = new Uint8Array(await file.size())
    const length = await readFully(file, bytes, 0)
    return bytes.subarray(0, length)
  } catch (error) {
    throw readError(error, path)
  } finally {
    if (file !== undefined) await closeQuietly(file)
  }
}

/** Decodes a MANIFEST that must be the one that CURRENT names. */
export function decodeManifest(
  bytes: Uint8Array,
  path: string,
  expected?: ManifestExpectation,
): ManifestContents {
  const identity = decodeManifestHeader(bytes, path)
  if (expected !== undefined) checkIdentity(identity, expected, path)
  const sealedLength = expected?.sealedLength ?? 0
  if (sealedLength > 0 && bytes.length !== sealedLength) {
    const offset = Math.min(bytes.length, sealedLength)
    throw corruption(`The MANIFEST had ${sealedLength} bytes when the store was closed`, path, offset)
  }
  return new ManifestDecoder(bytes, path, identity, sealedLength > 0).decode()
}

/** What can be said of a MANIFEST however damaged it is; `undefined` when not even its header is sound. */
export function inspectManifest(
  bytes: Uint8Array,
  path: string,
): { identity: ManifestIdentity; wasLive: boolean } | undefined {
  let identity: ManifestIdentity
  try {
    identity = decodeManifestHeader(bytes, path)
  } catch {
    return undefined
  }
  const reader = new RecordReader(bytes, fileSalt(identity.databaseId, identity.number), path)
  let wasLive = false
  for (let at = reader.findNext(MANIFEST_HEADER_LENGTH); at !== undefined && !wasLive; ) {
    reader.seek(at)
    if (reader.next() !== 'record') break
    wasLive = reader.type === ManifestRecord.edits || reader.type === ManifestRecord.mark
    at = reader.findNext(reader.nextOffset)
  }
  return { identity, wasLive }
}

function checkIdentity(identity: ManifestIdentity, expected: ManifestIdentity, path: string): void {
  if (compareKeys(identity.databaseId, expected.databaseId) !== 0) {
    throw corruption('CURRENT and the MANIFEST are of different stores', path, 12)
  }
  if (identity.number !== expected.number)
    throw corruption('The MANIFEST stands under a wrong name', path, 28)
  if (identity.epoch !== expected.epoch)
    throw corruption('CURRENT and the MANIFEST are of different times', path, 36)
}

class ManifestDecoder {
  readonly #path: string
  readonly #identity: ManifestIdentity
  readonly #sealed: boolean
  readonly #reader: RecordReader
  readonly #builder = new StateBuilder()
  #snapshotDone = false
  #wasLive = false
  #syncedUpTo = 0

  constructor(bytes: Uint8Array, path: string, identity: ManifestIdentity, sealed: boolean) {
    this.#path = path
    this.#identity = identity
    this.#sealed = sealed
    this.#reader = new RecordReader(bytes, fileSalt(identity.databaseId, identity.number), path)
  }

  decode(): ManifestContents {
    const reader = this.#reader
    reader.seek(MANIFEST_HEADER_LENGTH)
    let outcome = reader.next()
    for (; outcome === 'record'; outcome = reader.next()) this.#take()
    const validLength = reader.offset
    if (!this.#snapshotDone) throw this.#damage(reader.why || 'The snapshot of a MANIFEST is cut off')
    if (this.#sealed && validLength !== reader.bytes.length)
      throw this.#damage(reader.why || 'The MANIFEST has gone blank')
    if (outcome === 'bad') this.#checkTorn(validLength)
    return { identity: this.#identity, state: this.#build(), wasLive: this.#wasLive, validLength }
  }

  /** Takes in the record that the reader stands on. */
  #take(): void {
    const { type, bytes, offset } = this.#reader
    const start = this.#reader.payloadStart + SYNCED_LENGTH
    const end = this.#reader.payloadEnd
    if (start > end) throw this.#damage('A record is too short')
    const syncedUpTo = readU64(bytes, start - SYNCED_LENGTH)
    if (syncedUpTo > offset || syncedUpTo < this.#syncedUpTo)
      throw this.#damage('A record contradicts the one before it')
    this.#syncedUpTo = syncedUpTo
    const isSnapshot = type === ManifestRecord.snapshotPart || type === ManifestRecord.snapshotEnd
    if (isSnapshot === this.#snapshotDone) throw this.#damage('A record stands where it must not')
    if (isSnapshot) {
      this.#apply(start, end)
      this.#snapshotDone = type === ManifestRecord.snapshotEnd
      return
    }
    this.#wasLive = true
    if (type === ManifestRecord.edits) this.#applyGroup(start, end)
    else if (type !== ManifestRecord.mark || start !== end) throw this.#damage('A record is of no known kind')
  }

  #applyGroup(start: number, end: number): void {
    let at = start
    while (at < end) {
      const length = end - at < 4 ? end : readU32(this.#reader.bytes, at)
      at += 4
      if (length > end - at) throw this.#damage('An edit is cut off')
      this.#apply(at, at + length)
      at += length
    }
  }

  #apply(start: number, end: number): void {
    let edit: VersionEdit
    try {
      edit = decodeVersionEdit(this.#reader.bytes.subarray(start, end))
      this.#builder.apply(edit)
    } catch (error) {
      throw this.#damage('An edit makes no sense', error)
    }
  }

  #build(): ManifestState {
    try {
      return this.#builder.build()
    } catch (error) {
      throw this.#damage('The edits make no sense together', error)
    }
  }

  /** Throws when a whole record behind the bad bytes proves that they were synced. */
  #checkTorn(badAt: number): void {
    const reader = this.#reader
    const { why } = reader
    let at = reader.findNext(badAt)
    while (at !== undefined) {
      reader.seek(at)
      if (reader.next() !== 'record') return
      const synced =
        reader.payloadEnd - reader.payloadStart >= SYNCED_LENGTH
          ? readU64(reader.bytes, reader.payloadStart)
          : 0
      if (synced > badAt) throw corruption(why, this.#path, badAt)
      at = reader.findNext(reader.nextOffset)
    }
  }

  #damage(what: string, cause?: unknown): VarveError {
    const detail = cause instanceof VarveError || cause instanceof Error ? `${what}: ${cause.message}` : what
    return corruption(detail, this.#path, this.#reader.offset, cause)
  }
}
