/** Requests as the world makes them: a few keys are asked for again and again, most hardly ever. */
import { randomIntegers } from './random.js'

/**
 * `requests` numbers below `keys`: the n-th most popular one comes with a probability in proportion to 1 / n^exponent.
 * @param {{ keys: number, requests: number, exponent: number, seed: number }} settings
 */
export function zipfianTrace({ keys, requests, exponent, seed }) {
  const random = randomIntegers(seed)
  const sums = new Float64Array(keys)
  for (let i = 0, sum = 0; i < keys; i++) sums[i] = sum += 1 / (i + 1) ** exponent
  return Uint32Array.from({ length: requests }, () => {
    const at = (random() / 2 ** 32) * sums[keys - 1]
    let low = 0
    let high = keys - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (sums[middle] < at) low = middle + 1
      else high = middle
    }
    return low
  })
}
