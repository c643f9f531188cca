/** Refuses what an `async` function returns where the answer is needed at once: a promise is truthy, and no value. */
import { VarveError } from '../base/errors.js'

/** Throws `INVALID_ARGUMENT` when `answer`, which a function of the user's has returned, is a promise. */
export function checkSynchronous(what: string, answer: unknown, instead: string): void {
  if (!(answer instanceof Promise)) return
  answer.catch(() => undefined)
  throw new VarveError('INVALID_ARGUMENT', `${what} must be synchronous; ${instead}.`)
}
