/**
 * The footer: the last bytes of a table, of fixed length (docs/format/sstable.md). On disk: never change.
 *
 *   filter handle | index handle | properties handle     each offset u64, size u32
 *   index levels u32 | format version u32 | table number u64 | database id, 16 bytes
 *   crc32 u32 of all before | magic, 8 bytes
 */
import { readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { crc32 } from '../base/checksum.js'
import { unsupportedFormat, VarveError } from '../base/errors.js'
import { BlockHandle } from './block-handle.js'

export const FOOTER_LENGTH = 80
/** The bytes of a database id. */
export const DATABASE_ID_LENGTH = 16
/** The format that this version writes; it reads no other. */
export const TABLE_FORMAT_VERSION = 1

/** "varve", "SST", as bytes. */
const MAGIC = Uint8Array.of(0x76, 0x61, 0x72, 0x76, 0x65, 0x53, 0x53, 0x54)

const HANDLE_LENGTH = 12
const LEVELS_AT = 3 * HANDLE_LENGTH
const VERSION_AT = LEVELS_AT + 4
const NUMBER_AT = VERSION_AT + 4
const ID_AT = NUMBER_AT + 8
const CRC_AT = ID_AT + DATABASE_ID_LENGTH
const MAGIC_AT = CRC_AT + 4

export interface Footer {
  /** Its offset is where the data blocks end, its size 0 when there is no filter. */
  readonly filter: BlockHandle
  readonly index: BlockHandle
  readonly indexLevels: 1 | 2
  readonly properties: BlockHandle
  readonly tableNumber: number
  readonly databaseId: Uint8Array
}

export function encodeFooter(footer: Footer): Uint8Array {
  const bytes = new Uint8Array(FOOTER_LENGTH)
  writeHandle(bytes, 0, footer.filter)
  writeHandle(bytes, HANDLE_LENGTH, footer.index)
  writeHandle(bytes, 2 * HANDLE_LENGTH, footer.properties)
  writeU32(bytes, LEVELS_AT, footer.indexLevels)
  writeU32(bytes, VERSION_AT, TABLE_FORMAT_VERSION)
  writeU64(bytes, NUMBER_AT, footer.tableNumber)
  bytes.set(footer.databaseId, ID_AT)
  writeU32(bytes, CRC_AT, crc32(bytes.subarray(0, CRC_AT)))
  bytes.set(MAGIC, MAGIC_AT)
  return bytes
}

/** Decodes the last {@link FOOTER_LENGTH} bytes of a table; throws `CORRUPTION` or `UNSUPPORTED_FORMAT`. */
export function decodeFooter(bytes: Uint8Array): Footer {
  if (!MAGIC.every((byte, i) => bytes[MAGIC_AT + i] === byte)) {
    throw new VarveError('CORRUPTION', 'The file does not end as an SSTable does.')
  }
  if (crc32(bytes.subarray(0, CRC_AT)) !== readU32(bytes, CRC_AT)) {
    throw new VarveError('CORRUPTION', "The footer's checksum does not match.")
  }
  const version = readU32(bytes, VERSION_AT)
  if (version !== TABLE_FORMAT_VERSION) {
    throw unsupportedFormat('The SSTable', version, TABLE_FORMAT_VERSION)
  }
  const indexLevels = readU32(bytes, LEVELS_AT)
  if (indexLevels !== 1 && indexLevels !== 2) {
    throw new VarveError('CORRUPTION', `The footer tells of ${indexLevels} index levels.`)
  }
  return {
    filter: readHandle(bytes, 0),
    index: readHandle(bytes, HANDLE_LENGTH),
    indexLevels,
    properties: readHandle(bytes, 2 * HANDLE_LENGTH),
    tableNumber: readU64(bytes, NUMBER_AT),
    databaseId: bytes.slice(ID_AT, ID_AT + DATABASE_ID_LENGTH),
  }
}

/** Throws `CORRUPTION` when the blocks that a footer names cannot be those of a file of `sizeBytes`. */
export function checkFooterHandles(footer: Footer, sizeBytes: number): void {
  const { filter, index, properties } = footer
  const inOrder =
    filter.offset + filter.size <= index.offset &&
    index.offset + index.size === properties.offset &&
    properties.offset + properties.size === sizeBytes - FOOTER_LENGTH
  if (!inOrder) throw new VarveError('CORRUPTION', 'The footer names blocks that are not where they must be.')
}

function writeHandle(bytes: Uint8Array, at: number, handle: BlockHandle): void {
  writeU64(bytes, at, handle.offset)
  writeU32(bytes, at + 8, handle.size)
}

function readHandle(bytes: Uint8Array, at: number): BlockHandle {
  return new BlockHandle(readU64(bytes, at), readU32(bytes, at + 8))
}
