/** Brings what the log holds beyond the tables into memtables, and into a copy of the log. */
import { parseFileName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { Memtable } from '../memtable/memtable.js'
import { knownLog, type ManifestState } from '../version/manifest-state.js'
import { listDirectory } from '../version/recover-state.js'
import type { LogCopy } from '../wal/log-copy.js'
import { type Replayed, replay } from '../wal/replay.js'
import type { LiveState } from './live-state.js'

/** Which log, and how much of it. */
export interface LogSource {
  readonly fileSystem: FileSystem
  readonly directory: string
  /** What the MANIFEST tells of it. */
  readonly log: Pick<ManifestState, 'logged' | 'logNumber' | 'logSynced' | 'flushedSequence'> & {
    readonly databaseId: Uint8Array
  }
  /** Takes what is replayed, too. */
  readonly copy?: LogCopy | undefined
}

/**
 * Inserts the operations that the log holds behind `fromSequence` into the memtables of `live`.
 *
 * @param besideWriter - nothing is synced. `CORRUPTION` may mean then that the MANIFEST at hand is older than the log
 */
export async function replayInto(
  live: LiveState,
  { fileSystem, directory, log, copy }: LogSource,
  fromSequence: number = log.flushedSequence,
  besideWriter = false,
): Promise<Replayed> {
  const names = await listDirectory(fileSystem, directory)
  const known = knownLog(log)
  return replay(
    {
      fileSystem,
      directory,
      databaseId: log.databaseId,
      numbers: names.flatMap((name) => {
        const parsed = parseFileName(name)
        // Segments of a log that was given up may still be there.
        const counts = parsed?.kind === 'wal' && (log.logged || parsed.number >= log.logNumber)
        return counts ? [parsed.number] : []
      }),
      fromSequence,
      readOnly: besideWriter,
      ...(known === undefined ? {} : { known }),
    },
    (firstSequence, count, bytes, start, end) => {
      const needed = Memtable.bytesNeeded(count, end - start)
      if (!live.active.hasRoom(needed)) live.replaceActive(needed)
      live.insert(bytes, start, end, firstSequence)
      return copy?.add(firstSequence, count, bytes, start, end)
    },
  )
}
