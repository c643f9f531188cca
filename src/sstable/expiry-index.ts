/**
 * The expiry index: which data blocks hold entries that expire, in the order in which the first of them does. So what has
 * expired is found without looking at what has not. Written down in docs/format/sstable.md. On disk: never change.
 *
 * One record a data block: earliest expiry float64, block offset u64, block size u32; sorted by expiry.
 */
import { readU32, readU64, writeU32, writeU64 } from '../base/bytes.js'
import { VarveError } from '../base/errors.js'
import type { BlockHandle } from './block-handle.js'

const RECORD_LENGTH = 20

interface Record {
  readonly expiresAt: number
  readonly offset: number
  readonly size: number
}

export class ExpiryIndexBuilder {
  readonly #records: Record[] = []

  /** Takes in a data block whose first expiry is `expiresAt`. */
  add(expiresAt: number, { offset, size }: BlockHandle): void {
    this.#records.push({ expiresAt, offset, size })
  }

  get isEmpty(): boolean {
    return this.#records.length === 0
  }

  get sizeBytes(): number {
    return this.#records.length * RECORD_LENGTH
  }

  /** The payload. */
  finish(): Uint8Array {
    const records = this.#records.sort((a, b) => a.expiresAt - b.expiresAt || a.offset - b.offset)
    const bytes = new Uint8Array(this.sizeBytes)
    const view = new DataView(bytes.buffer)
    for (const [i, { expiresAt, offset, size }] of records.entries()) {
      const at = i * RECORD_LENGTH
      view.setFloat64(at, expiresAt, true)
      writeU64(bytes, at + 8, offset)
      writeU32(bytes, at + 16, size)
    }
    return bytes
  }
}

export class ExpiryIndex {
  /** Of a table in which nothing expires. */
  static readonly NONE = new ExpiryIndex(new Uint8Array(0), 0)
  /** The data blocks that are listed. */
  readonly count: number
  readonly #bytes: Uint8Array
  readonly #view: DataView

  /** Throws `CORRUPTION` when `payload` is not what a builder writes for a table whose data blocks end at `dataEnd`. */
  constructor(payload: Uint8Array, dataEnd: number) {
    if (payload.length % RECORD_LENGTH !== 0) throw damaged('is cut off')
    this.count = payload.length / RECORD_LENGTH
    this.#bytes = payload
    this.#view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
    for (let i = 0; i < this.count; i++) {
      // Not so either where one of them is no number.
      if (!(this.expiresAt(Math.max(0, i - 1)) <= this.expiresAt(i))) throw damaged('is out of order')
      if (this.offset(i) + this.size(i) > dataEnd) throw damaged('names what is no data block')
    }
  }

  /** When the first entry of block `i` expires. */
  expiresAt(i: number): number {
    return this.#view.getFloat64(i * RECORD_LENGTH, true)
  }

  offset(i: number): number {
    return readU64(this.#bytes, i * RECORD_LENGTH + 8)
  }

  size(i: number): number {
    return readU32(this.#bytes, i * RECORD_LENGTH + 16)
  }
}

function damaged(what: string): VarveError {
  return new VarveError('CORRUPTION', `The expiry index ${what}.`)
}
