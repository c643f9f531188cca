/**
 * Reads what can be read of one segment, however damaged it is: every whole group, also behind damage, and all damage.
 *
 * A run of bad bytes is rot when they were on the device: below what a later record, the MANIFEST or the next segment
 * tells. What stands behind rot counts; a run that is not rot is a torn tail, behind which nothing does.
 */
import type { SequenceRange } from '../base/damage-range.js'
import { corruption, VarveError } from '../base/errors.js'
import { damagedRuns } from '../record/damaged-runs.js'
import { RecordReader } from '../record/record-reader.js'
import { checkOperations, isPossibleGroup } from './operation.js'
import {
  GROUP_HEADER_LENGTH,
  prefixCount,
  prefixSubject,
  prefixSyncedUpTo,
  RecordType,
} from './wal-format.js'

/** One thing that is wrong with the log. */
export interface LogProblem {
  readonly error: VarveError
  /** A torn tail: writes that were never known to be on the device. It is discarded at the next open. */
  readonly isTorn: boolean
  /** The sequence numbers that are gone, at most. */
  readonly sequences?: SequenceRange
}

/** The bytes of a segment and what is known of it. */
export interface SegmentBytes {
  readonly bytes: Uint8Array
  /** Its `fileSalt`. */
  readonly salt: number
  readonly path: string
  /** The last sequence number in front of it, where that is known. */
  readonly baseSequence: number | undefined
  /** So much of it is known to have been on the device. */
  readonly knownLength: number
}

/** Takes a group: `count` operations from `firstSequence` on, in `bytes[start, end)`. */
export type TakeGroup = (
  firstSequence: number,
  count: number,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void | Promise<void>

/** The segment that goes on, as a seal promises. */
interface FoundSeal {
  readonly sealedFor: number
}

/** A group that was found. */
interface FoundGroup {
  readonly firstSequence: number
  readonly count: number
  readonly start: number
  readonly end: number
}

/** Hands the groups that count to `take`; returns what is wrong. */
export async function salvageSegment(
  segment: SegmentBytes,
  take?: TakeGroup,
  onSeal?: (next: number) => void,
): Promise<LogProblem[]> {
  const problems: LogProblem[] = []
  const { bytes, path } = segment
  let lastSequence = segment.baseSequence
  for (const found of partsOf(segment)) {
    if ('error' in found) {
      problems.push({ ...found, sequences: { first: (lastSequence ?? 0) + 1, last: undefined } })
      if (found.isTorn) break
      continue
    }
    if ('sealedFor' in found) {
      onSeal?.(found.sealedFor)
      continue
    }
    const { firstSequence, count, start, end } = found
    if (!isPossibleGroup(firstSequence, count)) {
      const error = corruption('A group has impossible sequence numbers', path, start)
      problems.push({ error, isTorn: false, sequences: { first: (lastSequence ?? 0) + 1, last: undefined } })
      continue
    }
    const before = problems.at(-1)
    if (before?.sequences !== undefined && before.sequences.last === undefined) {
      const { first } = before.sequences
      problems[problems.length - 1] = {
        ...before,
        sequences: { first, last: Math.max(first, firstSequence) - 1 },
      }
    }
    lastSequence = firstSequence + count - 1
    const what = malformation(bytes, found)
    if (what !== undefined) {
      const sequences = { first: firstSequence, last: lastSequence }
      problems.push({ error: corruption(what, path, start), isTorn: false, sequences })
      continue
    }
    await take?.(firstSequence, count, bytes, start, end)
  }
  return problems
}

function* partsOf({
  bytes,
  salt,
  path,
  knownLength,
}: SegmentBytes): Generator<FoundGroup | FoundSeal | Omit<LogProblem, 'sequences'>> {
  try {
    const synced = Math.max(knownLength, largestSyncedUpTo(new RecordReader(bytes, salt, path)))
    const reader = new RecordReader(bytes, salt, path)
    let whole: (FoundGroup | FoundSeal)[] = []
    const onRecord = (): void => {
      const { type, payloadStart, payloadEnd } = reader
      if (type === RecordType.seal) whole.push({ sealedFor: prefixSubject(bytes, payloadStart) })
      if (type !== RecordType.group || payloadEnd - payloadStart < GROUP_HEADER_LENGTH) return
      whole.push({
        firstSequence: prefixSubject(bytes, payloadStart),
        count: prefixCount(bytes, payloadStart),
        start: payloadStart + GROUP_HEADER_LENGTH,
        end: payloadEnd,
      })
    }
    let damagedTo = 0
    for (const { offset, end, why } of damagedRuns(reader, 0, onRecord)) {
      yield* whole
      whole = []
      damagedTo = end
      yield { error: corruption(why, path, offset), isTorn: offset >= synced && offset > 0 }
    }
    yield* whole
    // Zeros up to the end are no damage, unless something else is known to have been there.
    const { offset } = reader
    if (damagedTo < bytes.length && offset < Math.min(knownLength, bytes.length)) {
      yield { error: corruption('The log has gone blank', path, offset), isTorn: false }
    }
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    yield { error, isTorn: false }
  }
}

/** How much of a segment any of its records knows to have been on the device. */
function largestSyncedUpTo(reader: RecordReader): number {
  let largest = 0
  const look = (): void => {
    if (reader.type === RecordType.header || reader.payloadEnd - reader.payloadStart < GROUP_HEADER_LENGTH)
      return
    largest = Math.max(largest, prefixSyncedUpTo(reader.bytes, reader.payloadStart))
  }
  for (const _ of damagedRuns(reader, 0, look));
  return largest
}

/** Why a group, which holds whole or not at all, does not hold. */
function malformation(bytes: Uint8Array, { start, end, count }: FoundGroup): string | undefined {
  try {
    checkOperations(bytes, start, end, count)
    return undefined
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    return error.message.replace(/\.$/, '')
  }
}
