/**
 * The owner's side of reading: publishes every read state of an engine to the threads that are attached.
 *
 * What must always hold:
 * - A state is posted before its number stands in the control word, so whoever sees the number finds the state waiting.
 * - A state that a thread may still use is pinned, with the moment at which it was published: its memory is not reused, its
 *   tables stay, and compaction keeps what a validation against that moment needs.
 * - The count of visible writes is stored behind the writes themselves, so a reader that loads it sees them whole.
 */
import type { ThreadLink } from '../../env/thread-link.js'
import type { Memtable } from '../../memtable/memtable.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import type { CommitObserver, Engine } from '../engine.js'
import type { PinnedMoment } from '../reading/pinned-moments.js'
import type { ReadState } from '../reading/read-state.js'
import { restoredAt } from '../watch/watch-hub.js'
import type { RawChange } from './remote-watcher.js'
import type { StateNote } from './share-protocol.js'

/** In place of the number of a read state: the store is closed. */
export const CLOSED = -1

/** What one attached thread holds. */
class Attachment {
  readonly link: ThreadLink
  /** The read states that it may use, by number. */
  readonly held = new Map<number, { readonly state: ReadState; readonly moment: PinnedMoment }>()
  /** The tables that it knows. */
  known = new Map<number, TableMetadata>()

  constructor(link: ThreadLink) {
    this.link = link
  }
}

export class StatePublisher implements CommitObserver {
  readonly control = new SharedArrayBuffer(4)
  readonly #engine: Engine
  readonly #epochWord = new Int32Array(this.control)
  readonly #attachments = new Map<ThreadLink, Attachment>()
  #epoch = 0
  #base = 0
  #visible = new Int32Array(new SharedArrayBuffer(4))
  /** The sequence number of the last clearing that was seen here. */
  #clearedAt = 0
  /** That of the last restore that was seen here. */
  #restoredAt = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Sends `link` the newest state, and every later one. */
  attach(link: ThreadLink): void {
    if (this.#attachments.size === 0) {
      this.#engine.observers.add(this)
      this.#engine.live.onInstalled = () => this.#publish()
    }
    this.#attachments.set(link, new Attachment(link))
    this.#publish()
  }

  detach(link: ThreadLink): void {
    const attachment = this.#attachments.get(link)
    if (attachment === undefined) return
    this.#attachments.delete(link)
    for (const epoch of [...attachment.held.keys()]) this.#release(attachment, epoch)
    if (this.#attachments.size > 0) return
    this.#engine.observers.delete(this)
    this.#engine.live.onInstalled = undefined
  }

  /** `link` does not use the state of that number any more. */
  released(link: ThreadLink, epoch: number): void {
    const attachment = this.#attachments.get(link)
    if (attachment !== undefined) this.#release(attachment, epoch)
  }

  /** The moment at which a state that `link` still holds was published. */
  momentOf(link: ThreadLink, epoch: number): PinnedMoment | undefined {
    return this.#attachments.get(link)?.held.get(epoch)?.moment
  }

  /** The memtables that are held for `link`, newest first. */
  memtablesOf(link: ThreadLink): readonly Memtable[] {
    const held = [...(this.#attachments.get(link)?.held.values() ?? [])]
    return [...new Set(held.reverse().flatMap(({ state }) => state.memtables))]
  }

  /** There will be no other state. */
  close(): void {
    Atomics.store(this.#epochWord, 0, CLOSED)
  }

  applied(): void {
    Atomics.store(this.#visible, 0, this.#engine.lastSequence - this.#base)
  }

  cleared(sequence: number): void {
    this.#clearedAt = sequence
  }

  restored(sequence: number): void {
    this.#restoredAt = sequence
  }

  /** Throws what a restore behind `sequence` ends a watcher with, if there was one. */
  checkNotRestoredBehind(sequence: number): void {
    if (this.#restoredAt > sequence) throw restoredAt(this.#restoredAt)
  }

  /** The clearing behind `sequence`, if there was one. */
  clearedBehind(sequence: number): RawChange | undefined {
    if (this.#clearedAt <= sequence) return undefined
    return { type: 'clear', key: undefined, value: undefined, sequence: this.#clearedAt }
  }

  /** Numbers the read state that is in place now, and tells everybody. */
  #publish(): void {
    this.#epoch++
    this.#base = this.#engine.lastSequence
    this.#visible = new Int32Array(new SharedArrayBuffer(4))
    for (const attachment of this.#attachments.values()) this.#send(attachment)
    Atomics.store(this.#epochWord, 0, this.#epoch)
  }

  #send(attachment: Attachment): void {
    const { readState, pinned } = this.#engine
    attachment.held.set(this.#epoch, { state: readState.pin(), moment: pinned.pin(this.#base) })
    const known = new Map<number, TableMetadata>()
    const fresh: TableMetadata[] = []
    const levels = readState.version.levels.map((tables) =>
      tables.map((table) => {
        if (attachment.known.get(table.number) !== table) fresh.push(table)
        known.set(table.number, table)
        return table.number
      }),
    )
    attachment.known = known
    const note: StateNote = {
      epoch: this.#epoch,
      base: this.#base,
      visible: this.#visible.buffer as SharedArrayBuffer,
      memtables: readState.memtables.map(({ image }) => image),
      levels,
      tables: fresh,
    }
    attachment.link.tell('state', note)
  }

  #release(attachment: Attachment, epoch: number): void {
    const held = attachment.held.get(epoch)
    if (held === undefined) return
    attachment.held.delete(epoch)
    held.moment.unpin()
    held.state.unpin()
  }
}
