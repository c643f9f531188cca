/**
 * The block cache: decoded blocks of all open tables, bounded in bytes, least recently used first out.
 *
 * Keys are numbers: a table reserves a run of as many keys as its file has bytes when it is opened, and a block's key
 * is the table's first key plus the block's offset. Keys are never reused, so a block of a deleted table is never
 * mistaken for another; it ages out. The cache knows nothing of what a block is.
 *
 * Invariant: the charges of what is held never exceed `capacityBytes`.
 */
import { LRUCache } from 'lru-cache'

/** What an entry costs beside the bytes it is charged for: the objects, the key, the links of the recency list. */
export const ENTRY_OVERHEAD_BYTES = 300

/**
 * The average charge for which the cache reserves places up front: half of what blocks are cut at, within these bounds. With smaller
 * blocks it holds fewer bytes. A place takes 24 bytes of the V8 heap, and so much that survives at once makes V8 grow its young
 * generation.
 */
const SMALLEST_CHARGE_BYTES = 512
const LARGEST_CHARGE_BYTES = 2048

/** What can be held: pinned as long as it is. */
export interface Pinnable {
  pin(): void
  unpin(): void
}

export class BlockCache<Block extends Pinnable> {
  readonly capacityBytes: number
  readonly #blockSize: number
  /** How often {@link get} found what it was asked for. */
  hits = 0
  /** How often it did not. */
  misses = 0
  /** Made with the first block: its places take some milliseconds, which an opening need not wait for. */
  #blocks: LRUCache<number, Block> | undefined
  #nextKey = 0

  /**
   * @param capacityBytes 0 turns the cache off: nothing is ever held.
   * @param blockSize what blocks are cut at, in bytes; 0: not known.
   */
  constructor(capacityBytes: number, blockSize = 0) {
    this.capacityBytes = capacityBytes
    this.#blockSize = blockSize
  }

  /** Reserves `count` consecutive keys; returns the first. */
  reserveKeys(count: number): number {
    const first = this.#nextKey
    this.#nextKey += count
    return first
  }

  get(key: number): Block | undefined {
    const block = this.#blocks?.get(key)
    if (block === undefined) this.misses++
    else this.hits++
    return block
  }

  /** Holds `block` at a charge of `sizeBytes` and a fixed overhead; one larger than the whole cache is not held. */
  set(key: number, block: Block, sizeBytes: number): void {
    const size = sizeBytes + ENTRY_OVERHEAD_BYTES
    if (size > this.capacityBytes) return
    block.pin()
    this.#blocks ??= this.#makePlaces()
    this.#blocks.set(key, block, { size })
  }

  /** The charges of all that is held. */
  get sizeBytes(): number {
    return this.#blocks?.calculatedSize ?? 0
  }

  /** The number of blocks held. */
  get count(): number {
    return this.#blocks?.size ?? 0
  }

  clear(): void {
    this.#blocks?.clear()
  }

  #makePlaces(): LRUCache<number, Block> {
    // `max` makes the library keep its links in typed arrays, which is faster and lighter than growing arrays.
    const charge = Math.min(LARGEST_CHARGE_BYTES, Math.max(SMALLEST_CHARGE_BYTES, this.#blockSize / 2))
    const max = Math.max(16, Math.ceil(this.capacityBytes / charge))
    return new LRUCache({ max, maxSize: this.capacityBytes, dispose: (block) => block.unpin() })
  }
}
