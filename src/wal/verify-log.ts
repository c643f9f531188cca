/**
 * Checks the whole log. Whether it can be replayed is for {@link replay} to say; when it cannot, every segment is looked
 * at for itself, so that all damage is told and not only the first. Changes nothing; one segment at a time is in memory.
 */
import { fileSalt } from '../base/checksum.js'
import type { SequenceRange } from '../base/damage-range.js'
import { corruption, VarveError } from '../base/errors.js'
import { damagedRuns } from '../record/damaged-runs.js'
import { RecordReader } from '../record/record-reader.js'
import { type Replayed, type ReplaySettings, readSegment, replay } from './replay.js'
import {
  decodeSegmentHeader,
  GROUP_HEADER_LENGTH,
  prefixCount,
  prefixSubject,
  prefixSyncedUpTo,
  RecordType,
  segmentPath,
} from './wal-format.js'

/** One thing that is wrong with the log. */
export interface LogProblem {
  readonly error: VarveError
  /** A torn tail: writes that were never known to be on the device. It is discarded at the next open. */
  readonly isTorn: boolean
  /** The sequence numbers that are gone, at most. */
  readonly sequences?: SequenceRange
}

/** Where segments are. */
export type SegmentPlace = Pick<ReplaySettings, 'fileSystem' | 'directory' | 'databaseId'>

/** Yields what is wrong with the log; returns what a replay finds, or `undefined` when there is none. */
export async function* verifyLog(
  settings: ReplaySettings,
): AsyncGenerator<LogProblem, Replayed | undefined, undefined> {
  let refusal: VarveError
  try {
    const replayed = await replay({ ...settings, readOnly: true }, () => undefined)
    const { torn, lastSequence } = replayed
    if (torn !== undefined) {
      const what = `${torn.discardedBytes} bytes of writes never got to the device in full`
      yield {
        error: corruption(what, torn.path, torn.offset),
        isTorn: true,
        sequences: { first: lastSequence + 1, last: undefined },
      }
    }
    return replayed
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    refusal = error
  }
  let isTold = false
  for (const number of [...settings.numbers].sort((a, b) => a - b)) {
    for (const problem of await surveySegment(settings, number)) {
      const isRefusal = problem.error.path === refusal.path && problem.error.offset === refusal.offset
      isTold ||= isRefusal
      yield isRefusal ? { ...problem, error: refusal, isTorn: false } : problem
    }
  }
  if (!isTold) yield { error: refusal, isTorn: false }
  return undefined
}

/**
 * All damage in one segment, taken for itself.
 * @param written - the bytes that its writer has accepted, where that is known: nothing in front is a torn tail
 */
export async function surveySegment(
  settings: SegmentPlace,
  number: number,
  written?: number,
): Promise<LogProblem[]> {
  const path = segmentPath(settings.directory, number)
  const problems: LogProblem[] = []
  try {
    const all = await readSegment(settings, path)
    if (written !== undefined && all.length < written) {
      problems.push({
        error: corruption('The log ends before what was written', path, all.length),
        isTorn: false,
      })
    }
    const bytes = written === undefined ? all : all.subarray(0, written)
    const header = decodeSegmentHeader(bytes, path)
    const salt = fileSalt(settings.databaseId, number)
    const reader = new RecordReader(bytes, salt, path)
    const synced = largestSyncedUpTo(new RecordReader(bytes, salt, path))
    let lastSequence = header?.baseSequence
    const runs = damagedRuns(reader, 0, () => {
      const { type, payloadStart, payloadEnd } = reader
      if (type !== RecordType.group || payloadEnd - payloadStart < GROUP_HEADER_LENGTH) return
      const first = prefixSubject(bytes, payloadStart)
      const before = problems.at(-1)
      if (before?.sequences !== undefined && before.sequences.last === undefined) {
        problems[problems.length - 1] = { ...before, sequences: { ...before.sequences, last: first - 1 } }
      }
      lastSequence = first + prefixCount(bytes, payloadStart) - 1
    })
    for (const { offset, why } of runs) {
      problems.push({
        error: corruption(why, path, offset),
        isTorn: written === undefined && offset >= synced && offset > 0,
        sequences: { first: (lastSequence ?? 0) + 1, last: undefined },
      })
    }
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    problems.push({ error, isTorn: false })
  }
  return problems
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
