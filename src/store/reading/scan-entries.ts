/** The scan of a range behind counts, clearings and the like, which lets the event loop turn meanwhile. */
import { whenResident } from '../../iterator/not-resident.js'
import { VisibleCursor } from '../../iterator/visible-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { ByteRange } from '../range.js'
import type { ReadPoint } from './pinned-moments.js'
import { cursorOver, RangeScan } from './range-scan.js'
import type { ReadSource } from './read-source.js'

/** Entries taken between two looks at the event loop, and what a step of them costs of a turn's budget: all of it. */
const STEP_ENTRIES = 2048
const STEP_COST = 256 * 1024

/**
 * Hands what a reader at `at` sees in `range` to `take`, in the order of the keys; what has expired at `now` is not seen. An
 * entry is good during the call. Leaves the block cache as it is.
 */
export async function forEachEntry(
  { parts, turn }: ReadSource,
  { readState, sequence }: ReadPoint,
  range: ByteRange,
  take: (entry: VisibleCursor) => void,
  now = parts.clock.now(),
): Promise<void> {
  const state = readState.pin()
  try {
    const fetcher = new BlockFetcher(parts.tableCache, { blocking: false, fillCache: false })
    const entries = new VisibleCursor(cursorOver(state, fetcher), sequence, now)
    const endStep = async (): Promise<void> => {
      fetcher.settle()
      await turn.spend(STEP_COST)
    }
    entries.pause = endStep
    const scan = new RangeScan(entries, range, false)
    let left = 0
    const takeOne = (entry: VisibleCursor): boolean => {
      take(entry)
      return --left > 0
    }
    for (let mayHaveMore = true; mayHaveMore; ) {
      left = STEP_ENTRIES
      mayHaveMore = await whenResident(() => scan.fill(takeOne))
      await endStep()
    }
  } finally {
    state.unpin()
  }
}
