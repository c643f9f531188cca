/** The encodings of one store with its size limits: users' keys and values to bytes and back. */
import { VarveError } from '../../base/errors.js'
import { SearchKey } from '../../memtable/search-key.js'
import type { Settings } from '../options.js'
import type { KeyEncoding } from './key-encoding.js'
import type { ValueEncoding } from './value-encoding.js'

export class Codec<K, V> {
  readonly keys: KeyEncoding<K>
  readonly values: ValueEncoding<V>
  readonly #maxKeySize: number
  readonly #maxValueSize: number
  readonly #scratch = new SearchKey()

  constructor(keys: KeyEncoding<K>, values: ValueEncoding<V>, settings: Settings) {
    this.keys = keys
    this.values = values
    this.#maxKeySize = settings.maxKeySize
    this.#maxValueSize = settings.maxValueSize
  }

  /**
   * The bytes of a key, good until the next call, in this same step. Throws `INVALID_KEY`, `KEY_TOO_LARGE`.
   */
  key(key: K): SearchKey {
    const scratch = this.#scratch
    this.keys.encode(key, scratch)
    if (scratch.length > this.#maxKeySize) {
      throw new VarveError(
        'KEY_TOO_LARGE',
        `The key has ${scratch.length} bytes; maxKeySize is ${this.#maxKeySize}.`,
      )
    }
    return scratch
  }

  /** The bytes of a key as an object of its own, to be used across an `await`. */
  keyCopy(key: K): SearchKey {
    const encoded = this.key(key)
    const copy = new SearchKey(encoded.length)
    copy.set(encoded.bytes, 0, encoded.length)
    return copy
  }

  /** What `get` gives where `value` was written: JSON, say, keeps neither dates nor fields that are undefined. */
  asStored(value: V): V {
    return this.stored(this.values.encode(value))
  }

  /** The value that `bytes` hold. */
  stored(bytes: Uint8Array): V {
    return this.values.decode(bytes, 0, bytes.length)
  }

  /** The bytes of a value. Throws `INVALID_VALUE`, `VALUE_TOO_LARGE`. */
  value(value: V): Uint8Array {
    const bytes = this.values.encode(value)
    if (bytes.length > this.#maxValueSize) {
      throw new VarveError(
        'VALUE_TOO_LARGE',
        `The value has ${bytes.length} bytes; maxValueSize is ${this.#maxValueSize}. Split it, or raise the limit.`,
      )
    }
    return bytes
  }
}
