/** Which journal a store has: that of its log, or none. */
import type { VarveError } from '../../base/errors.js'
import type { Memtable } from '../../memtable/memtable.js'
import type { EngineParts } from '../engine-parts.js'
import type { KeepAlive } from '../keep-alive.js'
import type { CommitJournal } from './commit-journal.js'
import { CommitLog } from './commit-log.js'
import { NoLog } from './no-log.js'

/** What the journal asks of the engine. */
export interface JournalHost {
  /** Writes everything that is in memory to tables. */
  readonly flush: () => Promise<void>
  /** The memtables, newest first. */
  readonly memtables: () => readonly Memtable[]
  /** A sync of the log has failed. */
  readonly onFailure: (error: VarveError) => void
}

export function journalFor(parts: EngineParts, keepAlive: KeepAlive, host: JournalHost): CommitJournal {
  const { wal, clock, events, settings, tableSettings, versions } = parts
  if (wal === undefined) {
    const flush = settings.persistence === 'none' ? undefined : host.flush
    return new NoLog(flush, () => versions.flushedSequence, host.memtables)
  }
  return new CommitLog({
    wal,
    clock,
    keepAlive,
    directory: tableSettings.directory,
    flushedSequence: versions.flushedSequence,
    syncIntervalMs: settings.syncIntervalMs,
    onFailure: host.onFailure,
    onTrouble: (error) => events.emit('error', error),
  })
}
