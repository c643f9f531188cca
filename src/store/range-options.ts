/** The options of an iterator, and the check of what a user gives for them. */
import { shown, VarveError } from '../base/errors.js'
import type { KeyEncoding } from './encodings/key-encoding.js'
import { BOUND_NAMES, type ByteRange, byteRangeOf, type KeyRange } from './range.js'
import { checkSynchronous } from './synchronous.js'

/** A moment to read at: a view is one. */
export interface Moment {
  /** The sequence number of the last write that is seen. */
  readonly sequence: number
}

/** A range and how to walk over it. */
export interface RangeOptions<K, V> extends KeyRange<K> {
  /** From the last key to the first. Default false. */
  readonly reverse?: boolean
  /** The most entries. Default `Infinity`. */
  readonly limit?: number
  /** Passes over entries for which it returns false; they do not count towards `limit`. */
  readonly filter?: (key: K, value: V) => boolean
  /** Ends the iterator with `ABORTED`. */
  readonly signal?: AbortSignal
  /** Whether blocks that are read go into the block cache. Default true; false for a large scan that is made once. */
  readonly fillCache?: boolean
  /** The moment to read at. Default: now. */
  readonly view?: Moment
}

/** The range options of a transaction: its moment is its own. */
export type TransactionRange<K, V> = Omit<RangeOptions<K, V>, 'fillCache' | 'view'>

/** A scan after defaults and checks; what is left is the moment. */
export interface Scan<K, V> {
  readonly range: ByteRange
  readonly reverse: boolean
  readonly limit: number
  readonly filter: ((key: K, value: V) => boolean) | undefined
  readonly signal: AbortSignal | undefined
  readonly fillCache: boolean
}

const TRANSACTION_NAMES: ReadonlySet<string> = new Set([
  ...BOUND_NAMES,
  'reverse',
  'limit',
  'filter',
  'signal',
])

const NAMES: ReadonlySet<string> = new Set([...TRANSACTION_NAMES, 'fillCache', 'view'])

/** Checks the options of an iterator; throws `INVALID_ARGUMENT`, and `INVALID_KEY` for a bound that is no key. */
export function scanOf<K, V>(options: RangeOptions<K, V>, keys: KeyEncoding<K>): Scan<K, V> {
  return checked(options, keys, NAMES)
}

/** {@link scanOf} inside a transaction. */
export function transactionScanOf<K, V>(options: TransactionRange<K, V>, keys: KeyEncoding<K>): Scan<K, V> {
  return checked(options, keys, TRANSACTION_NAMES)
}

function checked<K, V>(
  options: RangeOptions<K, V>,
  keys: KeyEncoding<K>,
  names: ReadonlySet<string>,
): Scan<K, V> {
  const range = byteRangeOf(options, keys, names)
  const { filter, signal } = options
  if (filter !== undefined && typeof filter !== 'function') throw wrong('filter', 'a function', filter)
  if (signal !== undefined && typeof signal?.aborted !== 'boolean') {
    throw wrong('signal', 'an AbortSignal', signal)
  }
  return {
    range,
    reverse: flag('reverse', options.reverse, false),
    limit: checkLimit(options.limit),
    filter,
    signal,
    fillCache: flag('fillCache', options.fillCache, true),
  }
}

function checkLimit(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY
  if (!isCount(limit)) throw wrong('limit', 'a whole number, 0 or more, or Infinity', limit)
  return limit
}

/** The number of entries that are wanted at once. */
export function checkCount(n: number): number {
  if (!isCount(n) || n === 0) throw wrong('n', 'a whole number, 1 or more, or Infinity', n)
  return n
}

function isCount(value: unknown): boolean {
  return value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && (value as number) >= 0)
}

function flag(name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw wrong(name, 'true or false', value)
  return value
}

function wrong(name: string, expected: string, value: unknown): VarveError {
  return new VarveError('INVALID_ARGUMENT', `${name} must be ${expected}, not ${shown(value)}.`)
}

/** Whether a filter that gave `answer` lets the entry through. */
export function passes(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer
  checkSynchronous('A filter', answer, 'filter what the iterator gives instead')
  return Boolean(answer)
}
