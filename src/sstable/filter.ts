/**
 * The bloom filter of a whole table, over the distinct user keys.
 *
 * Payload of the filter block (docs/format/sstable.md), on disk: never change.
 *
 *   bits, bit i in byte i >> 3 at 1 << (i & 7) | hash count u8
 *
 * The bit positions of a key come from its one 32-bit hash (base/hash) by double hashing: position i is
 * ((hash + i × delta) mod 2^32) mod bits, delta = hash rotated right by 17. (Kirsch and Mitzenmacher, "Less Hashing,
 * Same Performance", 2006.)
 *
 * Both loops are our own: with the package `bloom-filters` the same bits take fourteen times as long, a fifth of a flush
 * (docs/performance.md). It is the second opinion of `verify` instead: reference-filter.ts.
 */
import { giveChunk, takeChunk } from '../base/chunk-pool.js'
import { VarveError } from '../base/errors.js'

const MAX_HASH_COUNT = 30
/** Below this a filter of few keys would have too many false positives. */
const MIN_BITS = 64

const NO_HASHES = new Uint32Array(0)

/** Sets the bits of `hashes[0, end)` in `bits`. */
function placeAll(hashes: Uint32Array, end: number, bits: Uint8Array, hashCount: number): void {
  // Unsigned 32-bit on both sides of the `%`: else V8 divides as doubles, which takes several times as long.
  const size = (bits.length * 8) >>> 0
  for (let i = 0; i < end; i++) {
    let hash = hashes[i]
    const delta = ((hash >>> 17) | (hash << 15)) >>> 0
    for (let left = hashCount; left > 0; left--) {
      const bit = hash % size
      bits[bit >>> 3] |= 1 << (bit & 7)
      hash = (hash + delta) >>> 0
    }
  }
}

/** Gathers the hashes of a table's distinct user keys; the filter is sized when all are known. */
export class FilterBuilder {
  readonly #bitsPerKey: number
  /** Full chunks of hashes, and the one that is being filled. */
  readonly #chunks: Uint32Array<ArrayBuffer>[] = []
  #chunk = NO_HASHES
  #chunkAt = 0
  #count = 0

  constructor(bitsPerKey: number) {
    this.#bitsPerKey = bitsPerKey
  }

  add(hash: number): void {
    if (this.#chunkAt === this.#chunk.length) {
      this.#chunk = new Uint32Array(takeChunk().buffer)
      this.#chunks.push(this.#chunk)
      this.#chunkAt = 0
    }
    this.#chunk[this.#chunkAt++] = hash
    this.#count++
  }

  /** What {@link finish} will give, in bytes. */
  get sizeBytes(): number {
    return Math.ceil(Math.max(MIN_BITS, this.#count * this.#bitsPerKey) / 8) + 1
  }

  /** The payload of the filter block. */
  finish(): Uint8Array {
    const bytes = new Uint8Array(this.sizeBytes)
    const bits = bytes.subarray(0, bytes.length - 1)
    const hashCount = Math.min(MAX_HASH_COUNT, Math.max(1, Math.round(this.#bitsPerKey * Math.LN2)))
    for (const chunk of this.#chunks) {
      placeAll(chunk, chunk === this.#chunk ? this.#chunkAt : chunk.length, bits, hashCount)
    }
    bytes[bits.length] = hashCount
    return bytes
  }

  /** Lets go of the memory. Idempotent. */
  release(): void {
    for (const { buffer } of this.#chunks) giveChunk(new Uint8Array(buffer))
    this.#chunks.length = 0
    this.#chunk = NO_HASHES
    this.#chunkAt = 0
    this.#count = 0
  }
}

/** The filter of an open table. */
export class TableFilter {
  /** The bits, then the hash count. */
  readonly payload: Uint8Array
  readonly #hashCount: number

  /** Takes over the payload of a filter block; throws `CORRUPTION` when it is none. */
  constructor(payload: Uint8Array) {
    const hashCount = payload.length < 2 ? 0 : payload[payload.length - 1]
    if (hashCount < 1 || hashCount > MAX_HASH_COUNT || payload.length > 0x2000_0000) {
      throw new VarveError('CORRUPTION', 'A filter block has an impossible size or hash count.')
    }
    this.payload = payload
    this.#hashCount = hashCount
  }

  get memoryBytes(): number {
    return this.payload.length
  }

  /** False when no key with this hash is in the table; the first empty bit decides. */
  mayContain(hash: number): boolean {
    hash >>>= 0
    const bytes = this.payload
    // Unsigned on both sides, as above.
    const size = ((bytes.length - 1) * 8) >>> 0
    const delta = ((hash >>> 17) | (hash << 15)) >>> 0
    for (let i = this.#hashCount; i > 0; i--) {
      const bit = hash % size
      if ((bytes[bit >>> 3] & (1 << (bit & 7))) === 0) return false
      hash = (hash + delta) >>> 0
    }
    return true
  }
}
