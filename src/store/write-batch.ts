/** A list of writes that are applied together or not at all. */
import { checkOptionNames } from './option-names.js'
import { checkDuration } from './options.js'
import { WRITE_NAMES, type WriteOptions } from './write-options.js'

/** One write of a {@link WriteBatch}. */
export type BatchOperation<K, V> =
  | { readonly type: 'set'; readonly key: K; readonly value: V; readonly ttl: number | undefined }
  | { readonly type: 'delete'; readonly key: K }

/**
 * A reusable list of writes, bound to no store. Later writes of the same key win. Keys and values are read when
 * the batch is applied.
 *
 * `new WriteBatch<K, V>()` takes keys and values of these types only, and goes to stores that take them. Without type
 * arguments (`never` stands for "not told") it takes everything and goes to every store, which checks it when it is
 * applied.
 *
 * @example
 * ```ts
 * const batch = new WriteBatch().set('a', '1').set('b', '2', { ttl: 60_000 }).delete('c')
 * await store.applyBatch(batch)
 * ```
 */
export class WriteBatch<out K = never, out V = never> {
  readonly #operations: BatchOperation<K, V>[] = []

  /** Adds a write of `value` under `key`. */
  set(this: WriteBatch<never, never>, key: unknown, value: unknown, options?: WriteOptions): this
  set(key: K, value: V, options?: WriteOptions): this
  set(key: K, value: V, options?: WriteOptions): this {
    if (options !== undefined) checkOptionNames('set in a batch', options, WRITE_NAMES.part)
    const ttl = options?.ttl
    checkDuration('ttl', ttl, 0)
    this.#operations.push({ type: 'set', key, value, ttl })
    return this
  }

  /** Adds the removal of `key`. */
  delete(this: WriteBatch<never, never>, key: unknown): this
  delete(key: K): this
  delete(key: K): this {
    this.#operations.push({ type: 'delete', key })
    return this
  }

  /** The number of writes. */
  get size(): number {
    return this.#operations.length
  }

  /** Forgets all writes, for reuse. */
  clear(): this {
    this.#operations.length = 0
    return this
  }

  /** The writes in the order in which they were added. */
  [Symbol.iterator](): Iterator<BatchOperation<K, V>> {
    return this.#operations[Symbol.iterator]()
  }
}
