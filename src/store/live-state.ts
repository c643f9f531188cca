/**
 * The memtables of an open store and the read state in place.
 *
 * What must always hold: the read state in place is (active memtable, frozen memtables, current version); it is replaced,
 * never changed. Memtables are flushed oldest first. A frozen memtable leaves the read state in the same step in which
 * the version with its table enters. A pinned moment reads what there was, also when everything has been cleared since.
 */
import { assert } from '../base/assert.js'
import { isTombstone, Kind } from '../base/entry.js'
import type { ArenaPool } from '../memtable/arena.js'
import { Memtable } from '../memtable/memtable.js'
import type { Version } from '../version/version.js'
import { OperationReader } from '../wal/operation.js'
import { PinnedMoments } from './reading/pinned-moments.js'
import { ReadState } from './reading/read-state.js'

/** What was written. */
export interface WriteCounts {
  /** By callers. */
  sets: number
  deletes: number
  /** Of keys and stored values. */
  bytesWritten: number
}

/** Where the newest version is. */
export interface CurrentVersion {
  readonly current: Version
}

export class LiveState {
  /** The moments that views and transactions read at. */
  readonly moments = new PinnedMoments(this)
  readonly #versions: CurrentVersion
  readonly #arenas: ArenaPool
  readonly #shardCount: number
  readonly #operations = new OperationReader()
  #active: Memtable
  /** Newest first. */
  #frozen: Memtable[] = []
  #readState: ReadState
  /** Called when another read state is in place. */
  onInstalled: (() => void) | undefined

  constructor(versions: CurrentVersion, arenas: ArenaPool, shardCount: number) {
    this.#versions = versions
    this.#arenas = arenas
    this.#shardCount = shardCount
    this.#active = Memtable.create(arenas, shardCount)
    this.#readState = new ReadState([this.#active], versions.current)
  }

  /** To use it across an `await`, pin it. */
  get readState(): ReadState {
    return this.#readState
  }

  get active(): Memtable {
    return this.#active
  }

  /** Newest first. */
  get frozen(): readonly Memtable[] {
    return this.#frozen
  }

  /** The bytes of the frozen memtables. */
  get frozenBytes(): number {
    return this.#frozen.reduce((sum, memtable) => sum + memtable.capacityBytes, 0)
  }

  /** The largest sequence number in the memtables; 0 when there is nothing in them. */
  get lastSequence(): number {
    return Math.max(this.#active.lastSequence, this.#frozen.at(0)?.lastSequence ?? 0)
  }

  /** The bytes of all memtables, with those of arenas that wait for their next use. */
  get memoryBytes(): number {
    return this.#active.capacityBytes + this.frozenBytes + this.#arenas.idleBytes
  }

  /** Inserts the operations in `bytes[start, end)`, for which the active memtable has room; adds them to `counts`. */
  insert(bytes: Uint8Array, start: number, end: number, firstSequence: number, counts?: WriteCounts): void {
    const reader = this.#operations.reset(bytes, start, end)
    const memtable = this.#active
    let sequence = firstSequence
    let sets = 0
    let deletes = 0
    let bytesWritten = 0
    while (reader.next()) {
      const { kind, keyStart, keyEnd, valueStart, valueEnd } = reader
      if (kind === Kind.delete) deletes++
      else if (!isTombstone(kind)) sets++
      bytesWritten += keyEnd - keyStart + valueEnd - valueStart
      memtable.insert(bytes, keyStart, keyEnd, sequence++, kind, bytes, valueStart, valueEnd)
    }
    if (counts === undefined) return
    counts.sets += sets
    counts.deletes += deletes
    counts.bytesWritten += bytesWritten
  }

  /** Freezes the active memtable, if it holds anything, and puts one with room for `needed` in its place. */
  replaceActive(needed: number): void {
    const old = this.#active
    this.#active = Memtable.create(this.#arenas, this.#shardCount, needed)
    if (old.entryCount > 0) {
      old.freeze()
      this.#frozen.unshift(old)
    }
    this.install()
    if (old.entryCount === 0) old.unpin()
  }

  /** `memtables`, the oldest ones, live in a table of the current version. */
  flushed(memtables: readonly Memtable[]): void {
    for (const memtable of memtables) {
      assert(this.#frozen.at(-1) === memtable, 'memtables are flushed oldest first')
      this.#frozen.pop()
    }
    this.install()
    for (const memtable of memtables) memtable.unpin()
  }

  /** Lets all memtables go: nothing of them counts any more. Pinned moments keep what they see. */
  clear(): void {
    this.moments.detachFrom(this.#readState)
    const old = [this.#active, ...this.#frozen]
    this.#active = Memtable.create(this.#arenas, this.#shardCount)
    this.#frozen = []
    this.install()
    for (const memtable of old) {
      memtable.freeze()
      memtable.unpin()
    }
  }

  /** Lets go of everything that is in memory; what readers have pinned stays theirs. */
  release(): void {
    this.#readState.unpin()
    for (const memtable of [this.#active, ...this.#frozen]) memtable.unpin()
  }

  /** Puts the newest of everything in place. */
  install(): void {
    const old = this.#readState
    this.#readState = new ReadState([this.#active, ...this.#frozen], this.#versions.current)
    old.unpin()
    this.onInstalled?.()
  }
}
