/** Turns of the event loop. */

/** Resolves in the next turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
