/**
 * The log written again, while it is replayed behind a crash.
 *
 * A sync of it may have failed before the crash, after which the page cache and the device may disagree, and a later sync
 * proves nothing. So what was replayed is written into a fresh segment, which begins a chain of its own:
 *
 * 1. Under a temporary name: header and groups; all of it is synced.
 * 2. It gets its name, and the directory is synced.
 *
 * Up to the renaming a crash finds the old log, from there on the old one or this one, which holds the same. When the
 * MANIFEST names it, the old segments may go.
 *
 * What must always hold: it takes at most one segment, whatever the log takes. What does not fit, or cannot be
 * written, is given up without an error: tables must hold then what was replayed, and they tell what is wrong.
 */
import { assert } from '../base/assert.js'
import { temporaryName } from '../base/file-names.js'
import { GroupBuffer } from './group-buffer.js'
import { SegmentWriter } from './segment-writer.js'
import type { WalSettings } from './wal.js'
import { segmentPath } from './wal-format.js'

/**
 * Groups are put together to records of this size: a checksum and a write for each cost more than the bytes. What is durable
 * as a whole need not be all or nothing in parts.
 */
const RECORD_BYTES = 64 * 1024

export class LogCopy {
  readonly #settings: WalSettings
  readonly #baseSequence: number
  readonly #nextNumber: () => number
  readonly #group = new GroupBuffer(2 * RECORD_BYTES)
  /** The sequence number of the next operation, and of the first in the group. */
  #next: number
  #first = 0
  #segment: SegmentWriter | undefined
  #isGivenUp = false

  /** @param baseSequence - tables hold everything up to here durably */
  constructor(settings: WalSettings, baseSequence: number, nextNumber: () => number) {
    this.#settings = settings
    this.#baseSequence = baseSequence
    this.#nextNumber = nextNumber
    this.#next = baseSequence + 1
  }

  /** Takes `count` operations, `bytes[start, end)`, which follow those before. */
  add(
    firstSequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Promise<void> | undefined {
    if (this.#isGivenUp) return undefined
    assert(firstSequence === this.#next, 'a log is written again without a gap')
    if (this.#group.count === 0) this.#first = firstSequence
    this.#group.addAll(bytes, start, end, count)
    this.#next += count
    return this.#group.length < RECORD_BYTES ? undefined : this.#write()
  }

  /**
   * Brings everything to the device and lets it be the log, which goes on in the segment that this resolves to;
   * `undefined` when there was nothing, or it was given up.
   */
  async finish(): Promise<SegmentWriter | undefined> {
    if (this.#group.count > 0) await this.#write()
    const segment = this.#segment
    if (segment === undefined) return undefined
    const { fileSystem, directory } = this.#settings
    try {
      await segment.sync()
      await fileSystem.rename(temporaryName(segment.path), segment.path)
      await fileSystem.syncDir(directory)
      await segment.goOnIn(await fileSystem.open(segment.path, 'modify'))
    } catch {
      await this.discard()
      return undefined
    }
    this.#segment = undefined
    return segment
  }

  /** Deletes what was written. Best effort: the next open collects what stays. */
  async discard(): Promise<void> {
    this.#isGivenUp = true
    this.#group.clear()
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    await segment.abandon()
    // Nothing rests on it under either name: the old log is there.
    for (const path of [temporaryName(segment.path), segment.path]) {
      await this.#settings.fileSystem.unlink(path).catch(() => undefined)
    }
  }

  async #write(): Promise<void> {
    const { segmentSize } = this.#settings
    if ((this.#segment?.length ?? 0) + this.#group.length > segmentSize) return this.discard()
    try {
      this.#segment ??= await this.#begin()
      this.#segment.append(this.#group, this.#first)
      this.#group.clear()
    } catch {
      await this.discard()
    }
  }

  async #begin(): Promise<SegmentWriter> {
    const { fileSystem, directory, databaseId, segmentSize } = this.#settings
    const number = this.#nextNumber()
    const path = segmentPath(directory, number)
    const temporary = temporaryName(path)
    // What a crash has left of another.
    if ((await fileSystem.stat(temporary)) !== undefined) await fileSystem.unlink(temporary)
    const file = await fileSystem.open(temporary, 'create')
    const segment = new SegmentWriter(file, path, databaseId, number, segmentSize)
    this.#segment = segment
    segment.beginUnseen(this.#baseSequence)
    return segment
  }
}
