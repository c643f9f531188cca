/** What a repair could not bring back, as plain data. */

import type { ByteKeyRange, SequenceRange } from '../base/damage-range.js'
import { type VarveError, whatIsWrong } from '../base/errors.js'

/** Something that is lost. */
export interface Loss {
  /** The file, relative to the damaged store's directory. */
  readonly file: string
  /** Where in it, in bytes, when it is known. */
  readonly offset?: number
  readonly what: string
  /** The keys that may be concerned, and no others. */
  readonly keys?: ByteKeyRange
  /** The sequence numbers that may be concerned, and no others. */
  readonly sequences?: SequenceRange
  /** How many entries are gone, all versions of a key and tombstones among them, when it is known. */
  readonly entries?: number
}

/**
 * Why what was brought back may be more or other than what the store held:
 * - `'deletions'`: with a lost part of a table its tombstones are gone, and its newer values; where deeper levels hold older versions of those
 *   keys, these show again.
 * - `'order'`: tables were taken without a MANIFEST that says which of them count. Entries have their sequence numbers, so
 *   the newest version of a key wins; but keys that were deleted or cleared may be back.
 * - `'log-hole'`: writes in front of and behind a damaged part of the log are there, those in it are not.
 * - `'key-encoding'`: no file tells which keys the store has. Open it with the `keyEncoding` that it was made with.
 */
export type Uncertainty = 'deletions' | 'order' | 'log-hole' | 'key-encoding'

/** Where the damage is that an error tells of. */
export function placeOf(file: string, error: VarveError): Pick<Loss, 'file' | 'offset' | 'what'> {
  const { offset } = error
  return { file, ...(offset === undefined ? {} : { offset }), what: whatIsWrong(error) }
}

/** Losses that a report holds at most. */
const MAX_LOSSES = 10_000

export class Losses {
  readonly list: Loss[] = []
  omitted = 0
  readonly uncertainties = new Set<Uncertainty>()

  add(loss: Loss): void {
    if (this.list.length < MAX_LOSSES) this.list.push(loss)
    else this.omitted++
  }
}
