/** The options of an iterator, and the checks of what a user gives for them; they throw `INVALID_ARGUMENT`. */
import { shown, VarveError } from '../base/errors.js'
import type { KeyRange } from './range.js'

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
}

export function checkLimit(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY
  if (!isCount(limit)) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `limit must be a whole number, 0 or more, or Infinity, not ${shown(limit)}.`,
    )
  }
  return limit
}

export function checkCount(n: number): number {
  if (!isCount(n) || n === 0) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `n must be a whole number, 1 or more, or Infinity, not ${shown(n)}.`,
    )
  }
  return n
}

function isCount(value: unknown): boolean {
  return value === Number.POSITIVE_INFINITY || (Number.isInteger(value) && (value as number) >= 0)
}

export function checkFilter<F>(filter: F | undefined): F | undefined {
  if (filter !== undefined && typeof filter !== 'function') {
    throw new VarveError('INVALID_ARGUMENT', `filter must be a function, not ${shown(filter)}.`)
  }
  return filter
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal !== undefined && typeof signal?.aborted !== 'boolean') {
    throw new VarveError('INVALID_ARGUMENT', `signal must be an AbortSignal, not ${shown(signal)}.`)
  }
  return signal
}
