/** Taking stock: what a bounded store must know of the entries that are there before it knows of them by commits. */
import { expiryOf, NEVER, userValueStart } from '../../base/entry.js'
import type { VisibleCursor } from '../../iterator/visible-cursor.js'
import type { Engine } from '../engine.js'
import { nameOfBytes } from '../key-name.js'
import { EVERYTHING } from '../range.js'
import type { ReadPoint } from '../reading/pinned-moments.js'
import { forEachEntry } from '../reading/scan-entries.js'
import type { EntryDirectory } from './entry-directory.js'

/**
 * Puts every entry at `at` into `directory`: the one that was written first counts as the one that was used first. Those
 * that have expired too, as long as they are there: a clock that is set back shows them again.
 */
export async function takeStock(engine: Engine, at: ReadPoint, directory: EntryDirectory): Promise<void> {
  const found: { name: string; size: number; expiresAt: number; sequence: number }[] = []
  const take = (entry: VisibleCursor): void => {
    const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd, kind } = entry
    found.push({
      name: nameOfBytes(keyBytes, keyStart, keyEnd),
      size: keyEnd - keyStart + valueEnd - valueStart,
      expiresAt: expiryOf(kind, valueBytes, valueStart - userValueStart(kind, 0)),
      sequence: entry.sequence,
    })
  }
  await forEachEntry(engine, at, EVERYTHING, take, -NEVER)
  found.sort((a, b) => a.sequence - b.sequence)
  for (const { name, size, expiresAt } of found) directory.set(name, size, expiresAt)
}
