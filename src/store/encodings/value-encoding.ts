/** How user values become bytes and back. A decoded value never shares memory with the store. */
import { createRequire } from 'node:module'
import { copyBytes } from '../../base/bytes.js'
import { shown, VarveError } from '../../base/errors.js'
import { checkRichMessage } from '../../base/message-pack.js'
import { decodeUtf8 } from './key-encoding.js'

const require = createRequire(import.meta.url)

/** Your own value encoding. */
export interface CustomValueEncoding<V> {
  /** The bytes of a value. The array is read before the write resolves. */
  encode(value: V): Uint8Array
  /** The value of bytes that are your own copy. */
  decode(bytes: Buffer): V
}

/** A value encoding of your own for values of whatever type. */
export interface AnyValueEncoding {
  encode(value: never): Uint8Array
  decode(bytes: Buffer): unknown
}

/** The names of the built-in value encodings. */
export type ValueEncodingName = 'buffer' | 'utf8' | 'json' | 'msgpack'

/** The values that an encoding gives. */
export type ValueOf<E> = E extends { decode(bytes: Buffer): infer V }
  ? V
  : E extends 'utf8'
    ? string
    : E extends 'json' | 'msgpack'
      ? unknown
      : Buffer

/** What a store whose values are `V` takes for a value. */
export type ValueInput<V> = V extends Buffer ? Uint8Array | string : V

export interface ValueEncoding<V> {
  /** undefined: one of the user's own. */
  readonly name: ValueEncodingName | undefined
  /** The bytes of `value`; throws `INVALID_VALUE` for what the encoding cannot hold. */
  encode(value: V): Uint8Array
  decode(bytes: Uint8Array, start: number, end: number): V
  /** How a number is held: as it is, as text, or not at all. */
  readonly numbers: 'number' | 'text' | 'none'
}

function invalidValue(message: string, cause?: unknown): VarveError {
  return new VarveError('INVALID_VALUE', message, cause === undefined ? {} : { cause })
}

/** A private copy as a `Buffer`. Short ones come from Node's pool. */
export function copyToBuffer(bytes: Uint8Array, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  copyBytes(bytes, start, end, copy, 0)
  return copy
}

const buffer: ValueEncoding<Uint8Array | string> = {
  encode(value) {
    if (value instanceof Uint8Array) return value
    if (typeof value === 'string') return Buffer.from(value, 'utf8')
    throw invalidValue(
      `With valueEncoding 'buffer' a value must be a Uint8Array or a string, not ${shown(value)}.`,
    )
  },
  name: 'buffer',
  decode: copyToBuffer,
  numbers: 'none',
}

const utf8: ValueEncoding<string> = {
  encode(value) {
    if (typeof value !== 'string')
      throw invalidValue(`With valueEncoding 'utf8' a value must be a string, not ${shown(value)}.`)
    if (!value.isWellFormed()) {
      throw invalidValue('The value has a lone surrogate, which UTF-8 cannot hold. Use toWellFormed().')
    }
    return Buffer.from(value, 'utf8')
  },
  name: 'utf8',
  decode: decodeUtf8,
  numbers: 'text',
}

const json: ValueEncoding<unknown> = {
  name: 'json',
  numbers: 'number',
  encode(value) {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch (error) {
      throw invalidValue(
        `The value cannot be written as JSON: ${error instanceof Error ? error.message : error}`,
        error,
      )
    }
    if (text === undefined) throw invalidValue('undefined, functions and symbols cannot be written as JSON.')
    return Buffer.from(text, 'utf8')
  },
  decode(bytes, start, end) {
    try {
      return JSON.parse(decodeUtf8(bytes, start, end))
    } catch (error) {
      throw invalidValue('The stored value is not JSON; was it written with another valueEncoding?', error)
    }
  },
}

/** Loads the whole package, with its native code: only a store with such values has use for it. */
function makeMsgpack(): ValueEncoding<unknown> {
  const { Packr }: typeof import('msgpackr') = require('msgpackr')
  // Records would tie a value to shared structure definitions; without them every value stands alone. More types: sets,
  // typed arrays, regular expressions, errors and large bigints come back as what they were.
  const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: true })
  return {
    name: 'msgpack',
    numbers: 'number',
    encode(value) {
      // Both would be written as undefined, which is what a missing key reads as.
      if (value === undefined || typeof value === 'function')
        throw invalidValue(`A value must not be ${typeof value}; to remove a key, delete it.`)
      try {
        return packr.pack(value)
      } catch (error) {
        throw invalidValue(
          error instanceof RangeError
            ? 'The value cannot be written as MessagePack: it is nested too deeply, or contains itself.'
            : `The value cannot be written as MessagePack: ${error instanceof Error ? error.message : error}`,
          error,
        )
      }
    },
    decode(bytes, start, end) {
      try {
        // A copy: byte strings inside the value would otherwise be views of the store's memory.
        const copy = copyToBuffer(bytes, start, end)
        checkRichMessage(copy)
        return packr.unpack(copy)
      } catch (error) {
        throw invalidValue(
          'The stored value is not MessagePack; was it written with another valueEncoding?',
          error,
        )
      }
    },
  }
}

function custom<V>(encoding: CustomValueEncoding<V>): ValueEncoding<V> {
  return {
    name: undefined,
    numbers: 'number',
    encode(value) {
      let bytes: Uint8Array
      try {
        bytes = encoding.encode(value)
      } catch (error) {
        throw invalidValue('encode() of the valueEncoding has thrown; see cause.', error)
      }
      if (!(bytes instanceof Uint8Array))
        throw invalidValue('encode() of the valueEncoding must return a Uint8Array.')
      return bytes
    },
    decode(bytes, start, end) {
      const copy = copyToBuffer(bytes, start, end)
      try {
        return encoding.decode(copy)
      } catch (error) {
        throw invalidValue('decode() of the valueEncoding has thrown; see cause.', error)
      }
    },
  }
}

let msgpack: ValueEncoding<unknown> | undefined

const ENCODINGS = {
  buffer,
  utf8,
  json,
  get msgpack() {
    msgpack ??= makeMsgpack()
    return msgpack
  },
} as const

/** The encoding of a name or of your own functions; throws `INVALID_ARGUMENT` for anything else. */
export function valueEncodingOf<V>(encoding: ValueEncodingName | AnyValueEncoding): ValueEncoding<V> {
  if (typeof encoding === 'string' && Object.hasOwn(ENCODINGS, encoding)) {
    return ENCODINGS[encoding] as unknown as ValueEncoding<V>
  }
  if (typeof encoding === 'object' && encoding !== null) {
    if (typeof encoding.encode === 'function' && typeof encoding.decode === 'function')
      return custom(encoding as CustomValueEncoding<V>)
  }
  throw new VarveError(
    'INVALID_ARGUMENT',
    "valueEncoding must be 'buffer', 'utf8', 'json', 'msgpack' or an object with encode and decode.",
  )
}
