/**
 * Keeps a store within `maxEntries` and `maxBytes`, always: with every group, in the step in which it is applied, go
 * tombstones for as many other entries as it needs room for, or it is refused with `STORE_FULL`.
 *
 * - One write, or one batch, is a group of its own in a bounded store, so that a refusal hits no other write.
 * - What the group changes is worked out before it is applied (`makeRoom`), against a directory of all live entries that
 *   changes only when groups are applied. A group that has to wait is worked out anew.
 * - Entries that have expired go first; they are no reason to refuse anything.
 * - The directory is made at open, by a scan, and kept by watching commits. How often and how recently entries were read
 *   is not on disk: behind a restart they count as read once, when they were written.
 */

import { expiryOf, isTombstone, Kind, userValueStart } from '../base/entry.js'
import { ioError, VarveError } from '../base/errors.js'
import { whenResident } from '../iterator/not-resident.js'
import { VisibleCursor } from '../iterator/visible-cursor.js'
import { SearchKey } from '../memtable/search-key.js'
import { BlockFetcher } from '../sstable/block-fetcher.js'
import { type GroupBuffer, OPERATIONS_START } from '../wal/group-buffer.js'
import { OperationReader } from '../wal/operation.js'
import type { CommitGroup } from './commit-pipeline.js'
import type { CommitObserver, Engine } from './engine.js'
import { bytesOfName, EntryDirectory, nameOfBytes } from './entry-directory.js'
import { type EvictionPolicy, type EvictionPolicyName, evictionPolicyOf } from './eviction-policy.js'
import { findVersion, LookupResult } from './point-lookup.js'
import { cursorOver, RangeScan } from './range-scan.js'
import type { Removal } from './removals.js'

/** What a bounded store may hold. */
export interface BoundSettings {
  /** `Infinity`: any number. */
  readonly maxEntries: number
  readonly maxBytes: number
  readonly policy: EvictionPolicyName
}

/** Entries read at open between two looks at the event loop, and what each costs of a turn's budget. */
const STEP_ENTRIES = 2048
const ENTRY_COST = 128

/** Entries that one group evicts when the store is opened with a smaller bound. */
const SHRINK_STEP = 1000

export class Bound implements CommitObserver {
  readonly #engine: Engine
  readonly #settings: BoundSettings
  readonly #random: () => number
  readonly #operations = new OperationReader()
  #policy: EvictionPolicy | undefined
  #directory: EntryDirectory
  /** Set while the directory is made. */
  #loading: Promise<void> | undefined
  /** Why the directory could not be made. */
  #failure: unknown
  /** The names that the group in hand makes room with, because they have expired. */
  readonly #expired = new Set<string>()

  constructor(engine: Engine, settings: BoundSettings, random: () => number) {
    this.#engine = engine
    this.#settings = settings
    this.#random = random
    this.#policy = evictionPolicyOf(settings.policy, random)
    this.#directory = new EntryDirectory(this.#policy)
    engine.observers.add(this)
  }

  /** The entries in the store: those that have expired too, until they are removed. */
  get entries(): number {
    return this.#directory.count
  }

  /** The bytes of their keys and values. */
  get bytes(): number {
    return this.#directory.bytes
  }

  /** Makes the directory of what is in the store, and room if that is too much. */
  async open(): Promise<void> {
    await this.#load()
    await this.#shrink()
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
    if (this.#failure !== undefined) throw this.#failure
    if (this.#loading !== undefined) return this.#loading
    const { operations } = group
    group.own ??= { length: operations.length, count: operations.count }
    operations.truncateTo(group.own.length, group.own.count)
    this.#expired.clear()
    const change = this.#changeOf(operations)
    const directory = this.#directory
    const { maxEntries, maxBytes } = this.#settings
    const need = new Need(
      change.entries > 0 ? directory.count + change.entries - maxEntries : 0,
      change.bytes > 0 ? directory.bytes + change.bytes - maxBytes : 0,
    )
    if (need.isMet) return undefined
    if (change.ownEntries > maxEntries || change.ownBytes > maxBytes) {
      throw storeFull('It is more than the whole store may hold')
    }
    this.#addExpired(operations, change.names, need)
    if (!need.isMet) this.#addEvicted(operations, change.names, need)
    if (!need.isMet) throw storeFull('Nothing may be evicted for it')
    return undefined
  }

  applied(operations: GroupBuffer, firstSequence: number): void {
    const reader = this.#operations.reset(operations.bytes, OPERATIONS_START, operations.length)
    const directory = this.#directory
    while (reader.next()) {
      const { bytes, kind, keyStart, keyEnd, valueStart, valueEnd } = reader
      const name = nameOfBytes(bytes, keyStart, keyEnd)
      if (!isTombstone(kind)) {
        const size = keyEnd - keyStart + valueEnd - userValueStart(kind, valueStart)
        directory.set(name, size, expiryOf(kind, bytes, valueStart))
        continue
      }
      directory.delete(name)
      if (kind === Kind.evict) this.#tell('evict', name, firstSequence - 1)
      else if (kind === Kind.expire && this.#expired.has(name)) this.#tell('expire', name, firstSequence - 1)
    }
    this.#expired.clear()
  }

  cleared(): void {
    this.#forget()
  }

  restored(): void {
    this.#forget()
    const opening = this.open().catch((error: unknown) => {
      this.#failure ??= error
    })
    this.#engine.owe(opening)
  }

  /** What the group does to the store, and how much of it is its own. */
  #changeOf(operations: GroupBuffer): {
    entries: number
    bytes: number
    ownEntries: number
    ownBytes: number
    names: ReadonlyMap<string, number>
  } {
    /** The sizes of what the group writes; -1 for what it removes. */
    const names = new Map<string, number>()
    const reader = this.#operations.reset(operations.bytes, OPERATIONS_START, operations.length)
    while (reader.next()) {
      const { kind, keyStart, keyEnd, valueStart, valueEnd } = reader
      const size = isTombstone(kind) ? -1 : keyEnd - keyStart + valueEnd - userValueStart(kind, valueStart)
      names.set(nameOfBytes(reader.bytes, keyStart, keyEnd), size)
    }
    const change = { entries: 0, bytes: 0, ownEntries: 0, ownBytes: 0, names }
    for (const [name, size] of names) {
      const slot = this.#directory.slotOf(name)
      if (slot !== undefined) {
        change.entries--
        change.bytes -= this.#directory.sizeOf(slot)
      }
      if (size < 0) continue
      change.entries++
      change.bytes += size
      change.ownEntries++
      change.ownBytes += size
    }
    return change
  }

  #addExpired(operations: GroupBuffer, kept: ReadonlyMap<string, number>, need: Need): void {
    const { expiries } = this.#directory
    const now = this.#engine.parts.clock.now()
    for (const slot of expiries.inOrder()) {
      if (need.isMet || expiries.priorityOf(slot) > now) return
      const name = this.#directory.nameOf(slot)
      if (kept.has(name)) continue
      this.#expired.add(name)
      need.give(this.#directory.sizeOf(slot))
      operations.add(Kind.expire, bytesOfName(name))
    }
  }

  #addEvicted(operations: GroupBuffer, kept: ReadonlyMap<string, number>, need: Need, most = Infinity): void {
    if (this.#policy === undefined) return
    let left = most
    for (const slot of this.#policy.candidates()) {
      if (need.isMet || left-- === 0) return
      const name = this.#directory.nameOf(slot)
      if (kept.has(name) || this.#expired.has(name)) continue
      need.give(this.#directory.sizeOf(slot))
      operations.add(Kind.evict, bytesOfName(name))
    }
  }

  // Announcements

  /** Tells who wants to know of an entry that made room, as it was at `sequence`. */
  #tell(removal: Removal, name: string, sequence: number): void {
    const { metrics, removals } = this.#engine
    if (removal === 'evict') metrics.evicted++
    else metrics.expired++
    if (removals?.wants(removal) !== true) return
    const key = bytesOfName(name)
    const telling = this.#valueAt(key, sequence).then((value) => {
      if (value !== undefined) removals.removed(removal, key, value)
    })
    const { events, tableSettings } = this.#engine.parts
    const told = telling.catch((error: unknown) => {
      events.emit('error', ioError(error, 'reading what was removed from', tableSettings.directory))
    })
    this.#engine.owe(told)
  }

  /** The value that was under `key` at `sequence`, whether it has expired or not. */
  async #valueAt(key: Uint8Array, sequence: number): Promise<Uint8Array | undefined> {
    const state = this.#engine.readState.pin()
    try {
      const fetcher = new BlockFetcher(this.#engine.parts.tableCache, { blocking: false, fillCache: false })
      const result = new LookupResult()
      const searched = new SearchKey(key.length)
      searched.set(key, 0, key.length)
      const found = await whenResident(() => findVersion(state, searched, sequence, fetcher, result))
      if (!found || isTombstone(result.kind)) return undefined
      return result.valueBytes.slice(result.userValueStart, result.valueEnd)
    } finally {
      state.unpin()
    }
  }

  // The directory

  #forget(): void {
    this.#policy = evictionPolicyOf(this.#settings.policy, this.#random)
    this.#directory = new EntryDirectory(this.#policy)
  }

  #load(): Promise<void> {
    const loading = this.#scan().finally(() => {
      if (this.#loading === loading) this.#loading = undefined
    })
    this.#loading = loading
    return loading
  }

  /** Reads all live entries; the one that was written first counts as the one that was used first. */
  async #scan(): Promise<void> {
    const { parts, sequence, readState } = this.#engine
    const directory = this.#directory
    const found: { name: string; size: number; expiresAt: number; sequence: number }[] = []
    const state = readState.pin()
    try {
      const fetcher = new BlockFetcher(parts.tableCache, { blocking: false, fillCache: false })
      const cursor = new VisibleCursor(cursorOver(state, fetcher), sequence, parts.clock.now())
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
        await this.#engine.turn.spend(STEP_ENTRIES * ENTRY_COST)
      }
    } finally {
      state.unpin()
    }
    found.sort((a, b) => a.sequence - b.sequence)
    for (const { name, size, expiresAt } of found) directory.set(name, size, expiresAt)
  }

  /** Evicts what is too much. Without a policy it stays, and what would make it more is refused. */
  async #shrink(): Promise<void> {
    const { maxEntries, maxBytes } = this.#settings
    const excess = (): Need => new Need(this.entries - maxEntries, this.bytes - maxBytes)
    while (this.#policy !== undefined && !excess().isMet) {
      await this.#engine.pipeline.alone('os', async (operations) => {
        this.#addEvicted(operations, new Map(), excess(), SHRINK_STEP)
      })
    }
  }
}

/** What is too much: counted down as entries go. */
class Need {
  #entries: number
  #bytes: number

  constructor(entries: number, bytes: number) {
    this.#entries = entries
    this.#bytes = bytes
  }

  get isMet(): boolean {
    return this.#entries <= 0 && this.#bytes <= 0
  }

  /** An entry of `size` bytes goes. */
  give(size: number): void {
    this.#entries--
    this.#bytes -= size
  }
}

function storeFull(why: string): VarveError {
  return new VarveError(
    'STORE_FULL',
    `The write does not fit into maxEntries or maxBytes. ${why}: delete something, raise the bound, or set an evictionPolicy.`,
  )
}
