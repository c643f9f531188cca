/**
 * The MANIFEST that takes the edits, and how a fresh one takes its place.
 *
 * What always holds:
 * - One MANIFEST is live. A fresh one takes over in this order: snapshot → sync → sync directory → CURRENT.tmp → sync →
 *   rename → sync directory → only then the old one may be deleted. Before the rename a failure changes nothing; from there
 *   on it is a `failure`, since either MANIFEST may be the live one.
 * - Behind a `failure` nothing is appended. A fresh MANIFEST, which rests on nothing that was written before, ends it.
 */
import { assert, present } from '../base/assert.js'
import { ioError, type VarveError } from '../base/errors.js'
import { CURRENT_NAME, manifestName } from '../base/file-names.js'
import { prepareCurrent, publishCurrent } from './current-file.js'
import { deleteManifests, type ManifestDirectory } from './delete-manifests.js'
import type { ManifestState } from './manifest-state.js'
import { ManifestWriter } from './manifest-writer.js'
import { listDirectory } from './recover-state.js'
import type { VersionEdit } from './version-edit.js'

export interface LiveManifestSettings extends ManifestDirectory {
  /** The MANIFEST is due to be rolled when its edits take more bytes than this and four times its snapshot; 1 MiB. */
  readonly maxEditBytes?: number
}

const DEFAULT_MAX_EDIT_BYTES = 1024 * 1024

/** Edits take at most this many times the bytes of the snapshot in front of them. */
const MAX_EDITS_PER_SNAPSHOT = 4

export class LiveManifest {
  readonly #settings: LiveManifestSettings
  readonly #databaseId: Uint8Array
  #epoch: number
  #writer: ManifestWriter | undefined
  /** The edits may grow to this until the next roll is tried. */
  #rollAtBytes = 0
  #failure: VarveError | undefined

  /** @param epoch - the largest that any MANIFEST has so far */
  constructor(settings: LiveManifestSettings, databaseId: Uint8Array, epoch: number) {
    this.#settings = settings
    this.#databaseId = databaseId
    this.#epoch = epoch
  }

  /** The number of the live MANIFEST. */
  get number(): number | undefined {
    return this.#writer?.identity.number
  }

  /** Grows with every MANIFEST. */
  get epoch(): number {
    return this.#epoch
  }

  /** Why no edit is taken, once a sync has failed; until {@link begin} succeeds. */
  get failure(): VarveError | undefined {
    return this.#failure
  }

  get isRollDue(): boolean {
    const writer = this.#writer
    return this.#failure === undefined && writer !== undefined && writer.editBytes > this.#rollAtBytes
  }

  /** Writes a fresh MANIFEST of `state` under `number` and makes it the live one. */
  async begin(number: number, state: ManifestState): Promise<void> {
    const { fileSystem, directory, maxEditBytes = DEFAULT_MAX_EDIT_BYTES } = this.#settings
    const identity = { databaseId: this.#databaseId, number, epoch: ++this.#epoch }
    const writer = await ManifestWriter.create(fileSystem, directory, identity, state)
    try {
      await prepareCurrent(fileSystem, directory, { ...identity, manifestNumber: number, sealedLength: 0 })
    } catch (error) {
      await writer.close()
      await deleteManifests(this.#settings, [manifestName(number)], undefined)
      throw error
    }
    try {
      await this.#publishCurrent()
    } catch (error) {
      await writer.close()
      throw error
    }
    writer.goLive()
    const old = this.#writer
    this.#writer = writer
    this.#failure = undefined
    this.#rollAtBytes = Math.max(maxEditBytes, MAX_EDITS_PER_SNAPSHOT * writer.snapshotBytes)
    await old?.close()
  }

  /**
   * Makes `edits` durable, all or nothing. Rejects with `NO_SPACE` when there was no room: then nothing counts. After any
   * other error {@link failure} is set, and it is open whether they count.
   */
  async append(edits: readonly VersionEdit[]): Promise<void> {
    const writer = this.#live()
    try {
      await writer.append(edits)
    } catch (error) {
      this.#failure = writer.failure
      throw error
    }
  }

  /** Begins a fresh MANIFEST because the live one has grown. Failures lose nothing and are told in the background. */
  async roll(number: number, state: ManifestState): Promise<void> {
    const old = this.#live()
    try {
      await this.begin(number, state)
    } catch (error) {
      this.#rollAtBytes = 2 * old.editBytes
      this.#settings.onBackgroundError?.(ioError(error, 'rolling', old.path))
      return
    }
    await deleteManifests(this.#settings, [manifestName(old.identity.number)], this.number)
  }

  /** Deletes all MANIFESTs but the live one; what resists is collected at the next open. */
  async deleteOthers(names?: readonly string[]): Promise<void> {
    const { fileSystem, directory, onBackgroundError } = this.#settings
    try {
      const found = names ?? (await listDirectory(fileSystem, directory))
      await deleteManifests(this.#settings, found, this.number)
    } catch (error) {
      onBackgroundError?.(ioError(error, 'listing', directory))
    }
  }

  /**
   * Closes the file, and unless a sync has failed seals it, behind a `last` edit: from then on any change to it is found
   * out. Rejects when sealing failed, which loses nothing; the file is closed all the same.
   */
  async close(last: VersionEdit): Promise<void> {
    const writer = this.#writer
    if (writer === undefined) return
    try {
      if (this.#failure === undefined) await this.#seal(writer, last)
    } finally {
      this.#writer = undefined
      await writer.close()
    }
  }

  #live(): ManifestWriter {
    assert(this.#failure === undefined, 'a MANIFEST whose sync failed takes no edit')
    return present(this.#writer, 'an open version set has a MANIFEST')
  }

  async #seal(writer: ManifestWriter, last: VersionEdit): Promise<void> {
    const { fileSystem, directory } = this.#settings
    const sealedLength = await writer.seal(last)
    const { databaseId, number, epoch } = writer.identity
    await prepareCurrent(fileSystem, directory, { databaseId, epoch, manifestNumber: number, sealedLength })
    await this.#publishCurrent()
  }

  /** Lets CURRENT change. Once this has begun, a failure leaves open which CURRENT is there. */
  async #publishCurrent(): Promise<void> {
    const { fileSystem, directory } = this.#settings
    try {
      await publishCurrent(fileSystem, directory)
      await fileSystem.syncDir(directory)
    } catch (error) {
      this.#failure = ioError(error, 'replacing', `${directory}/${CURRENT_NAME}`)
      throw this.#failure
    }
  }
}
