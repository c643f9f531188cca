/**
 * Replays the log at open: finds the chain of segments, checks it, and hands out its groups in commit order.
 *
 * What must always hold:
 * - What is handed out is a prefix of the commit order that holds everything that was known to be on the device, or
 *   `CORRUPTION` names the file and the offset. Where the log was cut, the first segment written afterwards says so.
 * - Nothing is shown that is not on the device: the newest segment is synced behind its reading. Its name needs no sync,
 *   because that was done before it got a header.
 * - Nothing is changed: replaying again, after a crash too, gives the same groups.
 *
 * The chain is walked from its newest end. A segment belongs to it when its header is whole and it is the newest such
 * one, or the header behind it names it. Any other file must be one that never took a group, or so old that tables
 * hold all of it.
 */

import { compareKeys } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { corruption, readError, VarveError } from '../base/errors.js'
import { closeQuietly, type FileSystem, readFully } from '../env/file-system.js'
import { RecordReader } from '../record/record-reader.js'
import { checkOperations, OperationReader } from './operation.js'
import { lengthWithoutZeros, SegmentReader } from './segment-reader.js'
import {
  checkFormat,
  decodeSegmentHeader,
  RecordType,
  type SegmentEnd,
  type SegmentHeader,
  segmentPath,
} from './wal-format.js'

/** What to replay. */
export interface ReplaySettings {
  readonly fileSystem: FileSystem
  readonly directory: string
  /** 16 bytes. */
  readonly databaseId: Uint8Array
  /** The numbers of the segment files in the directory, in any order. */
  readonly numbers: readonly number[]
  /** Tables hold every operation up to this sequence number durably: those are skipped. */
  readonly fromSequence: number
  /** A segment that is known to have been in use, and how many of its bytes were on the device. */
  readonly known?: { readonly number: number; readonly length: number }
  /** Syncs nothing: for a reader beside the writer, and for checks. */
  readonly readOnly?: boolean
}

/**
 * Takes one group, or the part of it that lies above `fromSequence`: `count` operations, the first of which has
 * `firstSequence`, in `bytes[start, end)`. The bytes stay unchanged and may be kept.
 */
export type OnGroup = (
  firstSequence: number,
  count: number,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void | Promise<void>

/** The tail of the newest segment that was never completely on the device. */
export interface TornTail {
  readonly path: string
  readonly offset: number
  readonly discardedBytes: number
}

/** What {@link replay} found; fits into `WalStart`. */
export interface Replayed {
  /** The last sequence number in the log or in tables. */
  readonly lastSequence: number
  /** The segments of the chain, oldest first. */
  readonly segments: readonly SegmentEnd[]
  /** Segment files to be deleted, but only after the next segment was begun. */
  readonly obsolete: readonly number[]
  readonly torn?: TornTail
  /**
   * Whether the log was closed in order. When it was not, a sync may have failed before the crash, after which a
   * later sync proves nothing: let tables hold what was replayed before any new write relies on it.
   */
  readonly closedInOrder: boolean
}

/** One segment of the chain. */
interface Link {
  readonly number: number
  readonly path: string
  readonly header: SegmentHeader
}

/** As much of a segment as its header may take, in this version or another. */
const HEADER_READ_LENGTH = 4096

/**
 * Replays the log. Throws `CORRUPTION` for damage to what was on the device, `UNSUPPORTED_FORMAT` for a segment of a
 * newer version, `IO_ERROR`, and what `onGroup` throws.
 */
export async function replay(settings: ReplaySettings, onGroup: OnGroup): Promise<Replayed> {
  const obsolete: number[] = []
  const chain = await findChain(settings, obsolete)
  const { known } = settings
  const newest = chain.at(-1)
  if (known !== undefined && (newest === undefined || newest.number < known.number)) {
    throw corruption('A segment of the log is missing', segmentPath(settings.directory, known.number))
  }
  const segments: SegmentEnd[] = []
  let lastSequence = settings.fromSequence
  let closedInOrder = true
  let torn: TornTail | undefined
  for (const [index, link] of chain.entries()) {
    const next = chain.at(index + 1)
    const bytes = await readWhole(settings, link.path, next === undefined)
    const reader = openSegment(link, bytes, next)
    if (link.header.baseSequence > lastSequence) {
      throw corruption(`The log has no operations from ${lastSequence + 1} on`, link.path, 0)
    }
    // What was read is shown to nobody before the end, so it may be brought to the device meanwhile.
    const synced =
      next === undefined && settings.readOnly !== true ? syncFile(settings, link.path) : undefined
    await allOf(handOut(reader, link, settings.fromSequence, lastSequence, onGroup), synced)
    if (next !== undefined) {
      checkEnd(reader, link, next)
    } else {
      const knownLength = known?.number === link.number ? known.length : 0
      const discardedBytes = reader.checkTail(knownLength)
      if (discardedBytes > 0) torn = { path: link.path, offset: reader.length, discardedBytes }
      checkSuccessor(settings, reader)
      closedInOrder = reader.lastType === RecordType.close
    }
    segments.push({
      number: link.number,
      lastSequence: reader.lastSequence,
      sizeBytes: bytes.length,
      ...reader.vouched,
    })
    lastSequence = Math.max(lastSequence, reader.lastSequence)
  }
  return { lastSequence, segments, obsolete, ...(torn === undefined ? {} : { torn }), closedInOrder }
}

/** The segments to be replayed, oldest first; the numbers of all other files go to `obsolete`. */
async function findChain(settings: ReplaySettings, obsolete: number[]): Promise<Link[]> {
  const chain: Link[] = []
  /** The number that the header read last names; `undefined` before the newest and behind the oldest. */
  let wanted: number | undefined
  for (const number of [...settings.numbers].sort((a, b) => b - a)) {
    const path = segmentPath(settings.directory, number)
    if (chain.length > 0 && wanted === undefined) {
      obsolete.push(number)
      continue
    }
    if (wanted !== undefined && number < wanted) break
    const isCandidate = wanted === undefined || number === wanted
    let header = isCandidate
      ? headerIn(await readFile(settings, path, HEADER_READ_LENGTH), settings, path, number)
      : undefined
    if (header === undefined) {
      if (number === wanted) throw corruption('The header of a segment is damaged', path, 0)
      const bytes = await readFile(settings, path)
      // A writer beside us may have written it just now.
      if (isCandidate) header = headerIn(bytes, settings, path, number)
      if (header === undefined) {
        checkUnused(bytes, settings, path, number)
        obsolete.push(number)
        continue
      }
    }
    chain.unshift({ number, path, header })
    wanted = wantedBefore(settings, path, header)
  }
  if (wanted !== undefined) {
    throw corruption('A segment of the log is missing', segmentPath(settings.directory, wanted))
  }
  return chain
}

/** The segment that must stand before this one; `undefined` when tables hold everything before it. */
function wantedBefore(settings: ReplaySettings, path: string, header: SegmentHeader): number | undefined {
  if (header.baseSequence <= settings.fromSequence) return undefined
  const number = header.previous?.number
  if (number === undefined || number >= header.number) {
    throw corruption(`The log has no operations from ${settings.fromSequence + 1} on`, path, 0)
  }
  return number
}

/** The header of a segment, which is this database's; `undefined` when there is none. */
function headerIn(
  bytes: Uint8Array,
  settings: ReplaySettings,
  path: string,
  number: number,
): SegmentHeader | undefined {
  const header = decodeSegmentHeader(bytes, path)
  if (header === undefined) return undefined
  if (compareKeys(header.databaseId, settings.databaseId) !== 0) {
    throw corruption('A segment belongs to another database', path, 0)
  }
  if (header.number !== number)
    throw corruption(`This is segment ${header.number} under a wrong name`, path, 0)
  checkFormat(header, path)
  return header
}

/** Throws `CORRUPTION` when a file that is no part of the chain was ever in use. */
function checkUnused(bytes: Uint8Array, settings: ReplaySettings, path: string, number: number): void {
  const records = new RecordReader(bytes, fileSalt(settings.databaseId, number), path)
  for (let at = records.findNext(0); at !== undefined; at = records.findNext(records.nextOffset)) {
    records.seek(at)
    records.next()
    if (records.type !== RecordType.header) {
      throw corruption('A segment that was in use is damaged, or not part of the log', path, at)
    }
  }
}

/** A reader over as much of a segment as counts. */
function openSegment(link: Link, bytes: Uint8Array, next: Link | undefined): SegmentReader {
  const end = next?.header.previous
  // What does not count need not be there: it may never have got to the device.
  if (end !== undefined && (bytes.length > end.sizeBytes || bytes.length < end.length)) {
    throw corruption(
      `A segment has ${bytes.length} bytes, and its successor says ${end.length} to ${end.sizeBytes}`,
      link.path,
      Math.min(bytes.length, end.sizeBytes),
    )
  }
  const counting = end === undefined ? bytes : bytes.subarray(0, end.length)
  return new SegmentReader(counting, fileSalt(link.header.databaseId, link.number), link.path, link.header)
}

async function handOut(
  reader: SegmentReader,
  link: Link,
  fromSequence: number,
  lastSequence: number,
  onGroup: OnGroup,
): Promise<void> {
  const operations = new OperationReader()
  for (let last = lastSequence; reader.next(); last = Math.max(last, reader.lastSequence)) {
    // A clearing takes a number that only an edit of the MANIFEST tells of.
    if (reader.firstSequence > last + 1) {
      throw corruption(
        `The log or the MANIFEST has lost the operations from ${last + 1} on`,
        link.path,
        reader.offset,
      )
    }
    if (reader.lastSequence <= fromSequence) continue
    let { firstSequence, count, operationsStart } = reader
    try {
      checkOperations(reader.bytes, operationsStart, reader.operationsEnd, count)
      operations.reset(reader.bytes, operationsStart, reader.operationsEnd)
      for (; firstSequence <= fromSequence && operations.next(); firstSequence++) count--
      operationsStart = operations.position
      const pending = onGroup(firstSequence, count, reader.bytes, operationsStart, reader.operationsEnd)
      if (pending !== undefined) await pending
    } catch (error) {
      if (error instanceof VarveError && error.code === 'CORRUPTION' && error.path === undefined) {
        throw corruption(error.message.replace(/\.$/, ''), link.path, reader.offset, error)
      }
      throw error
    }
  }
}

/** Checks that the good records of a segment end where its successor says. */
function checkEnd(reader: SegmentReader, link: Link, next: Link): void {
  const end = next.header.previous
  if (end === undefined || end.number !== link.number) {
    throw corruption('A segment does not name the one before it', next.path, 0)
  }
  if (reader.length !== end.length) {
    throw corruption('A segment is damaged before its end', link.path, reader.length)
  }
  if (reader.chain !== end.chain) {
    throw corruption('A segment does not end as its successor says', link.path, reader.length)
  }
  if (next.header.baseSequence < reader.lastSequence) {
    throw corruption('A segment begins before the one before it ends', next.path, 0)
  }
}

/** A seal promises that the file of the next segment is there. */
function checkSuccessor(settings: ReplaySettings, reader: SegmentReader): void {
  if (reader.lastType === RecordType.seal && !settings.numbers.includes(reader.sealedFor)) {
    throw corruption('A segment of the log is missing', segmentPath(settings.directory, reader.sealedFor))
  }
}

/** All bytes of a segment of the chain. */
async function readWhole(settings: ReplaySettings, path: string, isNewest: boolean): Promise<Uint8Array> {
  if (!isNewest || settings.readOnly !== true) return readFile(settings, path)
  // A writer beside us fills room that was made ahead: of what a read finds, an earlier part may have been read before it
  // was written. Whatever stands in front of something that was found is there for the next read.
  const bytes = await readFile(settings, path)
  const found = lengthWithoutZeros(bytes)
  bytes.set(await readFile(settings, path, found))
  return bytes
}

/** Both, to their ends; rejects with the error of the first, if it has one, else of the second. */
async function allOf(first: Promise<void>, second: Promise<void> | undefined): Promise<void> {
  for (const settled of await Promise.allSettled([first, second])) {
    if (settled.status === 'rejected') throw settled.reason
  }
}

/** All bytes of a segment. Throws `IO_ERROR`. */
export function readSegment(settings: Pick<ReplaySettings, 'fileSystem'>, path: string): Promise<Uint8Array> {
  return readFile(settings, path)
}

/** Brings a file to the device. */
async function syncFile({ fileSystem }: ReplaySettings, path: string): Promise<void> {
  try {
    const file = await fileSystem.open(path, 'modify')
    try {
      await file.sync()
    } finally {
      await closeQuietly(file)
    }
  } catch (error) {
    throw readError(error, path)
  }
}

/** The bytes of a file, or its first `limit`. */
async function readFile(
  settings: Pick<ReplaySettings, 'fileSystem'>,
  path: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  try {
    const file = await settings.fileSystem.open(path, 'read')
    try {
      const bytes = new Uint8Array(Math.min(limit, await file.size()))
      const length = await readFully(file, bytes, 0)
      return length === bytes.length ? bytes : bytes.subarray(0, length)
    } finally {
      await closeQuietly(file)
    }
  } catch (error) {
    throw readError(error, path)
  }
}
