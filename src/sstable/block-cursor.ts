/**
 * A cursor over one block. Keys and values are described in place; no move allocates.
 *
 * `TableCursor` extends it: at the end of a block the hooks `leaveForward` and `leaveBackward` bring in the next one,
 * so that a step inside a block costs the same with and without a table around it.
 */
import { EMPTY } from '../base/bytes.js'
import { Cursor } from '../iterator/cursor.js'
import { type Block, EMPTY_BLOCK } from './block.js'

export class BlockCursor extends Cursor {
  protected block: Block = EMPTY_BLOCK
  /** The place of the current entry in the block. */
  protected position = 0

  /** Stands before `block` from now on; seek next. */
  reset(block: Block): void {
    this.block = block
    this.valid = false
  }

  override clear(): void {
    this.reset(EMPTY_BLOCK)
    this.keyBytes = EMPTY
    this.valueBytes = EMPTY
  }

  override seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): void {
    this.show(this.block.search(key, keyStart, keyEnd, sequence))
  }

  override seekToFirst(): void {
    this.show(0)
  }

  override seekToLast(): void {
    this.show(this.block.count - 1)
  }

  override next(): void {
    const position = this.position + 1
    if (position < this.block.count) this.#decode(position, this.valueEnd)
    else this.leaveForward()
  }

  override prev(): void {
    const position = this.position - 1
    if (position >= 0) this.#decode(position, this.block.offsetAt(position))
    else this.leaveBackward()
  }

  /** Stands on entry `position` of the block, on none when there is no such entry. */
  show(position: number): void {
    if (position >= 0 && position < this.block.count) {
      this.keyBytes = this.block.bytes
      this.valueBytes = this.block.bytes
      this.#decode(position, this.block.offsetAt(position))
      this.valid = true
    } else {
      this.valid = false
    }
  }

  /** Called at the last entry of the block. */
  protected leaveForward(): void {
    this.valid = false
  }

  /** Called at the first entry of the block. */
  protected leaveBackward(): void {
    this.valid = false
  }

  /** Describes the entry that begins at `at`. Unchecked: a `Block` was walked when it was made. */
  #decode(position: number, at: number): void {
    const bytes = this.keyBytes
    let length = bytes[at++]
    if (length > 0x7f) {
      length &= 0x7f
      let byte: number
      let shift = 7
      do {
        byte = bytes[at++]
        length |= (byte & 0x7f) << shift
        shift += 7
      } while (byte > 0x7f)
    }
    this.keyStart = at
    at += length
    this.keyEnd = at
    this.kind = bytes[at++]
    length = bytes[at++]
    if (length > 0x7f) {
      length &= 0x7f
      let byte: number
      let shift = 7
      do {
        byte = bytes[at++]
        length |= (byte & 0x7f) << shift
        shift += 7
      } while (byte > 0x7f)
    }
    this.valueStart = at
    this.valueEnd = at + length
    this.sequence = this.block.sequenceAt(position)
    this.position = position
  }
}
