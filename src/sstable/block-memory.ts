/**
 * Memory of blocks that is used again: a block that nobody uses any more, the block cache included, takes in what comes next.
 *
 * Fresh memory for every block that is read would be cheap to take and dear to give up: it lies outside the V8 heap and grows old
 * in the cache, so the collector has to mark everything before it can free it. (docs/performance.md has the ratio.)
 *
 * One pool for each thread. Memory that is not given back is garbage like any other; what was is nobody's, so give it back once.
 */

/** Sizes are multiples of it, so that blocks of about the same size use the same memory. */
const STEP = 256
/** One more than 32 KiB take: the largest block of the small decoder, with its fingerprints, is to fit. */
const STEPS = 129
/** Larger blocks have memory of their own: their allocation is a small part of what reading them costs. */
export const LARGEST_BLOCK_MEMORY = STEPS * STEP
/** So many idle bytes are kept, of whatever sizes. */
const MAX_IDLE_BYTES = 1024 * 1024

/** By size in steps. */
const idle: Uint8Array<ArrayBuffer>[][] = Array.from({ length: STEPS + 1 }, () => [])
let idleBytes = 0

/** Memory of at least `length` bytes, at most {@link LARGEST_BLOCK_MEMORY}. Its content is undefined. */
export function takeBlockMemory(length: number): Uint8Array<ArrayBuffer> {
  const steps = Math.ceil(length / STEP)
  const memory = idle[steps].pop()
  if (memory === undefined) return new Uint8Array(steps * STEP)
  idleBytes -= memory.length
  return memory
}

/** Takes back what {@link takeBlockMemory} gave. */
export function giveBlockMemory(memory: Uint8Array<ArrayBuffer>): void {
  if (idleBytes + memory.length > MAX_IDLE_BYTES) return
  idle[memory.length / STEP].push(memory)
  idleBytes += memory.length
}

/** The bytes of all idle memory of this thread. */
export function idleBlockBytes(): number {
  return idleBytes
}
