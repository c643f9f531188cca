/**
 * The live versions of one open store and the MANIFEST behind them.
 *
 * What always holds:
 * - A version is published only when its edit is durable: append → sync → publish → only then report obsolete files.
 * - While it is open whether an edit is durable, no edit is taken and no file goes. A fresh MANIFEST settles it: the edit is
 *   out then, for good.
 * - A file number is handed out once, for ever.
 */
import { assert } from '../base/assert.js'
import { VarveError } from '../base/errors.js'
import { numberBehind, parseFileName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { LiveManifest } from './live-manifest.js'
import { LiveVersions } from './live-versions.js'
import { applyEdit, type EditOrMaker, type ManifestState } from './manifest-state.js'
import { listDirectory, type RecoveredState, recoverState } from './recover-state.js'
import { Version } from './version.js'
import type { SyncedSegment, VersionEdit } from './version-edit.js'

export interface VersionSetSettings {
  readonly fileSystem: FileSystem
  /** The store's directory, which is there and whose name is durable. */
  readonly directory: string
  /** Told the numbers of tables that no pinned version names and whose removal is durable: their files may go. */
  readonly onObsolete?: (tableNumbers: readonly number[]) => void
  /** Told of failures that lose nothing: a MANIFEST that could not be rolled or deleted. */
  readonly onBackgroundError?: (error: VarveError) => void
  /** The MANIFEST is rolled when its edits take more bytes than this and four times its snapshot; 1 MiB. */
  readonly maxEditBytes?: number
}

interface QueuedEdit {
  readonly edit: EditOrMaker
  readonly onPublished: (() => void) | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What {@link VersionSet.create} and {@link VersionSet.recover} begin with. */
type Beginning = Pick<RecoveredState, 'databaseId' | 'epoch' | 'state'> & { readonly nextFileNumber: number }

const REFUSAL =
  'A sync of the MANIFEST has failed; reads go on. Call resume(), or reopen the store, to write again.'

export class VersionSet {
  /** 16 bytes that no other store has; all checksums are salted with them. */
  readonly databaseId: Uint8Array
  readonly #settings: VersionSetSettings
  readonly #live = new LiveVersions()
  readonly #manifest: LiveManifest
  /** Tells how much of the newest WAL segment is on the device; every edit takes it along. */
  syncedLog: (() => SyncedSegment) | undefined
  readonly #onReleased = (version: Version): void => {
    this.#live.release(version)
    this.#reportObsolete()
  }
  /** Numbers from here on were handed out by this process. */
  readonly #firstNumber: number
  #state: ManifestState
  #nextFileNumber: number
  /** The tables of edits of which it is open whether they are durable. */
  #undecided: number[] = []
  #queue: QueuedEdit[] = []
  #draining: Promise<void> | undefined
  #closed = false

  private constructor(settings: VersionSetSettings, beginning: Beginning) {
    this.#settings = settings
    this.databaseId = beginning.databaseId
    this.#manifest = new LiveManifest(settings, beginning.databaseId, beginning.epoch)
    this.#nextFileNumber = beginning.nextFileNumber
    this.#firstNumber = beginning.nextFileNumber
    const version = new Version(beginning.state.version.levels, this.#onReleased).pin()
    this.#state = { ...beginning.state, version }
    this.#live.add(version, [{ added: [...version.tables()] }])
  }

  /**
   * Makes a new store in `directory`, which must not hold one (see `storeExists`).
   *
   * @param databaseId - 16 random bytes
   * @param properties - facts about the store that must survive
   */
  static async create(
    settings: VersionSetSettings,
    databaseId: Uint8Array,
    properties: Readonly<Record<string, string>> = {},
  ): Promise<VersionSet> {
    assert(databaseId.length === 16, 'a database id has 16 bytes')
    const nextFileNumber = numberBehind(await listDirectory(settings.fileSystem, settings.directory))
    const state = {
      version: Version.empty(),
      flushedSequence: 0,
      lastSequence: 0,
      logNumber: 0,
      logged: true,
      nextFileNumber,
      properties,
    }
    const set = new VersionSet(settings, { databaseId: databaseId.slice(), epoch: 0, nextFileNumber, state })
    await set.#beginManifest()
    return set
  }

  /**
   * Brings back the store in `directory`; `NOT_FOUND` when there is none, `CORRUPTION` when what is there cannot be
   * trusted.
   */
  static async recover(settings: VersionSetSettings): Promise<VersionSet> {
    const found = await recoverState(settings.fileSystem, settings.directory)
    const nextFileNumber = Math.max(found.state.nextFileNumber, numberBehind(found.names))
    const set = new VersionSet(settings, { ...found, nextFileNumber })
    await set.#beginManifest()
    await set.#manifest.deleteOthers(found.names)
    return set
  }

  /** The newest version. To use it across an `await`, {@link pinCurrent} it. */
  get current(): Version {
    return this.#state.version
  }

  /** Whether any version that is in use names the table, or an edit adds it of which it is open whether it is durable. */
  needs(tableNumber: number): boolean {
    return this.#live.needs(tableNumber) || this.#undecided.includes(tableNumber)
  }

  /** The newest version, whose files stay until it is unpinned. */
  pinCurrent(): Version {
    return this.#state.version.pin()
  }

  /** The newest version, pinned, with the facts that belong to it: for a checkpoint. */
  capture(): ManifestState {
    this.pinCurrent()
    return this.#wholeState()
  }

  /** Every operation with a sequence number up to this one lives in tables. */
  get flushedSequence(): number {
    return this.#state.flushedSequence
  }

  /** The largest sequence number that an edit told; the WAL may hold larger ones. */
  get lastSequence(): number {
    return this.#state.lastSequence
  }

  /** The oldest WAL segment that is still needed; 0 for none. */
  get logNumber(): number {
    return this.#state.logNumber
  }

  /** What of the WAL is known to be on the device, from the last edit. */
  get logSynced(): SyncedSegment | undefined {
    return this.#state.logSynced
  }

  /** Whether there is a WAL; without one, segments below {@link logNumber} are of no account. */
  get logged(): boolean {
    return this.#state.logged
  }

  get properties(): Readonly<Record<string, string>> {
    return this.#state.properties
  }

  /** Grows with every MANIFEST. */
  get epoch(): number {
    return this.#manifest.epoch
  }

  /** Why every edit is refused, once a sync of the MANIFEST has failed; until {@link restart} succeeds. */
  get failure(): VarveError | undefined {
    return this.#manifest.failure
  }

  /** A number for a new file. */
  nextFileNumber(): number {
    return this.#nextFileNumber++
  }

  /** The number that {@link nextFileNumber} gives next. */
  peekFileNumber(): number {
    return this.#nextFileNumber
  }

  /**
   * Makes `edit` durable and publishes the version behind it. Calls are queued; those that wait share one sync.
   *
   * Rejects without any effect when the edit does not fit, with `NO_SPACE`, and with `READ_ONLY` behind a failure. After any
   * other error {@link failure} is set and it is open whether the edit is durable, until {@link restart} or the next
   * recovery. Files that it adds and that are not needed ({@link needs}) may then be deleted. `onPublished` is called in the
   * step in which the version behind the edit becomes the current one, and must not throw.
   */
  logAndApply(edit: EditOrMaker, onPublished?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
      this.#queue.push({ edit, onPublished, resolve, reject })
      this.#draining ??= this.#drain()
    })
  }

  /**
   * Behind a failed sync: begins a fresh MANIFEST of the current state, so that every edit of which it was open whether it is
   * durable is out for good, and tells of the tables that it would have added as obsolete. When it rejects, nothing has
   * changed, and it may be called again.
   */
  async restart(): Promise<void> {
    if (this.failure === undefined) return
    await this.#draining
    await this.#beginManifest()
    await this.#manifest.deleteOthers()
    const dropped = this.#undecided.filter((number) => !this.#live.needs(number))
    this.#undecided = []
    if (dropped.length > 0) this.#settings.onObsolete?.(dropped)
    this.#reportObsolete()
  }

  /**
   * The names in `listing` that no version needs: for the deletion of what a crash left, before any job has begun.
   * Names that are not the store's, files of this process and WAL segments that `isLiveWal` holds stay.
   */
  collectOrphans(listing: readonly string[], isLiveWal: (number: number) => boolean): string[] {
    return listing.filter((name) => {
      const parsed = parseFileName(name)
      switch (parsed?.kind) {
        case 'temporary':
          return true
        case 'manifest':
          return parsed.number !== this.#manifest.number
        case 'sst':
          return parsed.number < this.#firstNumber && !this.#live.needs(parsed.number)
        case 'wal':
          return parsed.number < this.#firstNumber && !isLiveWal(parsed.number)
        default:
          return false
      }
    })
  }

  /**
   * Waits for the edits under way and seals the MANIFEST: from then on any change to it is found out. Idempotent.
   * Rejects when sealing failed, which loses nothing; the files are closed all the same.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#draining
    await this.#manifest.close(this.#besideEdit())
  }

  async #drain(): Promise<void> {
    // A turn of the microtask queue, so that edits of the same moment share one sync.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const queued = this.#queue
      this.#queue = []
      await this.#commit(queued)
      if (this.#manifest.isRollDue) await this.#manifest.roll(this.nextFileNumber(), this.#wholeState())
    }
    this.#draining = undefined
  }

  /** Makes the queued edits durable together and publishes the one version behind them. Never rejects. */
  async #commit(queued: readonly QueuedEdit[]): Promise<void> {
    const fitting: QueuedEdit[] = []
    const edits: VersionEdit[] = []
    let state = this.#state
    for (const item of queued) {
      try {
        this.#refuseAfterFailure()
        const wanted = typeof item.edit === 'function' ? item.edit(state) : item.edit
        const edit = { ...wanted, ...this.#besideEdit() }
        state = applyEdit(state, edit, this.#onReleased)
        fitting.push(item)
        edits.push(edit)
      } catch (error) {
        item.reject(error)
      }
    }
    if (fitting.length === 0) return
    try {
      await this.#manifest.append(edits)
    } catch (error) {
      if (this.failure !== undefined) {
        for (const { added = [] } of edits) this.#undecided.push(...added.map(({ table }) => table.number))
      }
      for (const { reject } of fitting) reject(error)
      return
    }
    this.#publish(state, edits)
    for (const { onPublished } of fitting) onPublished?.()
    for (const { resolve } of fitting) resolve()
  }

  /** What every edit tells beside its own. */
  #besideEdit(): Pick<VersionEdit, 'nextFileNumber' | 'logSynced'> {
    const logSynced = this.syncedLog?.()
    return { nextFileNumber: this.#nextFileNumber, ...(logSynced === undefined ? {} : { logSynced }) }
  }

  #publish(state: ManifestState, edits: readonly VersionEdit[]): void {
    const before = this.#state.version
    this.#state = { ...state, version: state.version.pin() }
    this.#live.add(state.version, edits)
    before.unpin()
    this.#reportObsolete()
  }

  #reportObsolete(): void {
    // While it is open whether an edit is durable, nothing goes.
    if (this.failure !== undefined) return
    const numbers = this.#live.takeObsolete()
    if (numbers.length > 0) this.#settings.onObsolete?.(numbers)
  }

  #refuseAfterFailure(): void {
    if (this.failure === undefined) return
    throw new VarveError('READ_ONLY', REFUSAL, { cause: this.failure })
  }

  /** Writes a fresh MANIFEST of the current state and makes it the live one. */
  #beginManifest(): Promise<void> {
    return this.#manifest.begin(this.nextFileNumber(), this.#wholeState())
  }

  #wholeState(): ManifestState {
    return { ...this.#state, nextFileNumber: this.#nextFileNumber }
  }
}
