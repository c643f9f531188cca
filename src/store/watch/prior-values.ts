/**
 * What a key held just before a write, for those who are told of it.
 *
 * Exact only while the write is in a memtable: then all that flush and compaction may have dropped is older than the
 * version that the write replaced. Values on disk are read without blocking; meanwhile the read state is pinned.
 */
import { copyOf } from '../../base/bytes.js'
import { isTombstone, Kind } from '../../base/entry.js'
import { NotResident, whenResident } from '../../iterator/not-resident.js'
import { SearchKey } from '../../memtable/search-key.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { Engine } from '../engine.js'
import { findVersion, LookupResult } from '../reading/point-lookup.js'
import type { ReadState } from '../reading/read-state.js'
import type { CommittedChange } from './change.js'

export class PriorValues {
  readonly #engine: Engine
  readonly #result = new LookupResult()
  readonly #key = new SearchKey()
  readonly #memory: BlockFetcher

  constructor(engine: Engine) {
    this.#engine = engine
    this.#memory = new BlockFetcher(engine.parts.tableCache, { blocking: false })
  }

  /** Fills in `change.prior`, at once or, when it has to be read, behind `change.pending`. */
  lookUp(change: CommittedChange): void {
    const engine = this.#engine
    if (change.sequence <= engine.parts.versions.flushedSequence) return
    try {
      change.prior = this.#find(engine.readState, this.#memory, change)
    } catch (error) {
      if (error instanceof NotResident) change.pending = engine.owe(this.#readFromDisk(change))
      else change.pending = engine.owe(Promise.reject(error))
    }
  }

  async #readFromDisk(change: CommittedChange): Promise<void> {
    const { readState, parts } = this.#engine
    const state = readState.pin()
    // What was removed is not read again.
    const fetcher = new BlockFetcher(parts.tableCache, { blocking: false, fillCache: !change.tellsPrior })
    try {
      change.prior = await whenResident(() => this.#find(state, fetcher, change))
    } finally {
      state.unpin()
    }
  }

  #find(state: ReadState, fetcher: BlockFetcher, change: CommittedChange): Uint8Array | undefined {
    const result = this.#result
    this.#key.set(change.key, 0, change.key.length)
    if (!findVersion(state, this.#key, change.sequence - 1, fetcher, result)) return undefined
    if (isTombstone(result.kind)) return undefined
    const hasExpired =
      result.kind === Kind.putWithExpiry && result.expiresAt <= this.#engine.parts.clock.now()
    // What has expired was not there any more, except to whoever is told of the expiry.
    if (hasExpired && !change.tellsPrior) return undefined
    return copyOf(result.valueBytes, result.userValueStart, result.valueEnd)
  }
}
