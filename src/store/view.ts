/** A read view: the store as it was at one moment, held in memory. */
import { VarveError } from '../base/errors.js'
import type { Codec } from './codec.js'
import { countEntries } from './count.js'
import type { Engine } from './engine.js'
import { byteRangeOf, type KeyRange } from './range.js'
import { RangeIterator, type RangeOptions } from './range-iterator.js'
import { type Entry, Reader } from './reader.js'

/**
 * A pinned moment. Reads see exactly what was committed before the view was made; entries whose time to live has run
 * out are gone here too. Flush and compaction keep what the view sees, so close it: `using view = store.view()`.
 */
export class View<K, V> {
  /** The sequence number of the last write that the view sees. */
  readonly sequence: number
  readonly #engine: Engine
  readonly #codec: Codec<K, V>
  readonly #reader: Reader<K, V>
  #closed = false

  constructor(engine: Engine, codec: Codec<K, V>) {
    this.sequence = engine.lastSequence
    this.#engine = engine
    this.#codec = codec
    this.#reader = new Reader(engine, codec, this.sequence)
    engine.pinned.pin(this.sequence)
  }

  async get(key: K): Promise<V | undefined> {
    return this.#open().get(key)
  }

  getSync(key: K): V | undefined {
    return this.#open().getSync(key)
  }

  async getMany(keys: readonly K[]): Promise<(V | undefined)[]> {
    return this.#open().getMany(keys)
  }

  getManySync(keys: readonly K[]): (V | undefined)[] {
    return this.#open().getManySync(keys)
  }

  async getEntry(key: K): Promise<Entry<K, V> | undefined> {
    return this.#open().getEntry(key)
  }

  async exists(key: K): Promise<boolean> {
    return this.#open().exists(key)
  }

  existsSync(key: K): boolean {
    return this.#open().existsSync(key)
  }

  entries(range: RangeOptions<K, V> = {}): RangeIterator<[K, V], K, V> {
    this.#open()
    return new RangeIterator(this.#engine, this.#codec, 'entry', range, this.sequence)
  }

  keys(range: RangeOptions<K, V> = {}): RangeIterator<K, K, V> {
    this.#open()
    return new RangeIterator(this.#engine, this.#codec, 'key', range, this.sequence)
  }

  values(range: RangeOptions<K, V> = {}): RangeIterator<V, K, V> {
    this.#open()
    return new RangeIterator(this.#engine, this.#codec, 'value', range, this.sequence)
  }

  /** The exact number of entries in a range; all of them by default. */
  async count(range: KeyRange<K> = {}): Promise<number> {
    this.#open()
    return countEntries(this.#engine, byteRangeOf(range, this.#codec.keys), this.sequence)
  }

  /** Lets the moment go. Iterators made from the view go on. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#engine.pinned.unpin(this.sequence)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #open(): Reader<K, V> {
    if (this.#closed) throw new VarveError('CLOSED', 'The view is closed. Make a new one.')
    if (this.#engine.closed) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
    return this.#reader
  }
}
