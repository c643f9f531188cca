/**
 * A binary heap of slots (small integers), ordered by a priority and then by a tie, in which each slot can be found: to
 * change its place or to take it out costs O(log n). Typed arrays: nothing for the garbage collector to see.
 */
export class IndexedHeap {
  #heap = new Int32Array(64)
  #count = 0
  /** By slot: its place in the heap plus one; 0 for none. */
  #places = new Int32Array(64)
  #priorities = new Float64Array(64)
  #ties = new Float64Array(64)

  get count(): number {
    return this.#count
  }

  /** The slot with the smallest priority, and among those the smallest tie; -1 when there is none. */
  get first(): number {
    return this.#count === 0 ? -1 : this.#heap[0]
  }

  /** The priority of a slot that is in the heap. */
  priorityOf(slot: number): number {
    return this.#priorities[slot]
  }

  has(slot: number): boolean {
    return slot < this.#places.length && this.#places[slot] !== 0
  }

  /** Puts a slot in its place, whether it was in the heap or not. */
  set(slot: number, priority: number, tie: number): void {
    this.#reserve(slot)
    this.#priorities[slot] = priority
    this.#ties[slot] = tie
    let at = this.#places[slot] - 1
    if (at < 0) {
      at = this.#count++
      this.#put(slot, at)
    }
    this.#settle(at)
  }

  /** Takes a slot out, if it is in. */
  delete(slot: number): void {
    if (!this.has(slot)) return
    const at = this.#places[slot] - 1
    this.#places[slot] = 0
    const last = this.#heap[--this.#count]
    if (at === this.#count) return
    this.#put(last, at)
    this.#settle(at)
  }

  /** The slots in order. The heap must not change meanwhile; what was looked at costs O(log n) each. */
  *inOrder(): Generator<number, void, undefined> {
    const taken: number[] = []
    try {
      for (let slot = this.first; slot >= 0; slot = this.first) {
        yield slot
        taken.push(slot)
        this.delete(slot)
      }
    } finally {
      for (const slot of taken) this.set(slot, this.#priorities[slot], this.#ties[slot])
    }
  }

  /** The slots of a priority of at most `priority`, in no order. The heap must not change meanwhile. */
  *upTo(priority: number): Generator<number, void, undefined> {
    const places = [0]
    for (let place = places.pop(); place !== undefined; place = places.pop()) {
      if (place >= this.#count || this.#priorities[this.#heap[place]] > priority) continue
      yield this.#heap[place]
      places.push(2 * place + 1, 2 * place + 2)
    }
  }

  #settle(at: number): void {
    const slot = this.#heap[at]
    let place = at
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#isBefore(slot, this.#heap[parent])) break
      this.#put(this.#heap[parent], place)
      place = parent
    }
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#count) break
      if (child + 1 < this.#count && this.#isBefore(this.#heap[child + 1], this.#heap[child])) child++
      if (!this.#isBefore(this.#heap[child], slot)) break
      this.#put(this.#heap[child], place)
      place = child
    }
    this.#put(slot, place)
  }

  #put(slot: number, at: number): void {
    this.#heap[at] = slot
    this.#places[slot] = at + 1
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#priorities[a] - this.#priorities[b]
    return difference < 0 || (difference === 0 && this.#ties[a] < this.#ties[b])
  }

  #reserve(slot: number): void {
    if (this.#count === this.#heap.length) {
      const heap = new Int32Array(2 * this.#count)
      heap.set(this.#heap)
      this.#heap = heap
    }
    if (slot < this.#places.length) return
    const length = Math.max(slot + 1, 2 * this.#places.length)
    const places = new Int32Array(length)
    const priorities = new Float64Array(length)
    const ties = new Float64Array(length)
    places.set(this.#places)
    priorities.set(this.#priorities)
    ties.set(this.#ties)
    this.#places = places
    this.#priorities = priorities
    this.#ties = ties
  }
}
