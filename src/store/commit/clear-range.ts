/** The removal of a range: a tombstone for each key that is in it, gathered while no other write is let in. */
import { Kind } from '../../base/entry.js'
import { whenResident } from '../../iterator/not-resident.js'
import { VisibleCursor } from '../../iterator/visible-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { GroupBuffer } from '../../wal/group-buffer.js'
import type { Engine } from '../engine.js'
import type { ByteRange } from '../range.js'
import { cursorOver, RangeScan } from '../reading/range-scan.js'

/** Keys gathered between two looks at the event loop. */
const STEP_KEYS = 2048

/** What a key costs of a turn's budget. */
const KEY_COST = 96

/** Adds a tombstone for every entry in `range` to `operations`. */
export async function addTombstones(
  engine: Engine,
  range: ByteRange,
  operations: GroupBuffer,
): Promise<void> {
  const { tableCache, clock } = engine.parts
  const { sequence } = engine
  const state = engine.readState.pin()
  try {
    const fetcher = new BlockFetcher(tableCache, { blocking: false, fillCache: false })
    const cursor = new VisibleCursor(cursorOver(state, fetcher), sequence, clock.now())
    cursor.pause = async () => {
      fetcher.settle()
      await engine.turn.spend(STEP_KEYS * KEY_COST)
    }
    const scan = new RangeScan(cursor, range, false)
    let stepEnd = 0
    const take = ({ keyBytes, keyStart, keyEnd }: VisibleCursor): boolean => {
      operations.add(Kind.delete, keyBytes.subarray(keyStart, keyEnd))
      return operations.count < stepEnd
    }
    let mayHaveMore = true
    while (mayHaveMore) {
      stepEnd = operations.count + STEP_KEYS
      mayHaveMore = await whenResident(() => scan.fill(take))
      fetcher.settle()
      await engine.turn.spend(STEP_KEYS * KEY_COST)
    }
  } finally {
    state.unpin()
  }
}
