/**
 * The keys. A key is a function of its number (and a seed), no key comes twice, and a number that was not written is a key that is absent but
 * lies between present ones. All are ASCII, one character a byte.
 */
import { mixed } from './random.js'

/** The bytes of a key, where nothing else is said. */
export const KEY_LENGTH = 16
/** The longest of `variedKey`. */
export const LONGEST_KEY = 1000

const scratch = Buffer.alloc(LONGEST_KEY)

/**
 * The same text as one piece. What was put together of several, V8 keeps as a tree until somebody reads it: whoever writes or looks up the key
 * first would pay for that, twice as much as for the lookup of an absent key.
 * @param {string} ascii {@link LONGEST_KEY} characters at most
 */
export function inOnePiece(ascii) {
  const length = scratch.latin1Write(ascii)
  if (length < ascii.length) throw new RangeError(`a key of ${ascii.length} characters is too long`)
  return scratch.latin1Slice(0, length)
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
  return inOnePiece(left.toString(16).padStart(8, '0') + right.toString(16).padStart(8, '0'))
}

/** Key number `index` in ascending order: 16 decimal digits, as in LevelDB's `db_bench`. @param {number} index */
export const sequentialKey = (index) => inOnePiece(String(index).padStart(KEY_LENGTH, '0'))

/** What long keys are filled with, from a place that the index says: neighbours in order share no more than they must. */
const FILLER = Array.from({ length: 4 * LONGEST_KEY }, (_, i) => mixed(i).toString(36).at(-1)).join('')
/** The digits that a key of one byte can be. */
const DIGITS = 36

/**
 * Key number `index` of 1 to 1,000 bytes, in random order over the index. As many keys are between 1 and 10 bytes as between 10 and 100, and as
 * between 100 and 1,000, as far as there are enough short ones.
 * @param {number} index
 * @param {number} seed
 */
export function variedKey(index, seed) {
  // The first keys have one byte; the others begin with a number of their own, from 36 on, that no first key has.
  if (index < DIGITS) return index.toString(DIGITS)
  const id = (mixed(index ^ seed) + DIGITS).toString(DIGITS)
  const length = Math.ceil(LONGEST_KEY ** (mixed(index + seed) / 2 ** 32))
  if (length <= id.length) return id
  const fill = length - id.length - 1
  const at = (index * 7) % (FILLER.length - fill)
  return inOnePiece(`${id}/${FILLER.slice(at, at + fill)}`)
}
