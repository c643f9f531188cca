/**
 * Which of many ranges hold a key: an implicit interval tree. The ranges stand in an array, ordered by their lower
 * bounds; the middle of each part of it is the root of that part and knows the largest upper bound in it ("augmented
 * tree", Cormen et al., Introduction to Algorithms, 14.3).
 *
 * Finding takes O(log n) and the ranges found, adding and removing O(n): ranges change seldom, keys come with every write.
 */
import { compareBytes, compareKeys, EMPTY } from '../../base/bytes.js'
import type { ByteRange } from '../range.js'

interface Node<T> {
  readonly lower: Uint8Array
  /** `undefined` is unbounded. */
  readonly upper: Uint8Array | undefined
  readonly item: T
  /** The largest `upper` in the part whose root this is. */
  reach: Uint8Array | undefined
}

export class RangeIndex<T> {
  readonly #nodes: Node<T>[] = []
  #measured = true

  get size(): number {
    return this.#nodes.length
  }

  add({ lower = EMPTY, upper }: ByteRange, item: T): void {
    const nodes = this.#nodes
    let low = 0
    let high = nodes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareKeys(nodes[middle].lower, lower) <= 0) low = middle + 1
      else high = middle
    }
    nodes.splice(low, 0, { lower, upper, item, reach: upper })
    this.#measured = false
  }

  remove(item: T): void {
    const at = this.#nodes.findIndex((node) => node.item === item)
    if (at < 0) return
    this.#nodes.splice(at, 1)
    this.#measured = false
  }

  /** Adds to `found` the items of all ranges that hold the key `bytes[start, end)`. */
  find(bytes: Uint8Array, start: number, end: number, found: T[]): void {
    if (!this.#measured) {
      this.#measure(0, this.#nodes.length)
      this.#measured = true
    }
    this.#find(0, this.#nodes.length, bytes, start, end, found)
  }

  #find(from: number, to: number, bytes: Uint8Array, start: number, end: number, found: T[]): void {
    while (from < to) {
      const middle = (from + to) >>> 1
      const { lower, upper, reach, item } = this.#nodes[middle]
      if (isBefore(reach, bytes, start, end)) return
      this.#find(from, middle, bytes, start, end, found)
      if (compareBytes(lower, 0, lower.length, bytes, start, end) > 0) return
      if (!isBefore(upper, bytes, start, end)) found.push(item)
      from = middle + 1
    }
  }

  /** Computes what the parts reach; returns the reach of this one. */
  #measure(from: number, to: number): Uint8Array | undefined {
    if (from >= to) return EMPTY
    const middle = (from + to) >>> 1
    const node = this.#nodes[middle]
    node.reach = farther(node.upper, farther(this.#measure(from, middle), this.#measure(middle + 1, to)))
    return node.reach
  }
}

/** Whether everything below `upper` is before the key. */
function isBefore(upper: Uint8Array | undefined, bytes: Uint8Array, start: number, end: number): boolean {
  return upper !== undefined && compareBytes(upper, 0, upper.length, bytes, start, end) <= 0
}

function farther(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return undefined
  return compareKeys(a, b) < 0 ? b : a
}
