/** Waiting in a world where time stands still: a call is driven by turns of the event loop, and by the clock when it waits for that. */

import type { ManualClock } from '../../src/testing.js'
import { turn } from '../model/turns.js'

/** The turns after which a call that has not ended never will. */
const MANY_TURNS = 20_000

/** The turns after which whoever waits for a timer gets a millisecond. */
const TURNS_PER_MS = 40

/** What `call` resolves to; throws when it never ends. */
export async function drive<T>(call: Promise<T>, clock: ManualClock): Promise<T> {
  let ended = false
  const end = (): void => {
    ended = true
  }
  call.then(end, end)
  await Promise.resolve()
  for (let turns = 0; !ended; turns++) {
    if (turns > MANY_TURNS) throw new Error('a call never ends')
    if (turns % TURNS_PER_MS === TURNS_PER_MS - 1) clock.advance(1)
    await turn()
  }
  return call
}

/** Waits until `steps` stands still. */
export async function settle(steps: () => number): Promise<void> {
  let last = -1
  for (let quiet = 0; quiet < 4; quiet++) {
    if (steps() !== last) quiet = 0
    last = steps()
    await turn()
  }
}
