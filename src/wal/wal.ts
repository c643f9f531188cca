/**
 * The write-ahead log: a chain of segments, of which the newest takes the groups.
 *
 * What must always hold, in every durability mode (docs/format/wal.md, "Rotation"):
 * - A segment takes groups only when its own name and header are on the device, and all of the one before it in the chain;
 *   behind a failed sync a segment begins a chain of its own, and tables hold what came before.
 * - A segment that an earlier process wrote is never appended to.
 * - A segment is deleted only when the caller says that tables hold everything in it.
 *
 * Owned here: the files of this log and their deletion. Sequence numbers and file numbers are the caller's, who also
 * sees to it that no group is appended while the log rotates or closes.
 */
import { assert } from '../base/assert.js'
import { errnoOf, ioError, type VarveError } from '../base/errors.js'
import type { FileSystem } from '../env/file-system.js'
import type { GroupBuffer } from './group-buffer.js'
import { LogTail } from './log-tail.js'
import { SegmentWriter } from './segment-writer.js'
import { type SegmentEnd, type SegmentExtent, segmentPath } from './wal-format.js'

/** Where and how a log is kept. */
export interface WalSettings {
  readonly fileSystem: FileSystem
  readonly directory: string
  /** 16 bytes. */
  readonly databaseId: Uint8Array
  /** A segment of at least this many bytes is `full`. */
  readonly segmentSize: number
}

/** Where a log goes on; what `replay` found fits in here. */
export interface WalStart {
  /** The number of the first segment that will be written. */
  readonly number: number
  /** The last sequence number that was given out. */
  readonly lastSequence: number
  /** The segments that were replayed; the last is the one before the new one. */
  readonly segments?: readonly SegmentEnd[]
  /** Segment files that nothing needs once the new segment is there. */
  readonly obsolete?: readonly number[]
}

export class Wal {
  readonly #settings: WalSettings
  readonly #nextNumber: () => number
  #segment: SegmentWriter
  /** Older segments, oldest first. */
  readonly #ended: SegmentEnd[]
  #endedBytes = 0
  readonly #obsolete: number[]
  /** The file of the next segment, empty, with its name on the device. */
  #prepared: Promise<SegmentWriter> | undefined
  /** Where in the segment the next file is prepared. */
  #prepareAt: number
  /** A sync of the header of the next segment in the chain that failed. */
  #failed: VarveError | undefined
  #rotating = false
  #closed = false

  private constructor(
    settings: WalSettings,
    start: WalStart,
    nextNumber: () => number,
    segment: SegmentWriter,
  ) {
    this.#settings = settings
    this.#nextNumber = nextNumber
    this.#segment = segment
    this.#ended = [...(start.segments ?? [])]
    for (const ended of this.#ended) this.#endedBytes += ended.sizeBytes
    this.#obsolete = [...(start.obsolete ?? [])]
    this.#prepareAt = settings.segmentSize / 2
  }

  /**
   * Begins segment `start.number`; the log then takes groups. `nextNumber` gives the numbers of later segments, each
   * larger than all before. Throws `IO_ERROR` and `NO_SPACE`.
   */
  static async create(settings: WalSettings, start: WalStart, nextNumber: () => number): Promise<Wal> {
    const segment = await beginSegment(settings, start.number, start.lastSequence, start.segments?.at(-1))
    return new Wal(settings, start, nextNumber, segment)
  }

  /**
   * Goes on in `segment`, which is all of the log and on the device (see `LogCopy`); the files of the segments `obsolete`
   * are of no account once the caller says so by a {@link release}.
   */
  static goOn(
    settings: WalSettings,
    segment: SegmentWriter,
    obsolete: readonly number[],
    nextNumber: () => number,
  ): Wal {
    const { number, lastSequence } = segment
    return new Wal(settings, { number, lastSequence, obsolete }, nextNumber, segment)
  }

  /** The number of the segment that takes the groups. */
  get number(): number {
    return this.#segment.number
  }

  /** Whether the segment wants {@link rotate} before the next {@link append}. */
  get full(): boolean {
    return this.#segment.length >= this.#settings.segmentSize || this.#segment.sealed
  }

  /** The last sequence number in the log. */
  get lastSequence(): number {
    return this.#segment.lastSequence
  }

  /** The last sequence number known to be on the device. */
  get syncedSequence(): number {
    return this.#segment.syncedSequence
  }

  /** What is known to be on the device of the newest segment; see `ReplaySettings.known`. */
  get synced(): { readonly number: number; readonly length: number } {
    return { number: this.#segment.number, length: this.#segment.syncedLength }
  }

  /** The bytes of all segments. */
  get sizeBytes(): number {
    return this.#endedBytes + this.#segment.length
  }

  /** The segments that there are now, oldest first; the last one is being written. */
  get extents(): SegmentExtent[] {
    return [...this.#ended, this.#segment]
  }

  /** The number of segments. */
  get segmentCount(): number {
    return this.#ended.length + 1
  }

  /** Why the log takes no more writes, after a failed sync. */
  get failed(): VarveError | undefined {
    return this.#segment.failed ?? this.#failed
  }

  /**
   * Hands one group to the operating system, all or nothing. Throws `NO_SPACE` or `IO_ERROR` and leaves the log as it
   * was: the group may be appended again, or another in its place. After a failed sync it throws that failure, until
   * {@link restart} succeeds.
   */
  append(group: GroupBuffer, firstSequence: number): void {
    if (this.#failed !== undefined) throw this.#failed
    this.#segment.append(group, firstSequence)
    if (this.#segment.length >= this.#prepareAt) this.#prepareInBackground()
  }

  /** Resolves when everything appended before the call is on the device. A failure ends the log: see `failed`. */
  sync(): Promise<void> {
    return this.#failed === undefined ? this.#segment.sync() : Promise.reject(this.#failed)
  }

  /** Reads what is in the log from sequence number `next` on, and what comes in while it is read. */
  follow(next: number): LogTail {
    return new LogTail(this.#settings, () => this.extents, next)
  }

  /**
   * Ends the segment and begins the next. When it throws `NO_SPACE` or `IO_ERROR` without `failed`, nothing is lost
   * and it may be called again; until it succeeds no group can be appended.
   */
  async rotate(): Promise<void> {
    assert(!this.#rotating && !this.#closed, 'one rotation at a time')
    if (this.failed !== undefined) throw this.failed
    this.#rotating = true
    try {
      const next = await this.#takePrepared()
      let end: SegmentEnd
      try {
        end = await this.#segment.seal(next.number)
        await next.begin(end.lastSequence, end)
      } catch (error) {
        // The seal names this file, so the next attempt takes the same.
        this.#prepared = Promise.resolve(next)
        this.#failed = next.failed
        throw error
      }
      const old = this.#segment
      this.#ended.push(end)
      this.#endedBytes += end.sizeBytes
      this.#takeOver(next)
      await old.abandon()
    } finally {
      this.#rotating = false
    }
  }

  /**
   * Begins a chain of its own, which vouches for nothing before it: behind a failed sync. Tables must hold everything up to
   * `lastSequence` durably. When it throws, nothing has changed. The next {@link release} deletes the old segments.
   */
  async restart(lastSequence: number): Promise<void> {
    assert(!this.#rotating && !this.#closed, 'one rotation at a time')
    this.#rotating = true
    try {
      const next = await beginSegment(this.#settings, this.#nextNumber(), lastSequence, undefined)
      const prepared = await this.#prepared?.catch(() => undefined)
      const old = prepared === undefined ? [this.#segment] : [this.#segment, prepared]
      this.#obsolete.push(...[...this.#ended, ...old].map(({ number }) => number))
      this.#ended.length = 0
      this.#endedBytes = 0
      this.#prepared = undefined
      this.#failed = undefined
      this.#takeOver(next)
      for (const segment of old) await segment.abandon()
    } finally {
      this.#rotating = false
    }
  }

  /**
   * Deletes the segments that hold nothing above `upToSequence`, which tables must hold durably; returns how many.
   * Throws `IO_ERROR` when a file resists; the next call tries it again.
   */
  async release(upToSequence: number): Promise<number> {
    let count = 0
    for (;;) {
      const oldest = this.#ended[0]
      if (oldest === undefined || oldest.lastSequence > upToSequence) break
      this.#ended.shift()
      this.#endedBytes -= oldest.sizeBytes
      try {
        await unlinkSegment(this.#settings, oldest.number)
      } catch (error) {
        this.#obsolete.push(oldest.number)
        throw error
      }
      count++
    }
    for (;;) {
      const number = this.#obsolete.pop()
      if (number === undefined) break
      try {
        await unlinkSegment(this.#settings, number)
      } catch (error) {
        this.#obsolete.push(number)
        throw error
      }
      count++
    }
    return count
  }

  /**
   * Brings everything to the device, marks the log as closed in order and closes it. Idempotent. Throws `IO_ERROR`
   * when the last sync failed; the files are closed all the same.
   */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const prepared = await this.#prepared?.catch(() => undefined)
    if (prepared !== undefined) {
      // A seal promises that the file it names is there.
      if (this.#segment.sealed) await prepared.abandon()
      else await giveUp(this.#settings, prepared)
    }
    await this.#segment.close()
  }

  #takeOver(next: SegmentWriter): void {
    this.#segment = next
    this.#prepareAt = this.#settings.segmentSize / 2
  }

  #prepareInBackground(): void {
    this.#prepareAt = Number.POSITIVE_INFINITY
    if (this.#prepared !== undefined) return
    const prepared = this.#createNext()
    this.#prepared = prepared
    prepared.catch(() => {
      // The rotation tries again and tells.
      if (this.#prepared === prepared) this.#prepared = undefined
    })
  }

  async #takePrepared(): Promise<SegmentWriter> {
    const prepared = await this.#prepared?.catch(() => undefined)
    this.#prepared = undefined
    return prepared ?? this.#createNext()
  }

  #createNext(): Promise<SegmentWriter> {
    return createSegment(this.#settings, this.#nextNumber())
  }
}

/** A new segment whose file is empty and whose name is on the device. */
async function createSegment(settings: WalSettings, number: number): Promise<SegmentWriter> {
  const path = segmentPath(settings.directory, number)
  let segment: SegmentWriter
  try {
    const file = await settings.fileSystem.open(path, 'create')
    segment = new SegmentWriter(file, path, settings.databaseId, number, settings.segmentSize)
  } catch (error) {
    throw ioError(error, 'creating', path)
  }
  try {
    await settings.fileSystem.syncDir(settings.directory)
  } catch (error) {
    await giveUp(settings, segment)
    throw ioError(error, 'syncing', settings.directory)
  }
  return segment
}

/** A new segment that is part of the log: its header is on the device too. */
async function beginSegment(
  settings: WalSettings,
  number: number,
  baseSequence: number,
  previous: SegmentEnd | undefined,
): Promise<SegmentWriter> {
  const segment = await createSegment(settings, number)
  try {
    await segment.begin(baseSequence, previous)
    return segment
  } catch (error) {
    await giveUp(settings, segment)
    throw error
  }
}

/** Drops a segment that never took a group. Best effort: the next open ignores one that stays. */
async function giveUp(settings: WalSettings, segment: SegmentWriter): Promise<void> {
  await segment.abandon()
  await unlinkSegment(settings, segment.number).catch(() => {})
}

async function unlinkSegment(settings: WalSettings, number: number): Promise<void> {
  const path = segmentPath(settings.directory, number)
  try {
    await settings.fileSystem.unlink(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw ioError(error, 'deleting', path)
  }
}
