/**
 * Writes that depend on what is there: the mechanism behind `setNX`, `update`, `increment`, `compareAndSet`, `expire`
 * and `persist`.
 *
 * Atomic without a lock: the decision is made in one synchronous step, in which everything that was written before is
 * applied and the newest version of the key is in memory. Where that is not so yet, what is missing is awaited (a stall,
 * a block on disk) and the step begins again; nothing is written before the step that decides.
 */
import { Kind } from '../base/entry.js'
import { NotResident } from '../iterator/not-resident.js'
import type { SearchKey } from '../memtable/search-key.js'
import { BlockFetcher } from '../sstable/block-fetcher.js'
import type { Codec } from './codec.js'
import type { CommitGroup } from './commit-pipeline.js'
import type { Engine } from './engine.js'
import type { Durability } from './options.js'
import { LookupResult, lookUp } from './point-lookup.js'

/** What is under a key. */
export interface Found<V> {
  readonly value: V
  /** In ms since 1970; `Infinity` for never. */
  readonly expiresAt: number
}

/** What to write: a value with its expiry, a removal, or nothing; and what to answer. */
export type Decision<V, R> =
  | { readonly write: 'set'; readonly value: V; readonly expiresAt: number; readonly answer: R }
  | { readonly write: 'delete' | 'nothing'; readonly answer: R }

/** Decides in one synchronous step; `found` is undefined when the key is not there. */
export type Decide<V, R> = (found: Found<V> | undefined) => Decision<V, R>

export class ConditionalWriter<K, V> {
  readonly #engine: Engine
  readonly #codec: Codec<K, V>

  constructor(engine: Engine, codec: Codec<K, V>) {
    this.#engine = engine
    this.#codec = codec
  }

  /** Shows `decide` the newest state of `key`, writes what it wants, and resolves to its answer. */
  async write<R>(key: K, durability: Durability, decide: Decide<V, R>): Promise<R> {
    const { pipeline, parts } = this.#engine
    const encoded = this.#codec.keyCopy(key)
    const fetcher = new BlockFetcher(parts.tableCache, { blocking: false })
    const result = new LookupResult()
    for (;;) {
      if (!pipeline.flushQueue()) {
        await pipeline.drained()
        continue
      }
      let isThere: boolean
      try {
        const { readState, lastSequence } = this.#engine
        isThere = lookUp(readState, encoded, lastSequence, fetcher, result, parts.clock)
      } catch (error) {
        if (!(error instanceof NotResident)) throw error
        await this.#engine.readState.during(error.load())
        continue
      }
      const decision = decide(isThere ? this.#describe(result) : undefined)
      await this.#carryOut(encoded, durability, decision)
      return decision.answer
    }
  }

  #describe(result: LookupResult): Found<V> {
    return {
      value: this.#codec.values.decode(result.valueBytes, result.userValueStart, result.valueEnd),
      expiresAt: result.expiresAt,
    }
  }

  #carryOut(key: SearchKey, durability: Durability, decision: Decision<V, unknown>): Promise<void> {
    if (decision.write === 'nothing') return Promise.resolve()
    // Encoded before the group is joined: a value that cannot be is refused with nothing written.
    const value = decision.write === 'set' ? this.#codec.value(decision.value) : undefined
    const group: CommitGroup = this.#engine.pipeline.join(durability)
    if (decision.write === 'set') {
      group.operations.add(Kind.put, key.bytes, value, decision.expiresAt, key.length)
    } else {
      group.operations.add(Kind.delete, key.bytes, undefined, undefined, key.length)
    }
    return group.promiseFor(durability)
  }
}
