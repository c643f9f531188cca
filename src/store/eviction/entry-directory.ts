/**
 * The directory of a bounded store: every live entry with its size and expiry, in memory, so that what the store holds is
 * known exactly and what goes next is found without a read.
 *
 * Entries have slots, small integers that are given out anew; names are the bytes of keys as strings.
 *
 * A `Map` of V8 has 2^24 places, and those of deleted entries count until they are half of all. So with entries coming
 * and going it takes half of that for certain (`MOST_ENTRIES`), and all of it only when nothing goes, as at open.
 */
import { NEVER } from '../../base/entry.js'
import { VarveError } from '../../base/errors.js'
import type { EvictionPolicy } from './eviction-policy.js'
import { IndexedHeap } from './indexed-heap.js'

/** The most entries that may come and go. */
export const MOST_ENTRIES = 2 ** 23

export class EntryDirectory {
  readonly #policy: EvictionPolicy | undefined
  readonly #capacity: number
  readonly #slots = new Map<string, number>()
  readonly #names: string[] = []
  readonly #sizes: number[] = []
  readonly #free: number[] = []
  /** Those that expire, the first to expire first, and among those the first written. */
  readonly #expiries = new IndexedHeap()
  #bytes = 0
  #writes = 0

  constructor(policy: EvictionPolicy | undefined, capacity = 2 * MOST_ENTRIES) {
    this.#policy = policy
    this.#capacity = capacity
  }

  /** The number of entries, those that have expired included. */
  get count(): number {
    return this.#slots.size
  }

  /** The bytes of all keys and values. */
  get bytes(): number {
    return this.#bytes
  }

  /** The slot of an entry; undefined when it is not there. */
  slotOf(name: string): number | undefined {
    return this.#slots.get(name)
  }

  /** What has not expired at `now`. */
  occupiedAt(now: number): { readonly entries: number; readonly bytes: number } {
    let { count, bytes } = this
    for (const slot of this.#expiries.upTo(now)) {
      count--
      bytes -= this.#sizes[slot]
    }
    return { entries: count, bytes }
  }

  /** What has expired at `now`, in the order in which it did. Nothing may be called before it ends or is left. */
  *expired(now: number): Generator<number, void, undefined> {
    if (this.#expiries.count === 0) return
    for (const slot of this.#expiries.inOrder()) {
      if (this.#expiries.priorityOf(slot) > now) return
      yield slot
    }
  }

  /** What should go, in that order; nothing without a policy. The same holds. */
  candidates(): Iterable<number> {
    return this.#policy?.candidates() ?? []
  }

  nameOf(slot: number): string {
    return this.#names[slot]
  }

  sizeOf(slot: number): number {
    return this.#sizes[slot]
  }

  /** An entry was written. Throws `STORE_FULL` when there are more than a directory can hold. */
  set(name: string, size: number, expiresAt: number): void {
    let slot = this.#slots.get(name)
    if (slot === undefined) {
      if (this.count === this.#capacity) throw tooMany(this.#capacity)
      slot = this.#free.pop() ?? this.#names.length
      this.#slots.set(name, slot)
      this.#names[slot] = name
      this.#sizes[slot] = 0
      this.#policy?.added(slot, expiresAt)
    } else {
      this.#policy?.written(slot, expiresAt)
    }
    this.#bytes += size - this.#sizes[slot]
    this.#sizes[slot] = size
    if (expiresAt === NEVER) this.#expiries.delete(slot)
    else this.#expiries.set(slot, expiresAt, ++this.#writes)
  }

  /** An entry was removed, if it was there. */
  delete(name: string): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    this.#slots.delete(name)
    this.#policy?.removed(slot)
    this.#expiries.delete(slot)
    this.#bytes -= this.#sizes[slot]
    this.#names[slot] = ''
    this.#free.push(slot)
  }

  /** An entry was read, if it is there. */
  used(name: string): void {
    const slot = this.#slots.get(name)
    if (slot !== undefined) this.#policy?.used(slot)
  }
}

function tooMany(capacity: number): VarveError {
  return new VarveError(
    'STORE_FULL',
    `There are more than ${capacity} entries, too many for a bounded store. Open it without a bound, or delete some first.`,
  )
}
