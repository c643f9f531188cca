/**
 * Structured values on disk: MessagePack, for version edits, table properties and users' values.
 *
 * What is decoded may be damaged or hostile. Before the decoder sees the bytes, one walk proves that every length fits
 * in what is left, that one value fills the bytes exactly and that there is no extension but those that are allowed: so
 * decoding takes time and memory in proportion to the input, and any damage is `CORRUPTION`. The decoder knows more
 * extensions than that: records, for which it compiles code; references, with which a value can hold itself; bundles of
 * strings, which point anywhere. What the values mean is for the caller to check.
 */
// Not all of the package: its streams, and native code that speeds up long strings, take 6 MiB and 10 ms more in each of two threads.
import { Packr } from 'msgpackr/pack'
import { VarveError } from './errors.js'

/** Version edits and properties are flat. */
const MAX_DEPTH = 8

/** Extensions that users' values may hold; each is one that the encoder writes. */
const Extension = {
  undefined: 0x00,
  bigInteger: 0x42,
  error: 0x65,
  set: 0x73,
  typedArray: 0x74,
  regularExpression: 0x78,
  timestamp: 0xff,
} as const

/** How a walk goes on at a nested value. */
interface Rules {
  readonly maxDepth: number
  readonly extensions: boolean
}

const PLAIN: Rules = { maxDepth: MAX_DEPTH, extensions: false }
/** Depth is bounded by the stack, as it is when a value is encoded. */
const RICH: Rules = { maxDepth: Number.POSITIVE_INFINITY, extensions: true }

const packr = new Packr({ useRecords: false, moreTypes: false, mapsAsObjects: true, int64AsType: 'number' })

/** Encodes plain data: numbers, strings, booleans, null, byte strings, arrays and objects. */
export function packMessage(value: unknown): Uint8Array {
  return packr.pack(value)
}

/** Decodes one value that fills `bytes`; throws `CORRUPTION` on anything else. Byte strings may alias `bytes`. */
export function unpackMessage(bytes: Uint8Array): unknown {
  if (skipValue(bytes, 0, 0, PLAIN) !== bytes.length) throw damaged()
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw damaged(cause)
  }
}

/** Throws `CORRUPTION` unless one value, with the extensions that users' values may hold, fills `bytes`. */
export function checkRichMessage(bytes: Uint8Array): void {
  if (skipValue(bytes, 0, 0, RICH) !== bytes.length) throw damaged()
}

/** The position behind the value at `at`. */
function skipValue(bytes: Uint8Array, at: number, depth: number, rules: Rules): number {
  if (at >= bytes.length || depth > rules.maxDepth) throw damaged()
  const tag = bytes[at]
  const next = at + 1
  if (tag <= 0x7f || tag >= 0xe0) return next
  if (tag <= 0x8f) return skipValues(bytes, next, 2 * (tag & 0x0f), depth, rules)
  if (tag <= 0x9f) return skipValues(bytes, next, tag & 0x0f, depth, rules)
  if (tag <= 0xbf) return skipBytes(bytes, next, tag & 0x1f)
  switch (tag) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return next
    case 0xc4: // bin 8, 16, 32
    case 0xd9: // str 8, 16, 32
      return skipBytes(bytes, next + 1, readBigEndian(bytes, next, 1))
    case 0xc5:
    case 0xda:
      return skipBytes(bytes, next + 2, readBigEndian(bytes, next, 2))
    case 0xc6:
    case 0xdb:
      return skipBytes(bytes, next + 4, readBigEndian(bytes, next, 4))
    case 0xcc: // uint 8, int 8
    case 0xd0:
      return skipBytes(bytes, next, 1)
    case 0xcd: // uint 16, int 16
    case 0xd1:
      return skipBytes(bytes, next, 2)
    case 0xca: // float 32, uint 32, int 32
    case 0xce:
    case 0xd2:
      return skipBytes(bytes, next, 4)
    case 0xcb: // float 64, uint 64, int 64
    case 0xcf:
    case 0xd3:
      return skipBytes(bytes, next, 8)
    case 0xdc: // array 16, 32
      return skipValues(bytes, next + 2, readBigEndian(bytes, next, 2), depth, rules)
    case 0xdd:
      return skipValues(bytes, next + 4, readBigEndian(bytes, next, 4), depth, rules)
    case 0xde: // map 16, 32
      return skipValues(bytes, next + 2, 2 * readBigEndian(bytes, next, 2), depth, rules)
    case 0xdf:
      return skipValues(bytes, next + 4, 2 * readBigEndian(bytes, next, 4), depth, rules)
    case 0xc7: // ext 8, 16, 32
      return skipExtension(bytes, next + 1, readBigEndian(bytes, next, 1), depth, rules)
    case 0xc8:
      return skipExtension(bytes, next + 2, readBigEndian(bytes, next, 2), depth, rules)
    case 0xc9:
      return skipExtension(bytes, next + 4, readBigEndian(bytes, next, 4), depth, rules)
    case 0xd4: // fixext 1, 2, 4, 8, 16
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return skipExtension(bytes, next, 1 << (tag - 0xd4), depth, rules)
    default: // never used
      throw damaged()
  }
}

function skipValues(bytes: Uint8Array, at: number, count: number, depth: number, rules: Rules): number {
  if (count > bytes.length - at) throw damaged()
  for (let i = 0; i < count; i++) at = skipValue(bytes, at, depth + 1, rules)
  return at
}

/** Passes over an extension, whose type stands at `at`, and the value that belongs to it. */
function skipExtension(bytes: Uint8Array, at: number, length: number, depth: number, rules: Rules): number {
  const behind = skipBytes(bytes, at + 1, length)
  if (!rules.extensions) throw damaged()
  switch (bytes[at]) {
    case Extension.undefined:
    case Extension.bigInteger:
    case Extension.timestamp:
    case Extension.typedArray:
      return behind
    case Extension.set:
    case Extension.regularExpression:
      return skipValue(bytes, behind, depth + 1, rules)
    case Extension.error:
      checkErrorName(bytes, behind, rules)
      return skipValue(bytes, behind, depth + 1, rules)
    default:
      throw damaged()
  }
}

/** The decoder looks the name of an error up in an object, whose prototype has names that are no errors. */
function checkErrorName(bytes: Uint8Array, at: number, rules: Rules): void {
  const tag = bytes[at + 1]
  const header = tag >= 0xa0 && tag <= 0xbf ? 1 : tag === 0xd9 ? 2 : 0
  if ((bytes[at] & 0xf0) !== 0x90 || header === 0) throw damaged()
  const name = bytes.subarray(at + 1 + header, skipValue(bytes, at + 1, 0, rules))
  if (Buffer.from(name).toString('latin1') in Object.prototype) throw damaged()
}

function skipBytes(bytes: Uint8Array, at: number, length: number): number {
  if (length > bytes.length - at) throw damaged()
  return at + length
}

function readBigEndian(bytes: Uint8Array, at: number, length: number): number {
  if (length > bytes.length - at) throw damaged()
  let value = 0
  for (let i = 0; i < length; i++) value = value * 0x100 + bytes[at + i]
  return value
}

function damaged(cause?: unknown): VarveError {
  return new VarveError('CORRUPTION', 'A structured value is damaged.', cause === undefined ? {} : { cause })
}
