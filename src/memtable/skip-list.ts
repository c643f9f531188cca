/**
 * A skip list in an arena: many lock-free readers, one writer, no deletion.
 * William Pugh, "Skip Lists: A Probabilistic Alternative to Balanced Trees" (CACM 33(6), 1990), with p = 1/4.
 *
 * A node is a run of words in the arena; its name is the index `n` of its header:
 *
 *     n−height … n−1   links, level i at n−1−i; level 0 lies next to the header, where a walk along the list wants it
 *     n                back link on level 0 (the head for the first node)
 *     n+1              key length in bytes
 *     n+2              sequence number, low 32 bits
 *     n+3              sequence number, high 21 bits | kind << 24
 *     n+4              value length in bytes
 *     n+5 …            key, zero-padded to words; then the value
 *
 * Invariants:
 * 1. A node is filled before it is linked, bottom level first, each link with `Atomics.store`, so a reader sees whole
 *    nodes only. Links are read with plain loads: they are aligned words, each read once, and `Atomics.load` made
 *    lookups 20% slower (docs/adr/0003). A reader in another thread takes its sequence number from a word that the
 *    writer stores behind the nodes, with `Atomics.load`; nodes that are linked later are newer than that.
 * 2. Nodes are never changed after linking, except for links. Level 0 holds all nodes in order.
 * 3. A back link may be stale only in that it misses nodes linked after the reader's sequence number was published,
 *    and those a reader must not see anyway.
 *
 * Keys are compared as words: equal words are skipped four bytes at a time, and the first difference is decided by
 * its first differing byte in memory order. Two keys of different length whose words agree differ in length only
 * (the padding is zero), and the shorter one is a prefix of the longer, hence smaller.
 */
import { copyBytes } from '../base/bytes.js'
import type { Arena } from './arena.js'
import type { SearchKey } from './search-key.js'

/** 4^12 = 16 million nodes with an expected search path of O(log n). */
const MAX_HEIGHT = 12

const BACK = 0
const KEY_LENGTH = 1
const SEQUENCE_LOW = 2
const SEQUENCE_HIGH = 3
const VALUE_LENGTH = 4
const KEY = 5

/** The words of a head: its links, a header without a key, and in place of the key the height of the list. */
const HEAD_WORDS = MAX_HEIGHT + KEY + 1
const HEAD_HEIGHT = KEY

/** The most bytes that a node takes beyond its key and value: all links, the header, padding of both. */
export const MAX_NODE_OVERHEAD = (MAX_HEIGHT + KEY) * 4 + 6

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** Compares two different words by their first differing byte in memory order. */
function compareWords(a: number, b: number): number {
  if (!LITTLE_ENDIAN) return (a >>> 0) - (b >>> 0)
  const difference = a ^ b
  const shift = (31 - Math.clz32(difference & -difference)) & 24
  return ((a >>> shift) & 0xff) - ((b >>> shift) & 0xff)
}

export class SkipList {
  readonly #arena: Arena
  readonly #words: Int32Array
  readonly #head: number
  /** Where an insertion goes: the last node before it on each level. */
  readonly #splice = new Int32Array(MAX_HEIGHT)
  #height: number
  #random = 0x2545f491

  private constructor(arena: Arena, head: number) {
    this.#arena = arena
    this.#words = arena.words
    this.#head = head
    this.#height = this.#words[head + HEAD_HEIGHT]
  }

  /** An empty list in `arena`. */
  static create(arena: Arena): SkipList {
    const start = arena.allocateWords(HEAD_WORDS)
    arena.words.fill(0, start, start + HEAD_WORDS)
    const head = start + MAX_HEIGHT
    arena.words[head + HEAD_HEIGHT] = 1
    return new SkipList(arena, head)
  }

  /** The `index`-th list that was created in `arena`, perhaps by another thread, when lists came before all nodes. */
  static attach(arena: Arena, index: number): SkipList {
    return new SkipList(arena, 1 + index * HEAD_WORDS + MAX_HEIGHT)
  }

  /** The bytes of an empty list. */
  static readonly headBytes = HEAD_WORDS * 4

  /** Inserts an entry; (key, sequence) must be new. The caller has checked that the arena has room. */
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
    const words = this.#words
    const bytes = this.#arena.bytes
    const keyLength = keyEnd - keyStart
    const keyWords = (keyLength + 3) >>> 2
    const valueLength = valueEnd - valueStart
    const height = this.#randomHeight()
    const node = this.#arena.allocateWords(height + KEY + keyWords + ((valueLength + 3) >>> 2)) + height
    const sequenceHigh = Math.floor(sequence / 0x1_0000_0000)
    words[node + KEY_LENGTH] = keyLength
    words[node + SEQUENCE_LOW] = sequence | 0
    words[node + SEQUENCE_HIGH] = sequenceHigh | (kind << 24)
    words[node + VALUE_LENGTH] = valueLength
    if (keyWords > 0) words[node + KEY + keyWords - 1] = 0
    copyBytes(keyBytes, keyStart, keyEnd, bytes, (node + KEY) * 4)
    copyBytes(valueBytes, valueStart, valueEnd, bytes, (node + KEY + keyWords) * 4)
    this.#link(node, height, this.#findSplice(words, node + KEY, keyLength, sequence))
  }

  #link(node: number, height: number, before: number): void {
    const words = this.#words
    const splice = this.#splice
    if (height > this.#height) {
      for (let level = this.#height; level < height; level++) splice[level] = this.#head
      this.#height = height
      Atomics.store(words, this.#head + HEAD_HEIGHT, height)
    }
    words[node + BACK] = before
    for (let level = 0; level < height; level++) words[node - 1 - level] = words[splice[level] - 1 - level]
    const after = words[node - 1]
    for (let level = 0; level < height; level++) Atomics.store(words, splice[level] - 1 - level, node)
    if (after !== 0) Atomics.store(words, after + BACK, node)
  }

  /** Geometric with p = 1/4, from a xorshift generator (Marsaglia, 2003): cheap, and the same in every run. */
  #randomHeight(): number {
    let random = this.#random
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    this.#random = random
    const height = 1 + (Math.clz32(random) >>> 1)
    return height < MAX_HEIGHT ? height : MAX_HEIGHT
  }

  /** Compares a node with (search key, sequence): negative when the node comes first. */
  #compare(node: number, key: Int32Array, at: number, length: number, sequence: number): number {
    const words = this.#words
    const nodeLength = words[node + KEY_LENGTH]
    const shorter = ((nodeLength < length ? nodeLength : length) + 3) >>> 2
    for (let i = 0; i < shorter; i++) {
      const a = words[node + KEY + i]
      const b = key[at + i]
      if (a !== b) return compareWords(a, b)
    }
    if (nodeLength !== length) return nodeLength - length
    return sequence - this.sequenceOf(node)
  }

  /**
   * The first node at or behind (key, sequence), or 0. A node that was too large on one level is not compared again on
   * the levels below. The answer is a node that was compared: the link that led to it is not read again, because a
   * writer in another thread may have put newer nodes there since.
   */
  #search(key: Int32Array, at: number, length: number, sequence: number): number {
    const words = this.#words
    let node = this.#head
    let tooLarge = 0
    for (let level = words[node + HEAD_HEIGHT] - 1; level >= 0; level--) {
      for (;;) {
        const next = words[node - 1 - level]
        // The end, or so it seems: another processor may show the upper link of a new last node before the lower one.
        if (next === 0 || next === tooLarge) break
        if (this.#compare(next, key, at, length, sequence) >= 0) {
          tooLarge = next
          break
        }
        node = next
      }
    }
    return tooLarge
  }

  /** The last node before (key, sequence), the head if there is none, and the way there; only the writer calls it. */
  #findSplice(key: Int32Array, at: number, length: number, sequence: number): number {
    const words = this.#words
    const splice = this.#splice
    let node = this.#head
    let tooLarge = 0
    for (let level = this.#height - 1; level >= 0; level--) {
      for (;;) {
        const next = words[node - 1 - level]
        if (next === 0 || next === tooLarge) break
        if (this.#compare(next, key, at, length, sequence) >= 0) {
          tooLarge = next
          break
        }
        node = next
      }
      splice[level] = node
    }
    return node
  }

  /** The newest node of the key whose sequence number is at most `sequence`, or 0. */
  find(key: SearchKey, sequence: number): number {
    const words = this.#words
    const node = this.#search(key.words, 0, key.length, sequence)
    if (node === 0 || words[node + KEY_LENGTH] !== key.length) return 0
    const keyWords = (key.length + 3) >>> 2
    for (let i = 0; i < keyWords; i++) if (words[node + KEY + i] !== key.words[i]) return 0
    return node
  }

  /** The first node at or behind (key, sequence), or 0. */
  seek(key: SearchKey, sequence: number): number {
    return this.#search(key.words, 0, key.length, sequence)
  }

  first(): number {
    return this.next(this.#head)
  }

  last(): number {
    const words = this.#words
    let node = this.#head
    for (let level = words[node + HEAD_HEIGHT] - 1; level >= 0; level--) {
      for (let next = words[node - 1 - level]; next !== 0; next = words[node - 1 - level]) {
        node = next
      }
    }
    return node === this.#head ? 0 : node
  }

  /** The node behind `node`, or 0. */
  next(node: number): number {
    return this.#words[node - 1]
  }

  /** One node in 4^`level`, spread evenly over the list, in order. */
  *sample(level: number): IterableIterator<number> {
    const words = this.#words
    const below = Math.min(level, words[this.#head + HEAD_HEIGHT] - 1)
    for (let node = words[this.#head - 1 - below]; node !== 0; node = words[node - 1 - below]) yield node
  }

  /** The node before `node`, or 0. */
  prev(node: number): number {
    const before = this.#words[node + BACK]
    return before === this.#head ? 0 : before
  }

  sequenceOf(node: number): number {
    return (
      (this.#words[node + SEQUENCE_HIGH] & 0xff_ffff) * 0x1_0000_0000 +
      (this.#words[node + SEQUENCE_LOW] >>> 0)
    )
  }

  kindOf(node: number): number {
    return this.#words[node + SEQUENCE_HIGH] >>> 24
  }

  /** Where the key begins in the arena's bytes. */
  keyStart(node: number): number {
    return (node + KEY) * 4
  }

  keyLength(node: number): number {
    return this.#words[node + KEY_LENGTH]
  }

  valueStart(node: number): number {
    return (node + KEY + ((this.#words[node + KEY_LENGTH] + 3) >>> 2)) * 4
  }

  valueLength(node: number): number {
    return this.#words[node + VALUE_LENGTH]
  }
}
