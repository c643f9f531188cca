/**
 * Writes one MANIFEST. Format: docs/format/manifest.md.
 *
 * What always holds: an edit counts only when `append` resolved, which is behind the sync. A sync that failed is never
 * retried: the writer refuses everything from then on, and whether the last edits are durable is open until the next
 * recovery. A write that found no room is different: the record is not whole, so it does not count, and the next one
 * takes its place.
 */
import { assert } from '../base/assert.js'
import { writeU32, writeU64 } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { ioError, VarveError } from '../base/errors.js'
import { manifestName } from '../base/file-names.js'
import { closeQuietly, type File, type FileSystem, writeFullySync } from '../env/file-system.js'
import { framedLength, frameRecord, RECORD_HEADER_LENGTH } from '../record/record-format.js'
import {
  encodeManifestHeader,
  MANIFEST_HEADER_LENGTH,
  type ManifestIdentity,
  ManifestRecord,
  SYNCED_LENGTH,
} from './manifest-format.js'
import { type ManifestState, snapshotOf } from './manifest-state.js'
import { encodeVersionEdit, type VersionEdit } from './version-edit.js'

export class ManifestWriter {
  readonly identity: ManifestIdentity
  readonly path: string
  readonly #file: File
  readonly #salt: number
  /** Where the next record goes. */
  #end = 0
  /** The file is durable up to here. */
  #syncedUpTo = 0
  /** Whether a failed write may have left something behind `#end`. */
  #dirtyTail = false
  #snapshotBytes = 0
  #failure: VarveError | undefined

  private constructor(identity: ManifestIdentity, path: string, file: File) {
    this.identity = identity
    this.path = path
    this.#file = file
    this.#salt = fileSalt(identity.databaseId, identity.number)
  }

  /**
   * Begins a MANIFEST with a snapshot of `state`: when this resolves, its bytes and its name are durable.
   * It is not live before CURRENT names it. On an error whatever was written is removed again, if that is possible.
   */
  static async create(
    fileSystem: FileSystem,
    directory: string,
    identity: ManifestIdentity,
    state: ManifestState,
  ): Promise<ManifestWriter> {
    const path = `${directory}/${manifestName(identity.number)}`
    let writer: ManifestWriter | undefined
    try {
      writer = new ManifestWriter(identity, path, await fileSystem.open(path, 'create'))
      await writer.#writeSnapshot(state)
      await fileSystem.syncDir(directory)
      return writer
    } catch (error) {
      if (writer !== undefined) {
        await writer.close()
        // Best effort: no CURRENT names the file, so the next open collects it.
        await fileSystem.unlink(path).catch(() => undefined)
      }
      throw ioError(error, 'writing', path)
    }
  }

  /** Why the writer refuses everything, once a sync has failed. */
  get failure(): VarveError | undefined {
    return this.#failure
  }

  /** The bytes of the snapshot, its header included. */
  get snapshotBytes(): number {
    return this.#snapshotBytes
  }

  /** The bytes of everything behind the snapshot. */
  get editBytes(): number {
    return this.#end - this.#snapshotBytes
  }

  /** To be called when CURRENT names this file for good. */
  goLive(): void {
    this.#mark()
  }

  /**
   * Appends `edits` as one record, all or nothing, and makes them durable.
   * Rejects with `NO_SPACE` when there was no room: then nothing counts and the writer goes on. After any other error
   * {@link failure} is set.
   */
  async append(edits: readonly VersionEdit[]): Promise<void> {
    assert(this.#failure === undefined, 'a MANIFEST whose sync failed takes no edit')
    const body = encodeGroup(edits)
    await this.#clearTail()
    try {
      this.#write(ManifestRecord.edits, body)
    } catch (error) {
      this.#dirtyTail = true
      throw this.#failed(error, 'writing')
    }
    await this.#sync()
    this.#mark()
  }

  /**
   * Makes the last byte durable, `last` with it when there is room for it, and tells the file's exact length, which must
   * not change from then on.
   */
  async seal(last?: VersionEdit): Promise<number> {
    await this.#clearTail()
    if (last !== undefined) {
      try {
        this.#write(ManifestRecord.edits, encodeGroup([last]))
      } catch {
        this.#dirtyTail = true
        await this.#clearTail()
      }
    }
    await this.#sync()
    return this.#end
  }

  /** Closes the file; what counts is durable already. */
  async close(): Promise<void> {
    await closeQuietly(this.#file)
  }

  async #writeSnapshot(state: ManifestState): Promise<void> {
    writeFullySync(this.#file, encodeManifestHeader(this.identity), 0)
    this.#end = MANIFEST_HEADER_LENGTH
    const parts = snapshotOf(state)
    for (const [index, part] of parts.entries()) {
      const type = index === parts.length - 1 ? ManifestRecord.snapshotEnd : ManifestRecord.snapshotPart
      this.#write(type, encodeVersionEdit(part))
    }
    await this.#sync()
    this.#snapshotBytes = this.#end
  }

  #write(type: number, body: Uint8Array): void {
    const payloadLength = SYNCED_LENGTH + body.length
    const buffer = new Uint8Array(framedLength(payloadLength))
    writeU64(buffer, RECORD_HEADER_LENGTH, this.#syncedUpTo)
    buffer.set(body, RECORD_HEADER_LENGTH + SYNCED_LENGTH)
    const record = frameRecord(buffer, payloadLength, type, this.#salt, this.#end)
    writeFullySync(this.#file, record, this.#end)
    this.#end += record.length
  }

  /** Tells where the file is durable; not needed for anything but telling rot from a torn tail, so it may fail. */
  #mark(): void {
    try {
      this.#write(ManifestRecord.mark, new Uint8Array(0))
    } catch {
      this.#dirtyTail = true
    }
  }

  async #sync(): Promise<void> {
    try {
      await this.#file.sync()
    } catch (error) {
      throw this.#poison(ioError(error, 'syncing', this.path))
    }
    this.#syncedUpTo = this.#end
  }

  async #clearTail(): Promise<void> {
    if (!this.#dirtyTail) return
    try {
      await this.#file.truncate(this.#end)
    } catch (error) {
      throw this.#failed(error, 'truncating')
    }
    this.#dirtyTail = false
  }

  #failed(error: unknown, doing: string): VarveError {
    const typed = ioError(error, doing, this.path)
    return typed.code === 'NO_SPACE' ? typed : this.#poison(typed)
  }

  /** No room for a sync is as final as any other failed sync. */
  #poison(error: VarveError): VarveError {
    this.#failure =
      error.code === 'NO_SPACE'
        ? new VarveError(
            'IO_ERROR',
            `The file system had no space left while syncing ${this.path}. Call resume(), or reopen the store.`,
            {
              cause: error,
              path: this.path,
            },
          )
        : error
    return this.#failure
  }
}

/** Each edit behind its length. */
function encodeGroup(edits: readonly VersionEdit[]): Uint8Array {
  const encoded = edits.map(encodeVersionEdit)
  const body = new Uint8Array(encoded.reduce((total, bytes) => total + 4 + bytes.length, 0))
  let at = 0
  for (const bytes of encoded) {
    writeU32(body, at, bytes.length)
    body.set(bytes, at + 4)
    at += 4 + bytes.length
  }
  return body
}
