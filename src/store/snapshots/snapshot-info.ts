/** What a snapshot tells of itself. */

import { BlockCache } from '../../cache/block-cache.js'
import { tablePath } from '../../compaction/table-writer.js'
import type { FileSystem } from '../../env/file-system.js'
import { VisibleCursor } from '../../iterator/visible-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import { TableCache } from '../../sstable/table-cache.js'
import { type RecoveredState, recoverState } from '../../version/recover-state.js'
import type { Version } from '../../version/version.js'
import type { EngineParts } from '../engine-parts.js'
import { EVERYTHING } from '../range.js'
import { ReadOnlyEngine } from '../read-only-engine.js'
import { measureEntries } from '../reading/count.js'
import { cursorOver, RangeScan } from '../reading/range-scan.js'
import { ReadState } from '../reading/read-state.js'
import { sizeOfSnapshot } from './snapshot-directory.js'
import type { SnapshotFacts } from './snapshot-facts.js'

/** A snapshot. */
export interface SnapshotInfo {
  /** Its name, or one that the store made up. */
  readonly id: string
  /** Its directory, which opens as a store of its own. */
  readonly path: string
  /** The sequence number of the last write that is in it. */
  readonly sequence: number
  /**
   * The exact number of entries, those not counted that had expired when it was taken. Counted when it is first looked
   * at, by a scan that blocks the thread: taking a snapshot does not pay for it. Of a snapshot that was opened as a store
   * and written: of what is in it now, counted at once.
   */
  readonly entryCount: number
  /** The bytes of its files, most of which are shared with the store as long as that needs them too. */
  readonly size: number
  /** When it was taken, in ms since 1970. */
  readonly createdAt: number
  /** Whether the store took it by itself, and will delete it by itself. */
  readonly automatic: boolean
}

/** Looks at the snapshot in `path`, which is one of the store of `parts`. */
export async function describeSnapshot(
  parts: EngineParts,
  id: string,
  path: string,
  facts: SnapshotFacts,
): Promise<SnapshotInfo> {
  const { fileSystem } = parts
  const contents = await contentsOf(parts, path, facts).catch((error: unknown) => ({ error }))
  const { sequence, createdAt, automatic } = facts
  let entryCount: number | undefined
  return {
    id,
    path,
    sequence,
    get entryCount() {
      if (typeof contents === 'number') return contents
      if (entryCount === undefined) {
        // A damaged snapshot is listed all the same; only who counts it is told.
        if ('error' in contents) throw contents.error
        const { databaseId, state } = contents
        entryCount = countEntries(fileSystem, path, databaseId, state.version, sequence, createdAt)
      }
      return entryCount
    },
    size: await sizeOfSnapshot(fileSystem, path),
    createdAt,
    automatic,
  }
}

/** What the snapshot was made of, to be counted some time; or the count, when it has gone its own way since. */
async function contentsOf(
  parts: EngineParts,
  path: string,
  { sequence }: SnapshotFacts,
): Promise<RecoveredState | number> {
  const { fileSystem, clock, settings, versions } = parts
  const contents = await recoverState(fileSystem, path)
  const { logged, lastSequence, flushedSequence } = contents.state
  if (!logged && Math.max(lastSequence, flushedSequence) === sequence) return contents
  // Part of it may be in a log, and its files are a writer's, who may be at work.
  const engine = await ReadOnlyEngine.open(
    { directory: path, fileSystem, clock },
    settings,
    versions.properties,
  )
  try {
    return (await measureEntries(engine, EVERYTHING, engine)).count
  } finally {
    await engine.close()
  }
}

function countEntries(
  fileSystem: FileSystem,
  path: string,
  databaseId: Uint8Array,
  version: Version,
  sequence: number,
  now: number,
): number {
  const tables = new TableCache({
    fileSystem,
    databaseId,
    pathOf: (number) => tablePath(path, number),
    maxOpenFiles: 64,
    blockCache: new BlockCache(0),
  })
  try {
    const fetcher = new BlockFetcher(tables, { blocking: true, fillCache: false })
    const cursor = new VisibleCursor(cursorOver(new ReadState([], version), fetcher), sequence, now)
    const scan = new RangeScan(cursor, EVERYTHING, false)
    let count = 0
    scan.fill(() => {
      count++
      return true
    })
    return count
  } finally {
    tables.close()
  }
}
