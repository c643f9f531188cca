/**
 * The stream between the merged inputs of a flush or compaction and the tables that it writes: decides which versions
 * live on. One decision an entry, no I/O of its own.
 *
 * The pinned sequence numbers cut time into stripes; two versions of a key in the same stripe cannot be told apart by
 * any reader, so only the newer one is kept. Then, in the kept version:
 * - A tombstone goes when nothing older can be left below it: no deeper level has the key's range (`bottommost`) and
 *   no pin is older than it.
 * - An entry that has expired becomes a tombstone, because it still hides older versions; so it goes where a tombstone goes.
 *
 * "Leveled compaction" and stripes as in RocksDB's CompactionIterator and Pebble's compactionIter (facts, not code).
 */
import { compareBytes, EMPTY } from '../base/bytes.js'
import { expiryOf, isTombstone, Kind } from '../base/entry.js'
import { type Cursor, outOfOrder } from '../iterator/cursor.js'

/** What decides beside the entries themselves. */
export interface DropRules {
  /** Sequence numbers that readers have pinned, ascending. */
  readonly pinned: readonly number[]
  /** Whether no level below the output has keys in the range of the inputs. */
  readonly bottommost: boolean
  /** Entries that expire at or before this moment (ms since 1970) are gone. */
  readonly now: number
}

export class CompactionIterator {
  readonly #cursor: Cursor
  readonly #pinned: readonly number[]
  readonly #bottommost: boolean
  readonly #now: number
  #stripe = 0
  valid = false
  /** Whether the entry is the first kept version of its user key: only there may a table end before it. */
  startsKey = false
  keyBytes: Uint8Array = EMPTY
  keyStart = 0
  keyEnd = 0
  sequence = 0
  kind = 0
  valueBytes: Uint8Array = EMPTY
  valueStart = 0
  valueEnd = 0
  /** Entries that came in. */
  inputCount = 0

  constructor(cursor: Cursor, rules: DropRules) {
    this.#cursor = cursor
    this.#pinned = rules.pinned
    this.#bottommost = rules.bottommost
    this.#now = rules.now
  }

  seekToFirst(): void {
    this.#cursor.seekToFirst()
    this.#find(false)
  }

  next(): void {
    this.#cursor.next()
    this.#find(true)
  }

  /** Finds the next version to keep. `sameKeyAsLast`: the fields describe the last key that was looked at. */
  #find(sameKeyAsLast: boolean): void {
    const cursor = this.#cursor
    let keptVersionOfKey = sameKeyAsLast
    for (; cursor.valid; cursor.next()) {
      this.inputCount++
      const order = sameKeyAsLast ? this.#compareWithLast(cursor) : 1
      if (order < 0) throw outOfOrder()
      const isSameKey = order === 0
      const stripe = this.#stripeOf(cursor.sequence)
      if (isSameKey && stripe === this.#stripe) continue
      if (!isSameKey) keptVersionOfKey = false
      sameKeyAsLast = true
      this.#describe(cursor, stripe)
      if (this.#bottommost && stripe === 0 && isTombstone(this.kind)) continue
      this.startsKey = !keptVersionOfKey
      this.valid = true
      return
    }
    this.valid = false
  }

  /** How an entry compares with the one before it; 0 for another, older version of its key. */
  #compareWithLast(cursor: Cursor): number {
    const { keyBytes, keyStart, keyEnd } = this
    const order = compareBytes(cursor.keyBytes, cursor.keyStart, cursor.keyEnd, keyBytes, keyStart, keyEnd)
    return order === 0 && cursor.sequence > this.sequence ? -1 : order
  }

  /** The number of pins older than `sequence`: versions with the same number are the same to every reader. */
  #stripeOf(sequence: number): number {
    const pinned = this.#pinned
    let stripe = 0
    while (stripe < pinned.length && pinned[stripe] < sequence) stripe++
    return stripe
  }

  #describe(cursor: Cursor, stripe: number): void {
    this.#stripe = stripe
    this.keyBytes = cursor.keyBytes
    this.keyStart = cursor.keyStart
    this.keyEnd = cursor.keyEnd
    this.sequence = cursor.sequence
    this.kind = cursor.kind
    this.valueBytes = cursor.valueBytes
    this.valueStart = cursor.valueStart
    this.valueEnd = cursor.valueEnd
    if (expiryOf(cursor.kind, cursor.valueBytes, cursor.valueStart) <= this.#now) {
      this.kind = Kind.delete
      this.valueEnd = this.valueStart
    }
  }
}
