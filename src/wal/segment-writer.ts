/**
 * Writes one WAL segment, from its empty file to its end.
 *
 * What must always hold:
 * - Records stand end to end; a record that could not be written whole leaves no trace in `length` and `chain`, and
 *   the next one takes its place. Because parts of the rejected record may be on their way to the device, the record
 *   that takes its place is synced before it counts: never can a crash bring a rejected record back where an accepted
 *   one stood.
 * - A failed sync is never tried again: the pages may be marked clean without being on the device, so a second sync
 *   would succeed for nothing. The segment takes no more writes.
 * - `syncedLength` never promises more than a sync that succeeded, with none before it that failed.
 * - Zeros are written only behind everything that was accepted, and count for nothing: that there are none, or fewer,
 *   is no failure (docs/format/wal.md, "Room ahead").
 */
import { assert } from '../base/assert.js'
import { readU32 } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { errnoOf, ioError, VarveError } from '../base/errors.js'
import { closeQuietly, type File, writeFullySync } from '../env/file-system.js'
import { frameRecord, RECORD_HEADER_LENGTH } from '../record/record-format.js'
import type { GroupBuffer } from './group-buffer.js'
import {
  encodeSegmentHeader,
  GROUP_HEADER_LENGTH,
  RecordType,
  type SegmentEnd,
  WAL_FORMAT_VERSION,
  writePrefix,
} from './wal-format.js'

const markLength = RECORD_HEADER_LENGTH + GROUP_HEADER_LENGTH

/** At most so much room is made ahead. */
const MAX_ROOM_BYTES = 256 * 1024

/** Room is made only where at least so many syncs like the one at hand find place in it. */
const MIN_SYNCS_IN_ROOM = 4

const ZEROS = new Uint8Array(MAX_ROOM_BYTES)

const done = Promise.resolve()

export class SegmentWriter {
  readonly number: number
  readonly path: string
  #file: File
  readonly #databaseId: Uint8Array
  readonly #salt: number
  readonly #segmentSize: number
  #length = 0
  #chain = 0
  #lastSequence = 0
  #syncedLength = 0
  #syncedSequence = 0
  /** The file is at least so long; what lies behind `#length` is zeros, or the rest of a rejected record. */
  #roomUpTo = 0
  #makesRoom = true
  /** Whether a record that was rejected may stand, whole or in part, behind `#length`. */
  #spoiled = false
  #sealed = false
  #failed: VarveError | undefined
  #running: Promise<void> | undefined
  /** What the sync that began last brings to the device. */
  #runningLength = 0
  #queued: Promise<void> | undefined

  /** Takes over `file`, which is new and empty, and will hold about `segmentSize` bytes. */
  constructor(file: File, path: string, databaseId: Uint8Array, number: number, segmentSize: number) {
    this.number = number
    this.path = path
    this.#file = file
    this.#databaseId = databaseId
    this.#salt = fileSalt(databaseId, number)
    this.#segmentSize = segmentSize
  }

  /** The bytes of whole, accepted records. */
  get length(): number {
    return this.#length
  }

  /** The bytes that are known to be on the device. */
  get syncedLength(): number {
    return this.#syncedLength
  }

  get lastSequence(): number {
    return this.#lastSequence
  }

  /** The last sequence number known to be on the device. */
  get syncedSequence(): number {
    return this.#syncedSequence
  }

  /** Whether the segment was ended: it takes no more groups. */
  get sealed(): boolean {
    return this.#sealed
  }

  /** Why the segment takes no more writes, after a failed sync. */
  get failed(): VarveError | undefined {
    return this.#failed
  }

  /**
   * Writes the header and brings it to the device; only then is the segment part of the log. May be called again after
   * it failed for want of space.
   */
  async begin(baseSequence: number, previous: SegmentEnd | undefined): Promise<void> {
    this.#writeHeader(baseSequence, previous)
    await this.sync()
    this.#spoiled = false
  }

  /**
   * Writes the header of a segment that begins a chain, in a file that nobody takes for a segment: that it becomes when
   * all that is written until then is synced. So its records may say that the header is on the device: where they are
   * read it is.
   */
  beginUnseen(baseSequence: number): void {
    this.#writeHeader(baseSequence, undefined)
    this.#syncedLength = this.#length
  }

  /** Takes over `file`, which is the same file by another name: from here on it is known by that. */
  async goOnIn(file: File): Promise<void> {
    const old = this.#file
    this.#file = file
    await closeQuietly(old)
  }

  /** Writes `group`, whose operations take the sequence numbers from `firstSequence` on. */
  append(group: GroupBuffer, firstSequence: number): void {
    if (this.#failed !== undefined) throw this.#failed
    assert(!this.#sealed, 'a sealed segment takes no more groups')
    assert(group.count > 0 && firstSequence > this.#lastSequence, 'groups are appended in commit order')
    const { bytes } = group
    const length = this.#length
    const chain = this.#chain
    const lastSequence = this.#lastSequence
    writePrefix(bytes, RECORD_HEADER_LENGTH, firstSequence, this.#syncedLength, group.count, this.#chain)
    this.#write(
      frameRecord(bytes, group.length - RECORD_HEADER_LENGTH, RecordType.group, this.#salt, this.#length),
    )
    this.#lastSequence = firstSequence + group.count - 1
    if (!this.#spoiled) return
    try {
      this.#replaceForGood()
    } catch (error) {
      this.#length = length
      this.#chain = chain
      this.#lastSequence = lastSequence
      throw error
    }
  }

  /**
   * Ends the segment in favour of segment `next`, whose name is on the device, and brings all of it to the device.
   * May be called again after it failed for want of space.
   */
  async seal(next: number): Promise<SegmentEnd> {
    if (this.#failed !== undefined) throw this.#failed
    if (!this.#sealed) {
      this.#writeMark(RecordType.seal, next)
      this.#sealed = true
      this.#makesRoom = false
    }
    await this.sync()
    try {
      return {
        number: this.number,
        lastSequence: this.#lastSequence,
        length: this.#length,
        sizeBytes: await this.#file.size(),
        chain: this.#chain,
      }
    } catch (error) {
      throw ioError(error, 'measuring', this.path)
    }
  }

  /**
   * Brings everything that was written before the call to the device. Calls share work: one sync runs, at most one
   * more waits for it.
   */
  sync(): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    if (this.#running === undefined) {
      return this.#syncedLength === this.#length ? done : this.#startSync()
    }
    if (this.#runningLength === this.#length) return this.#running
    this.#queued ??= this.#running.then(() => {
      this.#queued = undefined
      return this.sync()
    })
    return this.#queued
  }

  /**
   * Brings everything to the device and closes the file. The mark of an orderly close is worth having, not worth
   * failing for: what it vouches for is on the device before it is written.
   */
  async close(): Promise<void> {
    try {
      if (this.#failed === undefined && !this.#sealed) {
        this.#makesRoom = false
        await this.sync()
        await this.#giveRoomBack()
        try {
          this.#writeMark(RecordType.close, this.#lastSequence)
          await this.sync()
        } catch {
          // The next open takes the log for one that was not closed in order, and loses nothing.
        }
      }
    } finally {
      await this.abandon()
    }
  }

  /** Closes the file as it is. */
  async abandon(): Promise<void> {
    try {
      while (this.#running !== undefined) await this.#running.catch(() => {})
      await this.#file.close()
    } catch {
      // Closing makes nothing durable, so a failed close loses nothing.
    }
  }

  #writeHeader(baseSequence: number, previous: SegmentEnd | undefined): void {
    this.#lastSequence = baseSequence
    this.#syncedSequence = baseSequence
    const { number } = this
    const databaseId = this.#databaseId
    this.#write(
      encodeSegmentHeader({ formatVersion: WAL_FORMAT_VERSION, databaseId, number, baseSequence, previous }),
    )
  }

  #writeMark(type: number, subject: number): void {
    const buffer = new Uint8Array(markLength)
    writePrefix(buffer, RECORD_HEADER_LENGTH, subject, this.#syncedLength, 0, this.#chain)
    this.#write(frameRecord(buffer, GROUP_HEADER_LENGTH, type, this.#salt, this.#length))
    if (this.#spoiled) this.#replaceForGood()
  }

  #write(record: Uint8Array): void {
    try {
      writeFullySync(this.#file, record, this.#length)
    } catch (error) {
      this.#spoiled = true
      throw ioError(error, 'writing', this.path)
    }
    this.#length += record.length
    this.#chain = readU32(record, 0)
  }

  /** Brings the record that was written over a rejected one to the device, so that the rejected one is gone. */
  #replaceForGood(): void {
    try {
      this.#file.syncSync()
    } catch (error) {
      throw this.#fail(error)
    }
    this.#spoiled = false
    this.#reached(this.#length, this.#lastSequence)
  }

  #startSync(): Promise<void> {
    if (this.#length > this.#roomUpTo) this.#makeRoom()
    this.#runningLength = this.#length
    this.#running = this.#syncOnce(this.#length, this.#lastSequence)
    return this.#running
  }

  /**
   * Makes the file longer than its records. To sync a file that has become longer the file system writes its journal too,
   * which takes half as long again; this sync has to, and those of the records that find room need not.
   */
  #makeRoom(): void {
    const length = this.#length
    // No more than what was written: a log of which little is synced stays short.
    const room = Math.min(MAX_ROOM_BYTES, length, this.#segmentSize - length)
    const pace = length - this.#runningLength
    if (!this.#makesRoom || pace * MIN_SYNCS_IN_ROOM > room) return
    try {
      this.#roomUpTo = length + this.#file.writeSync(ZEROS.subarray(0, room), length)
    } catch {
      // There may be no space for it. Records are written all the same, as long as there is some for them.
      this.#makesRoom = false
    }
  }

  async #giveRoomBack(): Promise<void> {
    if (this.#roomUpTo <= this.#length) return
    // A log that stays longer is as good: behind its last record are zeros.
    await this.#file.truncate(this.#length).catch(() => undefined)
  }

  async #syncOnce(length: number, sequence: number): Promise<void> {
    try {
      await this.#file.sync()
    } catch (error) {
      throw this.#fail(error)
    } finally {
      this.#running = undefined
    }
    if (this.#failed !== undefined) throw this.#failed
    this.#reached(length, sequence)
  }

  #reached(length: number, sequence: number): void {
    if (length <= this.#syncedLength) return
    this.#syncedLength = length
    this.#syncedSequence = sequence
  }

  #fail(error: unknown): VarveError {
    const reason = errnoOf(error) ?? (error instanceof Error ? error.message : String(error))
    this.#failed ??= new VarveError(
      'IO_ERROR',
      `The log could not be brought to the device (${reason}, ${this.path}). It takes no more writes; reads go on. Call resume(), or reopen the store, to write again.`,
      { cause: error, path: this.path },
    )
    return this.#failed
  }
}
