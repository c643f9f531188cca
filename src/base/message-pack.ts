/**
 * Structured values on disk: MessagePack without extensions, for version edits and table properties.
 *
 * What is decoded may be damaged. Before the decoder sees the bytes, one walk proves that every length fits in what
 * is left, that nothing is nested too deeply and that one value fills the bytes exactly: so decoding takes time and
 * memory in proportion to the input, and any damage is `CORRUPTION`. What the values mean is for the caller to check.
 */
import { Packr } from 'msgpackr'
import { VarveError } from './errors.js'

const MAX_DEPTH = 8

const packr = new Packr({ useRecords: false, moreTypes: false, mapsAsObjects: true, int64AsType: 'number' })

/** Encodes plain data: numbers, strings, booleans, null, byte strings, arrays and objects. */
export function packMessage(value: unknown): Uint8Array {
  return packr.pack(value)
}

/** Decodes one value that fills `bytes`; throws `CORRUPTION` on anything else. Byte strings may alias `bytes`. */
export function unpackMessage(bytes: Uint8Array): unknown {
  if (skipValue(bytes, 0, 0) !== bytes.length) throw damaged()
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw damaged(cause)
  }
}

/** The position behind the value at `at`. */
function skipValue(bytes: Uint8Array, at: number, depth: number): number {
  if (at >= bytes.length || depth > MAX_DEPTH) throw damaged()
  const tag = bytes[at]
  const next = at + 1
  if (tag <= 0x7f || tag >= 0xe0) return next
  if (tag <= 0x8f) return skipValues(bytes, next, 2 * (tag & 0x0f), depth)
  if (tag <= 0x9f) return skipValues(bytes, next, tag & 0x0f, depth)
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
      return skipValues(bytes, next + 2, readBigEndian(bytes, next, 2), depth)
    case 0xdd:
      return skipValues(bytes, next + 4, readBigEndian(bytes, next, 4), depth)
    case 0xde: // map 16, 32
      return skipValues(bytes, next + 2, 2 * readBigEndian(bytes, next, 2), depth)
    case 0xdf:
      return skipValues(bytes, next + 4, 2 * readBigEndian(bytes, next, 4), depth)
    default: // never used, and extensions, which we never write
      throw damaged()
  }
}

function skipValues(bytes: Uint8Array, at: number, count: number, depth: number): number {
  if (count > bytes.length - at) throw damaged()
  for (let i = 0; i < count; i++) at = skipValue(bytes, at, depth + 1)
  return at
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
