/**
 * The moments that views and transactions have pinned.
 *
 * As long as the store only grows, a sequence number is enough: the live read state holds what the moment sees, because
 * flush and compaction keep it. When the store is cleared, the moment takes the read state of before for its own.
 *
 * Iterators pin no moment: they pin the read state, whose memtables and tables are immutable.
 */
import { assert } from '../../base/assert.js'
import { PinnedSequences } from './pinned-sequences.js'
import type { ReadState } from './read-state.js'

/** Where a reader looks: a read state, and the sequence number of the last write that counts. */
export interface ReadPoint {
  readonly readState: ReadState
  readonly sequence: number
}

export class PinnedMoment implements ReadPoint {
  /** The sequence number of the last write that is seen. */
  readonly sequence: number
  readonly #moments: PinnedMoments
  readonly #live: { readonly readState: ReadState }
  #own: ReadState | undefined

  constructor(sequence: number, moments: PinnedMoments, live: { readonly readState: ReadState }) {
    this.sequence = sequence
    this.#moments = moments
    this.#live = live
  }

  get readState(): ReadState {
    return this.#own ?? this.#live.readState
  }

  /** Whether the store was cleared since: the live read state tells nothing of this moment. */
  get detached(): boolean {
    return this.#own !== undefined
  }

  /** Reads from `state` from now on. */
  detachTo(state: ReadState): void {
    this.#own ??= state.pin()
  }

  /** Lets the moment go. */
  unpin(): void {
    if (this.#own === undefined) this.#moments.forget(this)
    else this.#own.unpin()
  }
}

export class PinnedMoments {
  readonly #live: { readonly readState: ReadState }
  readonly #sequences = new PinnedSequences()
  /** Those that read from the live read state. */
  readonly #attached = new Set<PinnedMoment>()

  constructor(live: { readonly readState: ReadState }) {
    this.#live = live
  }

  pin(sequence: number): PinnedMoment {
    const moment = new PinnedMoment(sequence, this, this.#live)
    this.#sequences.pin(sequence)
    this.#attached.add(moment)
    return moment
  }

  /** Nobody reads at `moment` any more, which the live read state still had to tell of. */
  forget(moment: PinnedMoment): void {
    assert(this.#attached.delete(moment), 'each pin is let go once')
    this.#sequences.unpin(moment.sequence)
  }

  /** The distinct sequence numbers that flush and compaction must keep, ascending. */
  list(): number[] {
    return this.#sequences.list()
  }

  /** Lets all moments read from `state`, and flush and compaction forget them. */
  detachFrom(state: ReadState): void {
    for (const moment of this.#attached) {
      moment.detachTo(state)
      this.#sequences.unpin(moment.sequence)
    }
    this.#attached.clear()
  }
}
