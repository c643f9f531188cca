/** Ranges of keys and of sequence numbers, as reports about damage tell them: plain data. */

/** Sequence numbers from `first` to `last`, both inclusive; without a `last` it is not known where the range ends. */
export interface SequenceRange {
  readonly first: number
  readonly last: number | undefined
}

/** Keys, as bytes: behind `gt` or from `gte` on, up to `lte` or in front of `lt`. A bound that is missing is none. */
export interface ByteKeyRange {
  readonly gt?: Uint8Array
  readonly gte?: Uint8Array
  readonly lte?: Uint8Array
  readonly lt?: Uint8Array
}
