/**
 * Opening a store: finds or makes its directory, takes the lock, recovers the versions, replays the log, collects what
 * a crash left behind.
 *
 * Idempotent: a crash inside it is as good as one before it. Nothing is shown that is not durable. Order:
 * directory → LOCK → CURRENT and MANIFEST (a fresh MANIFEST takes over) → log replay → a fresh log segment, which after a
 * crash holds all that was replayed, or else tables do → orphans are deleted → the store is open.
 *
 * After a crash the log's last bytes may have been kept by the page cache while a sync of them had failed; nothing new may
 * be built on that (crash model, point 5). So what was replayed is written once more before anything else is.
 */
import { NEVER } from '../base/entry.js'
import { ioError, VarveError } from '../base/errors.js'
import { BlockCache } from '../cache/block-cache.js'
import { jobsOn } from '../compaction/jobs.js'
import { type TableSettings, tablePath } from '../compaction/table-writer.js'
import type { Clock } from '../env/clock.js'
import type { Executor } from '../env/executor.js'
import type { FileSystem, Lock } from '../env/file-system.js'
import type { Block } from '../sstable/block.js'
import { paceOn } from '../sstable/read-pace.js'
import { TableCache } from '../sstable/table-cache.js'
import { storeExists } from '../version/recover-state.js'
import { VersionSet } from '../version/version-set.js'
import { LogCopy } from '../wal/log-copy.js'
import type { Replayed } from '../wal/replay.js'
import { Wal, type WalSettings } from '../wal/wal.js'
import { Engine } from './engine.js'
import { arenasFor, type EngineParts, pickerFor } from './engine-parts.js'
import { StoreEmitter } from './events.js'
import { LiveState } from './live-state.js'
import { replayInto } from './log-replay.js'
import { ObsoleteTables } from './obsolete-tables.js'
import type { Settings } from './options.js'
import { collectSnapshotLeftovers } from './snapshots/snapshot-directory.js'
import { checkFacts, notFound, prepareDirectory, takeLock } from './store-directory.js'

/** What a store runs on. */
export interface Surroundings {
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly executor: Executor
  /** 16 random bytes for a new store. */
  readonly newDatabaseId: () => Uint8Array
  /** Random numbers in [0, 1). */
  readonly random: () => number
}

/** An open engine and the lock that it holds. */
export interface OpenEngine {
  readonly engine: Engine
  readonly lock: Lock
}

/** Opens the store in `directory`, an absolute path. `facts` are recorded in a new store and checked in an old one. */
export async function openEngine(
  directory: string,
  settings: Settings,
  facts: Readonly<Record<string, string>>,
  surroundings: Surroundings,
): Promise<OpenEngine> {
  await prepareDirectory(directory, settings.createIfMissing, surroundings.fileSystem)
  const lock = await takeLock(directory, settings.lockTimeoutMs, surroundings)
  try {
    return { engine: await recoverEngine(directory, settings, facts, surroundings), lock }
  } catch (error) {
    await lock.release().catch(() => undefined)
    throw ioError(error, 'opening', directory)
  }
}

async function recoverEngine(
  directory: string,
  settings: Settings,
  facts: Readonly<Record<string, string>>,
  surroundings: Surroundings,
): Promise<Engine> {
  const { fileSystem, clock, executor } = surroundings
  const events = new StoreEmitter()
  const versions = await openVersions(directory, settings, facts, surroundings, events)
  const { databaseId } = versions.set
  let tableCache: TableCache | undefined
  let copy: LogCopy | undefined
  let wal: Wal | undefined
  try {
    const blockCache = new BlockCache<Block>(settings.cacheSize, settings.blockSize)
    tableCache = new TableCache({
      fileSystem,
      databaseId,
      pathOf: (number) => tablePath(directory, number),
      maxOpenFiles: settings.maxOpenFiles,
      maxMemoryBytes: settings.tableMemory,
      blockCache,
      pace: paceOn(fileSystem, clock),
      onFilterDamage: (_path, error) => events.emit('error', error),
    })
    const cache = tableCache
    versions.obsolete.onDelete = (number) => cache.evict(number)
    const tableSettings: TableSettings = {
      directory,
      databaseId,
      blockSize: settings.blockSize,
      compression: settings.compression,
      filterBitsPerKey: settings.filterBitsPerKey,
    }
    const jobs = jobsOn({ fileSystem, pause: () => new Promise((resolve) => clock.nextTurn(resolve)) })
    const live = new LiveState(versions.set, arenasFor(settings), settings.shardCount)
    const flush = (): Promise<void> =>
      flushReplayed(live, versions.set, surroundings, tableSettings, jobs.flush)
    const isLogged = settings.persistence === 'wal' || settings.persistence === 'hybrid'
    const walSettings = { fileSystem, directory, databaseId, segmentSize: settings.walSegmentSize }
    const { flushedSequence } = versions.set
    if (isLogged) copy = new LogCopy(walSettings, flushedSequence, () => versions.set.nextFileNumber())
    const replayed = await replayInto(live, { fileSystem, directory, log: versions.set, copy })
    if (copy !== undefined) {
      wal = await beginLog(versions.set, walSettings, replayed, copy, flush)
    } else {
      // Nothing else than tables may hold what was logged.
      await flush()
      await endLog(versions.set)
    }
    await collectOrphans(directory, versions.set, fileSystem, wal, replayed, events)
    live.install()
    const parts: EngineParts = {
      settings,
      fileSystem,
      clock,
      executor,
      jobs,
      tableSettings,
      picker: pickerFor(settings),
      versions: versions.set,
      wal,
      tableCache,
      blockCache,
      live,
      lastSequence: replayed.lastSequence,
      events,
      obsoleteTables: versions.obsolete,
      random: surroundings.random,
      discardTables: async (numbers) => {
        for (const number of numbers) {
          cache.evict(number)
          await fileSystem.unlink(tablePath(directory, number)).catch(() => undefined)
        }
      },
    }
    return new Engine(parts)
  } catch (error) {
    await copy?.discard()
    await wal?.close().catch(() => undefined)
    tableCache?.close()
    await versions.set.close().catch(() => undefined)
    throw error
  }
}

/** The version set, and what deletes the tables that it drops. */
interface Versions {
  readonly set: VersionSet
  readonly obsolete: ObsoleteTables
}

async function openVersions(
  directory: string,
  settings: Settings,
  facts: Readonly<Record<string, string>>,
  { fileSystem, newDatabaseId }: Surroundings,
  events: StoreEmitter,
): Promise<Versions> {
  const onBackgroundError = (error: VarveError): void => events.emit('error', error)
  const obsolete = new ObsoleteTables(fileSystem, directory, onBackgroundError)
  const versionSettings = {
    fileSystem,
    directory,
    onObsolete: (numbers: readonly number[]) => obsolete.delete(numbers),
    onBackgroundError,
  }
  let set: VersionSet
  if (await storeExists(fileSystem, directory)) {
    if (settings.errorIfExists) {
      throw new VarveError('EXISTS', `There is a store in ${directory} already, and errorIfExists is true.`, {
        path: directory,
      })
    }
    set = await VersionSet.recover(versionSettings)
    try {
      checkFacts(directory, set.properties, facts)
    } catch (error) {
      await set.close()
      throw error
    }
  } else {
    if (!settings.createIfMissing) throw notFound(directory)
    set = await VersionSet.create(versionSettings, newDatabaseId(), facts)
  }
  return { set, obsolete }
}

/** Writes tables for what was replayed. */
async function flushReplayed(
  live: LiveState,
  versions: VersionSet,
  { executor, clock }: Surroundings,
  tables: TableSettings,
  flush: ReturnType<typeof jobsOn>['flush'],
): Promise<void> {
  if (live.active.entryCount > 0) live.replaceActive(0)
  for (const memtable of live.frozen.toReversed()) {
    const { image, lastSequence } = memtable
    const { table } = await executor.execute(flush, {
      tables,
      memtables: [image],
      tableNumber: versions.nextFileNumber(),
      pinned: [],
      // Nobody was told yet of what has expired.
      now: -NEVER,
      createdAt: clock.now(),
    })
    await versions.logAndApply(
      {
        ...(table === undefined ? {} : { added: [{ level: 0, table }] }),
        flushedSequence: lastSequence,
        lastSequence,
      },
      () => live.flushed([memtable]),
    )
  }
}

/** Begins the log of this process, and says so in the MANIFEST. */
async function beginLog(
  versions: VersionSet,
  settings: WalSettings,
  replayed: Replayed,
  copy: LogCopy,
  flush: () => Promise<void>,
): Promise<Wal> {
  const wal = await firstSegment(versions, settings, replayed, copy, flush)
  versions.syncedLog = () => wal.synced
  try {
    // From now on a log without this segment is a log with a part missing.
    await versions.logAndApply({ logNumber: wal.number, logged: true })
  } catch (error) {
    await wal.close().catch(() => undefined)
    throw error
  }
  return wal
}

/** Only a log that was closed in order is gone on with; of any other the copy takes the place, or tables do. */
async function firstSegment(
  versions: VersionSet,
  settings: WalSettings,
  { closedInOrder, lastSequence, segments, obsolete }: Replayed,
  copy: LogCopy,
  flush: () => Promise<void>,
): Promise<Wal> {
  const nextNumber = (): number => versions.nextFileNumber()
  if (!closedInOrder) {
    const segment = await copy.finish()
    if (segment !== undefined) {
      const old = segments.map(({ number }) => number)
      return Wal.goOn(settings, segment, [...obsolete, ...old], nextNumber)
    }
    await flush()
  }
  await copy.discard()
  return Wal.create(settings, { number: nextNumber(), lastSequence, segments, obsolete }, nextNumber)
}

/** From now on there is no log: tables hold everything, and whatever segments are still there are of no account. */
async function endLog(versions: VersionSet): Promise<void> {
  await versions.logAndApply({ logNumber: versions.nextFileNumber(), logged: false })
}

async function collectOrphans(
  directory: string,
  versions: VersionSet,
  fileSystem: FileSystem,
  wal: Wal | undefined,
  replayed: Replayed,
  events: StoreEmitter,
): Promise<void> {
  const live = new Set(replayed.segments.map(({ number }) => number))
  const isLive = (number: number): boolean => wal !== undefined && (live.has(number) || number >= wal.number)
  // What resists stays for the next open, and keeps nothing else from going.
  const attempt = async (work: () => Promise<unknown> | undefined): Promise<void> => {
    try {
      await work()
    } catch (error) {
      events.emit('error', ioError(error, 'collecting orphans in', directory))
    }
  }
  await attempt(() => wal?.release(versions.flushedSequence))
  await attempt(async () => {
    const names = await fileSystem.readdir(directory)
    for (const name of versions.collectOrphans(names, isLive)) {
      await attempt(() => fileSystem.unlink(`${directory}/${name}`))
    }
  })
  await attempt(() => collectSnapshotLeftovers(fileSystem, directory))
}
