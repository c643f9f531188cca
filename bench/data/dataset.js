/** The keys and values of one run: the same for every store, in the same order, from one seed. */
import { keyAt } from './keys.js'
import { drawn } from './random.js'
import { Values } from './values.js'

/**
 * @typedef {object} Shape What the entries look like; 16-byte keys in random order and 100-byte values without it.
 * @property {(index: number, seed: number) => string} [keyOf]
 * @property {number} [valueLength]
 * @property {number} [distinctValues]
 */

export class Dataset {
  #keyOf
  /** The keys of the entries, held in memory so that making them is no part of what is measured. @type {string[]} */
  keys

  /** @param {number} count @param {number} seed @param {Shape} [shape] */
  constructor(count, seed, { keyOf = keyAt, valueLength, distinctValues } = {}) {
    this.seed = seed
    this.#keyOf = keyOf
    this.keys = Array.from({ length: count }, (_, index) => keyOf(index, seed))
    this.values = new Values(seed, { length: valueLength, distinct: distinctValues })
  }

  /** Key number `index`, whether it is among `keys` or not. @param {number} index */
  keyAt(index) {
    return this.#keyOf(index, this.seed)
  }

  /** `count` keys that are not in the store. @param {number} count */
  absentKeys(count) {
    return Array.from({ length: count }, (_, n) => this.keyAt(this.keys.length + n))
  }

  /** The numbers of `count` present keys, drawn at random. @param {number} count @param {number} seed */
  sample(count, seed) {
    return drawn({ count, below: this.keys.length, seed })
  }

  /** The bytes of an entry, key and value, on average. */
  get meanEntryBytes() {
    let keyBytes = 0
    for (const key of this.keys) keyBytes += key.length
    return keyBytes / this.keys.length + this.values.length
  }
}
