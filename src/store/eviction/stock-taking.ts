/** Taking stock: what a bounded store must know of the entries that are there before it knows of them by commits. */
import { expiryOf, NEVER, userValueStart } from '../../base/entry.js'
import { whenResident } from '../../iterator/not-resident.js'
import { VisibleCursor } from '../../iterator/visible-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { Engine } from '../engine.js'
import { nameOfBytes } from '../key-name.js'
import { cursorOver, RangeScan } from '../reading/range-scan.js'
import type { ReadState } from '../reading/read-state.js'
import type { EntryDirectory } from './entry-directory.js'

/** Entries read between two looks at the event loop, and what each costs of a turn's budget. */
const STEP_ENTRIES = 2048
const ENTRY_COST = 128

/**
 * Puts every entry of `state` at `sequence` into `directory`: the one that was written first counts as the one that was
 * used first. Those that have expired too, as long as they are there: a clock that is set back shows them again.
 */
export async function takeStock(
  engine: Engine,
  state: ReadState,
  sequence: number,
  directory: EntryDirectory,
): Promise<void> {
  const found: { name: string; size: number; expiresAt: number; sequence: number }[] = []
  state.pin()
  try {
    const fetcher = new BlockFetcher(engine.parts.tableCache, { blocking: false, fillCache: false })
    const cursor = new VisibleCursor(cursorOver(state, fetcher), sequence, -NEVER)
    cursor.pause = async () => {
      fetcher.settle()
      await engine.turn.spend(STEP_ENTRIES * ENTRY_COST)
    }
    const scan = new RangeScan(cursor, { lower: undefined, upper: undefined }, false)
    let stepEnd = 0
    const take = (entry: VisibleCursor): boolean => {
      const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd, kind } = entry
      found.push({
        name: nameOfBytes(keyBytes, keyStart, keyEnd),
        size: keyEnd - keyStart + valueEnd - valueStart,
        expiresAt: expiryOf(kind, valueBytes, valueStart - userValueStart(kind, 0)),
        sequence: entry.sequence,
      })
      return found.length < stepEnd
    }
    for (let mayHaveMore = true; mayHaveMore; ) {
      stepEnd = found.length + STEP_ENTRIES
      mayHaveMore = await whenResident(() => scan.fill(take))
      fetcher.settle()
      await engine.turn.spend(STEP_ENTRIES * ENTRY_COST)
    }
  } finally {
    state.unpin()
  }
  found.sort((a, b) => a.sequence - b.sequence)
  for (const { name, size, expiresAt } of found) directory.set(name, size, expiresAt)
}
