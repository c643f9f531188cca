/** The writing methods of a store: one key, many keys, transactions. */
import { isDeepStrictEqual } from 'node:util'
import { Kind, NEVER } from '../base/entry.js'
import { VarveError } from '../base/errors.js'
import { GroupBuffer, OPERATIONS_START } from '../wal/group-buffer.js'
import {
  incremented,
  isSameMessage,
  updated,
  whenAbsent,
  whenEqual,
  withExpiry,
} from './commit/conditions.js'
import type { Decide } from './commit/decision.js'
import type { WriteGroup, Writer } from './commit/writer.js'
import type { Codec } from './encodings/codec.js'
import type { KeyInput } from './encodings/key-encoding.js'
import type { ValueInput } from './encodings/value-encoding.js'
import { OpenStore, type StoreSource } from './open-store.js'
import { checkDuration, type Durability, type Settings } from './options.js'
import { byteRangeOf, isEmptyRange, type KeyRange } from './range.js'
import { Transaction } from './transactions/transaction.js'
import { WriteBatch } from './write-batch.js'
import {
  checkRetries,
  type DurabilityOptions,
  durabilityOf,
  type TransactionOptions,
  WRITE_NAMES,
  type WriteOptions,
} from './write-options.js'

/** What {@link Store.applyBatch} did. */
export interface BatchResult {
  /** The writes that were applied: all of them. */
  readonly successful: number
  /** Always 0: a batch that fails rejects and applies nothing. */
  readonly failed: number
}

/** Everything that writes. A write is refused whole: whatever is wrong with it, nothing is written. */
export abstract class Writable<K, V> extends OpenStore<K, V> {
  readonly #source: StoreSource
  readonly #writer: Writer
  readonly #codec: Codec<K, V>
  readonly #settings: Settings
  readonly #durability: Durability
  readonly #defaultTtlMs: number
  /** Where batches are encoded; undefined while one is. */
  #encoded: GroupBuffer | undefined

  /** @internal */
  constructor(path: string, source: StoreSource, writer: Writer, codec: Codec<K, V>, settings: Settings) {
    super(path, source, codec)
    this.#source = source
    this.#writer = writer
    this.#codec = codec
    this.#settings = settings
    this.#durability = settings.durability
    this.#defaultTtlMs = settings.defaultTtlMs
  }

  // One key

  /** Writes `value` under `key`. Resolves when it is as durable as asked for. */
  set(key: KeyInput<K>, value: ValueInput<V>, options?: WriteOptions & DurabilityOptions): Promise<void> {
    try {
      this.checkOpen()
      const durability = durabilityOf('set', options, WRITE_NAMES.value, this.#durability)
      const expiresAt = this.#expiryOf(options?.ttl)
      // The value first: encoding it may run the user's code, which may use the store and with it the key's bytes.
      const encodedValue = this.#codec.value(value as unknown as V)
      const encodedKey = this.#codec.key(key as unknown as K)
      const group = this.#writer.join(durability)
      group.operations.add(Kind.put, encodedKey.bytes, encodedValue, expiresAt, encodedKey.length)
      return this.#source.metrics.writeLatency.sample(group.promiseFor(durability))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Removes `key`; resolves to whether it was there. */
  async delete(key: KeyInput<K>, options?: DurabilityOptions): Promise<boolean> {
    this.checkOpen()
    const durability = durabilityOf('delete', options, WRITE_NAMES.durable, this.#durability)
    const encoded = this.#codec.keyCopy(key as unknown as K)
    return this.#source.metrics.writeLatency.sample(this.#writer.delete(encoded, durability))
  }

  /** Writes `value` only where nothing is; resolves to whether it did. */
  async setNX(
    key: KeyInput<K>,
    value: ValueInput<V>,
    options?: WriteOptions & DurabilityOptions,
  ): Promise<boolean> {
    const durability = durabilityOf('setNX', options, WRITE_NAMES.value, this.#durability)
    return this.#decide(key, durability, whenAbsent(value as unknown as V, this.#expiryOf(options?.ttl)))
  }

  /**
   * Writes what `next` makes of the value under `key` (undefined when there is none); returning undefined removes the
   * key. Atomic: no other write comes between. `next` must be synchronous and must not write to the store itself. Without a
   * `ttl` an expiry stays as it is. Resolves to the new value, as `get` gives it.
   */
  async update(
    key: KeyInput<K>,
    next: (old: V | undefined) => ValueInput<V> | undefined,
    options?: WriteOptions & DurabilityOptions,
  ): Promise<V | undefined> {
    if (typeof next !== 'function') throw new VarveError('INVALID_ARGUMENT', 'update takes a function.')
    const durability = durabilityOf('update', options, WRITE_NAMES.value, this.#durability)
    const expiresAt = options?.ttl === undefined ? undefined : this.#expiryOf(options.ttl)
    const make = next as unknown as (old: V | undefined) => V | undefined
    return this.#decide(key, durability, updated(this.#codec, make, expiresAt, this.#expiryOf(undefined)))
  }

  /**
   * Adds `by` to the number under `key`; a missing key counts as 0. With `valueEncoding` `'utf8'` the number is written
   * as text. An expiry stays as it is. Resolves to the sum; `INVALID_VALUE` when what is there is no number.
   */
  async increment(key: KeyInput<K>, by = 1, options?: DurabilityOptions): Promise<number> {
    if (typeof by !== 'number' || !Number.isFinite(by)) {
      throw new VarveError('INVALID_ARGUMENT', 'increment takes a finite number.')
    }
    const durability = durabilityOf('increment', options, WRITE_NAMES.durable, this.#durability)
    const { numbers } = this.#codec.values
    if (numbers === 'none') {
      throw new VarveError(
        'INVALID_ARGUMENT',
        "increment needs a valueEncoding that holds numbers, not 'buffer'.",
      )
    }
    return this.#decide(key, durability, incremented(by, numbers === 'text', this.#expiryOf(undefined)))
  }

  /**
   * Writes `next` only where the value equals what `expected` is when it is stored; undefined stands for "not there", on both sides. Resolves to
   * whether it did.
   */
  async compareAndSet(
    key: KeyInput<K>,
    expected: ValueInput<V> | undefined,
    next: ValueInput<V> | undefined,
    options?: WriteOptions & DurabilityOptions,
  ): Promise<boolean> {
    const durability = durabilityOf('compareAndSet', options, WRITE_NAMES.value, this.#durability)
    const stored = expected === undefined ? undefined : this.#codec.asStored(expected as V)
    const isSame = this.#codec.values.name === 'msgpack' ? isSameMessage : isDeepStrictEqual
    const condition = whenEqual(stored, next as V | undefined, this.#expiryOf(options?.ttl), isSame)
    return this.#decide(key, durability, condition)
  }

  // Time to live

  /** Lets the entry expire in `ttlMs` milliseconds; resolves to whether it was there. 0 takes an expiry away. */
  async expire(key: KeyInput<K>, ttlMs: number, options?: DurabilityOptions): Promise<boolean> {
    if (ttlMs === undefined)
      throw new VarveError('INVALID_ARGUMENT', 'expire takes a number of milliseconds, not undefined.')
    const durability = durabilityOf('expire', options, WRITE_NAMES.durable, this.#durability)
    return this.#decide(key, durability, withExpiry(this.#expiryOf(ttlMs)))
  }

  /** Takes the expiry of an entry away; resolves to whether it had one. */
  async persist(key: KeyInput<K>, options?: DurabilityOptions): Promise<boolean> {
    const durability = durabilityOf('persist', options, WRITE_NAMES.durable, this.#durability)
    const expires = withExpiry<V>(NEVER, ({ expiresAt }) => expiresAt !== NEVER)
    return this.#decide(key, durability, expires)
  }

  // Many keys

  /** Applies a batch: all of its writes, or with an error none. They become visible together. */
  async applyBatch(
    batch: WriteBatch<KeyInput<K>, ValueInput<V>>,
    options?: DurabilityOptions,
  ): Promise<BatchResult> {
    this.checkOpen()
    const durability = durabilityOf('applyBatch', options, WRITE_NAMES.durable, this.#durability)
    if (!(batch instanceof WriteBatch)) {
      throw new VarveError('INVALID_ARGUMENT', 'applyBatch takes a WriteBatch.')
    }
    const group = this.#joinWith(batch, durability)
    // The caller may reuse the batch before the promise resolves.
    const { size } = batch
    await this.#source.metrics.writeLatency.sample(group.promiseFor(durability))
    return { successful: size, failed: 0 }
  }

  /**
   * Removes everything, or every entry in a range. Atomic: readers and crashes see all of it or nothing. Views and
   * iterators go on seeing what they saw; transactions that are under way conflict.
   *
   * Everything goes in time that does not grow with the data, and durably, whatever the durability. A range takes time
   * and space with the entries in it, a tombstone each; writes that come meanwhile wait.
   */
  async clear(range?: KeyRange<K>, options?: DurabilityOptions): Promise<void> {
    this.checkOpen()
    const durability = durabilityOf('clear', options, WRITE_NAMES.durable, this.#durability)
    const bounds = byteRangeOf(range === undefined ? {} : range, this.#codec.keys)
    if (range !== undefined) checkBounded(range)
    if (isEmptyRange(bounds)) return
    const { lower, upper } = bounds
    const isEverything = (lower === undefined || lower.length === 0) && upper === undefined
    await this.#writer.clear(isEverything ? undefined : bounds, durability)
  }

  /**
   * Runs `work` as a transaction: it reads one moment and its own writes, and its writes are committed together when it
   * returns, unless something that it read or writes has changed meanwhile. Then it is run again, up to `retries` times
   * (default 10), before it rejects with `CONFLICT`. A `work` that throws leaves nothing behind.
   */
  async transaction<R>(
    work: (transaction: Transaction<K, V>) => Promise<R> | R,
    options: TransactionOptions = {},
  ): Promise<R> {
    if (typeof work !== 'function') throw new VarveError('INVALID_ARGUMENT', 'transaction takes a function.')
    const durability = durabilityOf('transaction', options, WRITE_NAMES.transaction, this.#durability)
    const retries = checkRetries(options.retries)
    for (let attempt = 0; ; attempt++) {
      this.checkOpen()
      const transaction = new Transaction<K, V>(
        this.#source,
        this.#writer,
        this.#codec,
        this.#settings,
        (ttl) => this.#expiryOf(ttl),
      )
      let isCommitting = false
      try {
        const result = await work(transaction)
        isCommitting = true
        await this.#source.metrics.writeLatency.sample(transaction.commit(durability))
        return result
      } catch (error) {
        transaction.rollback()
        // Whatever `work` throws comes out, the conflict of another transaction too.
        const isConflict = isCommitting && error instanceof VarveError && error.code === 'CONFLICT'
        if (!isConflict || attempt >= retries) throw error
      }
    }
  }

  /** Adds the whole batch to a group. It is encoded apart: that may run the user's code, which may write to the store. */
  #joinWith(batch: WriteBatch<KeyInput<K>, ValueInput<V>>, durability: Durability): WriteGroup {
    const encoded = this.#encoded ?? new GroupBuffer()
    this.#encoded = undefined
    try {
      this.#encode(batch, encoded)
      const group = this.#writer.join(durability)
      group.operations.addAll(encoded.bytes, OPERATIONS_START, encoded.length, encoded.count)
      return group
    } finally {
      encoded.clear()
      this.#encoded = encoded
    }
  }

  #encode(batch: WriteBatch<KeyInput<K>, ValueInput<V>>, operations: GroupBuffer): void {
    for (const operation of batch) {
      if (operation.type === 'delete') {
        const key = this.#codec.key(operation.key as unknown as K)
        operations.add(Kind.delete, key.bytes, undefined, undefined, key.length)
      } else {
        const value = this.#codec.value(operation.value as unknown as V)
        const key = this.#codec.key(operation.key as unknown as K)
        operations.add(Kind.put, key.bytes, value, this.#expiryOf(operation.ttl), key.length)
      }
    }
  }

  async #decide<R>(key: KeyInput<K>, durability: Durability, decide: Decide<V, R>): Promise<R> {
    this.checkOpen()
    const writing = this.#writer.decide(
      this.#codec,
      this.#codec.keyCopy(key as unknown as K),
      durability,
      decide,
    )
    return this.#source.metrics.writeLatency.sample(writing)
  }

  #expiryOf(ttl: number | undefined): number {
    const ttlMs = ttl === undefined ? this.#defaultTtlMs : checkDuration('ttl', ttl, 0)
    return ttlMs === 0 || ttlMs === NEVER ? NEVER : this.#source.parts.clock.now() + ttlMs
  }
}

/** `clear({ prefix: user.prefix })` with a user that has none would otherwise remove everything. */
function checkBounded(range: object): void {
  const bounds = Object.values(range)
  if (bounds.length === 0 || bounds.some((bound) => bound !== undefined)) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    'Every bound of the range to clear is undefined. To remove everything, call clear() without a range.',
  )
}
