/** Finds every run of bytes between the whole records of a file: all damage in it, not only the first. */
import type { RecordReader } from './record-reader.js'

/** Bytes that are no record. */
export interface DamagedRun {
  readonly offset: number
  /** Where the next whole record begins, or the file ends. */
  readonly end: number
  readonly why: string
}

/**
 * Walks over the records from `from` on, hands each whole one to `onRecord` (which looks at the reader) and yields the
 * runs between them. Zeros up to the end are none. Throws `CORRUPTION` when the bytes were forged to look like too many
 * records.
 */
export function* damagedRuns(
  reader: RecordReader,
  from: number,
  onRecord?: () => void,
): Generator<DamagedRun, void> {
  reader.seek(from)
  for (;;) {
    const outcome = reader.next()
    if (outcome === 'record') {
      onRecord?.()
      continue
    }
    if (outcome === 'end') return
    const { offset, why } = reader
    const next = reader.findNext(offset)
    yield { offset, end: next ?? reader.bytes.length, why }
    if (next === undefined) return
    reader.seek(next)
  }
}
