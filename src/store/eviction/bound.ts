/**
 * Keeps a store within `maxEntries` and `maxBytes`, always: with every group, in the step in which it is applied, go
 * tombstones for as many other entries as it needs room for, or it is refused with `STORE_FULL`.
 *
 * - One write, or one batch, is a group of its own in a bounded store, so that a refusal hits no other write.
 * - What the group changes is worked out before it is applied (`makeRoom`), against a directory of all entries that
 *   changes only when groups are applied. A group that has to wait is worked out anew.
 * - Entries that have expired take room until they are removed, and go first; they are no reason to refuse anything.
 * - The directory is made at open, by a scan, and kept by watching commits. How often and how recently entries were read
 *   is not on disk: behind a restart they count as read once, when they were written.
 */
import { expiryOf, isTombstone, Kind, userValueStart } from '../../base/entry.js'
import { ioError, VarveError } from '../../base/errors.js'
import type { SearchKey } from '../../memtable/search-key.js'
import { GroupBuffer, OPERATIONS_START } from '../../wal/group-buffer.js'
import { OperationReader } from '../../wal/operation.js'
import type { CommitGroup } from '../commit/commit-pipeline.js'
import type { CommitObserver, Engine } from '../engine.js'
import { bytesOfName, nameOfBytes } from '../key-name.js'
import type { ReadPoint } from '../reading/pinned-moments.js'
import { CommittedChange } from '../watch/change.js'
import { PriorValues } from '../watch/prior-values.js'
import { EntryDirectory } from './entry-directory.js'
import { type EvictionPolicyName, evictionPolicyOf } from './eviction-policy.js'
import { takeStock } from './stock-taking.js'

/** What a bounded store may hold. */
export interface BoundSettings {
  /** At most `MOST_ENTRIES`. */
  readonly maxEntries: number
  /** `Infinity`: any number. */
  readonly maxBytes: number
  readonly policy: EvictionPolicyName
}

/** The most entries that go in one step where they go for no write's sake. */
const SHRINK_STEP = 1000

/** What each of them costs of a turn's budget. */
const REMOVAL_COST = 256

export class Bound implements CommitObserver {
  readonly #engine: Engine
  readonly #settings: BoundSettings
  readonly #random: () => number
  readonly #operations = new OperationReader()
  readonly #priorValues: PriorValues
  #directory: EntryDirectory
  /** Set while the directory is made. */
  #loading: Promise<void> | undefined
  /** How many operations of the group in hand are its own, and where they end; those behind them make room. */
  #ownCount = 0
  #ownEnd = OPERATIONS_START
  /** The end of the announcements that are under way; they are made in commit order. */
  #announced: Promise<void> = Promise.resolve()

  constructor(engine: Engine, settings: BoundSettings, random: () => number) {
    this.#engine = engine
    this.#settings = settings
    this.#random = random
    this.#priorValues = new PriorValues(engine)
    this.#directory = this.#emptyDirectory()
    engine.observers.add(this)
  }

  /** The entries that readers see now, and the bytes of their keys and values. */
  get occupied(): { readonly entries: number; readonly bytes: number } {
    return this.#directory.occupiedAt(this.#engine.parts.clock.now())
  }

  /** Makes the directory of what is in the store, and room if that is too much. Without a policy it stays. */
  async open(): Promise<void> {
    const { parts, pipeline } = this.#engine
    this.#loading = takeStock(this.#engine, this.#engine, this.#directory).finally(() => {
      this.#loading = undefined
    })
    await this.#loading
    if (this.#settings.policy === 'none') return
    // As durable as any write: what was announced must not come back.
    const durability = parts.settings.durability === 'disk' ? 'disk' : 'os'
    while (!this.#needOf(this.#directory).isMet) await pipeline.alone(durability, () => Promise.resolve())
  }

  /** An entry was read. */
  used(key: SearchKey): void {
    this.#directory.used(nameOfBytes(key.bytes, 0, key.length))
  }

  // Commits

  /**
   * Adds tombstones to `group` for what must go for it. Throws `STORE_FULL` when there is nothing left to go; answers
   * with what to wait for before asking again.
   */
  makeRoom(group: CommitGroup): Promise<void> | undefined {
    if (this.#loading !== undefined) return this.#loading
    const { operations } = group
    if (group.own === undefined) group.own = { length: operations.length, count: operations.count }
    else operations.truncateTo(group.own.length, group.own.count)
    this.#ownCount = operations.count
    this.#ownEnd = operations.length
    const change = this.#changeOf(operations)
    const need = this.#needOf(this.#directory, change)
    if (need.isMet) return undefined
    if (change.ownEntries > this.#settings.maxEntries || change.ownBytes > this.#settings.maxBytes) {
      throw storeFull('The write alone', 'Raise the bound.')
    }
    const most = operations.count === 0 ? SHRINK_STEP : Infinity
    this.#addRemovals(this.#directory, operations, change.sizes, need, most)
    if ((change.entries > 0 && need.entries > 0) || (change.bytes > 0 && need.bytes > 0)) {
      throw storeFull('The write', 'Delete something, raise the bound, or set an evictionPolicy.')
    }
    return undefined
  }

  applied(operations: GroupBuffer, firstSequence: number): void {
    const directory = this.#directory
    const reader = this.#operations
    // What makes room goes first: the directory never holds more than the bound.
    reader.reset(operations.bytes, this.#ownEnd, operations.length)
    for (let i = this.#ownCount; reader.next(); i++) {
      directory.delete(nameOfBytes(reader.bytes, reader.keyStart, reader.keyEnd))
      this.#madeRoom(reader, firstSequence + i)
    }
    reader.reset(operations.bytes, OPERATIONS_START, this.#ownEnd)
    while (reader.next()) {
      const { bytes, kind, keyStart, keyEnd, valueStart } = reader
      const name = nameOfBytes(bytes, keyStart, keyEnd)
      if (isTombstone(kind)) directory.delete(name)
      else directory.set(name, sizeOf(reader), expiryOf(kind, bytes, valueStart))
    }
  }

  cleared(): void {
    this.#directory = this.#emptyDirectory()
  }

  // Restoring

  /**
   * Takes stock at `at`, whose state is to take the place of everything. Answers with the operations that
   * remove what of it does not fit, and with what to call in the step in which all of that is there. Throws `STORE_FULL`
   * when nothing may go.
   */
  async fit(at: ReadPoint): Promise<{ removals: GroupBuffer; adopt: () => void }> {
    const directory = this.#emptyDirectory()
    await takeStock(this.#engine, at, directory)
    const removals = new GroupBuffer()
    for (let need = this.#needOf(directory); !need.isMet; need = this.#needOf(directory)) {
      const going = new Map<string, number>()
      this.#addRemovals(directory, removals, going, need, SHRINK_STEP)
      if (going.size === 0) throw storeFull('What is restored', 'Raise the bound, or set an evictionPolicy.')
      for (const name of going.keys()) directory.delete(name)
      await this.#engine.turn.spend(going.size * REMOVAL_COST)
    }
    const adopt = (): void => {
      this.#directory = directory
    }
    return { removals, adopt }
  }

  // Decisions

  #emptyDirectory(): EntryDirectory {
    return new EntryDirectory(evictionPolicyOf(this.#settings.policy, this.#random))
  }

  /** What `directory` holds too much, once `change` is made. */
  #needOf(directory: EntryDirectory, change = NO_CHANGE): Need {
    const { maxEntries, maxBytes } = this.#settings
    return new Need(directory.count + change.entries - maxEntries, directory.bytes + change.bytes - maxBytes)
  }

  #changeOf(operations: GroupBuffer): Change {
    const sizes = new Map<string, number>()
    const reader = this.#operations.reset(operations.bytes, OPERATIONS_START, operations.length)
    while (reader.next()) {
      const size = isTombstone(reader.kind) ? GONE : sizeOf(reader)
      sizes.set(nameOfBytes(reader.bytes, reader.keyStart, reader.keyEnd), size)
    }
    const change = { entries: 0, bytes: 0, ownEntries: 0, ownBytes: 0, sizes }
    for (const [name, size] of sizes) {
      const slot = this.#directory.slotOf(name)
      if (slot !== undefined) {
        change.entries--
        change.bytes -= this.#directory.sizeOf(slot)
      }
      if (size === GONE) continue
      change.entries++
      change.bytes += size
      change.ownEntries++
      change.ownBytes += size
    }
    return change
  }

  /**
   * Adds tombstones to `operations` until `need` is met, `most` are added or nothing is left: first for what has expired,
   * then for what the policy says. Passes over the names in `spokenFor`, and puts in those that go.
   */
  #addRemovals(
    directory: EntryDirectory,
    operations: GroupBuffer,
    spokenFor: Map<string, number>,
    need: Need,
    most: number,
  ): void {
    let left = most
    const add = (kind: Kind, slots: Iterable<number>): void => {
      for (const slot of slots) {
        if (need.isMet || left === 0) return
        const name = directory.nameOf(slot)
        if (spokenFor.has(name)) continue
        spokenFor.set(name, GONE)
        need.give(directory.sizeOf(slot))
        operations.add(kind, bytesOfName(name))
        left--
      }
    }
    add(Kind.expire, directory.expired(this.#engine.parts.clock.now()))
    add(Kind.evict, directory.candidates())
  }

  // Announcements

  /** Counts an entry that made room, and tells who wants to know of it. */
  #madeRoom(operation: OperationReader, sequence: number): void {
    const engine = this.#engine
    const removal = operation.kind === Kind.evict ? 'evict' : 'expire'
    if (removal === 'evict') engine.metrics.evicted++
    else engine.metrics.expired++
    if (engine.removals?.tells(removal) !== true) return
    const change = CommittedChange.of(operation, sequence)
    this.#priorValues.lookUp(change)
    const { events, tableSettings } = engine.parts
    const announce = async (): Promise<void> => {
      try {
        await change.pending
        if (change.prior !== undefined) engine.removals?.removed(removal, change.key, change.prior)
      } catch (error) {
        events.emit('error', ioError(error, 'reading what was removed from', tableSettings.directory))
      }
    }
    // Not in the step of the commit: what is told runs code of the user's.
    this.#announced = engine.owe(this.#announced.then(announce))
  }
}

/** What a group does to the store, and how much of it is its own. */
interface Change {
  readonly entries: number
  readonly bytes: number
  readonly ownEntries: number
  readonly ownBytes: number
  /** By name, what the group writes, or that it is gone. */
  readonly sizes: Map<string, number>
}

const NO_CHANGE = { entries: 0, bytes: 0 }

/** The size of what is removed. */
const GONE = -1

/** What is too much: counted down as entries go. */
class Need {
  entries: number
  bytes: number

  constructor(entries: number, bytes: number) {
    this.entries = entries
    this.bytes = bytes
  }

  get isMet(): boolean {
    return this.entries <= 0 && this.bytes <= 0
  }

  /** An entry of `size` bytes goes. */
  give(size: number): void {
    this.entries--
    this.bytes -= size
  }
}

/** The bytes of key and value of a write. */
function sizeOf({ kind, keyStart, keyEnd, valueStart, valueEnd }: OperationReader): number {
  return keyEnd - keyStart + valueEnd - userValueStart(kind, valueStart)
}

function storeFull(what: string, advice: string): VarveError {
  return new VarveError('STORE_FULL', `${what} does not fit into maxEntries and maxBytes. ${advice}`)
}
