/**
 * The engine of a read-only store: the newest state that the files of a store show, brought up to date on demand, beside a
 * writer that goes on.
 *
 * What must always hold:
 * - Nothing in the directory is written, and no lock is taken.
 * - What is seen is a prefix of the commit order: the tables of one MANIFEST, and the log behind them up to the end of its
 *   whole records. Operations that a refresh has brought into memory stay unseen until all of that is there.
 * - Memtables hold the log from where the tables end up to the newest operation that was read, without a gap; a refresh
 *   reads on from there. When tables hold more, new memtables are filled: no operation is in a table and in memory.
 */
import { compareKeys } from '../base/bytes.js'
import { ioError, VarveError } from '../base/errors.js'
import { BlockCache } from '../cache/block-cache.js'
import { tablePath } from '../compaction/table-writer.js'
import type { Clock } from '../env/clock.js'
import type { FileSystem } from '../env/file-system.js'
import type { ArenaPool } from '../memtable/arena.js'
import type { Block } from '../sstable/block.js'
import { paceOn } from '../sstable/read-pace.js'
import { TableCache } from '../sstable/table-cache.js'
import { manifestStamp, readBesideWriter } from '../version/beside-writer.js'
import type { ManifestState } from '../version/manifest-state.js'
import { recoverState, requireCurrent } from '../version/recover-state.js'
import { Version } from '../version/version.js'
import { NOTHING_DONE } from './background.js'
import { StallGate } from './commit/stall-gate.js'
import { arenasFor, pickerFor } from './engine-parts.js'
import { StoreEmitter } from './events.js'
import { HeldVersions, replacedStore } from './held-versions.js'
import { KeepAlive } from './keep-alive.js'
import { LiveState } from './live-state.js'
import { replayInto } from './log-replay.js'
import type { Settings } from './options.js'
import { Leases } from './reading/leases.js'
import type { PinnedMoments } from './reading/pinned-moments.js'
import type { ReadState } from './reading/read-state.js'
import { Metrics } from './statistics/metrics.js'
import type { StatisticsSource } from './statistics/statistics.js'
import { checkFacts, requireDirectory } from './store-directory.js'
import { TurnBudget } from './turn-budget.js'

/** What the MANIFEST said when it was read last. */
interface Manifest {
  /** By which to know that it is still the same; `undefined` when that cannot be told. */
  readonly stamp: string | undefined
  readonly epoch: number
  readonly state: ManifestState
}

/** What the engine reads from. */
export interface ReadOnlyPlace {
  /** An absolute path. */
  readonly directory: string
  readonly fileSystem: FileSystem
  readonly clock: Clock
}

export class ReadOnlyEngine implements StatisticsSource {
  readonly parts: StatisticsSource['parts'] & { readonly events: StoreEmitter }
  readonly turn: TurnBudget
  readonly metrics: Metrics
  readonly leases: Leases
  readonly bound = undefined
  /** Nothing is written, flushed or held back here. */
  readonly background = { counters: NOTHING_DONE }
  readonly gate: StallGate
  readonly #place: ReadOnlyPlace
  readonly #databaseId: Uint8Array
  readonly #facts: Readonly<Record<string, string>>
  readonly #keepAlive: KeepAlive
  readonly #versions = { current: Version.empty() }
  readonly #held: HeldVersions
  readonly #arenas: ArenaPool
  readonly #shardCount: number
  #live: LiveState
  #manifest: Manifest | undefined
  #sequence = 0
  #logSegments = 0
  #logBytes = 0
  /** The end of the refresh that is under way. */
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(
    place: ReadOnlyPlace,
    databaseId: Uint8Array,
    settings: Settings,
    facts: Readonly<Record<string, string>>,
  ) {
    const { directory, fileSystem, clock } = place
    this.#place = place
    this.#databaseId = databaseId
    this.#facts = facts
    this.#arenas = arenasFor(settings)
    this.#shardCount = settings.shardCount
    this.#keepAlive = new KeepAlive()
    const events = new StoreEmitter()
    this.turn = new TurnBudget(clock)
    this.metrics = new Metrics(clock, settings.metrics)
    this.leases = new Leases(clock, events, settings.leakDetection === 'all')
    this.gate = new StallGate(clock, () => undefined)
    const blockCache = new BlockCache<Block>(settings.cacheSize, settings.blockSize)
    const tableCache = new TableCache({
      fileSystem,
      databaseId,
      pathOf: (number) => tablePath(directory, number),
      maxOpenFiles: settings.maxOpenFiles,
      blockCache,
      missing: deletedTable,
      pace: paceOn(fileSystem, clock),
      onFilterDamage: (_path, error) => events.emit('error', error),
    })
    this.parts = {
      clock,
      events,
      blockCache,
      tableCache,
      versions: this.#versions,
      picker: pickerFor(settings),
      settings,
    }
    this.#held = new HeldVersions(tableCache, settings.maxOpenFiles, directory)
    this.#live = this.#newMemtables()
  }

  /** Opens what is in the directory. `facts` are checked against those of the store. */
  static async open(
    place: ReadOnlyPlace,
    settings: Settings,
    facts: Readonly<Record<string, string>>,
  ): Promise<ReadOnlyEngine> {
    const { directory, fileSystem } = place
    await requireDirectory(directory, fileSystem)
    const { databaseId } = await readBesideWriter(fileSystem, directory, () =>
      requireCurrent(fileSystem, directory),
    )
    const engine = new ReadOnlyEngine(place, databaseId, settings, facts)
    try {
      await engine.refresh()
      return engine
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  get live(): LiveState {
    return this.#live
  }

  get readState(): ReadState {
    return this.#live.readState
  }

  get sequence(): number {
    return this.#sequence
  }

  get pinned(): PinnedMoments {
    return this.#live.moments
  }

  get closed(): boolean {
    return this.#closed
  }

  /** What was read of the log last. Only what tables hold is known to be on the device. */
  get journal(): StatisticsSource['journal'] {
    return {
      segmentCount: this.#logSegments,
      sizeBytes: this.#logBytes,
      syncedSequence: this.#flushedSequence,
    }
  }

  /** Up to where tables hold everything. */
  get #flushedSequence(): number {
    return this.#manifest?.state.flushedSequence ?? 0
  }

  /** Moves to the newest state; resolves to whether anything was written since. After an error nothing has changed. */
  refresh(): Promise<boolean> {
    const run = (): Promise<boolean> => this.#refresh()
    const result = this.#last.then(run)
    this.#last = result.catch(() => undefined)
    return this.#keepAlive.during(result)
  }

  /** Lets everything go, behind the refresh that is under way. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#last
    this.leases.endAll()
    this.parts.tableCache.close()
  }

  async #refresh(): Promise<boolean> {
    const { directory, fileSystem } = this.#place
    let version: Version | undefined
    let live: LiveState | undefined
    try {
      return await readBesideWriter(fileSystem, directory, async () => {
        if (this.#closed) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
        const manifest = await this.#readManifest()
        if (manifest !== this.#manifest) {
          const before = version
          version = this.#held.adopt(manifest.state.version)
          // Only now, so that tables which are in both stay open.
          before?.unpin()
          await this.#held.open(version)
        }
        live?.release()
        live = manifest.state.flushedSequence === this.#flushedSequence ? undefined : this.#newMemtables()
        await this.#replay(manifest.state, live ?? this.#live)
        const hasChanged = this.#install(manifest, version, live)
        live = undefined
        return hasChanged
      })
    } catch (error) {
      throw ioError(error, 'reading', directory)
    } finally {
      version?.unpin()
      live?.release()
    }
  }

  #newMemtables(): LiveState {
    return new LiveState(this.#versions, this.#arenas, this.#shardCount)
  }

  /** What the MANIFEST says now; the same object as long as it says nothing new. */
  async #readManifest(): Promise<Manifest> {
    const { directory, fileSystem } = this.#place
    const stamp = await manifestStamp(fileSystem, directory)
    const known = this.#manifest
    if (known !== undefined && stamp !== undefined && stamp === known.stamp) return known
    const { databaseId, epoch, state, isWhole } = await recoverState(fileSystem, directory)
    if (compareKeys(databaseId, this.#databaseId) !== 0 || epoch < (known?.epoch ?? 0)) {
      throw replacedStore(directory)
    }
    checkFacts(directory, state.properties, this.#facts)
    // What stands behind the last whole record may be written again in the same length.
    return { stamp: isWhole ? stamp : undefined, epoch, state }
  }

  /** Brings what the log holds behind `state` and is not in `live` yet into it, where nobody sees it yet. */
  async #replay(state: ManifestState, live: LiveState): Promise<void> {
    const { directory, fileSystem } = this.#place
    const { segments } = await replayInto(
      live,
      { fileSystem, directory, log: { ...state, databaseId: this.#databaseId } },
      Math.max(live.lastSequence, state.flushedSequence),
      true,
    )
    this.#logSegments = segments.length
    this.#logBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** Shows everything that was read, in one step; what has not changed is not given. */
  #install(manifest: Manifest, version: Version | undefined, live: LiveState | undefined): boolean {
    const old = this.#live
    old.moments.detachFrom(old.readState)
    this.#manifest = manifest
    if (version !== undefined) this.#versions.current = version
    if (live !== undefined) this.#live = live
    this.#live.install()
    if (live !== undefined) old.release()
    const sequence = Math.max(this.#live.lastSequence, manifest.state.flushedSequence)
    const hasChanged = sequence !== this.#sequence
    this.#sequence = sequence
    return hasChanged
  }
}

function deletedTable(path: string, cause: unknown): VarveError {
  return new VarveError(
    'ABORTED',
    `The writer has deleted ${path}, which this state still reads. Call refresh() and read again; maxOpenFiles is how many tables are kept open against that.`,
    { cause, path },
  )
}
