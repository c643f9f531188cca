/** The walk through a whole block by which nothing read in it later can be out of bounds. */
import { VarintReader } from '../base/bytes.js'
import { EXPIRY_LENGTH, expiryOf, Kind, MAX_FOUND_NUMBER, MAX_KEY_LENGTH, MAX_KIND } from '../base/entry.js'
import { VarveError } from '../base/errors.js'

/** What is walked. */
interface Entries {
  readonly bytes: Uint8Array
  readonly count: number
  offsetAt(index: number): number
  sequenceAt(index: number): number
}

/** The error for a block of which `what` is true. */
export function damaged(what: string): VarveError {
  return new VarveError('CORRUPTION', `A block's ${what}.`)
}

/** Entries must fill `[0, end)` without a gap, in the order of their offsets. Throws `CORRUPTION`. */
export function checkEntries(entries: Entries, end: number): void {
  const { bytes, count } = entries
  let at = 0
  for (let index = 0; index < count; index++) {
    if (entries.offsetAt(index) !== at) throw damaged('offset table points beside an entry')
    if (at >= end) throw damaged('entry is cut off')
    let length = bytes[at++]
    if (length > 0x7f) {
      const reader = new VarintReader(bytes, at - 1, end)
      length = reader.read()
      at = reader.position
      if (length > MAX_KEY_LENGTH) throw damaged('key is too long')
    }
    at += length
    if (at >= end) throw damaged('key reaches beyond its entries')
    const kind = bytes[at++]
    if (kind > MAX_KIND) throw damaged(`entry kind ${kind} is unknown`)
    if (at >= end) throw damaged('entry is cut off')
    length = bytes[at++]
    if (length > 0x7f) {
      const reader = new VarintReader(bytes, at - 1, end)
      length = reader.read()
      at = reader.position
    }
    if (at + length > end) throw damaged('value reaches beyond its entries')
    if (kind === Kind.putWithExpiry) checkExpiry(bytes, at, length)
    at += length
  }
  if (at !== end) throw damaged('entries do not fill their space')
}

function checkExpiry(bytes: Uint8Array, at: number, length: number): void {
  if (length < EXPIRY_LENGTH) throw damaged('value is too short for its expiry')
  if (Number.isNaN(expiryOf(Kind.putWithExpiry, bytes, at))) throw damaged('expiry is no moment')
}

/** Throws `CORRUPTION` for a sequence number that no store can have come to. */
export function checkSequences(entries: Entries): void {
  for (let index = 0; index < entries.count; index++) {
    if (entries.sequenceAt(index) > MAX_FOUND_NUMBER) throw damaged('sequence number is too large')
  }
}
