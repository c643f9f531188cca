/** Comparisons that cost nothing as long as they hold: a run makes thousands of them. */

/** Throws unless `actual` is `expected`. */
export function same<T>(actual: T, expected: T, what: string): void {
  if (!Object.is(actual, expected))
    throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`)
}

/** Throws unless `condition` holds. */
export function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not so: ${what}`)
}
