/** Random numbers that are the same for every store: whatever is drawn comes from a seed. */

/** A small seeded generator of 32-bit integers (splitmix32). @param {number} seed */
export function randomIntegers(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    return mixed(state)
  }
}

/** The output function of splitmix32: a bijection of 32-bit integers without a visible pattern. @param {number} word */
export function mixed(word) {
  let bits = word ^ (word >>> 16)
  bits = Math.imul(bits, 0x21f0aaad)
  bits ^= bits >>> 15
  bits = Math.imul(bits, 0x735a2d97)
  return (bits ^ (bits >>> 15)) >>> 0
}

/** `count` numbers below `below`, drawn evenly. @param {{ count: number, below: number, seed: number }} what */
export function drawn({ count, below, seed }) {
  const random = randomIntegers(seed)
  return Uint32Array.from({ length: count }, () => random() % below)
}
