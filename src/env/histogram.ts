/** Node's histogram of durations (HdrHistogram), behind the one import of `node:perf_hooks`; it reads no time. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

export type { RecordableHistogram }

/** An empty histogram with three significant digits. */
export function newHistogram(): RecordableHistogram {
  return createHistogram({ figures: 3 })
}
