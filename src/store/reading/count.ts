/** Exact counts and sizes: a scan that decodes nothing. */

import { whenResident } from '../../iterator/not-resident.js'
import { VisibleCursor } from '../../iterator/visible-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { ByteRange } from '../range.js'
import type { ReadPoint } from './pinned-moments.js'
import { cursorOver, RangeScan } from './range-scan.js'
import type { ReadSource } from './read-source.js'

/** Entries counted between two looks at the event loop. */
const STEP_ENTRIES = 4096

/** What an entry costs of a turn's budget. */
const ENTRY_COST = 64

/** How many entries there are, and the bytes of their keys and values, encoded. */
export interface Extent {
  readonly count: number
  readonly bytes: number
}

/** What a reader at `at` sees in `range`. Leaves the block cache as it is. */
export async function measureEntries(engine: ReadSource, range: ByteRange, at: ReadPoint): Promise<Extent> {
  const { tableCache, clock } = engine.parts
  const { sequence } = at
  const state = at.readState.pin()
  try {
    const fetcher = new BlockFetcher(tableCache, { blocking: false, fillCache: false })
    const cursor = new VisibleCursor(cursorOver(state, fetcher), sequence, clock.now())
    cursor.pause = async () => {
      fetcher.settle()
      await engine.turn.spend(STEP_ENTRIES * ENTRY_COST)
    }
    const scan = new RangeScan(cursor, range, false)
    let count = 0
    let stepEnd = 0
    let bytes = 0
    const take = (entry: VisibleCursor): boolean => {
      bytes += entry.keyEnd - entry.keyStart + entry.valueEnd - entry.valueStart
      return ++count < stepEnd
    }
    let mayHaveMore = true
    while (mayHaveMore) {
      stepEnd = count + STEP_ENTRIES
      mayHaveMore = await whenResident(() => scan.fill(take))
      fetcher.settle()
      await engine.turn.spend(STEP_ENTRIES * ENTRY_COST)
    }
    return { count, bytes }
  } finally {
    state.unpin()
  }
}
