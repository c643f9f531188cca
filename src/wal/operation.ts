/**
 * Operations: what a group record in the WAL is made of. Written down in docs/format/wal.md.
 *
 * An operation is kind u8, varint key length, key, varint stored-value length, stored value. The sequence number
 * is not written: it is the group's first plus the operation's index. The commit pipeline inserts into the
 * memtable from the same bytes that it logs, and replay does the same: both through {@link OperationReader}.
 */
import { EMPTY, VarintReader } from '../base/bytes.js'
import { EXPIRY_LENGTH, expiryOf, Kind, MAX_FOUND_NUMBER, MAX_KEY_LENGTH, MAX_KIND } from '../base/entry.js'
import { VarveError } from '../base/errors.js'

/** Walks over the operations in `[start, end)` of some bytes without allocating. */
export class OperationReader {
  bytes: Uint8Array = EMPTY
  /** One of `Kind`. */
  kind = 0
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  #position = 0
  #limit = 0
  readonly #varint = new VarintReader()

  /** Stands in front of the first operation in `bytes[start, end)`. */
  reset(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes
    this.#position = start
    this.#limit = end
    return this
  }

  /** Where the next operation begins. */
  get position(): number {
    return this.#position
  }

  /** Moves to the next operation; false at the end. Throws `CORRUPTION` on bytes that are none. */
  next(): boolean {
    const { bytes } = this
    const limit = this.#limit
    let at = this.#position
    if (at >= limit) return false
    const kind = bytes[at++]
    if (kind > MAX_KIND) throw malformed('its kind is unknown')
    if (at >= limit) throw malformed('it has no key')
    let length = bytes[at++]
    if (length >= 0x80) {
      length = this.#longVarint(at - 1)
      at = this.#varint.position
    }
    const keyStart = at
    at += length
    if (at >= limit) throw malformed('its key is cut off')
    const keyEnd = at
    length = bytes[at++]
    if (length >= 0x80) {
      length = this.#longVarint(at - 1)
      at = this.#varint.position
    }
    const valueEnd = at + length
    if (valueEnd > limit) throw malformed('its value is cut off')
    if (kind === Kind.putWithExpiry && length < EXPIRY_LENGTH) throw malformed('its expiry is cut off')
    this.kind = kind
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.valueStart = at
    this.valueEnd = valueEnd
    this.#position = valueEnd
    return true
  }

  #longVarint(at: number): number {
    const varint = this.#varint
    varint.bytes = this.bytes
    varint.position = at
    varint.limit = this.#limit
    return varint.read()
  }
}

/** Whether a group of `count` operations can begin with that sequence number. */
export function isPossibleGroup(firstSequence: number, count: number): boolean {
  return count > 0 && firstSequence + count - 1 <= MAX_FOUND_NUMBER
}

/** Throws `CORRUPTION` unless `bytes[start, end)` are `count` operations, each of which a store can write. */
export function checkOperations(bytes: Uint8Array, start: number, end: number, count: number): void {
  const operations = new OperationReader().reset(bytes, start, end)
  let found = 0
  for (; operations.next(); found++) {
    const { kind, keyStart, keyEnd, valueStart } = operations
    if (keyEnd - keyStart > MAX_KEY_LENGTH) throw malformed('its key is too long')
    if (Number.isNaN(expiryOf(kind, bytes, valueStart))) throw malformed('its expiry is no moment')
  }
  if (found === count) return
  throw new VarveError('CORRUPTION', `A group has ${found} operations instead of ${count}.`)
}

function malformed(why: string): VarveError {
  return new VarveError('CORRUPTION', `An operation in the log is malformed: ${why}.`)
}
