/**
 * What a reader sees at one moment: of each user key the newest version at or before a sequence number, unless that
 * is a tombstone or has expired. Entries come out once a key, in key order, in either direction.
 *
 * Not a `Cursor`: it knows only user keys. `NotResident` and errors pass through; then seek again, behind the keys that were
 * passed over meanwhile: a long run of what nobody sees must not be gone through once for each block of it.
 *
 * What must always hold, whatever the files say: each key lies behind the one before, so every scan ends, those too that
 * find their place again by key. Entries out of order are `CORRUPTION`.
 */
import { compareBytes, copyOf, EMPTY } from '../base/bytes.js'
import { expiryOf, isTombstone, Kind, MAX_SEQUENCE, userValueStart } from '../base/entry.js'
import { type Cursor, outOfOrder } from './cursor.js'
import { NotResident } from './not-resident.js'

/** Keys that are passed over between two looks at the event loop. */
const PAUSE_KEYS = 4096

export class VisibleCursor {
  readonly #cursor: Cursor
  readonly #sequence: number
  readonly #now: number
  valid = false
  /** What to do after each {@link PAUSE_KEYS} keys that nobody sees, thrown as a `NotResident`; undefined: go on. */
  pause: (() => Promise<void>) | undefined
  #untilPause = PAUSE_KEYS
  /** Whether keys were passed over since this was set to false, and which was the last of them. */
  hasPassed = false
  passedBytes: Uint8Array = EMPTY
  passedStart = 0
  passedEnd = 0
  keyBytes: Uint8Array = EMPTY
  keyStart = 0
  keyEnd = 0
  sequence = 0
  kind = 0
  valueBytes: Uint8Array = EMPTY
  /** The user's value; an expiry in front of it is skipped. */
  valueStart = 0
  valueEnd = 0

  /** Sees what `cursor` has at or before `sequence`, and what has not expired at `now` (ms since 1970). */
  constructor(cursor: Cursor, sequence: number, now: number) {
    this.#cursor = cursor
    this.#sequence = sequence
    this.#now = now
  }

  /** To the first visible key at or behind `key`. */
  seek(key: Uint8Array, keyStart: number, keyEnd: number): void {
    this.#cursor.seek(key, keyStart, keyEnd, this.#sequence)
    this.#findForwards(false)
    if (this.valid && this.#compareKey(key, keyStart, keyEnd) < 0) throw outOfOrder()
  }

  seekToFirst(): void {
    this.#cursor.seekToFirst()
    this.#findForwards(false)
  }

  seekToLast(): void {
    this.#cursor.seekToLast()
    this.#findBackwards()
  }

  /** To the last visible key before `key`. */
  seekBefore(key: Uint8Array, keyStart: number, keyEnd: number): void {
    const cursor = this.#cursor
    cursor.seek(key, keyStart, keyEnd, MAX_SEQUENCE)
    if (cursor.valid) cursor.prev()
    else cursor.seekToLast()
    this.#findBackwards()
    if (this.valid && this.#compareKey(key, keyStart, keyEnd) >= 0) throw outOfOrder()
  }

  /** To the next visible key. Only after a forward seek or `next`. */
  next(): void {
    this.#findForwards(true)
  }

  /** To the previous visible key. Only after a backward seek or `prev`. */
  prev(): void {
    this.#findBackwards()
  }

  /** `skipping`: the cursor stands on a version of the key that this cursor describes, and the rest of that key is passed over. */
  #findForwards(skipping: boolean): void {
    const cursor = this.#cursor
    let skipBytes = this.keyBytes
    let skipStart = this.keyStart
    let skipEnd = this.keyEnd
    if (skipping) cursor.next()
    for (; cursor.valid; cursor.next()) {
      if (cursor.sequence > this.#sequence) continue
      const { keyBytes, keyStart, keyEnd } = cursor
      if (skipping) {
        const order = compareBytes(keyBytes, keyStart, keyEnd, skipBytes, skipStart, skipEnd)
        if (order === 0) continue
        if (order < 0) throw outOfOrder()
      }
      if (this.#describe(cursor)) return
      this.#pass(keyBytes, keyStart, keyEnd)
      skipping = true
      skipBytes = keyBytes
      skipStart = keyStart
      skipEnd = keyEnd
    }
    this.valid = false
  }

  /**
   * Backwards the versions of a key come oldest first, so the answer for a key is known when the next key is reached:
   * the last version at or before the sequence number. The cursor ends on the next smaller key.
   */
  #findBackwards(): void {
    const cursor = this.#cursor
    while (cursor.valid) {
      const { keyBytes, keyStart, keyEnd } = cursor
      let visible = false
      let order = 0
      while (order === 0) {
        if (cursor.sequence <= this.#sequence) visible = this.#describe(cursor)
        cursor.prev()
        if (!cursor.valid) break
        order = compareBytes(cursor.keyBytes, cursor.keyStart, cursor.keyEnd, keyBytes, keyStart, keyEnd)
        if (order > 0) throw outOfOrder()
      }
      if (visible) {
        this.valid = true
        return
      }
      this.#pass(keyBytes, keyStart, keyEnd)
    }
    this.valid = false
  }

  /** Nobody sees the key, nor needs to look at it again. */
  #pass(keyBytes: Uint8Array, keyStart: number, keyEnd: number): void {
    this.hasPassed = true
    this.passedBytes = keyBytes
    this.passedStart = keyStart
    this.passedEnd = keyEnd
    if (--this.#untilPause > 0) return
    this.#untilPause = PAUSE_KEYS
    if (this.pause !== undefined) throw new NotResident(this.pause)
  }

  /** Takes over the entry; false when it is a tombstone or has expired. */
  #describe(cursor: Cursor): boolean {
    const kind = cursor.kind
    if (isTombstone(kind)) return false
    if (kind === Kind.putWithExpiry && expiryOf(kind, cursor.valueBytes, cursor.valueStart) <= this.#now)
      return false
    this.valid = true
    this.keyBytes = cursor.keyBytes
    this.keyStart = cursor.keyStart
    this.keyEnd = cursor.keyEnd
    this.sequence = cursor.sequence
    this.kind = kind
    this.valueBytes = cursor.valueBytes
    this.valueStart = userValueStart(kind, cursor.valueStart)
    this.valueEnd = cursor.valueEnd
    return true
  }

  /** Lets go of everything in hand. */
  clear(): void {
    this.valid = false
    this.#cursor.clear()
  }

  #compareKey(key: Uint8Array, keyStart: number, keyEnd: number): number {
    return compareBytes(this.keyBytes, this.keyStart, this.keyEnd, key, keyStart, keyEnd)
  }

  /** A private copy of the current key. */
  copyKey(): Uint8Array {
    return copyOf(this.keyBytes, this.keyStart, this.keyEnd)
  }
}
