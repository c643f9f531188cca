/**
 * What Varve's hot paths are compared with: the same work on bytes, done by hand on sorted arrays. It says how fast this machine is just now.
 *
 * Never change it: the ratios in `paths.mjs` mean something only as long as the baseline is what it was.
 */
import { writeSync } from 'node:fs'

const KEY_LENGTH = 16
const VALUE_LENGTH = 100
const ENTRY_LENGTH = KEY_LENGTH + VALUE_LENGTH
const RECORD_HEADER = 8

export class Baseline {
  #entries
  #count
  #scratch = Buffer.alloc(KEY_LENGTH)
  #record = Buffer.alloc(RECORD_HEADER + ENTRY_LENGTH)
  /** @type {Map<string, number>} */
  #offsets = new Map()
  #logged = 0

  /** @param {string[]} sortedKeys 16 ASCII characters each @param {Buffer} value 100 bytes, that of every key */
  constructor(sortedKeys, value) {
    this.#count = sortedKeys.length
    this.#entries = Buffer.alloc(sortedKeys.length * ENTRY_LENGTH)
    for (const [i, key] of sortedKeys.entries()) {
      this.#entries.write(key, i * ENTRY_LENGTH, 'latin1')
      value.copy(this.#entries, i * ENTRY_LENGTH + KEY_LENGTH)
    }
  }

  /** Looks the key up by halving and copies its value out. @param {string} key */
  get(key) {
    const entries = this.#entries
    const wanted = this.#scratch
    wanted.write(key, 'latin1')
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const at = middle * ENTRY_LENGTH
      let i = 0
      while (i < KEY_LENGTH && entries[at + i] === wanted[i]) i++
      if (i === KEY_LENGTH) {
        const value = Buffer.allocUnsafe(VALUE_LENGTH)
        entries.copy(value, 0, at + KEY_LENGTH, at + ENTRY_LENGTH)
        return value
      }
      if (entries[at + i] < wanted[i]) low = middle + 1
      else high = middle - 1
    }
    return undefined
  }

  /** Encodes a record with a checksum, appends it to a file, and remembers where. @param {number} file @param {string} key @param {Buffer} value */
  put(file, key, value) {
    const record = this.#record
    record.write(key, RECORD_HEADER, 'latin1')
    value.copy(record, RECORD_HEADER + KEY_LENGTH)
    // FNV-1a (Fowler, Noll, Vo).
    let hash = 0x811c9dc5
    for (let i = RECORD_HEADER; i < record.length; i++) hash = Math.imul(hash ^ record[i], 0x01000193)
    record.writeInt32LE(hash, 0)
    record.writeUInt32LE(value.length, 4)
    writeSync(file, record)
    this.#offsets.set(key, this.#logged)
    this.#logged += record.length
  }

  /** Every key as a string, every value as a copy; the number of both. */
  scan() {
    let seen = 0
    for (let at = 0; at < this.#entries.length; at += ENTRY_LENGTH) {
      const key = this.#entries.latin1Slice(at, at + KEY_LENGTH)
      const value = Buffer.allocUnsafe(VALUE_LENGTH)
      this.#entries.copy(value, 0, at + KEY_LENGTH, at + ENTRY_LENGTH)
      if (key.length + value.length === ENTRY_LENGTH) seen++
    }
    return seen
  }
}
