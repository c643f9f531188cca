/** A list of writes that are applied together or not at all. */
import { checkDuration } from './options.js'

/** Options of one write. */
export interface WriteOptions {
  /** Milliseconds until the entry expires; 0: never. Default: the store's `defaultTtl`. */
  readonly ttl?: number
}

/** One write of a {@link WriteBatch}. */
export type BatchOperation<K, V> =
  | { readonly type: 'set'; readonly key: K; readonly value: V; readonly ttl: number | undefined }
  | { readonly type: 'delete'; readonly key: K }

/**
 * A reusable list of writes, bound to no store. Later writes of the same key win. Keys and values are read when
 * the batch is applied.
 *
 * @example
 * ```ts
 * const batch = new WriteBatch<string, string>().set('a', '1').set('b', '2').delete('c')
 * await store.applyBatch(batch)
 * ```
 */
export class WriteBatch<K = string, V = Uint8Array | string> {
  readonly #operations: BatchOperation<K, V>[] = []

  /** Adds a write of `value` under `key`. */
  set(key: K, value: V, options?: WriteOptions): this {
    const ttl = options?.ttl
    checkDuration('ttl', ttl, 0)
    this.#operations.push({ type: 'set', key, value, ttl })
    return this
  }

  /** Adds the removal of `key`. */
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
