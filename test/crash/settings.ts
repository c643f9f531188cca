/** The stores that the explorer breaks: where they begin, how they are set up. Tiny, so that a few writes flush and compact. */
import type { Durability, Persistence, StoreOptions } from '../../src/index.js'

export const DIRECTORY = '/home/db'

/** What the wall clock shows when a run begins. */
export const BEGINNING = 1_700_000_000_000

/** At most this long until an acknowledged write is on the device, in ms. */
export const SYNC_INTERVAL_MS = 1000

/**
 * `'new'`: no directory is there. `'old'`: a closed store with tables, a log and a snapshot. `'killed'`: the same, not closed.
 * `'no-links'`: as `'old'`, where a file has one name only.
 */
export const STARTS = ['new', 'old', 'killed', 'no-links'] as const
export type Start = (typeof STARTS)[number]

export interface Mode {
  readonly persistence: Persistence
  readonly durability: Durability
}

/** The modes, by the names that stand in a replay line. */
export const MODES: ReadonlyMap<string, Mode> = new Map(
  (['hybrid', 'wal', 'snapshot'] as const).flatMap((persistence) =>
    (['memory', 'os', 'disk'] as const).map((durability): [string, Mode] => [
      `${persistence}-${durability}`,
      { persistence, durability },
    ]),
  ),
)

export const OPTIONS = {
  valueEncoding: 'utf8',
  memtableSize: 4096,
  blockSize: 256,
  targetFileSize: 2048,
  walSegmentSize: 2048,
  cacheSize: 4096,
  shardCount: 1,
  level0CompactionTrigger: 2,
  levelSizeMultiplier: 3,
  compression: 'none',
  metrics: false,
  syncInterval: SYNC_INTERVAL_MS,
} as const satisfies StoreOptions
