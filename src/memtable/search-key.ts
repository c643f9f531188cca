/**
 * A user key prepared for searching: zero-padded to whole words, so that a skip list compares four bytes at a time.
 * Reusable: one object serves any number of searches, one after the other.
 */
import { copyBytes } from '../base/bytes.js'

export class SearchKey {
  bytes: Uint8Array
  words: Int32Array
  /** The length of the key in bytes. */
  length = 0

  constructor(capacityBytes = 256) {
    this.bytes = new Uint8Array((capacityBytes + 7) & ~3)
    this.words = new Int32Array(this.bytes.buffer)
  }

  /** Makes room for a key of `length` bytes; what was there is gone. */
  ensure(length: number): void {
    if (this.bytes.length >= length + 4) return
    this.bytes = new Uint8Array((length * 2 + 7) & ~3)
    this.words = new Int32Array(this.bytes.buffer)
  }

  /** Declares that `bytes[0, length)` hold the key. */
  finish(length: number): void {
    this.length = length
    for (let i = length; (i & 3) !== 0; i++) this.bytes[i] = 0
  }

  set(key: Uint8Array, start: number, end: number): void {
    this.ensure(end - start)
    copyBytes(key, start, end, this.bytes, 0)
    this.finish(end - start)
  }
}
