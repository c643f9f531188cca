/**
 * A skip list in an arena: many lock-free readers, one writer, no deletion.
 * William Pugh, "Skip Lists: A Probabilistic Alternative to Balanced Trees" (CACM 33(6), 1990), with p = 1/4.
 *
 * A node is a run of words in the arena; its name is the index `n` of its header:
 *
 *     n−height … n−1   links, level i at n−1−i; level 0 lies next to the header, where a walk along the list wants it
 *     n                prefix: the first four bytes of the key as a number that sorts as they do
 *     n+1              back link on level 0 (the head for the first node)
 *     n+2              key length in bytes
 *     n+3              sequence number, low 32 bits
 *     n+4              sequence number, high 21 bits | kind << 24
 *     n+5              value length in bytes
 *     n+6 …            key, zero-padded to words; then the value
 *
 * Invariants:
 * 1. A node is filled before it is linked, bottom level first. Once another thread may read the list (`share`), each link
 *    is stored with `Atomics.store`, so a reader sees whole nodes only; before that nobody else looks, and a plain store
 *    need not wait until the node has left the processor's buffers. Links are read with plain loads: they are aligned
 *    words, each read once, and `Atomics.load` made lookups 20% slower (docs/adr/0003). A reader in another thread takes
 *    its sequence number from a word that the writer stores behind the nodes, with `Atomics.load`; nodes that are linked
 *    later are newer than that.
 * 2. Nodes are never changed after linking, except for links. Level 0 holds all nodes in order.
 * 3. A back link may be stale only in that it misses nodes linked after the reader's sequence number was published,
 *    and those a reader must not see anyway.
 *
 * Keys are compared by their prefixes, which lie beside the links that led there: one load and one comparison for most nodes of
 * a search. Where they are the same, the rest is compared as words: equal words are skipped four bytes at a time, and the first
 * difference is decided by its first differing byte in memory order. Two keys of different length whose words agree differ in length only
 * (the padding is zero), and the shorter one is a prefix of the longer, hence smaller.
 */
import { LITTLE_ENDIAN } from '../base/bytes.js'
import type { Arena } from './arena.js'
import type { SearchKey } from './search-key.js'

/** 4^12 = 16 million nodes with an expected search path of O(log n). */
const MAX_HEIGHT = 12

const PREFIX = 0
const BACK = 1
const KEY_LENGTH = 2
const SEQUENCE_LOW = 3
const SEQUENCE_HIGH = 4
const VALUE_LENGTH = 5
const KEY = 6

/** The words of a head: its links, a header without a key, and in place of the key the height of the list. */
const HEAD_WORDS = MAX_HEIGHT + KEY + 1
const HEAD_HEIGHT = KEY

/** The most bytes that a node takes beyond its key and value: all links, the header, padding of both. */
export const MAX_NODE_OVERHEAD = (MAX_HEIGHT + KEY) * 4 + 6

/** Compares two different words by their first differing byte in memory order. */
function compareWords(a: number, b: number): number {
  if (!LITTLE_ENDIAN) return (a >>> 0) - (b >>> 0)
  const difference = a ^ b
  const shift = (31 - Math.clz32(difference & -difference)) & 24
  return ((a >>> shift) & 0xff) - ((b >>> shift) & 0xff)
}

/** The prefix of a key from its first word: bytes in memory order, the first one most significant, as a signed number. */
function prefixOf(word: number): number {
  if (!LITTLE_ENDIAN) return word ^ SIGN
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) ^ SIGN
}

const SIGN = 0x8000_0000 | 0
/** The prefix of the empty key: as if it were zeros. */
const EMPTY_PREFIX = SIGN

function sequenceOf(words: Int32Array, node: number): number {
  return (words[node + SEQUENCE_HIGH] & 0xff_ffff) * 0x1_0000_0000 + (words[node + SEQUENCE_LOW] >>> 0)
}

/** Compares a node with (key, sequence), whose prefix is the same: negative when the node comes first. */
function compareRest(
  words: Int32Array,
  node: number,
  key: Int32Array,
  at: number,
  length: number,
  sequence: number,
): number {
  const nodeLength = words[node + KEY_LENGTH]
  const shorter = ((nodeLength < length ? nodeLength : length) + 3) >>> 2
  for (let i = 1; i < shorter; i++) {
    const a = words[node + KEY + i]
    const b = key[at + i]
    if (a !== b) return compareWords(a, b)
  }
  if (nodeLength !== length) return nodeLength - length
  return sequence - sequenceOf(words, node)
}

/**
 * The last node before (key, sequence), `head` if there is none, and the way there in `splice`. A node that was too large on
 * one level is not compared again on the levels below. A function beside the class, like what it calls: everything that the
 * loop touches is in a local variable, and the compiler keeps it in registers.
 */
function findSplice(
  words: Int32Array,
  head: number,
  height: number,
  splice: Int32Array,
  prefix: number,
  at: number,
  length: number,
  sequence: number,
): number {
  let node = head
  let tooLarge = 0
  for (let level = height - 1; level >= 0; level--) {
    for (;;) {
      const next = words[node - 1 - level]
      if (next === 0 || next === tooLarge) break
      const nextPrefix = words[next + PREFIX]
      if (
        nextPrefix > prefix ||
        (nextPrefix === prefix && compareRest(words, next, words, at, length, sequence) >= 0)
      ) {
        tooLarge = next
        break
      }
      node = next
    }
    splice[level] = node
  }
  return node
}

export class SkipList {
  readonly #arena: Arena
  readonly #words: Int32Array
  readonly #head: number
  /** Where an insertion goes: the last node before it on each level. */
  readonly #splice = new Int32Array(MAX_HEIGHT)
  #height: number
  /** Whether another thread may read the list. */
  #shared = false
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

  /** From now on another thread may read the list. */
  share(): void {
    this.#shared = true
  }

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
    const keyLength = keyEnd - keyStart
    const keyWords = (keyLength + 3) >>> 2
    const valueLength = valueEnd - valueStart
    const height = this.#randomHeight()
    const arena = this.#arena
    const node = arena.allocateWords(height + KEY + keyWords + ((valueLength + 3) >>> 2)) + height
    arena.copyIn(keyBytes, keyStart, keyEnd, node + KEY)
    arena.copyIn(valueBytes, valueStart, valueEnd, node + KEY + keyWords)
    const prefix = keyWords === 0 ? EMPTY_PREFIX : prefixOf(words[node + KEY])
    words[node + PREFIX] = prefix
    words[node + KEY_LENGTH] = keyLength
    words[node + SEQUENCE_LOW] = sequence | 0
    words[node + SEQUENCE_HIGH] = Math.floor(sequence / 0x1_0000_0000) | (kind << 24)
    words[node + VALUE_LENGTH] = valueLength
    this.#link(
      node,
      height,
      findSplice(words, this.#head, this.#height, this.#splice, prefix, node + KEY, keyLength, sequence),
    )
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
    if (this.#shared) {
      for (let level = 0; level < height; level++) Atomics.store(words, splice[level] - 1 - level, node)
      if (after !== 0) Atomics.store(words, after + BACK, node)
    } else {
      for (let level = 0; level < height; level++) words[splice[level] - 1 - level] = node
      if (after !== 0) words[after + BACK] = node
    }
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

  /**
   * The first node at or behind (key, sequence), or 0: {@link findSplice} for readers. The answer is a node that was
   * compared: the link that led to it is not read again, because a writer in another thread may have put newer nodes
   * there since.
   */
  #search(key: Int32Array, length: number, sequence: number): number {
    const words = this.#words
    const prefix = length === 0 ? EMPTY_PREFIX : prefixOf(key[0])
    let node = this.#head
    let tooLarge = 0
    for (let level = words[node + HEAD_HEIGHT] - 1; level >= 0; level--) {
      for (;;) {
        const next = words[node - 1 - level]
        // The end, or so it seems: another processor may show the upper link of a new last node before the lower one.
        if (next === 0 || next === tooLarge) break
        const nextPrefix = words[next + PREFIX]
        if (
          nextPrefix > prefix ||
          (nextPrefix === prefix && compareRest(words, next, key, 0, length, sequence) >= 0)
        ) {
          tooLarge = next
          break
        }
        node = next
      }
    }
    return tooLarge
  }

  /** The newest node of the key whose sequence number is at most `sequence`, or 0. */
  find(key: SearchKey, sequence: number): number {
    const words = this.#words
    const node = this.#search(key.words, key.length, sequence)
    if (node === 0 || words[node + KEY_LENGTH] !== key.length) return 0
    const keyWords = (key.length + 3) >>> 2
    for (let i = 0; i < keyWords; i++) if (words[node + KEY + i] !== key.words[i]) return 0
    return node
  }

  /** The first node at or behind (key, sequence), or 0. */
  seek(key: SearchKey, sequence: number): number {
    return this.#search(key.words, key.length, sequence)
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
    return sequenceOf(this.#words, node)
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
