/**
 * Refuses the names of options that there are not: a misspelt one would be passed over in silence.
 *
 * Runs with every write that is given options, so it looks only at the names that are there, and allocates nothing.
 */
import { shown, VarveError } from '../base/errors.js'

/** Throws `INVALID_ARGUMENT` unless `options` is an object whose names are all in `known`. `whose` begins the message. */
export function checkOptionNames(whose: string, options: unknown, known: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `The options of ${whose} must be an object, not ${shown(options)}.`,
    )
  }
  for (const name in options) if (!known.has(name)) throw unknownOption(whose, name, known)
}

function unknownOption(whose: string, name: string, known: ReadonlySet<string>): VarveError {
  const names = [...known]
  const far = (option: string): number => distance(name.toLowerCase(), option.toLowerCase())
  const nearest = names.reduce((best, next) => (far(next) < far(best) ? next : best))
  const isNear = far(nearest) <= Math.min(2, nearest.length / 2)
  const advice = isNear
    ? `The nearest that there is: ${JSON.stringify(nearest)}`
    : `There are ${names.map((one) => JSON.stringify(one)).join(', ')}`
  return new VarveError(
    'INVALID_ARGUMENT',
    `There is no option ${JSON.stringify(name)} of ${whose}. ${advice}.`,
  )
}

/** How many letters must be put in, taken out or replaced to make `b` of `a` (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1))
    }
    row = next
  }
  return row[b.length]
}
