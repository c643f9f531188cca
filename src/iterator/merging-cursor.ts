/**
 * Merges sorted runs into one: memtable shards, level-0 tables, deeper levels. Duplicate user keys all come out,
 * newest first; hiding shadowed versions is the visibility cursor's work.
 *
 * A binary heap of slots, smallest entry on top (largest when moving backwards). A slot keeps the key of its child's
 * entry, so that comparisons touch one kind of object whatever the children are. A child that was just moved usually
 * stays on top; then one comparison with the smaller of the two slots below decides.
 *
 * Changing direction costs a seek in every child, as in LevelDB.
 */
import { compareBytes, copyOf } from '../base/bytes.js'
import { Cursor } from './cursor.js'

class Slot {
  readonly cursor: Cursor
  keyBytes: Uint8Array
  keyStart = 0
  keyEnd = 0
  sequence = 0

  constructor(cursor: Cursor) {
    this.cursor = cursor
    this.keyBytes = cursor.keyBytes
  }

  load(): void {
    const cursor = this.cursor
    this.keyBytes = cursor.keyBytes
    this.keyStart = cursor.keyStart
    this.keyEnd = cursor.keyEnd
    this.sequence = cursor.sequence
  }
}

/** In internal order: user key ascending, sequence number descending. */
function compareSlots(a: Slot, b: Slot): number {
  const byKey = compareBytes(a.keyBytes, a.keyStart, a.keyEnd, b.keyBytes, b.keyStart, b.keyEnd)
  return byKey !== 0 ? byKey : b.sequence - a.sequence
}

/** One cursor over all `children`; a single child is returned as it is. */
export function mergeCursors(children: readonly Cursor[]): Cursor {
  return children.length === 1 ? children[0] : new MergingCursor(children)
}

class MergingCursor extends Cursor {
  readonly #slots: readonly Slot[]
  readonly #heap: Slot[] = []
  #heapSize = 0
  /** 1 when moving forwards, −1 when moving backwards. */
  #direction = 1

  constructor(children: readonly Cursor[]) {
    super()
    this.#slots = children.map((child) => new Slot(child))
  }

  override seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): void {
    for (const slot of this.#slots) slot.cursor.seek(key, keyStart, keyEnd, sequence)
    this.#build(1)
  }

  override seekToFirst(): void {
    for (const slot of this.#slots) slot.cursor.seekToFirst()
    this.#build(1)
  }

  override seekToLast(): void {
    for (const slot of this.#slots) slot.cursor.seekToLast()
    this.#build(-1)
  }

  override next(): void {
    if (this.#direction < 0) this.#turn(1)
    const top = this.#heap[0]
    top.cursor.next()
    this.#settleTop(top)
  }

  override prev(): void {
    if (this.#direction > 0) this.#turn(-1)
    const top = this.#heap[0]
    top.cursor.prev()
    this.#settleTop(top)
  }

  override clear(): void {
    super.clear()
    for (const { cursor } of this.#slots) cursor.clear()
  }

  /** Puts all children on the other side of the current entry, which stays current. */
  #turn(direction: number): void {
    const key = copyOf(this.keyBytes, this.keyStart, this.keyEnd)
    const sequence = this.sequence
    for (const { cursor } of this.#slots) {
      cursor.seek(key, 0, key.length, sequence)
      if (direction > 0) continue
      // Backwards: the last entry at or before the current one. Only the current child stands exactly on it.
      const exact =
        cursor.valid &&
        cursor.sequence === sequence &&
        compareBytes(cursor.keyBytes, cursor.keyStart, cursor.keyEnd, key, 0, key.length) === 0
      if (exact) continue
      if (cursor.valid) cursor.prev()
      else cursor.seekToLast()
    }
    this.#build(direction)
  }

  #build(direction: number): void {
    this.#direction = direction
    const heap = this.#heap
    let size = 0
    for (const slot of this.#slots) {
      if (!slot.cursor.valid) continue
      slot.load()
      heap[size++] = slot
    }
    this.#heapSize = size
    for (let i = (size >>> 1) - 1; i >= 0; i--) this.#siftDown(i)
    this.#describeTop()
  }

  #settleTop(top: Slot): void {
    if (top.cursor.valid) {
      top.load()
      this.#siftDown(0)
    } else {
      const last = --this.#heapSize
      this.#heap[0] = this.#heap[last]
      if (last > 1) this.#siftDown(0)
    }
    this.#describeTop()
  }

  #siftDown(index: number): void {
    const heap = this.#heap
    const size = this.#heapSize
    const direction = this.#direction
    const slot = heap[index]
    for (;;) {
      let child = 2 * index + 1
      if (child >= size) break
      if (child + 1 < size && compareSlots(heap[child + 1], heap[child]) * direction < 0) child++
      if (compareSlots(slot, heap[child]) * direction <= 0) break
      heap[index] = heap[child]
      index = child
    }
    heap[index] = slot
  }

  #describeTop(): void {
    this.valid = this.#heapSize > 0
    if (!this.valid) return
    const top = this.#heap[0]
    const cursor = top.cursor
    this.keyBytes = top.keyBytes
    this.keyStart = top.keyStart
    this.keyEnd = top.keyEnd
    this.sequence = top.sequence
    this.kind = cursor.kind
    this.valueBytes = cursor.valueBytes
    this.valueStart = cursor.valueStart
    this.valueEnd = cursor.valueEnd
  }
}
