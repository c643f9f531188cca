/**
 * The attached thread's side of reading: the newest read state that the owner has told, and a table cache of its own.
 *
 * Reads look at the state in place; {@link AttachedState.catchUp} puts the newest one there, also while the thread waits for
 * nothing. A state that was replaced is given back to the owner when its last reader has let it go.
 */
import { present } from '../../base/assert.js'
import { BlockCache } from '../../cache/block-cache.js'
import { tablePath } from '../../compaction/table-writer.js'
import type { Clock } from '../../env/clock.js'
import type { FileSystem } from '../../env/file-system.js'
import type { ThreadLink } from '../../env/thread-link.js'
import { Memtable } from '../../memtable/memtable.js'
import type { Block } from '../../sstable/block.js'
import { paceOn } from '../../sstable/read-pace.js'
import { TableCache } from '../../sstable/table-cache.js'
import type { TableMetadata } from '../../version/table-metadata.js'
import { Version } from '../../version/version.js'
import { StoreEmitter } from '../events.js'
import type { StoreSource } from '../open-store.js'
import { Leases } from '../reading/leases.js'
import { PinnedMoments } from '../reading/pinned-moments.js'
import { ReadState } from '../reading/read-state.js'
import { Metrics } from '../statistics/metrics.js'
import { TurnBudget } from '../turn-budget.js'
import type { ShareHandle, StateNote } from './share-protocol.js'
import { CLOSED } from './state-publisher.js'
import { UsedKeys } from './used-keys.js'

/** A read state with what the owner has told of it. */
interface ToldState {
  readonly epoch: number
  readonly base: number
  readonly visible: Int32Array
  readonly readState: ReadState
}

export class AttachedState implements StoreSource {
  readonly parts: StoreSource['parts']
  readonly metrics: Metrics
  readonly turn: TurnBudget
  /** Tells the owner which keys are read, where that decides what is evicted. */
  readonly bound: UsedKeys | undefined
  readonly pinned = new PinnedMoments(this)
  readonly leases: Leases
  readonly #link: ThreadLink
  readonly #newest: Int32Array
  /** The tables of each state that is in use, by its number. */
  readonly #tables = new Map<number, ReadonlySet<number>>()
  readonly #metadata = new Map<number, TableMetadata>()
  readonly #epochs = new WeakMap<ReadState, number>()
  #told: ToldState | undefined
  #closed = false

  constructor(handle: ShareHandle, link: ThreadLink, fileSystem: FileSystem, clock: Clock) {
    const { settings, path } = handle
    this.#link = link
    const events = new StoreEmitter()
    this.#newest = new Int32Array(handle.control)
    this.metrics = new Metrics(clock, settings.metrics)
    this.turn = new TurnBudget(clock)
    this.bound = settings.bound === undefined ? undefined : new UsedKeys(link)
    this.leases = new Leases(clock, events, settings.leakDetection === 'all')
    const tableCache = new TableCache({
      fileSystem,
      databaseId: handle.databaseId,
      pathOf: (number) => tablePath(path, number),
      maxOpenFiles: settings.maxOpenFiles,
      maxMemoryBytes: settings.tableMemory,
      blockCache: new BlockCache<Block>(settings.cacheSize),
      pace: paceOn(fileSystem, clock),
      onFilterDamage: (_path, error) => events.emit('error', error),
    })
    this.parts = { tableCache, clock, events }
    link.notes = { ...link.notes, state: (note: StateNote) => this.#replace(note) }
  }

  get closed(): boolean {
    return this.#closed || !this.#link.isOpen || Atomics.load(this.#newest, 0) === CLOSED
  }

  /** The number of a state that is in use. */
  epochOf(state: ReadState): number {
    return present(this.#epochs.get(state), 'a read state that is in use was told by the owner')
  }

  get readState(): ReadState {
    return this.#inPlace.readState
  }

  get sequence(): number {
    const { base, visible } = this.#inPlace
    return base + Atomics.load(visible, 0)
  }

  /** Puts the newest state in place that the owner has published. */
  catchUp(): void {
    const newest = Atomics.load(this.#newest, 0)
    while (this.#told !== undefined && this.#told.epoch < newest && this.#link.receive()) {
      // Each message is dealt with as it is received.
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.leases.endAll()
    this.parts.tableCache.close()
  }

  get #inPlace(): ToldState {
    return present(this.#told, 'the owner tells a read state before it answers the first call')
  }

  #replace({ epoch, base, visible, memtables, levels, tables }: StateNote): void {
    for (const table of tables) this.#metadata.set(table.number, table)
    const numbers = new Set(levels.flat())
    const version = new Version(
      levels.map((level) => level.map((number) => this.#tableOf(number))),
      () => this.#released(epoch),
    )
    const attached = memtables.map((image) => Memtable.attach(image))
    const old = this.#told
    if (old !== undefined) this.pinned.detachFrom(old.readState)
    this.#tables.set(epoch, numbers)
    const readState = new ReadState(attached, version)
    this.#epochs.set(readState, epoch)
    this.#told = { epoch, base, visible: new Int32Array(visible), readState }
    // The read state has pins of its own.
    for (const memtable of attached) memtable.unpin()
    old?.readState.unpin()
  }

  #tableOf(number: number): TableMetadata {
    return present(this.#metadata.get(number), `the owner tells of table ${number} before it names it`)
  }

  #released(epoch: number): void {
    const gone = this.#tables.get(epoch)
    this.#tables.delete(epoch)
    const inUse = [...this.#tables.values()]
    for (const number of gone ?? []) {
      if (inUse.some((numbers) => numbers.has(number))) continue
      this.#metadata.delete(number)
      this.parts.tableCache.evict(number)
    }
    this.#link.tell('released', epoch)
  }
}
