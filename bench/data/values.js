/** The values: they compress to about half, as in the `db_bench` of LevelDB and RocksDB. */
import { randomIntegers } from './random.js'

/** The bytes of a value, where nothing else is said. */
export const VALUE_LENGTH = 100
/** So many different values: enough that no block of any store sees one twice, save by chance. */
const DISTINCT_VALUES = 65_536
/** Half a piece is random, the other half the same again; short enough for the window of every compressor. */
const PIECE = 100
/** Large values are cut out of so many bytes: they overlap, but no two that lie side by side in a store do so by more than chance. */
const POOL_BYTES = 16 * 2 ** 20

export class Values {
  #values

  /**
   * @param {number} seed
   * @param {{ length?: number | undefined, distinct?: number | undefined }} [shape] `distinct`: how many different values to keep
   */
  constructor(seed, { length = VALUE_LENGTH, distinct = DISTINCT_VALUES } = {}) {
    this.length = length
    const size = Math.min(distinct * length, POOL_BYTES + length)
    const pool = compressible(size, seed)
    const starts = Math.floor((size - length) / PIECE) + 1
    // A step that shares no factor with most counts scatters neighbours over the whole pool.
    this.#values = Array.from({ length: distinct }, (_, n) => {
      const start = distinct * length <= size ? n * length : ((n * 40_503) % starts) * PIECE
      return pool.subarray(start, start + length)
    })
  }

  /** The value of key number `index`. @param {number} index */
  at(index) {
    return this.#values[index % this.#values.length]
  }
}

/** @param {number} size @param {number} seed */
function compressible(size, seed) {
  const random = randomIntegers(seed)
  const bytes = Buffer.allocUnsafeSlow(size)
  const half = PIECE / 2
  for (let start = 0; start < size; start += PIECE) {
    const end = Math.min(start + half, size)
    for (let i = start; i < end; i++) bytes[i] = random()
    bytes.copyWithin(end, start, Math.min(end, start + (size - end)))
  }
  return bytes
}
