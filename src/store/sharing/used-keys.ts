/** The keys that an attached thread reads of a bounded store, gathered for the owner. */
import type { ThreadLink } from '../../env/thread-link.js'
import type { SearchKey } from '../../memtable/search-key.js'

/** Keys that are told in one message. */
const KEYS_AT_ONCE = 256

export class UsedKeys {
  readonly #link: ThreadLink
  #keys: Uint8Array[] = []

  constructor(link: ThreadLink) {
    this.#link = link
  }

  used(key: SearchKey): void {
    this.#keys.push(key.bytes.slice(0, key.length))
    if (this.#keys.length === 1) queueMicrotask(() => this.#tell())
    if (this.#keys.length >= KEYS_AT_ONCE) this.#tell()
  }

  #tell(): void {
    if (this.#keys.length > 0) this.#link.tell('used', this.#keys)
    this.#keys = []
  }
}
