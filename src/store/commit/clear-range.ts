/** The removal of a range: a tombstone for each key that is in it, gathered while no other write is let in. */
import { Kind } from '../../base/entry.js'
import type { GroupBuffer } from '../../wal/group-buffer.js'
import type { Engine } from '../engine.js'
import type { ByteRange } from '../range.js'
import { forEachEntry } from '../reading/scan-entries.js'

/** Adds a tombstone for every entry in `range` to `operations`. */
export function addTombstones(engine: Engine, range: ByteRange, operations: GroupBuffer): Promise<void> {
  return forEachEntry(engine, engine, range, ({ keyBytes, keyStart, keyEnd }) => {
    operations.add(Kind.delete, keyBytes.subarray(keyStart, keyEnd))
  })
}
