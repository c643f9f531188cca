/**
 * Follows the log of an open store from a sequence number on, while it is being written.
 *
 * What must always hold:
 * - Operations come out one behind the other without a gap. Where the log does not go on, because a segment was deleted
 *   or a number was never logged, it says `NOT_FOUND` rather than pass over anything.
 * - Only what the writer has accepted is read, so there is no torn tail: a bad record is `CORRUPTION`.
 * - Memory is bounded: one window of a segment, or one record where that is larger.
 * - Nothing is held back: a segment may be deleted while it is read; an open file outlives its name.
 *
 * Synchronous and resumable (iterator/not-resident): what is not in memory is a `NotResident`. Only the last bytes of the
 * newest segment, which were written just now, are read at once; so a reader that is faster than the writer reaches the
 * end in some step, and in that step nothing is written.
 */
import { EMPTY, readU32 } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { corruption, errnoOf, ioError, VarveError } from '../base/errors.js'
import { closeQuietly, type File, type FileSystem, readFully, readFullySync } from '../env/file-system.js'
import { NotResident } from '../iterator/not-resident.js'
import { framedLength, RECORD_HEADER_LENGTH } from '../record/record-format.js'
import { RecordReader } from '../record/record-reader.js'
import { OperationReader } from './operation.js'
import {
  GROUP_HEADER_LENGTH,
  prefixCount,
  prefixSubject,
  RecordType,
  type SegmentExtent,
  segmentPath,
} from './wal-format.js'

/** Where the log is. */
export interface LogTailSettings {
  readonly fileSystem: FileSystem
  readonly directory: string
  /** 16 bytes. */
  readonly databaseId: Uint8Array
}

/** Takes the operation that `operation` describes; whether to go on. */
export type TakeOperation = (operation: OperationReader, sequence: number) => boolean

/** What is read of a segment at a time. */
const WINDOW_BYTES = 256 * 1024
/** The end of the newest segment is read at once when there is no more of it than this. */
const SYNC_BYTES = 64 * 1024

export class LogTail {
  readonly #settings: LogTailSettings
  readonly #extents: () => readonly SegmentExtent[]
  readonly #operations = new OperationReader()
  #next: number
  /** The sequence number of the next operation of the group at hand. */
  #groupNext = 0
  #inGroup = false
  /** The segment at hand. */
  #extent: SegmentExtent | undefined
  #file: File | undefined
  /** Where its next record begins. */
  #position = 0
  /** Where the window begins. */
  #windowAt = 0
  #records = new RecordReader(EMPTY, 0, '')
  /** The segment that was left last. */
  #leftNumber = 0
  #closed = false

  /**
   * Begins at the operation with the sequence number `next`.
   * @param extents - the segments that there are now, oldest first; the last one is being written
   */
  constructor(settings: LogTailSettings, extents: () => readonly SegmentExtent[], next: number) {
    this.#settings = settings
    this.#extents = extents
    this.#next = next
  }

  /** The sequence number of the next operation. */
  get next(): number {
    return this.#next
  }

  /** Passes over everything before `next`, which was got elsewhere. */
  advanceTo(next: number): void {
    this.#next = next
  }

  /**
   * Hands operations to `take` until it returns false (then true: there may be more) or the log ends (false). Throws
   * `NotResident`, `NOT_FOUND`, `CORRUPTION`, `IO_ERROR`.
   */
  fill(take: TakeOperation): boolean {
    for (;;) {
      if (this.#inGroup && !this.#handOut(take)) return true
      if (!this.#nextGroup()) return false
    }
  }

  /** Lets the file go. */
  async close(): Promise<void> {
    this.#closed = true
    this.#inGroup = false
    this.#records = new RecordReader(EMPTY, 0, '')
    const file = this.#file
    this.#file = undefined
    if (file !== undefined) await closeQuietly(file)
  }

  /** Whether the group was handed out to its end. */
  #handOut(take: TakeOperation): boolean {
    const operations = this.#operations
    while (operations.next()) {
      const sequence = this.#groupNext++
      if (sequence < this.#next) continue
      this.#next = sequence + 1
      if (!take(operations, sequence)) return false
    }
    this.#inGroup = false
    return true
  }

  /** Moves to the group that holds the next operation; false where the log ends. */
  #nextGroup(): boolean {
    for (;;) {
      const extent = this.#currentExtent()
      if (extent === undefined) return false
      this.#load(extent)
      const records = this.#records
      records.seek(this.#position - this.#windowAt)
      if (records.next() !== 'record') throw corruption(records.why, this.#pathOf(extent), this.#position)
      const length = records.nextOffset - records.offset
      if (records.type !== RecordType.group) {
        this.#position += length
        continue
      }
      const { bytes, payloadStart, payloadEnd } = records
      const first = prefixSubject(bytes, payloadStart)
      if (first > this.#next) throw this.#notHeld()
      this.#position += length
      if (first + prefixCount(bytes, payloadStart) <= this.#next) continue
      this.#operations.reset(bytes, payloadStart + GROUP_HEADER_LENGTH, payloadEnd)
      this.#groupNext = first
      this.#inGroup = true
      return true
    }
  }

  /** The segment in which something is left to read; `undefined` where the log ends. */
  #currentExtent(): SegmentExtent | undefined {
    // What there was stays: only behind it anything can have changed.
    if (this.#extent !== undefined && this.#position < this.#extent.length) return this.#extent
    const extents = this.#extents()
    if (this.#extent !== undefined) {
      const { number } = this.#extent
      // One that was deleted meanwhile is read to the end that it had.
      const current = extents.find((extent) => extent.number === number) ?? this.#extent
      this.#extent = current
      if (this.#position < current.length) return current
      if (current === extents.at(-1)) return undefined
      this.#leave(number)
    }
    this.#extent = extents.find(
      ({ number, lastSequence }) => number > this.#leftNumber && lastSequence >= this.#next,
    )
    return this.#extent
  }

  #leave(number: number): void {
    this.#leftNumber = number
    this.#extent = undefined
    this.#position = 0
    this.#windowAt = 0
    this.#records = new RecordReader(EMPTY, 0, '')
    if (this.#file !== undefined) void closeQuietly(this.#file)
    this.#file = undefined
  }

  /** Sees to it that the window holds the next record. */
  #load(extent: SegmentExtent): void {
    const left = extent.length - this.#position
    const { bytes } = this.#records
    const at = this.#position - this.#windowAt
    const held = bytes.length - at
    const needed = held < RECORD_HEADER_LENGTH ? RECORD_HEADER_LENGTH : framedLength(readU32(bytes, at + 8))
    if (held >= Math.min(needed, left)) return
    const file = this.#file
    if (file === undefined) throw new NotResident(() => this.#open(extent))
    const length = Math.min(Math.max(needed, WINDOW_BYTES), left)
    const window = new Uint8Array(length)
    const position = this.#position
    if (length > SYNC_BYTES || extent !== this.#extents().at(-1)) {
      throw new NotResident(async () =>
        this.#take(extent, window, position, await this.#read(file, window, extent)),
      )
    }
    let read: number
    try {
      read = readFullySync(file, window, position)
    } catch (error) {
      throw ioError(error, 'reading', this.#pathOf(extent))
    }
    this.#take(extent, window, position, read)
  }

  async #read(file: File, window: Uint8Array, extent: SegmentExtent): Promise<number> {
    try {
      return await readFully(file, window, this.#position)
    } catch (error) {
      throw ioError(error, 'reading', this.#pathOf(extent))
    }
  }

  #take(extent: SegmentExtent, window: Uint8Array, position: number, read: number): void {
    const path = this.#pathOf(extent)
    if (read < window.length) throw corruption('The log ends before what was written', path, position + read)
    this.#records = new RecordReader(
      window,
      fileSalt(this.#settings.databaseId, extent.number),
      path,
      position,
    )
    this.#windowAt = position
  }

  async #open(extent: SegmentExtent): Promise<void> {
    const path = this.#pathOf(extent)
    let file: File
    try {
      file = await this.#settings.fileSystem.open(path, 'read')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw this.#notHeld()
      throw ioError(error, 'opening', path)
    }
    if (this.#closed) await closeQuietly(file)
    else this.#file = file
  }

  #notHeld(): VarveError {
    return notHeld(this.#next)
  }

  #pathOf({ number }: SegmentExtent): string {
    return segmentPath(this.#settings.directory, number)
  }
}

/** The error for operations from `sequence` on that no log holds. */
export function notHeld(sequence: number): VarveError {
  return new VarveError(
    'NOT_FOUND',
    `The log does not hold the changes from ${sequence} on. Read the store as it is and watch it from there.`,
  )
}
