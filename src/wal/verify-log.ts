/**
 * Checks the whole log. Whether it can be replayed is for {@link replay} to say; when it cannot, every segment is looked
 * at for itself, so that all damage is told and not only the first. Changes nothing; one segment at a time is in memory.
 */
import { fileSalt } from '../base/checksum.js'
import { corruption, VarveError } from '../base/errors.js'
import { type Replayed, type ReplaySettings, readSegment, replay } from './replay.js'
import { type LogProblem, salvageSegment } from './salvage-segment.js'
import { decodeSegmentHeader, segmentPath } from './wal-format.js'

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
    const known = settings.known?.number === number ? settings.known.length : 0
    for (const problem of await surveySegment(settings, number, known)) {
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
 * @param written - given for a segment that is being written: the bytes that were accepted; only those are looked at
 */
export async function surveySegment(
  settings: SegmentPlace,
  number: number,
  knownLength = 0,
  written?: number,
): Promise<LogProblem[]> {
  const path = segmentPath(settings.directory, number)
  try {
    const all = await readSegment(settings, path)
    const bytes = written === undefined ? all : all.subarray(0, written)
    const known = written ?? knownLength
    const salt = fileSalt(settings.databaseId, number)
    const baseSequence = decodeSegmentHeader(bytes, path)?.baseSequence
    const problems = await salvageSegment({ bytes, salt, path, baseSequence, knownLength: known })
    if (all.length < known) {
      const error = corruption('The log ends before what was on the device', path, all.length)
      problems.push({ error, isTorn: false })
    }
    return problems
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    return [{ error, isTorn: false }]
  }
}
