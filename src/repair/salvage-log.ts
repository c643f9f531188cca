/**
 * Brings what the log holds beyond the tables into tables: groups behind damage too, in the order of their sequence
 * numbers. Segment by segment, memtable by memtable, so memory is bounded by one of each.
 */
import { fileSalt } from '../base/checksum.js'
import type { SequenceRange } from '../base/damage-range.js'
import { corruption } from '../base/errors.js'
import { walName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { ArenaPool } from '../memtable/arena.js'
import { Memtable } from '../memtable/memtable.js'
import { OperationReader } from '../wal/operation.js'
import { readSegment } from '../wal/replay.js'
import { salvageSegment } from '../wal/salvage-segment.js'
import { checkFormat, decodeSegmentHeader, type SegmentHeader, segmentPath } from '../wal/wal-format.js'
import { asDamage } from './damage.js'
import { type Loss, type Losses, placeOf } from './loss.js'

export interface LogSalvage {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly databaseId: Uint8Array
  readonly numbers: readonly number[]
  /** Tables hold everything up to here. */
  readonly fromSequence: number
  /** Whether the log goes on where the tables end: a gap is a loss then. */
  readonly isContinuous: boolean
  /** What of a segment was on the device: the MANIFEST tells. */
  readonly known?: { readonly number: number; readonly length: number }
  readonly losses: Losses
  /** Writes a frozen memtable to a table. */
  readonly flush: (memtable: Memtable) => Promise<void>
}

/** What was brought back. */
export interface SalvagedLog {
  readonly groups: number
  readonly operations: number
  /** The largest sequence number seen. */
  readonly lastSequence: number
}

const GAP =
  'Operations in front of these are missing: of a lost segment, or a clearing that was lost with the end of the MANIFEST'

const MEMTABLE_BYTES = 4 * 1024 * 1024

export async function salvageLog(salvage: LogSalvage): Promise<SalvagedLog> {
  const { fileSystem, directory, databaseId, fromSequence, losses } = salvage
  const numbers = [...salvage.numbers].sort((a, b) => a - b)
  const headers = await readHeaders(salvage, numbers)
  const collector = new Collector(salvage.flush)
  const gaps: Loss[] = []
  let next = fromSequence + 1
  const { known } = salvage
  // A segment that the MANIFEST or a seal tells of, and that is not there.
  let promised = known === undefined || numbers.includes(known.number) ? undefined : known.number
  for (const number of numbers) {
    const path = segmentPath(directory, number)
    const name = walName(number)
    const header = headers.get(number)
    let bytes: Uint8Array
    try {
      bytes = await readSegment({ fileSystem }, path)
    } catch (error) {
      losses.add({ ...placeOf(name, asDamage(error, path)), sequences: { first: next, last: undefined } })
      continue
    }
    const end = endOf(headers, number)
    const knownLength = Math.max(end?.length ?? 0, known?.number === number ? known.length : 0)
    if (bytes.length < knownLength) {
      const error = corruption('The log ends before what was on the device', path, bytes.length)
      losses.uncertainties.add('log-hole')
      losses.add({ ...placeOf(name, error), sequences: { first: next, last: undefined } })
    }
    const problems = await salvageSegment(
      {
        bytes: end === undefined ? bytes : bytes.subarray(0, end.length),
        salt: fileSalt(databaseId, number),
        path,
        baseSequence: header?.baseSequence ?? next - 1,
        knownLength,
      },
      async (first, count, source, start, stop) => {
        if (first + count - 1 < next) return
        // What a missing segment held is a gap then.
        if (promised !== undefined && number > promised) promised = undefined
        if (first > next)
          gaps.push({ file: name, offset: start, what: GAP, sequences: { first: next, last: first - 1 } })
        // Of a log that was written again both may be there, in groups of other sizes.
        const taken = next - 1
        next = first + count
        await collector.take(first, count, source, start, stop, Math.max(fromSequence, taken))
      },
      (sealedFor) => {
        promised ??= numbers.includes(sealedFor) ? undefined : sealedFor
      },
    )
    for (const { error, isTorn, sequences } of problems) {
      // A torn tail is discarded, as at every open: those writes were never promised.
      if (isTorn) continue
      const first = Math.max(sequences?.first ?? next, fromSequence + 1)
      const last = sequences?.last
      if (last !== undefined && last < first) continue
      losses.uncertainties.add('log-hole')
      losses.add({ ...placeOf(name, error), sequences: { first, last } })
    }
  }
  await collector.finish()
  if (salvage.isContinuous) tellGaps(gaps, losses)
  if (promised !== undefined) {
    const what = 'A segment of the log is missing'
    losses.uncertainties.add('log-hole')
    losses.add({ file: walName(promised), what, sequences: { first: next, last: undefined } })
  }
  return { groups: collector.groups, operations: collector.operations, lastSequence: next - 1 }
}

/** Tells of operations that are missing though nothing that is there is damaged. */
function tellGaps(gaps: readonly Loss[], losses: Losses): void {
  const isTold = (gap: Loss): boolean =>
    losses.list.some(({ file, sequences }) => file.endsWith('.wal') && overlap(sequences, gap.sequences))
  for (const gap of gaps.filter((one) => !isTold(one))) {
    losses.add(gap)
    losses.uncertainties.add('log-hole').add('deletions')
  }
}

function overlap(a: SequenceRange | undefined, b: SequenceRange | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return a.first <= (b.last ?? b.first) && b.first <= (a.last ?? Number.POSITIVE_INFINITY)
}

/** The headers that can be read, of segments that are this store's. */
export async function readHeaders(
  { fileSystem, directory, databaseId }: Pick<LogSalvage, 'fileSystem' | 'directory' | 'databaseId'>,
  numbers: readonly number[],
): Promise<Map<number, SegmentHeader>> {
  const headers = new Map<number, SegmentHeader>()
  for (const number of numbers) {
    const path = segmentPath(directory, number)
    try {
      const header = decodeSegmentHeader(await readSegment({ fileSystem }, path), path)
      if (header?.number !== number || Buffer.compare(header.databaseId, databaseId) !== 0) continue
      checkFormat(header, path)
      headers.set(number, header)
    } catch (error) {
      asDamage(error, path)
    }
  }
  return headers
}

/** How a segment ended, as the one behind it tells. */
function endOf(headers: ReadonlyMap<number, SegmentHeader>, number: number): SegmentHeader['previous'] {
  for (const { previous } of headers.values()) if (previous?.number === number) return previous
  return undefined
}

/** Gathers operations in memtables. */
class Collector {
  readonly #flush: LogSalvage['flush']
  readonly #arenas = new ArenaPool(MEMTABLE_BYTES)
  readonly #operations = new OperationReader()
  #memtable: Memtable | undefined
  groups = 0
  operations = 0

  constructor(flush: LogSalvage['flush']) {
    this.#flush = flush
  }

  /** Takes the operations of a group that are behind `fromSequence`. */
  async take(
    first: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    fromSequence: number,
  ): Promise<void> {
    const memtable = await this.#withRoom(Memtable.bytesNeeded(count, end - start))
    const operations = this.#operations.reset(bytes, start, end)
    for (let sequence = first; operations.next(); sequence++) {
      if (sequence <= fromSequence) continue
      const { keyStart, keyEnd, kind, valueStart, valueEnd } = operations
      memtable.insert(bytes, keyStart, keyEnd, sequence, kind, bytes, valueStart, valueEnd)
      this.operations++
    }
    this.groups++
  }

  async finish(): Promise<void> {
    const memtable = this.#memtable
    this.#memtable = undefined
    if (memtable === undefined) return
    if (memtable.entryCount > 0) {
      memtable.freeze()
      await this.#flush(memtable)
    }
    memtable.unpin()
  }

  async #withRoom(needed: number): Promise<Memtable> {
    if (this.#memtable?.hasRoom(needed) === false) await this.finish()
    this.#memtable ??= Memtable.create(this.#arenas, 1, needed)
    return this.#memtable
  }
}
