/** Ranges of keys as users give them, and the byte bounds that they come to. */
import { compareKeys } from '../base/bytes.js'
import { VarveError } from '../base/errors.js'
import { SearchKey } from '../memtable/search-key.js'
import type { KeyEncoding, KeyPrefix } from './encodings/key-encoding.js'
import { checkOptionNames } from './option-names.js'

/** Bounds of a range of keys. All that are given hold together. */
export interface KeyRange<K> {
  readonly gte?: KeyPrefix<K> | undefined
  readonly gt?: KeyPrefix<K> | undefined
  readonly lte?: KeyPrefix<K> | undefined
  readonly lt?: KeyPrefix<K> | undefined
  /** Every key that begins with it; exact for every byte value. With `'ordered'` keys: an array of first elements. */
  readonly prefix?: KeyPrefix<K> | undefined
}

/** The names of the bounds. */
export const BOUND_NAMES: ReadonlySet<string> = new Set<keyof KeyRange<unknown>>([
  'gte',
  'gt',
  'lte',
  'lt',
  'prefix',
])

/** A half-open range of byte strings; `undefined` is unbounded. */
export interface ByteRange {
  readonly lower: Uint8Array | undefined
  readonly upper: Uint8Array | undefined
}

/** The range of all keys. */
export const EVERYTHING: ByteRange = { lower: undefined, upper: undefined }

/** The smallest byte string behind `key`. */
export function successorOf(key: Uint8Array): Uint8Array {
  const successor = new Uint8Array(key.length + 1)
  successor.set(key)
  return successor
}

/** The smallest byte string behind everything that begins with `prefix`; `undefined` when there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const end = prefix.slice(0, length)
  end[length - 1]++
  return end
}

function largest(a: Uint8Array | undefined, b: Uint8Array): Uint8Array {
  return a === undefined || compareKeys(a, b) < 0 ? b : a
}

function smallest(a: Uint8Array | undefined, b: Uint8Array): Uint8Array {
  return a === undefined || compareKeys(a, b) > 0 ? b : a
}

/** Refuses what is no range: a misspelt bound would be no bound at all. */
function checkRange(range: unknown, names: ReadonlySet<string>): void {
  const isPlain =
    typeof range === 'object' && range !== null && !Array.isArray(range) && !ArrayBuffer.isView(range)
  if (!isPlain || range instanceof Date || range instanceof Map || range instanceof Set) {
    throw new VarveError('INVALID_ARGUMENT', 'A range must be an object such as { gte, lt } or { prefix }.')
  }
  checkOptionNames(names === BOUND_NAMES ? 'a range of keys' : 'an iterator', range, names)
}

/**
 * Encodes the bounds of `range`; throws `INVALID_KEY` for a bound that is no key, `INVALID_ARGUMENT` for an option that
 * is not in `names`.
 */
export function byteRangeOf<K>(
  range: KeyRange<K>,
  encoding: KeyEncoding<K>,
  names: ReadonlySet<string> = BOUND_NAMES,
): ByteRange {
  checkRange(range, names)
  const target = new SearchKey()
  const encoded = (key: KeyPrefix<K>): Uint8Array => {
    encoding.encode(key as unknown as K, target)
    return target.bytes.slice(0, target.length)
  }
  let lower: Uint8Array | undefined
  let upper: Uint8Array | undefined
  if (range.gte !== undefined) lower = encoded(range.gte)
  if (range.gt !== undefined) lower = largest(lower, successorOf(encoded(range.gt)))
  if (range.lt !== undefined) upper = encoded(range.lt)
  if (range.lte !== undefined) upper = smallest(upper, successorOf(encoded(range.lte)))
  if (range.prefix !== undefined) {
    encoding.encodePrefix(range.prefix as unknown as K, target)
    const prefix = target.bytes.slice(0, target.length)
    lower = largest(lower, prefix)
    const end = prefixEnd(prefix)
    if (end !== undefined) upper = smallest(upper, end)
  }
  return { lower, upper }
}

/** Whether no byte string can be in the range. */
export function isEmptyRange(range: ByteRange): boolean {
  return range.lower !== undefined && range.upper !== undefined && compareKeys(range.lower, range.upper) >= 0
}

/** The rest of `range` from `key` on in the direction of a scan, the key included. */
export function rangeFrom({ lower, upper }: ByteRange, key: Uint8Array, reverse: boolean): ByteRange {
  return reverse ? { lower, upper: smallest(upper, successorOf(key)) } : { lower: largest(lower, key), upper }
}
