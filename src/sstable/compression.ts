/**
 * Compression of blocks. A block that does not shrink by an eighth is stored raw: it would cost a decompression on
 * every read and save next to nothing.
 *
 * Invariant: decompressing never allocates more than the compressed bytes could possibly have come from, whatever
 * their header claims.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { compressSync, uncompressSync } from 'snappy'
import { readU32, VarintReader } from '../base/bytes.js'
import { VarveError } from '../base/errors.js'

/** How a table's blocks are compressed. */
export type Compression = 'none' | 'snappy' | 'gzip'

/** The kinds of physical blocks. On disk: never change. */
export const CompressionKind = { none: 0, snappy: 1, gzip: 2 } as const

/** One of {@link CompressionKind}. */
export type CompressionKind = (typeof CompressionKind)[keyof typeof CompressionKind]

/** An external output buffer costs three times the copy of a block. */
const COPY_OUTPUT = { copyOutputData: true }

/** One snappy element of 3 bytes makes at most 64 bytes. */
const SNAPPY_LARGEST_RATIO = 22
const RATIO_SLACK = 64
/** More than the largest value and its key take. */
const LARGEST_PAYLOAD = 2 ** 30 + 2 ** 20

/** `payload` compressed, or `undefined` when it is to be stored raw. */
export function compress(payload: Uint8Array, compression: Compression): Uint8Array | undefined {
  if (compression === 'none') return undefined
  const compressed = compression === 'snappy' ? compressSync(payload, COPY_OUTPUT) : gzipSync(payload)
  return compressed.length <= payload.length - payload.length / 8 ? compressed : undefined
}

/** The payload of a compressed block, in memory of its own; throws `CORRUPTION` when it does not decompress. */
export function decompress(bytes: Uint8Array, kind: number): Uint8Array {
  try {
    if (kind === CompressionKind.snappy) return uncompressSnappy(bytes)
    if (kind === CompressionKind.gzip) return gunzip(bytes)
  } catch (error) {
    if (error instanceof VarveError) throw error
    throw new VarveError('CORRUPTION', 'A block does not decompress.', { cause: error })
  }
  throw new VarveError('CORRUPTION', `A block's compression kind ${kind} is unknown.`)
}

function uncompressSnappy(bytes: Uint8Array): Uint8Array {
  const claimed = new VarintReader(bytes).read()
  // The package takes as much memory as is claimed before it looks at the rest.
  if (claimed > Math.min(LARGEST_PAYLOAD, bytes.length * SNAPPY_LARGEST_RATIO + RATIO_SLACK)) {
    throw new VarveError('CORRUPTION', 'A block claims to hold more than it can.')
  }
  const payload = uncompressSync(bytes, COPY_OUTPUT)
  if (typeof payload === 'string') throw new TypeError('snappy returned a string')
  return plain(payload)
}

function gunzip(bytes: Uint8Array): Uint8Array {
  const claimed = bytes.length < 4 ? 0 : readU32(bytes, bytes.length - 4)
  // zlib takes memory as it goes, and deflate makes at most 1,032 bytes of one (RFC 1951, the zlib manual).
  return plain(gunzipSync(bytes, { maxOutputLength: Math.min(LARGEST_PAYLOAD, Math.max(1, claimed)) }))
}

/** The same bytes as a plain `Uint8Array`: hot loops that saw both this and `Buffer` would be half as fast. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
