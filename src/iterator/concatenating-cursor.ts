/**
 * A cursor over the tables of one level, whose user keys are disjoint and ascending: one table's cursor at a time.
 *
 * The runs are described by their bounds; a run's cursor is made only when it is entered, so that a level of
 * a thousand tables costs nothing until it is read.
 */

import { present } from '../base/assert.js'
import { compareBytes } from '../base/bytes.js'
import { Cursor } from './cursor.js'

/** One run of a level: its largest user key, and how to make its cursor (which may throw `NotResident`). */
export interface Run {
  readonly largest: Uint8Array
}

export class ConcatenatingCursor<R extends Run> extends Cursor {
  readonly #runs: readonly R[]
  readonly #openRun: (run: R) => Cursor
  #index = -1
  #current: Cursor | undefined

  constructor(runs: readonly R[], openRun: (run: R) => Cursor) {
    super()
    this.#runs = runs
    this.#openRun = openRun
  }

  override seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): void {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const largest = this.#runs[middle].largest
      if (compareBytes(largest, 0, largest.length, key, keyStart, keyEnd) < 0) low = middle + 1
      else high = middle
    }
    if (!this.#enter(low)) return
    present(this.#current, 'a run was entered').seek(key, keyStart, keyEnd, sequence)
    this.#settle(1)
  }

  override seekToFirst(): void {
    if (!this.#enter(0)) return
    present(this.#current, 'a run was entered').seekToFirst()
    this.#settle(1)
  }

  override seekToLast(): void {
    if (!this.#enter(this.#runs.length - 1)) return
    present(this.#current, 'a run was entered').seekToLast()
    this.#settle(-1)
  }

  override next(): void {
    present(this.#current, 'only a valid cursor moves').next()
    this.#settle(1)
  }

  override prev(): void {
    present(this.#current, 'only a valid cursor moves').prev()
    this.#settle(-1)
  }

  override clear(): void {
    super.clear()
    this.#leave()
  }

  #leave(): void {
    this.#current?.clear()
    this.#current = undefined
    this.#index = -1
  }

  /** Makes `index` the current run; false, and an invalid cursor, when there is no such run. */
  #enter(index: number): boolean {
    if (index < 0 || index >= this.#runs.length) {
      this.valid = false
      return false
    }
    if (index !== this.#index) {
      this.#leave()
      this.#current = this.#openRun(this.#runs[index])
      this.#index = index
    }
    return true
  }

  /** Walks on to the neighbouring run while the current one is used up, then takes over its entry. */
  #settle(direction: 1 | -1): void {
    let current = present(this.#current, 'a run was entered')
    while (!current.valid) {
      if (!this.#enter(this.#index + direction)) return
      current = present(this.#current, 'a run was entered')
      if (direction > 0) current.seekToFirst()
      else current.seekToLast()
    }
    this.valid = true
    this.keyBytes = current.keyBytes
    this.keyStart = current.keyStart
    this.keyEnd = current.keyEnd
    this.sequence = current.sequence
    this.kind = current.kind
    this.valueBytes = current.valueBytes
    this.valueStart = current.valueStart
    this.valueEnd = current.valueEnd
  }
}
