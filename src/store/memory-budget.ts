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

/** What memtables are made and flushed by, in bytes. */
export interface MemtableSizes {
  readonly memtableSize: number
  /** Frozen memtables become one table up to so many; while level 0 is crowded, from so many on. */
  readonly flushBytes: number
}

/** The `flushBytes` for memtables of this size where nothing limits them. */
export function usualFlushBytes(memtableSize: number): number {
  return clamp(Math.floor(MOST_BYTES_TOGETHER / memtableSize), 1, MOST_TOGETHER) * memtableSize
}

/** The bytes of frozen memtables at which writers stop. */
export function maxFrozenBytes({ memtableSize, flushBytes }: MemtableSizes): number {
  return flushBytes + FILLING * memtableSize
}

/** What all memtables take at most, unless an entry is larger than a memtable. */
function memtableBytes(sizes: MemtableSizes): number {
  return sizes.memtableSize + maxFrozenBytes(sizes)
}

/** The `flushBytes` with which all memtables take at most `bytes`, where that leaves one. */
function flushBytesWithin(bytes: number, memtableSize: number): number {
  const beside = (1 + FILLING) * memtableSize
  const together = Math.floor((bytes - beside) / memtableSize) * memtableSize
  return clamp(together, memtableSize, usualFlushBytes(memtableSize))
}

/**
 * What nobody uses any more lies outside the V8 heap until its collector looks, at so much of it: runs that scans have read, copies
 * that were handed out, and large blocks that fell out of the cache (the memory of others is used again).
 */
const UNCOLLECTED_BYTES = 64 * MiB

const LEAST_MEMTABLE = MiB
/** A larger one is slower: it does not fit the processor's cache. */
const LARGEST_MEMTABLE = 16 * MiB

/** What a limit is divided into; sizes in bytes. */
export interface MemorySizes {
  readonly memtableSize: number
  readonly cacheSize: number
}

export interface MemoryPlan extends MemorySizes, MemtableSizes {
  /** What the indexes and filters of open tables may take. */
  readonly tableMemory: number
}

/** The plan for `limit`, with the sizes that were given. Throws `INVALID_ARGUMENT` when they do not fit. */
export function planMemory(limit: number, given: Partial<MemorySizes> = {}): MemoryPlan {
  const kept = Math.max(limit, LEAST_KEPT_LIMIT)
  const rest = kept - FIXED_BYTES
  const share = rest / 4
  const most = 1 + FILLING + MOST_TOGETHER
  const memtableSize = given.memtableSize ?? clamp(roundDown(share / most), LEAST_MEMTABLE, LARGEST_MEMTABLE)
  const flushBytes = flushBytesWithin(share, memtableSize)
  const tableMemory = roundDown(rest / 6)
  // What the memtables leave of their share stays theirs until one more fits, or a larger limit would mean a smaller cache.
  const reserved = clamp(
    share,
    memtableBytes({ memtableSize, flushBytes }),
    memtableBytes({ memtableSize, flushBytes: usualFlushBytes(memtableSize) }),
  )
  const left = rest - reserved - tableMemory
  const cacheSize = given.cacheSize ?? cacheWithin(left)
  const plan = { memtableSize, flushBytes, tableMemory, cacheSize }
  const planned = plannedBytes(plan)
  if (planned > kept) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `A memoryLimit of ${limit} has no room for ${shownSizes(given)}: altogether it would be ${planned}. Raise the limit, or leave the sizes out to have them derived.`,
    )
  }
  return plan
}

function shownSizes(given: Partial<MemorySizes>): string {
  return Object.entries(given)
    .map(([name, bytes]) => `a ${name} of ${bytes}`)
    .join(' and ')
}

/** What a plan comes to, all in all. */
export function plannedBytes(plan: MemoryPlan): number {
  return FIXED_BYTES + memtableBytes(plan) + plan.tableMemory + withUncollected(plan.cacheSize)
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
