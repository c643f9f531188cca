/**
 * One region of shared memory with bump allocation, and a pool that reuses such regions.
 *
 * A memtable lives in one arena. The memory is a `SharedArrayBuffer`, so a worker thread reads a frozen memtable
 * without a copy, and the garbage collector sees one object instead of a node for every entry. Untouched pages of a
 * fresh arena cost no memory. Positions are word indexes (4 bytes each); word 0 is never handed out and means "none".
 */
import { assert } from '../base/assert.js'
import { copyBytes, EMPTY, LITTLE_ENDIAN } from '../base/bytes.js'

/** The largest arena: word indexes must stay positive 31-bit integers. */
export const MAX_ARENA_BYTES = 0x7fff_0000

/** Up to this length a loop over words copies faster than `TypedArray.set`, which takes two calls and a view of the bytes. */
const LOOP_COPY_LENGTH = 400

const NO_VIEW = new DataView(EMPTY.buffer)

export class Arena {
  readonly buffer: SharedArrayBuffer
  readonly bytes: Uint8Array
  readonly words: Int32Array
  #usedWords = 1
  /** What was copied from last, and a view of it: entries come many from one array. */
  #source: Uint8Array = EMPTY
  #sourceView: DataView = NO_VIEW

  constructor(buffer: SharedArrayBuffer) {
    assert(buffer.byteLength % 4 === 0, 'an arena is a whole number of words')
    this.buffer = buffer
    this.bytes = new Uint8Array(buffer)
    this.words = new Int32Array(buffer)
  }

  static allocate(capacityBytes: number): Arena {
    assert(capacityBytes <= MAX_ARENA_BYTES, 'an arena is addressable by 31-bit word indexes')
    return new Arena(new SharedArrayBuffer((capacityBytes + 3) & ~3))
  }

  get capacityBytes(): number {
    return this.buffer.byteLength
  }

  get usedBytes(): number {
    return this.#usedWords * 4
  }

  get freeBytes(): number {
    return this.capacityBytes - this.usedBytes
  }

  /** The index of `words` fresh words. Their content is undefined: an arena that was reused is not zeroed. */
  allocateWords(words: number): number {
    const at = this.#usedWords
    this.#usedWords = at + words
    assert(this.#usedWords <= this.words.length, 'the caller checked that the arena has room')
    return at
  }

  /** Copies `source[start, end)` to the words from `at` on; the last one is padded with zeros. */
  copyIn(source: Uint8Array, start: number, end: number, at: number): void {
    const { words } = this
    if (end - start > LOOP_COPY_LENGTH) {
      words[at + ((end - start - 1) >>> 2)] = 0
      copyBytes(source, start, end, this.bytes, at * 4)
      return
    }
    if (source !== this.#source) this.#lookAt(source)
    const view = this.#sourceView
    let from = start
    for (; from + 4 <= end; from += 4) words[at++] = view.getInt32(from, LITTLE_ENDIAN)
    if (from === end) return
    words[at] = 0
    for (let to = at * 4; from < end; from++) this.bytes[to++] = source[from]
  }

  #lookAt(source: Uint8Array): void {
    this.#source = source
    this.#sourceView = new DataView(source.buffer, source.byteOffset, source.length)
  }

  reset(): void {
    this.#usedWords = 1
    this.#lookAt(EMPTY)
  }
}

/** Keeps a few arenas of one size for reuse, so that a busy writer does not fault in fresh pages for each memtable. */
export class ArenaPool {
  readonly arenaBytes: number
  readonly #idle: Arena[] = []
  readonly #maxIdle: number

  /** @param maxIdle - how many are kept: what one flush gives back, or each flush leaves some to the garbage collectors of two threads */
  constructor(arenaBytes: number, maxIdle = 4) {
    this.arenaBytes = arenaBytes
    this.#maxIdle = maxIdle
  }

  /** The bytes of the arenas that wait for their next use. */
  get idleBytes(): number {
    return this.#idle.length * this.arenaBytes
  }

  /** An empty arena of at least `minimumBytes`; larger than usual only when it must be. */
  take(minimumBytes = 0): Arena {
    if (minimumBytes > this.arenaBytes) return Arena.allocate(minimumBytes)
    return this.#idle.pop() ?? Arena.allocate(this.arenaBytes)
  }

  /** Takes an arena back. Nobody may read it any more. */
  give(arena: Arena): void {
    if (arena.capacityBytes !== this.arenaBytes || this.#idle.length >= this.#maxIdle) return
    arena.reset()
    this.#idle.push(arena)
  }
}
