/**
 * Where the commit pipeline collects the operations of one group, in the bytes that will be written to the log:
 * room for the record's and the group's header, then the operations. Growable and reusable.
 *
 * The buffer's contents move when it grows: read `bytes` and `text` again after every `reserve` and `add`.
 */

import { assert } from '../base/assert.js'
import { copyBytes, EMPTY, MAX_VARINT_LENGTH, writeVarint } from '../base/bytes.js'
import { EXPIRY_LENGTH, Kind, NEVER, writeExpiry } from '../base/entry.js'
import { RECORD_ALIGNMENT, RECORD_HEADER_LENGTH } from '../record/record-format.js'
import { GROUP_HEADER_LENGTH } from './wal-format.js'

/** Where the first operation begins. */
export const OPERATIONS_START = RECORD_HEADER_LENGTH + GROUP_HEADER_LENGTH

const INITIAL_CAPACITY = 64 * 1024
/** A buffer that grew beyond this gives its memory back at `clear`. */
const KEPT_CAPACITY = 1024 * 1024

/** What an operation needs beside key and value at most: kind, two lengths, an expiry. */
export const MAX_OPERATION_OVERHEAD = 1 + 2 * MAX_VARINT_LENGTH + EXPIRY_LENGTH

export class GroupBuffer {
  /** The group so far is `bytes[OPERATIONS_START, length)`. */
  bytes: Uint8Array
  /** The same memory as a `Buffer`, for encoding strings in place. */
  text: Buffer
  /** Where the operations end. */
  length = OPERATIONS_START
  /** The number of operations. */
  count = 0

  constructor(capacityBytes = INITIAL_CAPACITY) {
    this.text = Buffer.allocUnsafeSlow(capacityBytes)
    this.bytes = viewOf(this.text)
  }

  /**
   * Appends an operation on the key `key[0, keyLength)`. An `expiresAt` (ms since 1970) makes a `put` a
   * `putWithExpiry`.
   */
  add(
    kind: Kind,
    key: Uint8Array,
    value: Uint8Array = EMPTY,
    expiresAt: number = NEVER,
    keyLength: number = key.length,
  ): void {
    let at = this.reserve(keyLength + value.length + MAX_OPERATION_OVERHEAD)
    const { bytes } = this
    const expires = kind === Kind.put && expiresAt !== NEVER
    bytes[at++] = expires ? Kind.putWithExpiry : kind
    at = writeVarint(bytes, at, keyLength)
    copyBytes(key, 0, keyLength, bytes, at)
    at = writeVarint(bytes, at + keyLength, value.length + (expires ? EXPIRY_LENGTH : 0))
    if (expires) {
      writeExpiry(bytes, at, expiresAt)
      at += EXPIRY_LENGTH
    }
    copyBytes(value, 0, value.length, bytes, at)
    this.finishOperation(at + value.length)
  }

  /** Appends `count` operations that another group holds as `bytes[start, end)`. */
  addAll(bytes: Uint8Array, start: number, end: number, count: number): void {
    const at = this.reserve(end - start)
    copyBytes(bytes, start, end, this.bytes, at)
    this.length = at + end - start
    this.count += count
  }

  /**
   * Makes room for `length` more bytes and returns where they begin. To encode an operation in place, write it
   * there and call {@link finishOperation}; one that is given up needs nothing undone.
   */
  reserve(length: number): number {
    const needed = this.length + length + RECORD_ALIGNMENT
    if (needed > this.bytes.length) this.#grow(needed)
    return this.length
  }

  /** Takes in the operation that was written up to `end` of the reserved bytes. */
  finishOperation(end: number): void {
    this.length = end
    this.count++
  }

  /** Drops the operations behind a `length` and `count` read before. */
  truncateTo(length: number, count: number): void {
    assert(
      length >= OPERATIONS_START && length <= this.length && count <= this.count,
      'a group is cut at a mark of its own',
    )
    this.length = length
    this.count = count
  }

  /** Empties the group. */
  clear(): void {
    this.length = OPERATIONS_START
    this.count = 0
    if (this.bytes.length > KEPT_CAPACITY) {
      this.text = Buffer.allocUnsafeSlow(INITIAL_CAPACITY)
      this.bytes = viewOf(this.text)
    }
  }

  #grow(needed: number): void {
    const text = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length))
    const bytes = viewOf(text)
    copyBytes(this.bytes, 0, this.length, bytes, 0)
    this.text = text
    this.bytes = bytes
  }
}

/** A plain view, so that every loop over log bytes sees one kind of array. */
function viewOf(text: Buffer): Uint8Array {
  return new Uint8Array(text.buffer, text.byteOffset, text.length)
}
