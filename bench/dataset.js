/**
 * The data of every benchmark: 16-byte keys in a random order and 100-byte values that compress to about half.
 *
 * A key is a function of its index and the seed, and a bijection, so that all stores get the same keys in the same
 * order, no key comes twice, and an index of `n` or more is a key that is absent but lies between present ones.
 */

/** The bytes of a key, one character a byte. */
export const KEY_LENGTH = 16
/** The bytes of a value. */
export const VALUE_LENGTH = 100
/** So many different values: enough that no block of any store sees one twice, save by chance. */
const DISTINCT_VALUES = 65_536

/** A small seeded generator of 32-bit integers (splitmix32). @param {number} seed */
export function randomIntegers(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
}

/** One round of mixing; any function of 32 bits will do in a Feistel network. @param {number} word @param {number} key */
function mix(word, key) {
  let mixed = Math.imul(word ^ key, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

/**
 * Key number `index`: 16 hexadecimal digits, in random order over the index.
 * @param {number} index
 * @param {number} seed
 */
export function keyAt(index, seed) {
  let left = seed >>> 0
  let right = index >>> 0
  for (let round = 1; round <= 4; round++) {
    const next = (left ^ mix(right, Math.imul(seed + round, 0x9e3779b1))) >>> 0
    left = right
    right = next
  }
  return left.toString(16).padStart(8, '0') + right.toString(16).padStart(8, '0')
}

/** The values: half random bytes, then the same bytes again, as in LevelDB's and RocksDB's own `db_bench`. */
export class Values {
  #values

  /** @param {number} seed @param {number} [distinct] how many different values to keep */
  constructor(seed, distinct = DISTINCT_VALUES) {
    const random = randomIntegers(seed)
    const bytes = Buffer.allocUnsafeSlow(distinct * VALUE_LENGTH)
    const half = VALUE_LENGTH / 2
    this.#values = Array.from({ length: distinct }, (_, n) => {
      const start = n * VALUE_LENGTH
      for (let i = 0; i < half; i++) bytes[start + i] = random()
      bytes.copyWithin(start + half, start, start + half)
      return bytes.subarray(start, start + VALUE_LENGTH)
    })
  }

  /** The value of key number `index`. @param {number} index */
  at(index) {
    return this.#values[index % this.#values.length]
  }
}

/** The keys and values of one run. */
export class Dataset {
  /** @type {string[]} */
  keys
  values

  /** @param {number} count @param {number} seed @param {number} [distinctValues] */
  constructor(count, seed, distinctValues) {
    this.seed = seed
    this.keys = Array.from({ length: count }, (_, index) => keyAt(index, seed))
    this.values = new Values(seed, distinctValues)
  }

  /** `count` keys that are not in the store. @param {number} count */
  absentKeys(count) {
    return Array.from({ length: count }, (_, n) => keyAt(this.keys.length + n, this.seed))
  }

  /** `count` present keys, drawn at random. @param {number} count @param {number} seed */
  sample(count, seed) {
    const random = randomIntegers(seed)
    return Array.from({ length: count }, () => this.keys[random() % this.keys.length])
  }
}
