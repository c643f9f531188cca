/** Assertions: invariants of the engine itself, never a check of a user's input. */

/** Throws when an invariant does not hold; `invariant` names it. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition)
    throw new Error(`Varve invariant violated: ${invariant}. This is a bug in Varve; please report it.`)
}

/** The value, which must be there; `invariant` says why it is. */
export function present<T>(value: T | undefined | null, invariant: string): T {
  assert(value !== undefined && value !== null, invariant)
  return value
}
