/** Who is told of entries that the store removes by itself, and how. */
import type { VarveError } from '../../base/errors.js'
import type { Codec } from '../encodings/codec.js'
import type { StoreEmitter } from '../events.js'

/** Why the store removed an entry. */
export type Removal = 'expire' | 'evict'

/** Is told of removals, in bytes, once they are committed. */
export interface RemovalListener {
  /** Whether anybody wants to know of this kind of removal: entries are kept until then. */
  wants(removal: Removal): boolean
  /** Whether anybody is told by {@link removed}, and not by the commit: values are read only then. */
  tells(removal: Removal): boolean
  removed(removal: Removal, key: Uint8Array, value: Uint8Array): void
}

/** What a user may pass to be told. */
export interface RemovalCallbacks {
  onExpire?(key: unknown, value: unknown): void
  onEvict?(key: unknown, value: unknown): void
}

/** Tells the callback of the options, and the listeners of the event, in the user's encodings. */
export class Announcer<K, V> implements RemovalListener {
  readonly #codec: Codec<K, V>
  readonly #events: StoreEmitter
  readonly #callbacks: RemovalCallbacks
  readonly #isWatched: () => boolean

  /** @param isWatched - whether somebody watches, who is told by the commit but needs the entry to be kept until then */
  constructor(
    codec: Codec<K, V>,
    events: StoreEmitter,
    callbacks: RemovalCallbacks = {},
    isWatched: () => boolean = () => false,
  ) {
    this.#codec = codec
    this.#events = events
    this.#callbacks = callbacks
    this.#isWatched = isWatched
  }

  wants(removal: Removal): boolean {
    return this.tells(removal) || this.#isWatched()
  }

  tells(removal: Removal): boolean {
    return this.#callbackFor(removal) !== undefined || this.#events.hasListener(removal)
  }

  removed(removal: Removal, keyBytes: Uint8Array, valueBytes: Uint8Array): void {
    let key: K
    let value: V
    try {
      key = this.#codec.keys.decode(keyBytes, 0, keyBytes.length)
      value = this.#codec.values.decode(valueBytes, 0, valueBytes.length)
    } catch (error) {
      // What was removed beside it is told all the same.
      this.#events.emit('error', error as VarveError)
      return
    }
    try {
      this.#callbackFor(removal)?.(key, value)
    } catch (error) {
      // Its own problem, in a later turn, like that of a listener.
      queueMicrotask(() => {
        throw error
      })
    }
    this.#events.emit(removal, { key, value })
  }

  #callbackFor(removal: Removal): ((key: unknown, value: unknown) => void) | undefined {
    const { onExpire, onEvict } = this.#callbacks
    return removal === 'expire' ? onExpire : onEvict
  }
}
