/** The decisions of the conditional writes: pure functions of what is there. */
import { isDeepStrictEqual } from 'node:util'
import { VarveError } from '../../base/errors.js'
import type { Codec } from '../encodings/codec.js'
import { checkSynchronous } from '../synchronous.js'
import type { Decide } from './decision.js'

/** `setNX`: writes only where nothing is. */
export function whenAbsent<V>(value: V, expiresAt: number): Decide<V, boolean> {
  return (found) =>
    found === undefined
      ? { write: 'set', value, expiresAt, answer: true }
      : { write: 'nothing', answer: false }
}

/** `update`: what `next` makes of the old value; undefined removes. Without `expiresAt` the expiry stays as it was. */
export function updated<V>(
  codec: Codec<unknown, V>,
  next: (old: V | undefined) => V | undefined,
  expiresAt: number | undefined,
  freshExpiresAt: number,
): Decide<V, V | undefined> {
  return (found) => {
    const value = next(found?.value)
    checkSynchronous('The function of update', value, 'use a transaction')
    if (value === undefined) return { write: found === undefined ? 'nothing' : 'delete', answer: undefined }
    const encoded = codec.value(value)
    return {
      write: 'set',
      value,
      encoded,
      expiresAt: expiresAt ?? found?.expiresAt ?? freshExpiresAt,
      // What `get` gives, and not an object that the function may go on changing.
      answer: codec.stored(encoded),
    }
  }
}

/** `increment`: adds to a number, or to a number written as a string; what is not there counts as 0. The expiry stays. */
export function incremented<V>(by: number, isText: boolean, freshExpiresAt: number): Decide<V, number> {
  return (found) => {
    const old = found === undefined ? 0 : numberOf(found.value)
    const sum = old + by
    if (!Number.isFinite(sum)) throw new VarveError('INVALID_VALUE', `${old} + ${by} is no finite number.`)
    const value = (isText ? String(sum) : sum) as V
    return { write: 'set', value, expiresAt: found?.expiresAt ?? freshExpiresAt, answer: sum }
  }
}

function numberOf(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) return Number(value)
  throw new VarveError('INVALID_VALUE', 'increment needs a number under the key, and what is there is none.')
}

/**
 * `compareAndSet`: writes only where what is there equals `expected`, which is a value as it comes out of the store; undefined
 * stands for "not there" on both sides.
 */
export function whenEqual<V>(
  expected: V | undefined,
  next: V | undefined,
  expiresAt: number,
  isSame: (a: unknown, b: unknown) => boolean,
): Decide<V, boolean> {
  return (found) => {
    if (!isSame(found?.value, expected)) return { write: 'nothing', answer: false }
    if (next !== undefined) return { write: 'set', value: next, expiresAt, answer: true }
    return { write: found === undefined ? 'nothing' : 'delete', answer: true }
  }
}

/** Whether two values that MessagePack has decoded are the same. Byte strings are compared by content, of whatever class. */
export function isSameMessage(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) || isDeepStrictEqual(withBuffers(a), withBuffers(b))
}

function withBuffers(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (Array.isArray(value)) return value.map(withBuffers)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withBuffers(field)]))
}

/** `expire` and `persist`: the same value with another expiry, where there is a value and `applies` says so. */
export function withExpiry<V>(
  expiresAt: number,
  applies: (found: { readonly expiresAt: number }) => boolean = () => true,
): Decide<V, boolean> {
  return (found) =>
    found !== undefined && applies(found)
      ? { write: 'set', value: found.value, expiresAt, answer: true }
      : { write: 'nothing', answer: false }
}
