/**
 * Many keys at once. A lookup alone spends half of its time waiting for memory, one cache line after the other: the block,
 * its fingerprints, the entry. Here all keys are taken to their blocks first; then passes touch those lines for all of
 * them, with nothing in between that depends on the answer, so that the processor waits for many lines at a time; the lookups
 * themselves then find everything at hand. (1.3 times as fast: docs/performance.md.)
 *
 * Group prefetching, after Chen, Ailamaki, Gibbons and Mowry, "Improving Hash Join Performance through Prefetching" (2004).
 */
import { hash32 } from '../../base/hash.js'
import type { Clock } from '../../env/clock.js'
import { NotResident } from '../../iterator/not-resident.js'
import { SearchKey } from '../../memtable/search-key.js'
import type { BlockFetcher } from '../../sstable/block-fetcher.js'
import { findInMemtables, isLive, LookupResult, TableWalk } from './point-lookup.js'
import type { ReadState } from './read-state.js'

/** So many keys at a time: what is touched for them stays in the processor's nearer caches. */
const GROUP = 64

/** Room for longer keys is given back. */
const MOST_KEPT_KEY_BYTES = 1024

/** One key of a group. */
class Lookup {
  readonly key = new SearchKey(60)
  readonly walk = new TableWalk()
  hash = 0
  /** Its place among all keys. */
  index = 0
}

/** What becomes of the keys. */
export interface BatchTaker<K> {
  /** The bytes of a key, good until the next call. */
  encode(key: K): SearchKey
  /** `result` holds what is under key number `index`; it is good during the call. */
  found(index: number, result: LookupResult, key: SearchKey): void
  absent(index: number): void
  /** Something that key number `index` needs is not in memory. */
  missing(index: number): void
}

export class BatchLookup {
  readonly #lookups: Lookup[] = []
  readonly #result = new LookupResult()
  /** Keeps the touches from being optimised away. */
  touched = 0
  /** Whether it is worth keeping: long keys leave it with as much memory. */
  isSmall = true

  /** Looks all `keys` up; each gets one call of `taker`, in whatever order. */
  run<K>(
    keys: readonly K[],
    state: ReadState,
    sequence: number,
    fetcher: BlockFetcher,
    clock: Clock,
    taker: BatchTaker<K>,
  ): void {
    for (let start = 0; start < keys.length; start += GROUP) {
      const end = Math.min(start + GROUP, keys.length)
      for (let i = start; i < end; i++) this.touched += lengthOf(keys[i])
      const waiting = this.#locate(keys, start, end, state, sequence, fetcher, clock, taker)
      this.#touch(waiting)
      this.#search(waiting, state, sequence, fetcher, clock, taker)
    }
  }

  /** Takes keys to their blocks; what memtables hold is answered. How many lookups are left. */
  #locate<K>(
    keys: readonly K[],
    start: number,
    end: number,
    state: ReadState,
    sequence: number,
    fetcher: BlockFetcher,
    clock: Clock,
    taker: BatchTaker<K>,
  ): number {
    const result = this.#result
    let waiting = 0
    for (let index = start; index < end; index++) {
      this.#lookups[waiting] ??= new Lookup()
      const lookup = this.#lookups[waiting]
      const { bytes, length } = taker.encode(keys[index])
      const { key, walk } = lookup
      key.set(bytes, 0, length)
      if (length > MOST_KEPT_KEY_BYTES) this.isSmall = false
      const hash = hash32(bytes, 0, length)
      if (findInMemtables(state, key, hash, sequence, result)) {
        fetcher.countLookup()
        answer(taker, index, key, isLive(result, clock), result)
        continue
      }
      walk.reset()
      try {
        if (walk.next(state.version, key, hash, sequence, fetcher)) {
          lookup.hash = hash
          lookup.index = index
          waiting++
          continue
        }
      } catch (error) {
        if (!(error instanceof NotResident)) throw error
        taker.missing(index)
        continue
      }
      fetcher.countLookup()
      taker.absent(index)
    }
    return waiting
  }

  /** Each pass needs what the one before it has brought in. */
  #touch(count: number): void {
    const lookups = this.#lookups
    let touched = 0
    for (let i = 0; i < count; i++) touched += lookups[i].walk.block.bytes.length
    for (let i = 0; i < count; i++) touched += lookups[i].walk.block.touch()
    for (let i = 0; i < count; i++) touched += lookups[i].walk.block.touchEntry(lookups[i].hash)
    this.touched += touched
  }

  #search<K>(
    count: number,
    { version }: ReadState,
    sequence: number,
    fetcher: BlockFetcher,
    clock: Clock,
    taker: BatchTaker<K>,
  ): void {
    const result = this.#result
    for (let i = 0; i < count; i++) {
      const { key, walk, hash, index } = this.#lookups[i]
      let found: boolean
      try {
        do found = walk.find(key, hash, sequence, result)
        while (!found && walk.next(version, key, hash, sequence, fetcher))
      } catch (error) {
        walk.reset()
        if (!(error instanceof NotResident)) throw error
        taker.missing(index)
        continue
      }
      fetcher.countLookup()
      answer(taker, index, key, found && isLive(result, clock), result)
      // Not before: what was found is good for as long as the block is pinned.
      walk.reset()
    }
  }
}

/** Reads the beginning of a key. */
function lengthOf(key: unknown): number {
  return typeof key === 'string' ? key.length : 0
}

function answer<K>(
  taker: BatchTaker<K>,
  index: number,
  key: SearchKey,
  isThere: boolean,
  result: LookupResult,
): void {
  if (isThere) taker.found(index, result, key)
  else taker.absent(index)
}
