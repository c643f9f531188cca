/** A cursor over one shard of a memtable. Its bytes are the arena itself: nothing is copied. */
import { Cursor } from '../iterator/cursor.js'
import { SearchKey } from './search-key.js'
import type { SkipList } from './skip-list.js'

export class MemtableCursor extends Cursor {
  readonly #list: SkipList
  readonly #target = new SearchKey()
  #node = 0

  constructor(bytes: Uint8Array, list: SkipList) {
    super()
    this.keyBytes = bytes
    this.valueBytes = bytes
    this.#list = list
  }

  override seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): void {
    this.#target.set(key, keyStart, keyEnd)
    this.#standOn(this.#list.seek(this.#target, sequence))
  }

  override seekToFirst(): void {
    this.#standOn(this.#list.first())
  }

  override seekToLast(): void {
    this.#standOn(this.#list.last())
  }

  override next(): void {
    this.#standOn(this.#list.next(this.#node))
  }

  override prev(): void {
    this.#standOn(this.#list.prev(this.#node))
  }

  #standOn(node: number): void {
    this.#node = node
    this.valid = node !== 0
    if (node === 0) return
    const list = this.#list
    this.keyStart = list.keyStart(node)
    this.keyEnd = this.keyStart + list.keyLength(node)
    this.sequence = list.sequenceOf(node)
    this.kind = list.kindOf(node)
    this.valueStart = list.valueStart(node)
    this.valueEnd = this.valueStart + list.valueLength(node)
  }
}
