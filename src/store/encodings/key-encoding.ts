/**
 * How user keys become byte strings whose byte order is the order of the store.
 *
 * - `'utf8'`: strings, ordered by their UTF-8 bytes, which is the order of code points.
 * - `'buffer'`: byte strings as they are.
 * - `'ordered'`: null < false < true < numbers < dates < bigints < strings < arrays, each in its natural order, arrays
 *   element by element. Encoded by the package `bytewise` (docs/adr/0004); a bigint travels in the slot that bytewise
 *   has for binary keys, which this encoding does not offer, as [sign and length, magnitude].
 */
import bytewise from 'bytewise'
import { shown, VarveError } from '../../base/errors.js'
import type { SearchKey } from '../../memtable/search-key.js'

/** A key of the encoding `'ordered'`. */
export type OrderedKey = null | boolean | number | bigint | Date | string | readonly OrderedKey[]

/** The names of the key encodings. */
export type KeyEncodingName = 'utf8' | 'buffer' | 'ordered'

/** The keys that an encoding gives. */
export type KeyOf<E> = E extends 'buffer' ? Buffer : E extends 'ordered' ? OrderedKey : string

/** What a store whose keys are `K` takes for a key. */
export type KeyInput<K> = K extends Buffer ? Uint8Array : K

/** The leading elements of an array. */
type Leading<A extends readonly unknown[]> = A extends readonly [...infer Front, unknown]
  ? Readonly<A> | Leading<Front>
  : Readonly<A>

/** What a store whose keys are `K` takes for a bound or a prefix: of a key that is an array, its first elements too. */
export type KeyPrefix<K> = K extends readonly unknown[] ? Leading<K> : KeyInput<K>

export interface KeyEncoding<K> {
  readonly name: KeyEncodingName
  /** Encodes `key` into `target`; throws `INVALID_KEY` for what is no key. */
  encode(key: K, target: SearchKey): void
  /** Encodes what every key with that prefix begins with. */
  encodePrefix(prefix: K, target: SearchKey): void
  /** The key that `bytes[start, end)` stand for, sharing no memory with them. */
  decode(bytes: Uint8Array, start: number, end: number): K
}

function invalidKey(expected: string, key: unknown): VarveError {
  const got = key === null ? 'null' : Array.isArray(key) ? 'an array' : typeof key
  return new VarveError('INVALID_KEY', `A key must be ${expected}, but this one is ${got}.`)
}

/** Strings up to this length are encoded by a loop: cheaper than a native call. */
const LOOP_LENGTH = 48

function encodeUtf8(key: string, target: SearchKey): void {
  if (typeof key !== 'string') throw invalidKey("a string with keyEncoding 'utf8'", key)
  const length = key.length
  target.ensure(length * 3)
  const bytes = target.bytes
  if (length <= LOOP_LENGTH) {
    let i = 0
    for (; i < length; i++) {
      const unit = key.charCodeAt(i)
      if (unit >= 0x80) break
      bytes[i] = unit
    }
    if (i === length) {
      target.finish(length)
      return
    }
  }
  if (!key.isWellFormed()) {
    throw new VarveError(
      'INVALID_KEY',
      "The key has a lone surrogate, which UTF-8 cannot hold. Use toWellFormed(), or keyEncoding 'buffer' for bytes.",
    )
  }
  target.finish(utf8Encoder.encodeInto(key, bytes).written)
}

const utf8Encoder = new TextEncoder()

/** `Buffer.prototype.utf8Slice` and `latin1Slice`, which work on every `Uint8Array` and make no view. */
type Slice = (this: Uint8Array, start: number, end: number) => string
const bufferPrototype = Buffer.prototype as unknown as { readonly utf8Slice: Slice }
const { utf8Slice } = bufferPrototype

/** The string that UTF-8 bytes stand for. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return utf8Slice.call(bytes, start, end)
}

const utf8: KeyEncoding<string> = {
  name: 'utf8',
  encode: encodeUtf8,
  encodePrefix: encodeUtf8,
  decode: decodeUtf8,
}

function encodeBuffer(key: Uint8Array, target: SearchKey): void {
  if (!(key instanceof Uint8Array)) throw invalidKey("a Uint8Array with keyEncoding 'buffer'", key)
  target.set(key, 0, key.length)
}

const buffer: KeyEncoding<Uint8Array> = {
  name: 'buffer',
  encode: encodeBuffer,
  encodePrefix: encodeBuffer,
  decode(bytes, start, end) {
    const copy = Buffer.allocUnsafe(end - start)
    for (let i = start; i < end; i++) copy[i - start] = bytes[i]
    return copy
  },
}

/** What bytewise sees in place of a bigint: sign and length of the magnitude, then the magnitude, so that bytes sort as numbers do. */
function bigintToBytes(value: bigint): Buffer {
  const negative = value < 0n
  let digits = (negative ? -value : value).toString(16)
  if (digits.length % 2 === 1) digits = `0${digits}`
  const magnitude = value === 0n ? Buffer.alloc(0) : Buffer.from(digits, 'hex')
  const bytes = Buffer.alloc(4 + magnitude.length)
  bytes.writeUInt32BE(0x8000_0000 + magnitude.length)
  magnitude.copy(bytes, 4)
  if (negative) for (let i = 0; i < bytes.length; i++) bytes[i] ^= 0xff
  return bytes
}

function bigintFromBytes(bytes: Uint8Array): bigint {
  const negative = bytes[0] < 0x80
  const digits = Buffer.from(bytes.subarray(4))
  if (negative) for (let i = 0; i < digits.length; i++) digits[i] ^= 0xff
  const magnitude = digits.length === 0 ? 0n : BigInt(`0x${digits.toString('hex')}`)
  return negative ? -magnitude : magnitude
}

const ORDERED =
  "null, a boolean, number, bigint, Date, string or an array of these with keyEncoding 'ordered'"

/** Deeper arrays are refused: the key of a cyclic one would have no end. */
const MAX_DEPTH = 64

function toBytewise(key: OrderedKey, depth = 0): unknown {
  switch (typeof key) {
    case 'boolean':
      return key
    case 'number':
      if (Number.isNaN(key))
        throw new VarveError('INVALID_KEY', 'NaN has no place in an order, so it cannot be a key.')
      return key === 0 ? 0 : key
    case 'bigint':
      return bigintToBytes(key)
    case 'string':
      if (!key.isWellFormed())
        throw new VarveError('INVALID_KEY', 'The key has a lone surrogate; use toWellFormed().')
      return key
    default:
      if (key === null) return null
      if (Array.isArray(key)) {
        if (depth >= MAX_DEPTH)
          throw new VarveError('INVALID_KEY', `A key must not nest arrays deeper than ${MAX_DEPTH}.`)
        // Not `map`, which would pass over the holes of a sparse array.
        return Array.from(key, (element) => toBytewise(element, depth + 1))
      }
      if (key instanceof Date) {
        if (Number.isNaN(key.getTime()))
          throw new VarveError('INVALID_KEY', 'An invalid date cannot be a key.')
        return key
      }
      throw invalidKey(ORDERED, key)
  }
}

/** Throws on what bytewise can hold and no key is. */
function fromBytewise(value: unknown): OrderedKey {
  if (value instanceof Uint8Array) return bigintFromBytes(value)
  if (Array.isArray(value)) return value.map(fromBytewise)
  if (value === undefined || Number.isNaN(value instanceof Date ? value.getTime() : value)) {
    throw new TypeError('bytewise holds what has no place in an order')
  }
  return value as OrderedKey
}

const ordered: KeyEncoding<OrderedKey> = {
  name: 'ordered',
  encode(key, target) {
    const bytes: Uint8Array = bytewise.encode(toBytewise(key))
    target.set(bytes, 0, bytes.length)
  },
  encodePrefix(prefix, target) {
    if (!Array.isArray(prefix)) {
      throw new VarveError(
        'INVALID_ARGUMENT',
        "With keyEncoding 'ordered' a prefix is an array: prefix ['user'] means every array that begins with 'user'.",
      )
    }
    const bytes: Uint8Array = bytewise.encode(toBytewise(prefix))
    // An array ends with one zero byte, which only the exact array has here and which sorts before any element.
    target.set(bytes, 0, bytes.length - 1)
  },
  decode(bytes, start, end) {
    try {
      // bytewise keeps no reference to its input, but it wants a Buffer of its own extent.
      return fromBytewise(bytewise.decode(Buffer.from(bytes.subarray(start, end))))
    } catch (cause) {
      throw new VarveError('CORRUPTION', "A stored key is none of keyEncoding 'ordered'.", { cause })
    }
  },
}

const ENCODINGS = { utf8, buffer, ordered } as const

/** The encoding of a name; throws `INVALID_ARGUMENT` for one that there is not. */
export function keyEncodingOf<K>(name: KeyEncodingName): KeyEncoding<K> {
  if (typeof name !== 'string' || !Object.hasOwn(ENCODINGS, name)) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `keyEncoding must be 'utf8', 'buffer' or 'ordered', not ${shown(name)}.`,
    )
  }
  return ENCODINGS[name] as unknown as KeyEncoding<K>
}
