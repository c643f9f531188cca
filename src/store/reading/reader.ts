/**
 * Point reads with encodings: at the newest state, or at the sequence number of a view.
 *
 * What is in memory is answered at once, without a hop to another thread; what needs the disk is an asynchronous
 * read in the asynchronous methods and a blocking one in the `…Sync` methods. Both run the same lookup.
 */

import { NEVER } from '../../base/entry.js'
import { VarveError } from '../../base/errors.js'
import { NotResident } from '../../iterator/not-resident.js'
import type { SearchKey } from '../../memtable/search-key.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { Codec } from '../encodings/codec.js'
import { LOOKUP_COST } from '../turn-budget.js'
import { BatchLookup } from './batch-lookup.js'
import type { ReadPoint } from './pinned-moments.js'
import { awaitLookUp, LookupResult, lookUp } from './point-lookup.js'
import type { ReadSource } from './read-source.js'

/** An entry with what the store knows of it. */
export interface Entry<K, V> {
  readonly key: K
  readonly value: V
  /** The sequence number of the write. */
  readonly sequence: number
  /** When it expires, in ms since 1970; undefined for never. */
  readonly expiresAt: number | undefined
  /** Milliseconds until it expires; `Infinity` for never. */
  readonly ttl: number
  /** The bytes of key and value, encoded. */
  readonly size: number
}

/** So many blocks one `getMany` reads while it has the thread: some milliseconds, with their decompression. */
const MOST_BRIEF_READS = 200

/** Turns what was found into what the caller wants. */
type Projection<T> = (result: LookupResult, key: SearchKey) => T

export class Reader<K, V> {
  readonly #engine: ReadSource
  readonly #codec: Codec<K, V>
  readonly #at: ReadPoint
  readonly #result = new LookupResult()
  #batch: BatchLookup | undefined
  /** Answers from memory or throws `NotResident`; nothing is ever loaded through it. */
  readonly #memory: BlockFetcher
  /** The same from our memory or the system's. */
  readonly #brief: BlockFetcher
  readonly #blocking: BlockFetcher
  readonly #value: Projection<V>
  /** Whether reads count for an eviction policy. */
  readonly #counts: boolean

  /** Reads at `at`; by default the newest state. */
  constructor(engine: ReadSource, codec: Codec<K, V>, at: ReadPoint = engine) {
    this.#engine = engine
    this.#codec = codec
    this.#at = at
    this.#counts = at === engine && engine.bound !== undefined
    const { tableCache } = engine.parts
    this.#memory = new BlockFetcher(tableCache, { blocking: false })
    this.#brief = new BlockFetcher(tableCache, { blocking: false, briefReads: Number.POSITIVE_INFINITY })
    this.#blocking = new BlockFetcher(tableCache, { blocking: true })
    this.#value = (result) => codec.values.decode(result.valueBytes, result.userValueStart, result.valueEnd)
  }

  get(key: K): Promise<V | undefined> {
    return this.#read(key, this.#value)
  }

  getSync(key: K): V | undefined {
    return this.#readSync(key, this.#value)
  }

  exists(key: K): Promise<boolean> {
    return this.#read(key, isThere).then(isTrue)
  }

  existsSync(key: K): boolean {
    return this.#readSync(key, isThere) === true
  }

  getEntry(key: K): Promise<Entry<K, V> | undefined> {
    return this.#read(key, (result, encoded) => this.#describe(result, encoded))
  }

  /** The values in the order of the keys. Reads from the disk are made side by side. */
  async getMany(keys: readonly K[]): Promise<(V | undefined)[]> {
    const missing: number[] = []
    const { turn, parts } = this.#engine
    const briefReads = turn.isOver ? 0 : MOST_BRIEF_READS
    const fetcher = new BlockFetcher(parts.tableCache, { blocking: false, briefReads })
    const values = this.#findMany(keys, fetcher, (index) => missing.push(index))
    const fill = async (index: number): Promise<void> => {
      values[index] = await this.#readFromDisk(this.#codec.keyCopy(keys[index]), this.#value)
    }
    // Before what is missing is awaited: others are not to have the turn that this one has used up.
    const nextTurn = turn.spend(keys.length * LOOKUP_COST)
    if (missing.length > 0) await Promise.all(missing.map(fill))
    await nextTurn
    return values
  }

  getManySync(keys: readonly K[]): (V | undefined)[] {
    return this.#findMany(keys, this.#blocking, (index) => {
      throw new Error(`what key ${index} needs was to be read at once`)
    })
  }

  /** The values in the order of the keys; `missing` is told of what is not in memory. */
  #findMany(keys: readonly K[], fetcher: BlockFetcher, missing: (index: number) => void): (V | undefined)[] {
    checkKeys(keys)
    const values = new Array<V | undefined>(keys.length)
    const { metrics, bound, parts } = this.#engine
    const { readState, sequence } = this.#at
    // A user's encoding may come back here while this one is under way.
    const batch = this.#batch ?? new BatchLookup()
    this.#batch = undefined
    batch.run(keys, readState, sequence, fetcher, parts.clock, {
      encode: (key) => this.#codec.key(key),
      found: (index, result, key) => {
        metrics.gets++
        metrics.hits++
        values[index] = this.#value(result, key)
        if (this.#counts) bound?.used(key)
      },
      absent: (index) => {
        metrics.gets++
        // Not a hole in the array.
        values[index] = undefined
      },
      missing,
    })
    if (batch.isSmall) this.#batch = batch
    return values
  }

  #read<T>(key: K, project: Projection<T>): Promise<T | undefined> {
    try {
      const { turn } = this.#engine
      const found = this.#find(this.#codec.key(key), turn.isOver ? this.#memory : this.#brief, project)
      const nextTurn = turn.spend(LOOKUP_COST)
      return nextTurn === undefined ? Promise.resolve(found) : nextTurn.then(() => found)
    } catch (error) {
      if (!(error instanceof NotResident)) return Promise.reject(error)
      return this.#readFromDisk(this.#codec.keyCopy(key), project)
    }
  }

  #readSync<T>(key: K, project: Projection<T>): T | undefined {
    return this.#find(this.#codec.key(key), this.#blocking, project)
  }

  #find<T>(key: SearchKey, fetcher: BlockFetcher, project: Projection<T>): T | undefined {
    const { readState, sequence } = this.#at
    const result = this.#result
    const isThere = lookUp(readState, key, sequence, fetcher, result, this.#engine.parts.clock)
    // Before an encoding of the user's reads the store with the same memory for its key.
    this.#count(isThere, key)
    return isThere ? project(result, key) : undefined
  }

  #count(isThere: boolean, key: SearchKey): void {
    const { metrics, bound } = this.#engine
    metrics.gets++
    if (!isThere) return
    metrics.hits++
    if (this.#counts) bound?.used(key)
  }

  /** Reads from the disk; `key` is a copy. */
  async #readFromDisk<T>(key: SearchKey, project: Projection<T>): Promise<T | undefined> {
    let isThere = false
    const found = await awaitLookUp(this.#engine.parts, this.#at, key, (result, encoded) => {
      isThere = true
      return project(result, encoded)
    })
    this.#count(isThere, key)
    return found
  }

  #describe(result: LookupResult, encoded: SearchKey): Entry<K, V> {
    const { expiresAt, sequence } = result
    const size = encoded.length + result.valueEnd - result.userValueStart
    const key = this.#codec.keys.decode(encoded.bytes, 0, encoded.length)
    // The last thing that is asked of the result: an encoding of the user's may read the store and come back here.
    const value = this.#value(result, encoded)
    return {
      key,
      value,
      sequence,
      expiresAt: expiresAt === NEVER ? undefined : expiresAt,
      ttl: expiresAt === NEVER ? NEVER : Math.max(0, expiresAt - this.#engine.parts.clock.now()),
      size,
    }
  }
}

function isThere(): true {
  return true
}

function isTrue(found: true | undefined): boolean {
  return found === true
}

/** Refuses what is no array of keys. */
export function checkKeys(keys: unknown): void {
  if (!Array.isArray(keys)) throw new VarveError('INVALID_ARGUMENT', 'getMany takes an array of keys.')
}
