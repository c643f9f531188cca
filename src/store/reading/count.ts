/** Exact counts and sizes: a scan that decodes nothing. */
import type { ByteRange } from '../range.js'
import type { ReadPoint } from './pinned-moments.js'
import type { ReadSource } from './read-source.js'
import { forEachEntry } from './scan-entries.js'

/** How many entries there are, and the bytes of their keys and values, encoded. */
export interface Extent {
  readonly count: number
  readonly bytes: number
}

/** What a reader at `at` sees in `range`. */
export async function measureEntries(engine: ReadSource, range: ByteRange, at: ReadPoint): Promise<Extent> {
  let count = 0
  let bytes = 0
  await forEachEntry(engine, at, range, (entry) => {
    count++
    bytes += entry.keyEnd - entry.keyStart + entry.valueEnd - entry.valueStart
  })
  return { count, bytes }
}
