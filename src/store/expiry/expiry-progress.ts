/**
 * How far expiry sweeps have come in one table: which of its blocks are due, and when the next one is.
 *
 * The table's own expiry index gives the order, so what is kept in memory is a position in it and the blocks that were
 * looked at and hold entries that expire later. Lost at the end of the process: then blocks are looked at again, and what
 * was removed before is found to be so.
 */
import { NEVER } from '../../base/entry.js'
import type { ExpiryIndex } from '../../sstable/expiry-index.js'

/** A data block to look at. */
export interface DueBlock {
  /** When its next entry expires. */
  readonly at: number
  /** Entries that expired up to here were dealt with. */
  readonly since: number
  readonly offset: number
  readonly size: number
}

export class ExpiryProgress {
  /** When the next entry expires that was not dealt with. */
  next: number
  readonly #earliest: number
  #position = 0
  /** In descending order of their next expiry. */
  #again: DueBlock[] = []

  constructor(earliestExpiry: number) {
    this.#earliest = earliestExpiry
    this.next = earliestExpiry
  }

  /** The next block with something that has expired at `now`; `undefined` when there is none. */
  take(index: ExpiryIndex, now: number): DueBlock | undefined {
    const again = this.#again.at(-1)
    const fresh = this.#freshAt(index)
    if (again !== undefined && again.at <= now && again.at <= fresh) return this.#again.pop()
    if (fresh > now) return undefined
    const i = this.#position++
    return { at: fresh, since: -NEVER, offset: index.offset(i), size: index.size(i) }
  }

  /** Keeps a block whose next entry expires at `at`. */
  putBack(block: DueBlock, at: number, since: number): void {
    let low = 0
    let high = this.#again.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#again[middle].at > at) low = middle + 1
      else high = middle
    }
    this.#again.splice(low, 0, { offset: block.offset, size: block.size, at, since })
  }

  /** All that was due is dealt with. */
  settle(index: ExpiryIndex): void {
    this.next = Math.min(this.#freshAt(index), this.#again.at(-1)?.at ?? NEVER)
  }

  /** Begins anew: something that was taken was not dealt with. */
  reset(): void {
    this.next = this.#earliest
    this.#position = 0
    this.#again = []
  }

  #freshAt(index: ExpiryIndex): number {
    return this.#position < index.count ? index.expiresAt(this.#position) : NEVER
  }
}
