/**
 * A cursor over a table: an index position and, by inheritance, a place in the data block that it names.
 *
 * It IS the block cursor of the current block, so that a step inside a block costs nothing extra; only at a block's
 * end does it turn to the index. Blocks come from the operation's fetcher, with read-ahead of its own.
 *
 * A step leads to a block further on in the file, never to one where the cursor was: an index that says otherwise is
 * `CORRUPTION`. So a table is read in time that its size bounds, whatever its index says.
 *
 * The block and the partition in hand are kept across a throw and across seeks: the seek that follows a `NotResident`
 * finds them without asking the fetcher again. After a throw the position is undefined, as for every cursor.
 */
import { EMPTY } from '../base/bytes.js'
import { type Block, EMPTY_BLOCK } from './block.js'
import { BlockCursor } from './block-cursor.js'
import type { BlockFetcher } from './block-fetcher.js'
import { BlockHandle } from './block-handle.js'
import { ReadAhead } from './read-ahead.js'
import type { TableReader } from './table-reader.js'

export class TableCursor extends BlockCursor {
  readonly #table: TableReader
  readonly #fetcher: BlockFetcher
  readonly #readAhead = new ReadAhead()
  readonly #handle = new BlockHandle()
  /** The index block in hand: the only one, or a partition. */
  #leaf: Block
  /** The file offset of the partition in hand. */
  #leafOffset = -1
  /** The place of the partition in the top index, with two levels. */
  #partition = 0
  /** The place of the data block in the leaf. */
  #leafPosition = 0
  /** The file offset of the data block in hand. */
  #blockOffset = -1

  constructor(table: TableReader, fetcher: BlockFetcher) {
    super()
    this.#table = table
    this.#fetcher = fetcher
    this.#leaf = table.indexLevels === 1 ? table.index : EMPTY_BLOCK
  }

  /** @internal A table cursor chooses its blocks itself. */
  override reset(block: Block): void {
    super.reset(block)
    this.#blockOffset = -1
  }

  override clear(): void {
    this.#letGo()
    this.keyBytes = EMPTY
    this.valueBytes = EMPTY
  }

  /** At an end of the table, too: most cursors do not come back. What the last entry lies in stays as it is until `settle`. */
  #letGo(): void {
    this.#readAhead.clear()
    if (this.block !== EMPTY_BLOCK) {
      this.#fetcher.leave(this.block)
      this.reset(EMPTY_BLOCK)
    }
    if (this.#leafOffset === -1) return
    this.#fetcher.leave(this.#leaf)
    this.#leaf = EMPTY_BLOCK
    this.#leafOffset = -1
  }

  override seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): void {
    this.valid = false
    const { index, indexLevels } = this.#table
    if (indexLevels === 2) {
      const partition = index.search(key, keyStart, keyEnd, sequence)
      if (partition === index.count) return
      this.#loadPartition(partition)
    }
    this.#leafPosition = this.#leaf.search(key, keyStart, keyEnd, sequence)
    if (this.#leafPosition === this.#leaf.count) return
    this.#loadBlock()
    super.seek(key, keyStart, keyEnd, sequence)
    // A separator may lie behind the last entry of its block.
    if (!this.valid) this.leaveForward()
  }

  override seekToFirst(): void {
    this.valid = false
    if (this.#table.indexLevels === 2) this.#loadPartition(0)
    this.#leafPosition = -1
    this.leaveForward()
  }

  override seekToLast(): void {
    this.valid = false
    if (this.#table.indexLevels === 2) this.#loadPartition(this.#table.index.count - 1)
    this.#leafPosition = this.#leaf.count
    this.leaveBackward()
  }

  protected override leaveForward(): void {
    let before = this.valid ? this.#blockOffset : -1
    this.valid = false
    while (!this.valid) {
      if (this.#leafPosition + 1 < this.#leaf.count) {
        this.#leafPosition++
      } else {
        if (this.#table.indexLevels === 1 || this.#partition + 1 >= this.#table.index.count) {
          this.#letGo()
          return
        }
        this.#loadPartition(this.#partition + 1)
        this.#leafPosition = 0
        if (this.#leaf.count === 0) continue
      }
      this.#loadBlock()
      if (this.#blockOffset <= before) this.#table.misplaced(this.#handle)
      before = this.#blockOffset
      this.show(0)
    }
  }

  protected override leaveBackward(): void {
    let before = this.valid ? this.#blockOffset : Number.POSITIVE_INFINITY
    this.valid = false
    while (!this.valid) {
      if (this.#leafPosition > 0) {
        this.#leafPosition--
      } else {
        if (this.#table.indexLevels === 1 || this.#partition === 0) {
          this.#letGo()
          return
        }
        this.#loadPartition(this.#partition - 1)
        this.#leafPosition = this.#leaf.count - 1
        if (this.#leaf.count === 0) continue
      }
      this.#loadBlock()
      if (this.#blockOffset >= before) this.#table.misplaced(this.#handle)
      before = this.#blockOffset
      this.show(this.block.count - 1)
    }
  }

  #loadPartition(partition: number): void {
    const handle = this.#handle
    this.#table.partitionHandle(partition, handle)
    if (handle.offset !== this.#leafOffset) {
      const leaf = this.#fetcher.cursorBlock(this.#table, handle.offset, handle.size)
      if (this.#leafOffset !== -1) this.#fetcher.leave(this.#leaf)
      this.#leaf = leaf
      this.#leafOffset = handle.offset
    }
    this.#partition = partition
  }

  #loadBlock(): void {
    const handle = this.#handle
    this.#table.dataHandle(this.#leaf, this.#leafPosition, handle)
    if (handle.offset === this.#blockOffset) return
    const block = this.#fetcher.cursorBlock(this.#table, handle.offset, handle.size, this.#readAhead)
    if (this.block !== EMPTY_BLOCK) this.#fetcher.leave(this.block)
    this.reset(block)
    this.#blockOffset = handle.offset
  }
}
