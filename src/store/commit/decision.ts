/** Writes that depend on what is there: what is found under a key, and what is to be done about it. */
import { Kind } from '../../base/entry.js'
import { VarveError } from '../../base/errors.js'
import type { SearchKey } from '../../memtable/search-key.js'
import type { GroupBuffer } from '../../wal/group-buffer.js'
import type { Codec } from '../encodings/codec.js'
import type { LookupResult } from '../reading/point-lookup.js'

/** What is under a key. */
export interface Found<V> {
  readonly value: V
  /** In ms since 1970; `Infinity` for never. */
  readonly expiresAt: number
}

/** What to write: a value with its expiry, and its bytes where they are made already; a removal; or nothing. And what to answer. */
export type Decision<V, R> =
  | {
      readonly write: 'set'
      readonly value: V
      readonly encoded?: Uint8Array
      readonly expiresAt: number
      readonly answer: R
    }
  | { readonly write: 'delete' | 'nothing'; readonly answer: R }

/** Decides in one synchronous step; `found` is undefined when the key is not there. */
export type Decide<V, R> = (found: Found<V> | undefined) => Decision<V, R>

/** What a lookup has found, as `decide` wants it. */
export function describe<V>(codec: Codec<unknown, V>, result: LookupResult): Found<V> {
  const { expiresAt } = result
  // The last thing that is asked of the result: an encoding of the user's may read the store.
  const value = codec.values.decode(result.valueBytes, result.userValueStart, result.valueEnd)
  return { value, expiresAt }
}

/** What adds the write of a decision to a group. Encodes first: a value that cannot be is refused with nothing written. */
export function writeOf<V>(
  codec: Codec<unknown, V>,
  key: SearchKey,
  decision: Decision<V, unknown>,
): (operations: GroupBuffer) => void {
  if (decision.write !== 'set') {
    return (operations) => operations.add(Kind.delete, key.bytes, undefined, undefined, key.length)
  }
  const value = decision.encoded ?? codec.value(decision.value)
  const { expiresAt } = decision
  return (operations) => operations.add(Kind.put, key.bytes, value, expiresAt, key.length)
}

export function conflict(): VarveError {
  return new VarveError(
    'CONFLICT',
    'What the transaction read or writes was changed meanwhile. Run it again.',
  )
}
