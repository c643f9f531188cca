/**
 * Reads what can be read of a damaged table, block by block, in order.
 *
 * With a sound footer and index, every block that is sound is found, whatever lies between. Without, the blocks are
 * looked for from the file's beginning: a block ends where its checksum fits, so the search is linear in the bytes; it
 * ends at the first damaged block, because nothing tells where the next one begins.
 */
import { compareBytes, readU32 } from '../base/bytes.js'
import { crc32Step, fileSalt, salted } from '../base/checksum.js'
import type { ByteKeyRange } from '../base/damage-range.js'
import { VarveError } from '../base/errors.js'
import { closeQuietlySync, type File, type FileSystem, readFullySync } from '../env/file-system.js'
import { Block } from '../sstable/block.js'
import { BlockCursor } from '../sstable/block-cursor.js'
import { BlockHandle } from '../sstable/block-handle.js'
import { ENVELOPE_LENGTH, openPhysicalBlock } from '../sstable/physical-block.js'
import type { TableReader } from '../sstable/table-reader.js'
import { asDamage } from './damage.js'

/** Something of a table that cannot be read. */
export interface TableLoss {
  readonly error: VarveError
  readonly keys: ByteKeyRange
}

export type OnTableLoss = (loss: TableLoss) => void

/** The largest block that is looked for without an index: a value of the largest size, and room for its key. */
const MAX_BLOCK_BYTES = 68 * 1024 * 1024
/** What is read at a time. */
const STEP_BYTES = 256 * 1024
/** No kind of compression has a larger number. */
const MAX_COMPRESSION_KIND = 2

/** The sound blocks that an index leads to, in order. Blocks the thread. */
export function* indexedBlocks(reader: TableReader, onLoss: OnTableLoss): Generator<Block> {
  const handle = new BlockHandle()
  let fence: Uint8Array | undefined
  for (const { leaf, last: leafEnd } of leavesOf(reader, handle)) {
    if (leaf instanceof VarveError) {
      onLoss({ error: leaf, keys: between(reader, fence, leafEnd) })
      fence = leafEnd
      continue
    }
    const index = new BlockCursor()
    index.reset(leaf)
    let position = 0
    for (index.seekToFirst(); index.valid; index.next()) {
      const end = index.keyBytes.slice(index.keyStart, index.keyEnd)
      const block = orError(reader.file.path, () => {
        reader.dataHandle(leaf, position, handle)
        return reader.readBlockSync(handle.offset, handle.size)
      })
      position++
      if (block instanceof VarveError) onLoss({ error: block, keys: between(reader, fence, end) })
      else yield block
      fence = end
    }
  }
}

function* leavesOf(
  reader: TableReader,
  handle: BlockHandle,
): Generator<{ leaf: Block | VarveError; last: Uint8Array }> {
  if (reader.indexLevels === 1) {
    yield { leaf: reader.index, last: reader.properties.largestKey }
    return
  }
  const top = new BlockCursor()
  top.reset(reader.index)
  let partition = 0
  for (top.seekToFirst(); top.valid; top.next()) {
    const last = top.keyBytes.slice(top.keyStart, top.keyEnd)
    const leaf = orError(reader.file.path, () => {
      reader.partitionHandle(partition, handle)
      return reader.readBlockSync(handle.offset, handle.size)
    })
    partition++
    yield { leaf, last }
  }
}

/** The keys from a fence, which may stand between two versions of its key, up to another one. */
function between({ properties }: TableReader, fence: Uint8Array | undefined, last: Uint8Array): ByteKeyRange {
  return { gte: fence ?? properties.smallestKey, lte: last }
}

/** The sound blocks at the beginning of a file without a sound index, in order. Blocks the thread. */
export function* scannedBlocks(
  fileSystem: FileSystem,
  path: string,
  databaseId: Uint8Array,
  number: number,
): Generator<Block> {
  const salt = fileSalt(databaseId, number)
  let offset = 0
  for (;;) {
    const start = offset
    const physical = orError(path, () => blockAt(fileSystem, path, salt, start))
    if (physical === undefined || physical instanceof VarveError) return
    offset += physical.length
    const block = orError(path, () => new Block(openPhysicalBlock(physical, salt, start, true)))
    // Behind the data blocks stands the filter, which is none.
    if (block instanceof VarveError) return
    yield block
  }
}

/** The physical block that begins at `offset`; `undefined` when no checksum fits. No file stays open meanwhile. */
function blockAt(fileSystem: FileSystem, path: string, salt: number, offset: number): Uint8Array | undefined {
  const file = fileSystem.openSync(path, 'read')
  try {
    return searchBlock(file, salt, offset)
  } finally {
    closeQuietlySync(file)
  }
}

function searchBlock(file: File, salt: number, offset: number): Uint8Array | undefined {
  let bytes = new Uint8Array(0)
  let state = ~salted(salt, offset)
  let at = 0
  for (;;) {
    for (; at + ENVELOPE_LENGTH <= bytes.length; at++) {
      const byte = bytes[at]
      state = crc32Step(state, byte)
      if (byte <= MAX_COMPRESSION_KIND && at > 0 && readU32(bytes, at + 1) === ~state >>> 0)
        return bytes.subarray(0, at + ENVELOPE_LENGTH)
    }
    if (bytes.length >= MAX_BLOCK_BYTES) return undefined
    const more = new Uint8Array(bytes.length + Math.max(STEP_BYTES, bytes.length))
    more.set(bytes)
    const length = readFullySync(file, more.subarray(bytes.length), offset + bytes.length)
    if (length === 0) return undefined
    bytes = more.subarray(0, bytes.length + length)
  }
}

/** The first and the last key that a table may hold. */
export interface KeyBounds {
  readonly smallest: Uint8Array
  readonly largest: Uint8Array
}

/**
 * A cursor over sound blocks in order, front to back only. Entries that are not in order, or not within the bounds, are
 * passed over.
 */
export class SalvageCursor extends BlockCursor {
  readonly #blocks: Iterator<Block>
  readonly #bounds: KeyBounds | undefined
  readonly #onMisplaced: (isInOrder: boolean) => void
  /** Entries that were stood on. */
  entryCount = 0
  largestSequence = 0
  lastKey = new Uint8Array(0)
  #lastSequence = Number.POSITIVE_INFINITY

  constructor(
    blocks: Iterator<Block>,
    bounds: KeyBounds | undefined,
    onMisplaced: (isInOrder: boolean) => void,
  ) {
    super()
    this.#blocks = blocks
    this.#bounds = bounds
    this.#onMisplaced = onMisplaced
  }

  override seekToFirst(): void {
    this.leaveForward()
    this.#settle()
  }

  override next(): void {
    super.next()
    this.#settle()
  }

  protected override leaveForward(): void {
    this.valid = false
    while (!this.valid) {
      const step = this.#blocks.next()
      if (step.done === true) return
      this.reset(step.value)
      this.show(0)
    }
  }

  /** Moves on to an entry that is behind the last one, and within the bounds. */
  #settle(): void {
    while (this.valid) {
      const isInOrder = this.#isInOrder()
      if (isInOrder && this.#isInBounds()) break
      this.#onMisplaced(isInOrder)
      super.next()
    }
    if (!this.valid) return
    this.entryCount++
    this.lastKey = this.keyBytes.slice(this.keyStart, this.keyEnd)
    this.largestSequence = Math.max(this.largestSequence, this.sequence)
    this.#lastSequence = this.sequence
  }

  #isInOrder(): boolean {
    const last = this.lastKey
    const order = compareBytes(this.keyBytes, this.keyStart, this.keyEnd, last, 0, last.length)
    return order > 0 || (order === 0 && this.sequence < this.#lastSequence)
  }

  #isInBounds(): boolean {
    if (this.#bounds === undefined) return true
    const { smallest, largest } = this.#bounds
    const { keyBytes, keyStart, keyEnd } = this
    return (
      compareBytes(keyBytes, keyStart, keyEnd, smallest, 0, smallest.length) >= 0 &&
      compareBytes(keyBytes, keyStart, keyEnd, largest, 0, largest.length) <= 0
    )
  }
}

/** What `read` returns, or the damage to the file at `path` that it met. */
function orError<T>(path: string, read: () => T): T | VarveError {
  try {
    return read()
  } catch (error) {
    return asDamage(error, path)
  }
}
