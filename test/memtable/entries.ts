/** Entries made by fast-check, and the sorted array that a memtable must agree with. */
import fc from 'fast-check'
import { compareKeys } from '../../src/base/bytes.js'
import { Kind } from '../../src/base/entry.js'
import type { Cursor } from '../../src/iterator/cursor.js'

export interface Entry {
  readonly key: Uint8Array
  readonly sequence: number
  readonly kind: number
  readonly value: Uint8Array
}

/** Internal order: user key ascending, sequence number descending. */
export function compareEntries(a: Entry, b: Entry): number {
  return compareKeys(a.key, b.key) || b.sequence - a.sequence
}

/** Few bytes and few lengths, so that keys collide, are prefixes of each other and differ around word borders. */
export const keyArbitrary: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { maxLength: 9 })
      .map(Uint8Array.from.bind(Uint8Array)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 70 }) },
)

export const valueArbitrary: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 9 }) },
  { weight: 1, arbitrary: fc.nat(400).map((length) => new Uint8Array(length).fill(length)) },
)

/** Entries in the order in which they are written: sequence numbers ascend, with gaps, beyond 2^32 too. */
export function writesArbitrary(maxLength: number): fc.Arbitrary<Entry[]> {
  const write = fc.record({
    key: keyArbitrary,
    gap: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 2 ** 33 })),
    kind: fc.constantFrom(Kind.delete, Kind.put, Kind.put, Kind.putWithExpiry),
    value: valueArbitrary,
  })
  return fc.array(write, { maxLength, size: 'max' }).map((writes) => {
    let sequence = 0
    return writes.map(({ key, gap, kind, value }) => {
      sequence += gap
      return { key, sequence, kind, value: kind === Kind.delete ? new Uint8Array(0) : value }
    })
  })
}

/** An entry in one line: comparing lines is a hundred times faster than comparing byte arrays one by one. */
export function lineOf(entry: Omit<Entry, 'key'> & { readonly key?: Uint8Array | undefined }): string {
  const { key, sequence, kind, value } = entry
  return `${key === undefined ? '' : hex(key)}@${sequence} ${kind} ${hex(value)}`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** A private copy of the entry under the cursor. */
export function entryAt(cursor: Cursor): Entry {
  return {
    key: cursor.keyBytes.slice(cursor.keyStart, cursor.keyEnd),
    sequence: cursor.sequence,
    kind: cursor.kind,
    value: cursor.valueBytes.slice(cursor.valueStart, cursor.valueEnd),
  }
}

/** A moment at which a reader may look. */
export const sequenceArbitrary: fc.Arbitrary<number> = fc.oneof(
  fc.nat(40),
  fc.nat(2 ** 31 - 1).map((n) => n * 64),
  fc.constant(Number.MAX_SAFE_INTEGER),
)
