/**
 * The envelope of every block in a table file (docs/format/sstable.md). On disk: never change.
 *
 *   payload, compressed or raw | compression kind u8 | crc32 u32
 *
 * The checksum covers payload and kind; its initial value is the table's salt mixed with the block's offset, so that
 * a block of another table, of another database or from another place never passes.
 */
import { copyBytes, readU32, writeU32 } from '../base/bytes.js'
import { crc32, salted } from '../base/checksum.js'
import { giveChunk, takeChunk } from '../base/chunk-pool.js'
import { VarveError } from '../base/errors.js'
import { type File, writeFullySync } from '../env/file-system.js'
import { BlockHandle } from './block-handle.js'
import { type Compression, CompressionKind, compress, decompress } from './compression.js'
import { decodeSmallSnappy, LARGEST_SMALL } from './snappy-decoder.js'

/** The bytes behind a payload. */
export const ENVELOPE_LENGTH = 5

const NOTHING = new Uint8Array(0)

/** Appends physical blocks to a new file, gathered into writes of a chunk. Blocks the thread. */
export class PhysicalBlockWriter {
  /** The bytes appended so far. */
  offset = 0
  readonly #file: File
  readonly #salt: number
  #gathered = takeChunk()
  #length = 0

  constructor(file: File, salt: number) {
    this.#file = file
    this.#salt = salt
  }

  /** Appends `payload`, compressed if that pays. */
  append(payload: Uint8Array, compression: Compression): BlockHandle {
    const compressed = compress(payload, compression)
    const stored = compressed ?? payload
    const start = this.#reserve(stored.length + ENVELOPE_LENGTH)
    const bytes = this.#gathered
    copyBytes(stored, 0, stored.length, bytes, start)
    const end = start + stored.length
    bytes[end] = compressed === undefined ? CompressionKind.none : CompressionKind[compression]
    const salt = salted(this.#salt, this.offset)
    writeU32(bytes, end + 1, crc32(bytes.subarray(start, end + 1), salt))
    const handle = new BlockHandle(this.offset, stored.length + ENVELOPE_LENGTH)
    this.offset += handle.size
    return handle
  }

  /** Appends bytes as they are: the footer. */
  appendRaw(bytes: Uint8Array): void {
    this.#gathered.set(bytes, this.#reserve(bytes.length))
    this.offset += bytes.length
  }

  /** Hands everything to the operating system. */
  flush(): void {
    if (this.#length === 0) return
    writeFullySync(this.#file, this.#gathered.subarray(0, this.#length), this.offset - this.#length)
    this.#length = 0
  }

  /** Lets go of the memory; nothing can be appended any more. Idempotent. */
  release(): void {
    giveChunk(this.#gathered)
    this.#gathered = NOTHING
  }

  /** Makes room for `length` bytes; returns where in the gathered bytes. */
  #reserve(length: number): number {
    if (this.#length + length > this.#gathered.length) {
      this.flush()
      if (length > this.#gathered.length) {
        giveChunk(this.#gathered)
        this.#gathered = new Uint8Array(length)
      }
    }
    const start = this.#length
    this.#length += length
    return start
  }
}

/**
 * The payload of the physical block `bytes`, which was read from `offset` of a table with this salt; throws
 * `CORRUPTION` when it is not that block. With `keep` a raw payload may be a view of `bytes`, else it is a copy.
 */
export function openPhysicalBlock(
  bytes: Uint8Array,
  salt: number,
  offset: number,
  keep: boolean,
): Uint8Array {
  const end = checkEnvelope(bytes, salt, offset)
  const kind = bytes[end]
  if (kind !== CompressionKind.none) return decompress(bytes.subarray(0, end), kind)
  return keep ? bytes.subarray(0, end) : bytes.slice(0, end)
}

/** {@link openPhysicalBlock} for who copies the payload at once: it is good until the next call, and while `bytes` stay as they are. */
export function viewPhysicalBlock(bytes: Uint8Array, salt: number, offset: number): Uint8Array {
  const end = checkEnvelope(bytes, salt, offset)
  const stored = bytes.subarray(0, end)
  const kind = bytes[end]
  if (kind === CompressionKind.none) return stored
  const small =
    kind === CompressionKind.snappy && end <= LARGEST_SMALL ? decodeSmallSnappy(stored) : undefined
  return small ?? decompress(stored, kind)
}

/** Throws `CORRUPTION` unless this is the block of that place; returns where its payload ends. */
function checkEnvelope(bytes: Uint8Array, salt: number, offset: number): number {
  const end = bytes.length - ENVELOPE_LENGTH
  if (end < 0) throw new VarveError('CORRUPTION', 'A block is shorter than its envelope.')
  if (crc32(bytes.subarray(0, end + 1), salted(salt, offset)) !== readU32(bytes, end + 1)) {
    throw new VarveError('CORRUPTION', "A block's checksum does not match.")
  }
  return end
}
