/**
 * Memory of blocks that is used again: what falls out of the block cache takes in what comes next.
 *
 * Fresh memory for every block that is read would be cheap to take and dear to give up: it lies outside the V8 heap and grows old
 * in the cache, so the collector has to mark everything before it can free it. (docs/performance.md has the ratio.)
 *
 * One pool for each thread. Memory that is not given back is garbage like any other; what was is nobody's, so give it back once.
 */

/** Sizes are multiples of it, so that blocks of about the same size use the same memory. */
const STEP = 256
/** Larger blocks have memory of their own: their allocation is a small part of what reading them costs. */
export const LARGEST_BLOCK_MEMORY = 32 * 1024
/** So many idle bytes of one size are kept. */
const MAX_IDLE_BYTES = 256 * 1024

/** By size in steps. */
const idle: Uint8Array<ArrayBuffer>[][] = Array.from({ length: LARGEST_BLOCK_MEMORY / STEP + 1 }, () => [])

/** Memory of at least `length` bytes, at most {@link LARGEST_BLOCK_MEMORY}. Its content is undefined. */
export function takeBlockMemory(length: number): Uint8Array<ArrayBuffer> {
  const steps = Math.ceil(length / STEP)
  return idle[steps].pop() ?? new Uint8Array(steps * STEP)
}

/** Takes back what {@link takeBlockMemory} gave. */
export function giveBlockMemory(memory: Uint8Array<ArrayBuffer>): void {
  const list = idle[memory.length / STEP]
  if (list.length * memory.length < MAX_IDLE_BYTES) list.push(memory)
}
