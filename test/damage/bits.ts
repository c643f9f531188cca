/**
 * Flips bits of a small store, one at a time, and judges what comes of each.
 *
 * Whatever bit it is: no wrong answer (a value that was never written, or an older one), nothing untyped, no hang; and
 * `verify` finds it, or else every key has its value, so that the flip did no harm.
 */
import { verify } from '../../src/store/verify.js'
import {
  bytesOf,
  DIRECTORY,
  diskOf,
  flipped,
  type Image,
  type Outcome,
  outcomeOf,
  type State,
  withFile,
} from './images.js'

/** How the flips of a file came out. */
export interface Tally {
  flips: number
  /** Opening was refused. */
  refused: number
  /** Opened; some keys could not be read. */
  failing: number
  /** Opened; everything was there. */
  whole: number
  /** Opened; only writes that were never promised are missing. */
  shorter: number
  /** `verify` told of an error or a warning. */
  found: number
  /** `verify` told of a note at most, and all that was promised was there. */
  harmless: number
}

export interface BitsSettings {
  readonly image: Image
  /** What must be there, and what may be there instead: states after fewer writes that were promised to nobody. */
  readonly states: readonly State[]
  /** Which bits of a file of so many bits. */
  readonly bits: (name: string, count: number) => Iterable<number>
  /** Called after each flip. */
  readonly onFlip?: () => void
}

/** Throws with a line that names file and bit when a flip comes to anything that it must not. */
export async function flipBits({ image, states, bits, onFlip }: BitsSettings): Promise<Map<string, Tally>> {
  const keys = new Set(states.flatMap((state) => [...state.keys()]))
  const tallies = new Map<string, Tally>()
  for (const name of [...image.keys()].sort()) {
    const bytes = bytesOf(image, name)
    const tally = { flips: 0, refused: 0, failing: 0, whole: 0, shorter: 0, found: 0, harmless: 0 }
    tallies.set(name, tally)
    for (const bit of bits(name, bytes.length * 8)) {
      try {
        await flip(withFile(image, name, flipped(bytes, bit)), states, keys, tally)
      } catch (error) {
        throw new Error(`bit ${bit} of ${name}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        })
      }
      onFlip?.()
    }
  }
  return tallies
}

async function flip(
  image: Image,
  states: readonly State[],
  keys: ReadonlySet<string>,
  tally: Tally,
): Promise<void> {
  const fileSystem = await diskOf(image)
  const { ok, findings } = await verify(DIRECTORY, { fileSystem })
  const outcome = await outcomeOf(fileSystem, keys)
  tally.flips++
  const isWhole = judge(outcome, states, tally)
  if (!ok) tally.found++
  else if (isWhole) tally.harmless++
  else throw new Error(`verify finds nothing wrong: ${JSON.stringify(findings)}`)
  if (fileSystem.openCount > 0) throw new Error(`${fileSystem.openCount} files stay open`)
}

/** Whether everything that was promised is there; throws on an answer that was never true. */
function judge(
  { refusal, failed, state, scanFailure }: Outcome,
  states: readonly State[],
  tally: Tally,
): boolean {
  if (refusal !== undefined) {
    if (refusal.code !== 'CORRUPTION' && refusal.code !== 'UNSUPPORTED_FORMAT') throw refusal
    tally.refused++
    return false
  }
  const fits = states.find((one) => {
    for (const [key, value] of one) if (state.get(key) !== value && !failed.has(key)) return false
    for (const key of state.keys()) if (!one.has(key)) return false
    return true
  })
  if (fits === undefined)
    throw new Error(`wrong answers: ${[...state].map(([key, value]) => `${key}=${value}`).join()}`)
  if (failed.size > 0 || scanFailure !== undefined) {
    tally.failing++
    return false
  }
  if (fits === states[0]) tally.whole++
  else tally.shorter++
  return true
}
