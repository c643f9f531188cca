/** Changes: what a watcher is told, and the bytes of it that are kept until it asks. */
import { copyOf, EMPTY } from '../../base/bytes.js'
import { Kind, userValueStart } from '../../base/entry.js'
import type { Codec } from '../encodings/codec.js'
import type { CommittedOperation } from './commit-follower.js'

/** What every change has. */
interface Numbered {
  /** The sequence number of the change; a watcher resumes `from` it, or from one more to go on behind it. */
  readonly sequence: number
}

/** A committed write, as a watcher is told of it. */
export type Change<K = string, V = Buffer> =
  | (Numbered & {
      readonly type: 'set'
      readonly key: K
      readonly value: V
      /** What was there before; only with the option `previous`. */
      readonly previous?: V
    })
  | (Numbered & {
      readonly type: 'delete'
      readonly key: K
      readonly value: undefined
      /** What was there before; only with the option `previous`. */
      readonly previous?: V
    })
  | (Numbered & {
      /** The entry's time to live ran out, or it made room for others. */
      readonly type: 'expire' | 'evict'
      readonly key: K
      /** The last value; undefined when it is replayed and the store no longer has it. */
      readonly value: V | undefined
    })
  | (Numbered & {
      /** Everything was removed at once. */
      readonly type: 'clear'
      readonly key: undefined
      readonly value: undefined
    })

/** What a change costs in memory beside its bytes: objects, about. */
const OVERHEAD_BYTES = 256

/** A change as bytes of its own, shared by all watchers that are told of it. */
export class CommittedChange {
  readonly sequence: number
  /** One of `Kind`; undefined: everything was cleared. */
  readonly kind: Kind | undefined
  readonly key: Uint8Array
  /** The user's value. */
  readonly value: Uint8Array
  /** What the key held before, where somebody wants to know and there was something. */
  prior: Uint8Array | undefined
  /** Settles when `prior` is there; undefined when it is not being looked up. */
  pending: Promise<void> | undefined

  private constructor(sequence: number, kind: Kind | undefined, key: Uint8Array, value: Uint8Array) {
    this.sequence = sequence
    this.kind = kind
    this.key = key
    this.value = value
  }

  /** A copy of the operation that `operation` describes. */
  static of(operation: CommittedOperation, sequence: number): CommittedChange {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = operation
    const kind = operation.kind as Kind
    return new CommittedChange(
      sequence,
      kind,
      copyOf(bytes, keyStart, keyEnd),
      copyOf(bytes, userValueStart(kind, valueStart), valueEnd),
    )
  }

  static clearing(sequence: number): CommittedChange {
    return new CommittedChange(sequence, undefined, EMPTY, EMPTY)
  }

  /** Whether the change says what was there last. */
  get tellsPrior(): boolean {
    return this.kind === Kind.expire || this.kind === Kind.evict
  }

  get sizeBytes(): number {
    return OVERHEAD_BYTES + this.key.length + this.value.length + (this.prior?.length ?? 0)
  }

  /** The change for a user, sharing no memory with anything. */
  describe<K, V>(codec: Codec<K, V>, withPrevious: boolean): Change<K, V> {
    const { sequence, kind, prior } = this
    const decode = (value: Uint8Array): V => codec.values.decode(value, 0, value.length)
    if (kind === undefined) return { type: 'clear', key: undefined, value: undefined, sequence }
    const key = codec.keys.decode(this.key, 0, this.key.length)
    if (this.tellsPrior) {
      const value = prior === undefined ? undefined : decode(prior)
      return { type: kind === Kind.expire ? 'expire' : 'evict', key, value, sequence }
    }
    const previous = withPrevious && prior !== undefined ? { previous: decode(prior) } : {}
    if (kind === Kind.delete) return { type: 'delete', key, value: undefined, ...previous, sequence }
    return { type: 'set', key, value: decode(this.value), ...previous, sequence }
  }
}
