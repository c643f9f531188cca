/** All sequences there are, in an order in which every one comes behind those that it begins with. */
import { LETTERS } from './alphabet.js'
import type { Sequence } from './run.js'
import { MODES, STARTS } from './settings.js'

/** Every word of `length` letters. */
export function words(length: number): string[][] {
  if (length === 0) return [[]]
  return words(length - 1).flatMap((word) => [...LETTERS.keys()].map((letter) => [...word, letter]))
}

/** Every word of at most `length` letters, from every start, in every mode. */
export function everySequence(length: number): Sequence[] {
  const sequences: Sequence[] = []
  for (let letters = 0; letters <= length; letters++) {
    for (const word of words(letters)) {
      for (const start of STARTS) {
        for (const mode of MODES.keys()) sequences.push({ start, mode, letters: word })
      }
    }
  }
  return sequences
}

/** The same in an order of chance, but for the first `kept`. */
export function shuffled<T>(items: readonly T[], kept: number, random: () => number): T[] {
  const order = items.slice()
  for (let i = order.length - 1; i > kept; i--) {
    const j = kept + Math.floor(random() * (i - kept + 1))
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}

/** Every word of `length` letters once, from starts and in modes that take turns, beginning with that of `turn`. */
export function eachWordOnce(length: number, turn: number): Sequence[] {
  const modes = [...MODES.keys()]
  return words(length).map((letters, i) => {
    const at = i + turn
    return {
      start: STARTS[at % STARTS.length],
      mode: modes[Math.floor(at / STARTS.length) % modes.length],
      letters,
    }
  })
}
