/**
 * Builds a table's index (docs/format/sstable.md): per data block a separator key and the block's handle.
 *
 * A small table has one index block. A larger one has index partitions, which are cached like data blocks, and a top
 * index over them. An entry's key is a user key at or behind the last one of its block and before the first one of the
 * next block; its sequence is 0, which puts it behind every version of that key. Only where the versions of one
 * key span two blocks is it that key with the sequence of the block's last entry.
 * Hence the first index entry at or behind (key, sequence) names the one block where that entry can be.
 */
import { writeVarint } from '../base/bytes.js'
import { Kind } from '../base/entry.js'
import { BlockBuilder } from './block-builder.js'
import { type BlockHandle, encodeHandle, MAX_HANDLE_LENGTH } from './block-handle.js'

/** A top index is held in memory as long as its table is open; above this the index is split in two levels. */
export const ONE_LEVEL_LIMIT_BYTES = 64 * 1024
/** What a partition is cut at: small enough to be read and kept for one block that is wanted. */
export const PARTITION_BYTES = 8 * 1024

/** A full partition, not yet written. */
interface Partition {
  readonly payload: Uint8Array
  readonly lastKey: Uint8Array
  readonly lastSequence: number
  /** Where the data of the partition begins in the file. */
  readonly dataOffset: number
}

/** Appends a block to the file. */
export type AppendBlock = (payload: Uint8Array) => BlockHandle

/** Where the index is. */
export interface IndexLocation {
  readonly handle: BlockHandle
  readonly levels: 1 | 2
}

export class IndexBuilder {
  readonly #oneLevelLimit: number
  readonly #partitionSize: number
  /** The whole index in one block, until it is too large for that. */
  #single: BlockBuilder | undefined = new BlockBuilder(4096)
  readonly #open: BlockBuilder
  #openDataOffset = 0
  readonly #partitions: Partition[] = []
  #partitionBytes = 0
  readonly #value = new Uint8Array(MAX_HANDLE_LENGTH + 8)

  constructor(oneLevelLimit: number = ONE_LEVEL_LIMIT_BYTES, partitionSize: number = PARTITION_BYTES) {
    this.#oneLevelLimit = oneLevelLimit
    this.#partitionSize = partitionSize
    this.#open = new BlockBuilder(partitionSize)
  }

  /** Adds the next data block in order. */
  add(separator: Uint8Array, sequence: number, handle: BlockHandle): void {
    if (this.#open.count > 0 && this.#open.estimateWith(separator.length, 5) > this.#partitionSize)
      this.#cut()
    if (this.#open.count === 0) this.#openDataOffset = handle.offset
    const end = encodeHandle(this.#value, 0, handle.offset, handle.size)
    const length = separator.length
    this.#open.add(separator, 0, length, sequence, Kind.put, this.#value, 0, end)
    if (this.#single === undefined) return
    this.#single.add(separator, 0, length, sequence, Kind.put, this.#value, 0, end)
    if (this.#single.estimatedSizeBytes > this.#oneLevelLimit) this.#single = undefined
  }

  /** About what the index takes in the file. */
  get estimatedSizeBytes(): number {
    return this.#partitionBytes + this.#open.estimatedSizeBytes
  }

  /** Writes the index. */
  finish(append: AppendBlock): IndexLocation {
    if (this.#single !== undefined) return { handle: append(this.#single.finish()), levels: 1 }
    this.#cut()
    const top = new BlockBuilder(this.#partitions.length * 64)
    for (const { payload, lastKey, lastSequence, dataOffset } of this.#partitions) {
      const handle = append(payload)
      const end = writeVarint(
        this.#value,
        encodeHandle(this.#value, 0, handle.offset, handle.size),
        dataOffset,
      )
      top.add(lastKey, 0, lastKey.length, lastSequence, Kind.put, this.#value, 0, end)
    }
    return { handle: append(top.finish()), levels: 2 }
  }

  #cut(): void {
    const open = this.#open
    const lastKey = open.bytes.slice(open.lastKeyStart, open.lastKeyEnd)
    const payload = open.finish().slice()
    this.#partitions.push({
      payload,
      lastKey,
      lastSequence: open.lastSequence,
      dataOffset: this.#openDataOffset,
    })
    this.#partitionBytes += payload.length
    open.reset()
  }
}
