/**
 * What the package `bloom-filters` makes of a filter block: the second opinion of who checks a table. Beside the hash of a key it
 * shares no line with the loops that build and ask filters (filter.ts), which therefore cannot be wrong together unseen.
 *
 * Loaded with the first filter that is checked: the package takes 7 MiB and 10 ms. Two modules of it alone; all of it takes
 * some megabytes more.
 */
import { createRequire } from 'node:module'

type Package = typeof import('bloom-filters')

const require = createRequire(import.meta.url)

/** Says whether a key with a hash may be in the table. */
export type MayContain = (hash: number) => boolean

/** For the payload of a filter block that was checked: that of a `TableFilter`. */
export function referenceFilter(payload: Uint8Array): MayContain {
  const BloomFilter: Package['BloomFilter'] = require('bloom-filters/dist/bloom/bloom-filter.js').default
  const Hashing: Package['Hashing'] = require('bloom-filters/dist/hashing/hashing.js').default

  /** The positions that docs/format/sstable.md gives. The package's own hashing takes fifty times as long, and gives others. */
  class PlacedHashing extends Hashing {
    readonly #positions: number[] = []

    /** One array is reused: the package reads it at once. */
    override getIndexes(element: unknown, size: number, hashCount: number): number[] {
      const hash = element as number
      const delta = (hash >>> 17) + (hash % 2 ** 17) * 2 ** 15
      for (let i = 0; i < hashCount; i++) this.#positions[i] = ((hash + i * delta) % 2 ** 32) % size
      return this.#positions
    }
  }

  const end = payload.length - 1
  const filter = new BloomFilter(8, payload[end])
  filter._size = end * 8
  filter._filter.array = payload.subarray(0, end)
  filter._hashing = new PlacedHashing()
  return (hash) => filter.has(hash as never)
}
