/**
 * Which entry goes first when a bounded store needs room. Entries are slots: small integers that the directory gives out.
 *
 * The policies are exact: least recently used by a linked list, least frequently used by a heap of counts, where among
 * equals the least recently used one goes; a count ends with its entry.
 */
import { IndexedHeap } from './indexed-heap.js'

export type EvictionPolicyName = 'none' | 'lru' | 'lfu' | 'random' | 'ttl'

export interface EvictionPolicy {
  /** A new entry. `expiresAt` is `Infinity` for never. */
  added(slot: number, expiresAt: number): void
  /** An entry was overwritten. */
  written(slot: number, expiresAt: number): void
  /** An entry was read. */
  used(slot: number): void
  removed(slot: number): void
  /** The entries in the order in which they should go. Nothing may be called before it ends or is left. */
  candidates(): Iterable<number>
}

/** The policy of that name; `'none'` has none. */
export function evictionPolicyOf(name: EvictionPolicyName, random: () => number): EvictionPolicy | undefined {
  switch (name) {
    case 'lru':
      return new LeastRecentlyUsed()
    case 'lfu':
      return new LeastFrequentlyUsed()
    case 'random':
      return new AtRandom(random)
    case 'ttl':
      return new NearestToExpiry()
    default:
      return undefined
  }
}

/** The newest at the head. Slot numbers in the links are one too large, so that 0 is none. */
class LeastRecentlyUsed implements EvictionPolicy {
  #towardsHead = new Int32Array(64)
  #towardsTail = new Int32Array(64)
  #head = 0
  #tail = 0

  added(slot: number): void {
    if (slot + 1 >= this.#towardsHead.length) {
      this.#towardsHead = grown(this.#towardsHead, slot + 2)
      this.#towardsTail = grown(this.#towardsTail, slot + 2)
    }
    this.#link(slot + 1)
  }

  written(slot: number): void {
    this.used(slot)
  }

  used(slot: number): void {
    if (this.#head === slot + 1) return
    this.#unlink(slot + 1)
    this.#link(slot + 1)
  }

  removed(slot: number): void {
    this.#unlink(slot + 1)
  }

  *candidates(): Generator<number, void, undefined> {
    for (let link = this.#tail; link !== 0; link = this.#towardsHead[link]) yield link - 1
  }

  #link(link: number): void {
    this.#towardsHead[link] = 0
    this.#towardsTail[link] = this.#head
    if (this.#head === 0) this.#tail = link
    else this.#towardsHead[this.#head] = link
    this.#head = link
  }

  #unlink(link: number): void {
    const newer = this.#towardsHead[link]
    const older = this.#towardsTail[link]
    if (newer === 0) this.#head = older
    else this.#towardsTail[newer] = older
    if (older === 0) this.#tail = newer
    else this.#towardsHead[older] = newer
  }
}

class LeastFrequentlyUsed implements EvictionPolicy {
  readonly #heap = new IndexedHeap()
  #uses = 0

  added(slot: number): void {
    this.#heap.set(slot, 1, ++this.#uses)
  }

  written(slot: number): void {
    this.used(slot)
  }

  used(slot: number): void {
    this.#heap.set(slot, this.#heap.priorityOf(slot) + 1, ++this.#uses)
  }

  removed(slot: number): void {
    this.#heap.delete(slot)
  }

  candidates(): Iterable<number> {
    return this.#heap.inOrder()
  }
}

class AtRandom implements EvictionPolicy {
  readonly #random: () => number
  #slots: number[] = []
  /** By slot: where it is in `#slots`. */
  readonly #places: number[] = []

  constructor(random: () => number) {
    this.#random = random
  }

  added(slot: number): void {
    this.#places[slot] = this.#slots.length
    this.#slots.push(slot)
  }

  written(): void {}

  used(): void {}

  removed(slot: number): void {
    const last = this.#slots.pop()
    if (last === undefined || last === slot) return
    this.#slots[this.#places[slot]] = last
    this.#places[last] = this.#places[slot]
  }

  /** Draws without putting back, by a shuffle that goes only as far as it is asked to. */
  *candidates(): Generator<number, void, undefined> {
    const slots = this.#slots
    for (let end = slots.length; end > 0; end--) {
      const at = Math.min(end - 1, Math.floor(this.#random() * end))
      const drawn = slots[at]
      this.#put(slots[end - 1], at)
      this.#put(drawn, end - 1)
      yield drawn
    }
  }

  #put(slot: number, at: number): void {
    this.#slots[at] = slot
    this.#places[slot] = at
  }
}

/** The entry nearest to its expiry first; those that never expire last, the one that was written first before the others. */
class NearestToExpiry implements EvictionPolicy {
  readonly #heap = new IndexedHeap()
  #writes = 0

  added(slot: number, expiresAt: number): void {
    this.#heap.set(slot, Math.min(expiresAt, Number.MAX_VALUE), ++this.#writes)
  }

  written(slot: number, expiresAt: number): void {
    this.added(slot, expiresAt)
  }

  used(): void {}

  removed(slot: number): void {
    this.#heap.delete(slot)
  }

  candidates(): Iterable<number> {
    return this.#heap.inOrder()
  }
}

function grown(array: Int32Array, least: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(least, 2 * array.length))
  larger.set(array)
  return larger
}
