/**
 * Chunks of memory that are used again and again, for what needs much for a short while: runs of blocks, output buffers.
 *
 * They lie outside the V8 heap, whose collector frees them late: it counts on 64 MiB of such garbage before it looks. One pool for
 * each thread. A chunk that is not given back is garbage like any other; one that was is nobody's, so give it back once.
 */

/** The size of a chunk. */
export const CHUNK_BYTES = 256 * 1024

/** So many idle chunks are kept. */
const MAX_IDLE = 16

const idle: Uint8Array<ArrayBuffer>[] = []

/** A chunk of {@link CHUNK_BYTES}. Its content is undefined. */
export function takeChunk(): Uint8Array<ArrayBuffer> {
  return idle.pop() ?? new Uint8Array(CHUNK_BYTES)
}

/** Takes back what may be a chunk; anything else is left to the collector. */
export function giveChunk(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.length === CHUNK_BYTES && idle.length < MAX_IDLE) idle.push(bytes)
}

/** The bytes of all idle chunks of this thread. */
export function idleChunkBytes(): number {
  return idle.length * CHUNK_BYTES
}
