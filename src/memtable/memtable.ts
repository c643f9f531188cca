/**
 * The memtable: the newest entries, sorted, in `shardCount` skip lists in one arena.
 *
 * The shard of an entry is chosen by a hash of its user key, so all versions of a key are in one list, and a point
 * lookup searches one list of 1/shardCount of the entries. Who iterates merges one cursor a shard.
 *
 * One writer. Any number of readers, also in other threads (`image`), as long as the memtable is pinned; its arena
 * goes back to the pool when the last pin is gone.
 */
import { assert } from '../base/assert.js'
import { expiryOf, type FoundEntry, isTombstone, Kind, NEVER } from '../base/entry.js'
import { hash32 } from '../base/hash.js'
import type { Cursor } from '../iterator/cursor.js'
import { Arena, type ArenaPool, MAX_ARENA_BYTES } from './arena.js'
import { MemtableCursor } from './memtable-cursor.js'
import type { SearchKey } from './search-key.js'
import { MAX_NODE_OVERHEAD, SkipList } from './skip-list.js'

/** Words of the arena that count, behind the heads of the lists. */
const ENTRIES = 0
const TOMBSTONES = 1
const PAYLOAD_BYTES = 2
const COUNT_WORDS = 3

/** What another thread needs to read a memtable: structured-cloneable, shares the memory. */
export interface MemtableImage {
  readonly buffer: SharedArrayBuffer
  readonly shardCount: number
}

/** An entry of a sample. */
export interface Sample {
  readonly key: Uint8Array
  /** Of key and value. */
  readonly sizeBytes: number
}

export class Memtable {
  readonly #arena: Arena
  readonly #pool: ArenaPool | undefined
  readonly #shards: readonly SkipList[]
  readonly #shardMask: number
  #pins = 1
  #frozen = false
  /** When the first entry expires of those that were inserted since a sweep was here; `NEVER` for none. */
  nextExpiry = NEVER
  /** Where the counts are in the arena, for every thread to read. */
  readonly #counts: number
  #firstSequence = 0
  #lastSequence = 0

  private constructor(arena: Arena, shards: readonly SkipList[], pool: ArenaPool | undefined) {
    this.#arena = arena
    this.#shards = shards
    this.#shardMask = shards.length - 1
    this.#pool = pool
    this.#counts = 1 + shards.length * (SkipList.headBytes / 4)
    assert((shards.length & this.#shardMask) === 0, 'the number of shards is a power of two')
  }

  /** An empty memtable with room for at least `minimumBytes` as `bytesNeeded` counts them. */
  static create(pool: ArenaPool, shardCount: number, minimumBytes = 0): Memtable {
    const arena = pool.take(minimumBytes + Memtable.headBytes(shardCount))
    const shards = Array.from({ length: shardCount }, () => SkipList.create(arena))
    const counts = arena.allocateWords(COUNT_WORDS)
    arena.words.fill(0, counts, counts + COUNT_WORDS)
    return new Memtable(arena, shards, pool)
  }

  /** A memtable of another thread, for reading. */
  static attach(image: MemtableImage): Memtable {
    const arena = new Arena(image.buffer)
    return new Memtable(
      arena,
      Array.from({ length: image.shardCount }, (_, i) => SkipList.attach(arena, i)),
      undefined,
    )
  }

  /** The bytes of an empty memtable. */
  static headBytes(shardCount: number): number {
    return 4 + shardCount * SkipList.headBytes + COUNT_WORDS * 4
  }

  /** The most arena bytes that `entryCount` entries with `payloadBytes` of keys and values can take. */
  static bytesNeeded(entryCount: number, payloadBytes: number): number {
    return payloadBytes + entryCount * MAX_NODE_OVERHEAD
  }

  /** The most bytes that {@link bytesNeeded} may come to for entries that are written together. */
  static maxBytes(shardCount: number): number {
    return MAX_ARENA_BYTES - Memtable.headBytes(shardCount)
  }

  /** For other threads: what is inserted from now on, they may see at once. */
  get image(): MemtableImage {
    for (const shard of this.#shards) shard.share()
    return { buffer: this.#arena.buffer, shardCount: this.#shards.length }
  }

  get entryCount(): number {
    return this.#arena.words[this.#counts + ENTRIES]
  }

  get tombstoneCount(): number {
    return this.#arena.words[this.#counts + TOMBSTONES]
  }

  /** The bytes of all keys and stored values. */
  get payloadBytes(): number {
    return this.#arena.words[this.#counts + PAYLOAD_BYTES]
  }

  /** The smallest sequence number in the memtable; 0 when it is empty. */
  get firstSequence(): number {
    return this.#firstSequence
  }

  /** The largest sequence number in the memtable; 0 when it is empty. */
  get lastSequence(): number {
    return this.#lastSequence
  }

  /** The bytes in use, with all overhead. */
  get sizeBytes(): number {
    return this.#arena.usedBytes
  }

  get capacityBytes(): number {
    return this.#arena.capacityBytes
  }

  get frozen(): boolean {
    return this.#frozen
  }

  hasRoom(bytesNeeded: number): boolean {
    return this.#arena.freeBytes >= bytesNeeded
  }

  /** No more insertions. */
  freeze(): void {
    this.#frozen = true
  }

  insert(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    sequence: number,
    kind: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    assert(
      !this.#frozen && sequence > this.#lastSequence,
      'a memtable grows in sequence order until it is frozen',
    )
    const shard =
      this.#shardMask === 0
        ? this.#shards[0]
        : this.#shards[hash32(keyBytes, keyStart, keyEnd) & this.#shardMask]
    shard.insert(keyBytes, keyStart, keyEnd, sequence, kind, valueBytes, valueStart, valueEnd)
    const { words } = this.#arena
    const counts = this.#counts
    if (words[counts + ENTRIES] === 0) this.#firstSequence = sequence
    this.#lastSequence = sequence
    words[counts + ENTRIES]++
    words[counts + PAYLOAD_BYTES] += keyEnd - keyStart + valueEnd - valueStart
    if (isTombstone(kind)) words[counts + TOMBSTONES]++
    else if (kind === Kind.putWithExpiry) {
      const expiresAt = expiryOf(kind, valueBytes, valueStart)
      if (expiresAt < this.nextExpiry) this.nextExpiry = expiresAt
    }
  }

  /**
   * Finds the newest version of `key` at or before `sequence`; describes it in `found` and says whether there is one.
   * `hash` is `hash32` of the key.
   */
  find(key: SearchKey, hash: number, sequence: number, found: FoundEntry): boolean {
    const shard = this.#shards[hash & this.#shardMask]
    const node = shard.find(key, sequence)
    if (node === 0) return false
    const valueStart = shard.valueStart(node)
    found.sequence = shard.sequenceOf(node)
    found.kind = shard.kindOf(node)
    found.valueBytes = this.#arena.bytes
    found.valueStart = valueStart
    found.valueEnd = valueStart + shard.valueLength(node)
    return true
  }

  /** One cursor a shard. The caller keeps the memtable pinned. */
  cursors(): Cursor[] {
    return this.#shards.map((shard) => new MemtableCursor(this.#arena.bytes, shard))
  }

  /**
   * Some `wanted` entries or more, up to four times as many, spread evenly over the shards; all when there are no more.
   * Those of a shard in order.
   */
  sample(wanted: number): Sample[] {
    const level = Math.max(0, Math.floor(Math.log2(this.entryCount / wanted) / 2))
    const { bytes } = this.#arena
    return this.#shards.flatMap((shard) =>
      Array.from(shard.sample(level), (node) => {
        const start = shard.keyStart(node)
        const key = bytes.slice(start, start + shard.keyLength(node))
        return { key, sizeBytes: key.length + shard.valueLength(node) }
      }),
    )
  }

  pin(): void {
    assert(this.#pins > 0, 'a memtable that was let go is not pinned again')
    this.#pins++
  }

  unpin(): void {
    assert(this.#pins > 0, 'each pin is let go once')
    if (--this.#pins === 0) this.#pool?.give(this.#arena)
  }
}
