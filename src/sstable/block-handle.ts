/**
 * Where a physical block is in its file. On disk (see docs/format/sstable.md): varint offset | varint size.
 * Never change.
 */
import { VarintReader, writeVarint } from '../base/bytes.js'

/** The most bytes that {@link encodeHandle} writes. */
export const MAX_HANDLE_LENGTH = 16

/** Mutable, so that a hot path can decode into one handle again and again. */
export class BlockHandle {
  /** The first byte in the file. */
  offset: number
  /** The bytes of the physical block, its compression kind and checksum included. */
  size: number

  constructor(offset = 0, size = 0) {
    this.offset = offset
    this.size = size
  }
}

/** Writes a handle; returns the position behind it. */
export function encodeHandle(bytes: Uint8Array, at: number, offset: number, size: number): number {
  return writeVarint(bytes, writeVarint(bytes, at, offset), size)
}

const reader = new VarintReader()

/** Reads the handle at `bytes[at, limit)` into `into`; throws `CORRUPTION` when it is cut off. */
export function decodeHandle(bytes: Uint8Array, at: number, limit: number, into: BlockHandle): void {
  reader.bytes = bytes
  reader.position = at
  reader.limit = limit
  into.offset = reader.read()
  into.size = reader.read()
}

/** The varint behind a handle (in a top index: where the data of the partition begins). Throws `CORRUPTION` when cut off. */
export function decodeAfterHandle(bytes: Uint8Array, at: number, limit: number): number {
  const extra = new VarintReader(bytes, at, limit)
  extra.read()
  extra.read()
  return extra.read()
}
