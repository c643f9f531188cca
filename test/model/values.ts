/** Values that there were never before, so that each tells which call has written it. */

export class Values {
  #count = 0

  /** A value of about `size` bytes that begins with its number. Every other one compresses badly. */
  next(size: number): string {
    const number = this.#count++
    let value = `${number}:`
    if (number % 2 === 0) return value.padEnd(size, '.')
    for (let word = number; value.length < size; ) {
      word = (Math.imul(word, 1664525) + 1013904223) >>> 0
      value += word.toString(36)
    }
    return value
  }
}
