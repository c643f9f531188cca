/** What the store and a read view have in common: reading, at the newest state or at a pinned moment. */
import { shown, VarveError } from '../base/errors.js'
import type { Codec } from './encodings/codec.js'
import type { KeyInput, KeyPrefix } from './encodings/key-encoding.js'
import { byteRangeOf, EVERYTHING, isEmptyRange, type KeyRange } from './range.js'
import { type Moment, type RangeOptions, scanOf } from './range-options.js'
import { measureEntries } from './reading/count.js'
import { estimateBytes, estimateCount } from './reading/estimate.js'
import type { ReadPoint } from './reading/pinned-moments.js'
import { type Projection, RangeIterator } from './reading/range-iterator.js'
import type { ReadSource } from './reading/read-source.js'
import { type Entry, Reader } from './reading/reader.js'
import { splitKeys } from './reading/split-range.js'

/** What {@link Readable.splitRange} makes at most. */
const MOST_PARTS = 10_000

/**
 * The reading methods. What is in memory is answered at once; the asynchronous methods await the disk where it is needed,
 * the `…Sync` ones block the thread for it. `get`, `getEntry`, `exists` and `getMany` do so, too, while the system answers
 * as quickly as memory (docs/adr/0008); iterators never. A key that is not there is `undefined`, not an error.
 */
export abstract class Readable<K, V> {
  readonly #engine: ReadSource
  readonly #codec: Codec<K, V>
  readonly #reader: Reader<K, V>
  readonly #at: ReadPoint

  /** @internal */
  constructor(engine: ReadSource, codec: Codec<K, V>, at: ReadPoint = engine) {
    this.#engine = engine
    this.#codec = codec
    this.#at = at
    this.#reader = new Reader(engine, codec, at)
  }

  /** Throws `CLOSED` when there is nothing to read from any more. @internal */
  protected abstract checkOpen(): void

  /** The value under `key`. */
  get(key: KeyInput<K>): Promise<V | undefined> {
    try {
      this.checkOpen()
    } catch (error) {
      return Promise.reject(error)
    }
    const latency = this.#engine.metrics.readLatency
    if (!latency.shouldTime()) return this.#reader.get(key as unknown as K)
    const begin = latency.begin()
    return latency.time(this.#reader.get(key as unknown as K), begin)
  }

  /** The value under `key`. */
  getSync(key: KeyInput<K>): V | undefined {
    this.checkOpen()
    const latency = this.#engine.metrics.readLatency
    if (!latency.shouldTime()) return this.#reader.getSync(key as unknown as K)
    const begin = latency.begin()
    const value = this.#reader.getSync(key as unknown as K)
    latency.record(begin)
    return value
  }

  /** The values under `keys`, in their order. */
  async getMany(keys: readonly KeyInput<K>[]): Promise<(V | undefined)[]> {
    this.checkOpen()
    return this.#reader.getMany(keys as unknown as readonly K[])
  }

  /** The values under `keys`, in their order. */
  getManySync(keys: readonly KeyInput<K>[]): (V | undefined)[] {
    this.checkOpen()
    return this.#reader.getManySync(keys as unknown as readonly K[])
  }

  /** The entry under `key` with its sequence number, expiry and size. */
  async getEntry(key: KeyInput<K>): Promise<Entry<K, V> | undefined> {
    this.checkOpen()
    return this.#reader.getEntry(key as unknown as K)
  }

  /** Milliseconds until the entry expires; `Infinity` for never, undefined when there is none. */
  async ttl(key: KeyInput<K>): Promise<number | undefined> {
    return (await this.getEntry(key))?.ttl
  }

  /** Whether there is a value under `key`. */
  async exists(key: KeyInput<K>): Promise<boolean> {
    this.checkOpen()
    return this.#reader.exists(key as unknown as K)
  }

  /** Whether there is a value under `key`. */
  existsSync(key: KeyInput<K>): boolean {
    this.checkOpen()
    return this.#reader.existsSync(key as unknown as K)
  }

  /** An iterator over the `[key, value]` pairs of a range, in key order, as everything is now. */
  entries(range: RangeOptions<K, V> = {}): RangeIterator<[K, V], K, V> {
    return this.#iterate('entry', range)
  }

  /** {@link entries}, keys only. */
  keys(range: RangeOptions<K, V> = {}): RangeIterator<K, K, V> {
    return this.#iterate('key', range)
  }

  /** {@link entries}, values only. */
  values(range: RangeOptions<K, V> = {}): RangeIterator<V, K, V> {
    return this.#iterate('value', range)
  }

  /** The exact number of entries in a range, all of them by default. Takes time with the size of the range. */
  async count(range: KeyRange<K> = {}): Promise<number> {
    this.checkOpen()
    return (await measureEntries(this.#engine, byteRangeOf(range, this.#codec.keys), this.#at)).count
  }

  /** The exact number of entries: `count()`. */
  async len(...none: []): Promise<number> {
    checkNone('len', none, 'count')
    return this.count()
  }

  /** The exact bytes of all live keys and values, encoded. Takes time with the number of entries. */
  async size(...none: []): Promise<number> {
    this.checkOpen()
    checkNone('size', none, 'estimateSize')
    return (await measureEntries(this.#engine, EVERYTHING, this.#at)).bytes
  }

  /** About the number of entries, at once: overwritten and expired ones count until compaction has removed them. */
  estimateCount(...none: []): number {
    this.checkOpen()
    checkNone('estimateCount', none, 'count')
    return estimateCount(this.#at.readState)
  }

  /**
   * About the bytes of the keys and values in a range, at once and without reading a block: exact to a data block or, in
   * tables of more than some 16 MiB, to an index partition; overwritten ones count until compaction has removed them.
   */
  estimateSize(range: KeyRange<K> = {}): number {
    this.checkOpen()
    const bounds = byteRangeOf(range, this.#codec.keys)
    if (isEmptyRange(bounds)) return 0
    return estimateBytes(this.#at.readState, bounds, this.#engine.parts.tableCache)
  }

  /**
   * Consecutive ranges that make up `range`, about equal in bytes and at most `parts`, in key order: for scans side by side.
   * Each begins at a key that is there; there are fewer when there are fewer keys, and one when there is none. Blocks the
   * thread for what is not in memory: a block or a few for each part.
   *
   * @example
   * ```ts
   * const counts = await Promise.all(store.splitRange({ prefix: 'user:' }, 4).map((part) => store.count(part)))
   * ```
   */
  splitRange(range: KeyRange<K>, parts: number): KeyRange<K>[] {
    this.checkOpen()
    const { keys } = this.#codec
    const bounds = byteRangeOf(range, keys)
    if (!Number.isInteger(parts) || parts < 1 || parts > MOST_PARTS) {
      throw new VarveError(
        'INVALID_ARGUMENT',
        `parts must be a whole number from 1 to ${MOST_PARTS}, not ${shown(parts)}.`,
      )
    }
    if (isEmptyRange(bounds)) return [{ ...range }]
    const cuts = splitKeys(this.#engine, this.#at, bounds, parts).map(
      (key) => keys.decode(key, 0, key.length) as unknown as KeyPrefix<K>,
    )
    // A cut lies inside the range, so it takes the place of the bound on its side; every other bound holds for all parts.
    return [...cuts, undefined].map((lt, i) => ({
      ...range,
      ...(i === 0 ? {} : { gte: cuts[i - 1] }),
      ...(lt === undefined ? {} : { lt }),
    }))
  }

  #iterate<T>(projection: Projection, range: RangeOptions<K, V>): RangeIterator<T, K, V> {
    this.checkOpen()
    const scan = scanOf(range, this.#codec.keys)
    const { view } = range
    const at = view === undefined ? this.#at : this.#momentOf(view)
    return new RangeIterator(this.#engine, this.#codec, projection, scan, at)
  }

  /** What a view that was closed has seen may be gone; what another store's has seen was never here. */
  #momentOf(view: Moment): ReadPoint {
    if (!(view instanceof Readable) || view.#engine !== this.#engine) {
      throw new VarveError('INVALID_ARGUMENT', 'The option view takes a view of the same store.')
    }
    view.checkOpen()
    return view.#at
  }
}

/** A range that is passed over in silence would give the figure of the whole store. */
function checkNone(method: string, given: readonly unknown[], instead: string): void {
  if (given.every((argument) => argument === undefined)) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `${method} takes no argument. For a range there is ${instead}(range).`,
  )
}
