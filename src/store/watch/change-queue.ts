/**
 * The changes that a watcher has not been asked for yet, bounded in number and bytes.
 *
 * A change that arrives while the consumer waits for one is no sign of slowness, nor is any other of the same step, before
 * the consumer can run again: such changes are `prompt`, and count against the bound in bytes only. One change always has room.
 */
import type { CommittedChange } from './change.js'

export interface ChangeBounds {
  /** The most changes. */
  readonly changes: number
  readonly bytes: number
}

/** Taken changes are dropped from the array when there are as many of them. */
const TRIM = 1024

export class ChangeQueue {
  readonly #bounds: ChangeBounds
  #changes: CommittedChange[] = []
  /** The first change that was not taken. */
  #head = 0
  #sizeBytes = 0
  /** The sequence number of the last prompt change. */
  #promptUpTo = 0
  #promptCount = 0

  constructor(bounds: ChangeBounds) {
    this.#bounds = bounds
  }

  get length(): number {
    return this.#changes.length - this.#head
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Takes a change in; false when there is no room for it. */
  add(change: CommittedChange, prompt: boolean): boolean {
    const { length } = this
    const { changes, bytes } = this.#bounds
    if (length > 0) {
      if (this.#sizeBytes + change.sizeBytes > bytes) return false
      if (!prompt && length - this.#promptCount >= changes) return false
    }
    this.#changes.push(change)
    this.#sizeBytes += change.sizeBytes
    if (prompt) {
      this.#promptUpTo = change.sequence
      this.#promptCount++
    }
    return true
  }

  /** Makes up for what a change has grown by since it was added. */
  grow(bytes: number): void {
    this.#sizeBytes += bytes
  }

  /** The oldest change, which stays. */
  peek(): CommittedChange | undefined {
    return this.length === 0 ? undefined : this.#changes[this.#head]
  }

  /** The oldest change, which is taken out. */
  shift(): CommittedChange | undefined {
    if (this.length === 0) return undefined
    const change = this.#changes[this.#head++]
    this.#sizeBytes -= change.sizeBytes
    if (this.#promptCount > 0 && change.sequence <= this.#promptUpTo) this.#promptCount--
    if (this.#head === this.#changes.length) {
      this.#changes = []
      this.#head = 0
    } else if (this.#head >= TRIM) {
      this.#changes = this.#changes.slice(this.#head)
      this.#head = 0
    }
    return change
  }

  clear(): void {
    this.#changes = []
    this.#head = 0
    this.#sizeBytes = 0
    this.#promptCount = 0
  }
}
