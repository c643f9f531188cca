/**
 * One number from which everything that holds memory is derived.
 *
 * Pure. What must always hold: the parts of a plan together are at most the limit, or the least that can be kept; each part that was not given grows with the limit;
 * what was given stays as it is.
 *
 * The fixed part was measured (docs/memory.md): what a process takes beyond bare Node.js with everything else at its least. It is the code of
 * Varve and its dependencies, the V8 heap that any program grows which makes objects in a loop, and the second thread with the buffers of
 * a flush and a compaction.
 */
import { VarveError } from '../base/errors.js'
import { MiB } from './option-checks.js'

/** The smallest limit that the whole process keeps. */
export const LEAST_KEPT_LIMIT = 160 * MiB

/** The smallest limit that is taken. Below {@link LEAST_KEPT_LIMIT} the plan is the same: everything at its smallest. */
export const LEAST_MEMORY_LIMIT = 16 * MiB

/** What is taken whatever the sizes. */
export const FIXED_BYTES = 136 * MiB

/** The most memtables that become one table, and the most of their bytes, unless one alone is larger. */
const MOST_TOGETHER = 4
const MOST_BYTES_TOGETHER = 16 * MiB
/** Those that fill while one flush runs. */
const FILLING = 2

/** The bytes of memtables that become one table while level 0 is crowded. */
export function flushBytes(memtableSize: number): number {
  return clamp(Math.floor(MOST_BYTES_TOGETHER / memtableSize), 1, MOST_TOGETHER) * memtableSize
}

/** The bytes of frozen memtables at which writers stop. */
export function maxFrozenBytes(memtableSize: number): number {
  return flushBytes(memtableSize) + FILLING * memtableSize
}

/** What all memtables take at most, unless an entry is larger than a memtable. */
function memtableBytes(memtableSize: number): number {
  return memtableSize + maxFrozenBytes(memtableSize)
}

/** Blocks that fell out of the cache lie outside the V8 heap until its collector looks, which it does at so much of them. */
const UNCOLLECTED_BYTES = 64 * MiB

const LEAST_MEMTABLE = MiB
/** A larger one is slower: it does not fit the processor's cache. */
const LARGEST_MEMTABLE = 16 * MiB

/** What a limit is divided into; sizes in bytes. */
export interface MemorySizes {
  readonly memtableSize: number
  readonly cacheSize: number
}

export interface MemoryPlan extends MemorySizes {
  /** What the indexes and filters of open tables may take. */
  readonly tableMemory: number
}

/** The plan for `limit`, with the sizes that were given. Throws `INVALID_ARGUMENT` when they do not fit. */
export function planMemory(limit: number, given: Partial<MemorySizes> = {}): MemoryPlan {
  const kept = Math.max(limit, LEAST_KEPT_LIMIT)
  const rest = kept - FIXED_BYTES
  const memtableSize =
    given.memtableSize ??
    clamp(roundDown(rest / 4 / (1 + MOST_TOGETHER + FILLING)), LEAST_MEMTABLE, LARGEST_MEMTABLE)
  const tableMemory = roundDown(rest / 6)
  const left = rest - memtableBytes(memtableSize) - tableMemory
  const cacheSize = given.cacheSize ?? cacheWithin(left)
  const plan = { memtableSize, tableMemory, cacheSize }
  const planned = plannedBytes(plan)
  if (planned > kept) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `A memoryLimit of ${limit} has no room for a memtableSize of ${memtableSize} and a cacheSize of ${cacheSize}: together they come to ${planned}. Raise the limit, or leave them out to have them derived.`,
    )
  }
  return plan
}

/** What a plan comes to, all in all. */
export function plannedBytes({ memtableSize, tableMemory, cacheSize }: MemoryPlan): number {
  return FIXED_BYTES + memtableBytes(memtableSize) + tableMemory + withUncollected(cacheSize)
}

/** A cache, and what has fallen out of it and is not collected yet: measured, up to twice as much again. */
function withUncollected(cacheSize: number): number {
  return cacheSize + Math.min(2 * cacheSize, UNCOLLECTED_BYTES)
}

/** The largest cache whose {@link withUncollected} is at most `bytes`. */
function cacheWithin(bytes: number): number {
  return Math.max(0, roundDown(Math.max(bytes / 3, bytes - UNCOLLECTED_BYTES)))
}

/** To whole 64 KiB: a number that a person can read. */
function roundDown(bytes: number): number {
  return Math.floor(bytes / 65_536) * 65_536
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
