/**
 * A transaction: snapshot isolation, optimistic.
 *
 * Reads see the moment at which the transaction began, and its own writes. Writes are gathered here and committed as
 * one batch, in one synchronous step that first checks that nothing that was read or is written has changed since;
 * otherwise nothing is written and the transaction conflicts.
 */
import { compareKeys, copyOf } from '../../base/bytes.js'
import { Kind } from '../../base/entry.js'
import { VarveError } from '../../base/errors.js'
import type { Writer } from '../commit/writer.js'
import { Codec } from '../encodings/codec.js'
import { type KeyInput, keyEncodingOf } from '../encodings/key-encoding.js'
import { type ValueInput, valueEncodingOf } from '../encodings/value-encoding.js'
import { checkOptionNames } from '../option-names.js'
import type { Durability, Settings } from '../options.js'
import { type ByteRange, successorOf } from '../range.js'
import { passes, type Scan, type TransactionRange, transactionScanOf } from '../range-options.js'
import type { Lease } from '../reading/leases.js'
import type { PinnedMoment } from '../reading/pinned-moments.js'
import { type Projection, RangeIterator } from '../reading/range-iterator.js'
import type { ReadSource } from '../reading/read-source.js'
import { checkKeys, Reader } from '../reading/reader.js'
import { WRITE_NAMES, type WriteOptions } from '../write-options.js'
import { nameOf, ReadSet } from './read-set.js'

/** A write of the transaction; `value` is undefined for a removal. */
interface PendingWrite {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
  readonly expiresAt: number
}

/** Entries of a range inside a transaction; for `for await`, or all at once. */
export class TransactionEntries<T> implements AsyncIterable<T> {
  readonly #generate: () => AsyncGenerator<T, void, undefined>

  /** @internal */
  constructor(generate: () => AsyncGenerator<T, void, undefined>) {
    this.#generate = generate
  }

  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.#generate()
  }

  /** All of them. */
  async all(): Promise<T[]> {
    const all: T[] = []
    for await (const item of this) all.push(item)
    return all
  }
}

export class Transaction<K, V> {
  /** The moment at which the transaction reads. */
  readonly sequence: number
  readonly #source: ReadSource
  readonly #writer: Writer
  readonly #codec: Codec<K, V>
  readonly #rawCodec: Codec<Uint8Array, Uint8Array>
  readonly #moment: PinnedMoment
  readonly #lease: Lease
  readonly #reader: Reader<K, V>
  readonly #expiryOf: (ttl: number | undefined) => number
  readonly #readSet = new ReadSet()
  /** By the key's bytes as a string. */
  readonly #writes = new Map<string, PendingWrite>()
  #ended = false

  /** @internal */
  constructor(
    source: ReadSource,
    writer: Writer,
    codec: Codec<K, V>,
    settings: Settings,
    expiryOf: (ttl: number | undefined) => number,
  ) {
    this.#source = source
    this.#writer = writer
    this.#codec = codec
    this.#expiryOf = expiryOf
    this.#rawCodec = new Codec<Uint8Array, Uint8Array>(
      keyEncodingOf('buffer'),
      valueEncodingOf('buffer'),
      settings,
    )
    this.#moment = source.pinned.pin(source.sequence)
    this.#lease = source.leases.begin('transaction', this, this.#moment)
    this.sequence = this.#moment.sequence
    this.#reader = new Reader(source, codec, this.#moment)
  }

  /** The value under `key`, with this transaction's own writes. */
  async get(key: KeyInput<K>): Promise<V | undefined> {
    this.#checkActive()
    const encoded = this.#codec.key(key as unknown as K)
    const name = nameOf(encoded)
    const own = this.#writes.get(name)
    if (own !== undefined) return this.#ownValue(own)
    this.#readSet.addKey(name, encoded.bytes.slice(0, encoded.length))
    return this.#reader.get(key as unknown as K)
  }

  /** The values under `keys`, in their order. */
  async getMany(keys: readonly KeyInput<K>[]): Promise<(V | undefined)[]> {
    checkKeys(keys)
    return Promise.all(keys.map((key) => this.get(key)))
  }

  /** Whether there is a value under `key`. */
  async exists(key: KeyInput<K>): Promise<boolean> {
    return (await this.get(key)) !== undefined
  }

  /** Writes `value` under `key` when the transaction commits. */
  set(key: KeyInput<K>, value: ValueInput<V>, options?: WriteOptions): void {
    this.#checkActive()
    if (options !== undefined) checkOptionNames('set in a transaction', options, WRITE_NAMES.part)
    const bytes = copyOf(this.#codec.value(value as unknown as V))
    this.#write(key, bytes, this.#expiryOf(options?.ttl))
  }

  /** Removes `key` when the transaction commits. */
  delete(key: KeyInput<K>): void {
    this.#checkActive()
    this.#write(key, undefined, 0)
  }

  /** `[key, value]` pairs of a range, with this transaction's own writes. Nobody else's write slips into what was read. */
  entries(range: TransactionRange<K, V> = {}): TransactionEntries<[K, V]> {
    return this.#iterate('entry', range)
  }

  keys(range: TransactionRange<K, V> = {}): TransactionEntries<K> {
    return this.#iterate('key', range)
  }

  values(range: TransactionRange<K, V> = {}): TransactionEntries<V> {
    return this.#iterate('value', range)
  }

  /** Commits; rejects with `CONFLICT` when something that was read or is written has changed. @internal */
  async commit(durability: Durability): Promise<void> {
    this.#checkActive()
    this.#ended = true
    try {
      // A transaction that wrote nothing saw one moment, which is all that it was promised.
      if (this.#writes.size > 0) await this.#validateAndWrite(durability)
    } finally {
      this.#source.leases.end(this.#lease)
    }
  }

  /** Forgets everything. @internal */
  rollback(): void {
    if (this.#ended) return
    this.#ended = true
    this.#source.leases.end(this.#lease)
  }

  #validateAndWrite(durability: Durability): Promise<void> {
    for (const [name, { key }] of this.#writes) this.#readSet.addKey(name, key)
    return this.#writer.commit(this.#readSet, this.#moment, durability, (operations) => {
      for (const { key, value, expiresAt } of this.#writes.values()) {
        if (value === undefined) operations.add(Kind.delete, key)
        else operations.add(Kind.put, key, value, expiresAt)
      }
    })
  }

  #write(key: KeyInput<K>, value: Uint8Array | undefined, expiresAt: number): void {
    const encoded = this.#codec.key(key as unknown as K)
    const bytes = encoded.bytes.slice(0, encoded.length)
    this.#writes.set(nameOf(encoded), { key: bytes, value, expiresAt })
  }

  #ownValue({ value, expiresAt }: PendingWrite): V | undefined {
    if (value === undefined || expiresAt <= this.#source.parts.clock.now()) return undefined
    return this.#codec.values.decode(value, 0, value.length)
  }

  #iterate<T>(projection: Projection, range: TransactionRange<K, V>): TransactionEntries<T> {
    this.#checkActive()
    const scan = transactionScanOf(range, this.#codec.keys)
    return new TransactionEntries(() => this.#generate(projection, scan))
  }

  async *#generate<T>(projection: Projection, scan: Scan<K, V>): AsyncGenerator<T, void, undefined> {
    this.#checkActive()
    const { range, reverse, filter } = scan
    let left = scan.limit
    if (left <= 0) return
    let last: Uint8Array | undefined
    let finished = false
    try {
      for await (const [keyBytes, valueBytes] of this.#merged(scan)) {
        last = keyBytes
        const key = this.#codec.keys.decode(keyBytes, 0, keyBytes.length)
        const value = this.#codec.values.decode(valueBytes, 0, valueBytes.length)
        if (filter !== undefined && !passes(filter(key, value))) continue
        left--
        yield (projection === 'entry' ? [key, value] : projection === 'key' ? key : value) as T
        if (left <= 0) return
      }
      finished = true
    } finally {
      this.#readSet.addRange(finished ? range : readPart(range, last, reverse))
    }
  }

  /** The moment's entries and the own writes, merged in order; own writes win, own removals hide. */
  async *#merged(scan: Scan<K, V>): AsyncGenerator<[Uint8Array, Uint8Array], void, undefined> {
    const { range, reverse } = scan
    const direction = reverse ? -1 : 1
    const own = [...this.#writes.values()]
      .filter(({ key }) => isInside(key, range))
      .sort((a, b) => compareKeys(a.key, b.key) * direction)
    const now = this.#source.parts.clock.now()
    let at = 0
    const stored = new RangeIterator<[Uint8Array, Uint8Array], Uint8Array, Uint8Array>(
      this.#source,
      this.#rawCodec,
      'entry',
      { ...scan, limit: Number.POSITIVE_INFINITY, filter: undefined },
      this.#moment,
    )
    for await (const [key, value] of stored) {
      for (; at < own.length && compareKeys(own[at].key, key) * direction < 0; at++) {
        const write = own[at]
        if (write.value !== undefined && write.expiresAt > now) yield [write.key, write.value]
      }
      if (at < own.length && compareKeys(own[at].key, key) === 0) continue
      yield [key, value]
    }
    for (; at < own.length; at++) {
      const write = own[at]
      if (write.value !== undefined && write.expiresAt > now) yield [write.key, write.value]
    }
  }

  #checkActive(): void {
    if (this.#ended)
      throw new VarveError('CLOSED', 'The transaction has ended; its methods must be awaited inside.')
    if (this.#source.closed) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
  }
}

function isInside(key: Uint8Array, { lower, upper }: ByteRange): boolean {
  return (
    (lower === undefined || compareKeys(key, lower) >= 0) &&
    (upper === undefined || compareKeys(key, upper) < 0)
  )
}

/** What of `bounds` an iteration saw that ended behind `last`. */
function readPart({ lower, upper }: ByteRange, last: Uint8Array | undefined, reverse: boolean): ByteRange {
  if (last === undefined) return { lower: new Uint8Array(0), upper: new Uint8Array(0) }
  return reverse ? { lower: last, upper } : { lower, upper: successorOf(last) }
}
