/**
 * Read-ahead of one cursor: when blocks are wanted one after the other, in either direction, a longer run of the file
 * is read at once and the next blocks are taken from it.
 *
 * Invariant: at most one run of at most `LARGEST_RUN_BYTES` is held (or one block, if that is larger), in memory that the
 * next run reuses. The largest runs are too large to be left to the garbage collector: another cursor takes their memory over.
 */
import { CHUNK_BYTES, giveChunk, takeChunk } from '../base/chunk-pool.js'

const SMALLEST_RUN_BYTES = 32 * 1024
const LARGEST_RUN_BYTES = CHUNK_BYTES
const NO_MEMORY = new Uint8Array(0)

export class ReadAhead {
  /** Where the run to read begins; see {@link plan}. */
  start = 0
  /** How long it is. */
  length = 0
  #lastOffset = -1
  #lastEnd = -1
  /** 1: the last two blocks were in order; −1: in reverse; 0: neither. */
  #direction = 0
  #nextLength = SMALLEST_RUN_BYTES
  #memory = NO_MEMORY
  #run: Uint8Array | undefined
  #runStart = 0

  /** Tells which block is wanted now, from the cache or not. */
  note(offset: number, size: number): void {
    if (offset === this.#lastOffset) return
    const direction = offset === this.#lastEnd ? 1 : offset + size === this.#lastOffset ? -1 : 0
    if (direction === 0 || direction !== this.#direction) this.#nextLength = SMALLEST_RUN_BYTES
    this.#direction = direction
    this.#lastOffset = offset
    this.#lastEnd = offset + size
  }

  /** The block's bytes, good until the next {@link hold}, if they were read ahead. */
  taken(offset: number, size: number): Uint8Array | undefined {
    const at = offset - this.#runStart
    if (this.#run === undefined || at < 0 || at + size > this.#run.length) return undefined
    return this.#run.subarray(at, at + size)
  }

  /**
   * Decides what to read for a block that is neither cached nor taken: sets `start` and `length` and returns true when
   * a longer run should be read, inside `[0, dataEnd)`.
   */
  plan(offset: number, size: number, dataEnd: number): boolean {
    if (this.#direction === 0) return false
    const end =
      this.#direction > 0 ? Math.min(dataEnd, offset + Math.max(size, this.#nextLength)) : offset + size
    this.start = this.#direction > 0 ? offset : Math.max(0, Math.min(offset, end - this.#nextLength))
    this.length = end - this.start
    this.#nextLength = Math.min(LARGEST_RUN_BYTES, this.#nextLength * 2)
    return this.length > size
  }

  /** Memory for a run of `length` bytes; the run that is held is gone. */
  target(length: number): Uint8Array<ArrayBuffer> {
    this.#run = undefined
    if (this.#memory.length < length) {
      giveChunk(this.#memory)
      // A short scan need not pay for a whole chunk.
      this.#memory = length === CHUNK_BYTES ? takeChunk() : new Uint8Array(length)
    }
    return this.#memory.subarray(0, length)
  }

  /** Takes over a run that was read into {@link target}. */
  hold(start: number, run: Uint8Array): void {
    this.#runStart = start
    this.#run = run
  }

  /** Lets go of what was read ahead. */
  clear(): void {
    this.#run = undefined
    giveChunk(this.#memory)
    this.#memory = NO_MEMORY
    this.#lastOffset = -1
    this.#lastEnd = -1
    this.#direction = 0
  }
}
