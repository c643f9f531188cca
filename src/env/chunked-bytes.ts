/**
 * The bytes of a file in memory: a row of chunks that clones share until one of them writes.
 *
 * Invariant: a chunk is written only by the `ChunkedBytes` whose `#owner` it carries; `clone` gives both sides a new
 * owner, so that from then on neither writes what the other sees. A missing chunk, and what lies behind the size
 * inside the last chunk, is zeros.
 */

const CHUNK_LENGTH = 16384

interface Chunk {
  readonly owner: object
  readonly bytes: Uint8Array
}

/** Growable bytes with cheap clones. */
export class ChunkedBytes {
  #chunks: (Chunk | undefined)[] = []
  #owner = {}
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Copies into `target` from `position`; returns how many bytes there were. */
  read(target: Uint8Array, position: number): number {
    const total = Math.max(0, Math.min(target.length, this.#size - position))
    for (let done = 0; done < total; ) {
      const offset = (position + done) % CHUNK_LENGTH
      const length = Math.min(total - done, CHUNK_LENGTH - offset)
      const chunk = this.#chunks[Math.floor((position + done) / CHUNK_LENGTH)]
      if (chunk === undefined) target.fill(0, done, done + length)
      else target.set(chunk.bytes.subarray(offset, offset + length), done)
      done += length
    }
    return total
  }

  /** Writes `source` at `position`; what lies between the old end and `position` becomes zeros. */
  write(source: Uint8Array, position: number): void {
    for (let done = 0; done < source.length; ) {
      const offset = (position + done) % CHUNK_LENGTH
      const length = Math.min(source.length - done, CHUNK_LENGTH - offset)
      const chunk = this.#writable(Math.floor((position + done) / CHUNK_LENGTH))
      chunk.set(source.subarray(done, done + length), offset)
      done += length
    }
    if (source.length > 0) this.#size = Math.max(this.#size, position + source.length)
  }

  /** Cuts off, or extends with zeros. */
  truncate(size: number): void {
    if (size < this.#size) {
      this.#chunks.length = Math.min(this.#chunks.length, Math.ceil(size / CHUNK_LENGTH))
      const last = Math.floor(size / CHUNK_LENGTH)
      if (this.#chunks[last] !== undefined) this.#writable(last).fill(0, size % CHUNK_LENGTH)
    }
    this.#size = size
  }

  /** The same bytes, which from now on change independently. */
  clone(): ChunkedBytes {
    const copy = new ChunkedBytes()
    copy.#chunks = this.#chunks.slice()
    copy.#size = this.#size
    this.#owner = {}
    return copy
  }

  #writable(index: number): Uint8Array {
    const chunk = this.#chunks[index]
    if (chunk?.owner === this.#owner) return chunk.bytes
    const bytes = chunk === undefined ? new Uint8Array(CHUNK_LENGTH) : chunk.bytes.slice()
    while (this.#chunks.length < index) this.#chunks.push(undefined)
    this.#chunks[index] = { owner: this.#owner, bytes }
    return bytes
  }
}
