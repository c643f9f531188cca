/** Random numbers that are a function of a seed, so that one line replays a run. */

export class Random {
  #state

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** An unsigned 32-bit integer. (splitmix32, after G. Steele, D. Lea and C. Flood, 2014.) */
  next() {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }

  /** An integer from 0 to `count` − 1. @param {number} count */
  below(count) {
    return Math.floor((this.next() / 0x1_0000_0000) * count)
  }

  /** True once in `count` times. @param {number} count */
  oneIn(count) {
    return this.below(count) === 0
  }

  /** @template T @param {readonly T[]} choices @returns {T} */
  pick(choices) {
    return choices[this.below(choices.length)]
  }
}
