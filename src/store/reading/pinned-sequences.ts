/**
 * The sequence numbers that read views have pinned: flush and compaction keep what they see.
 *
 * Iterators do not pin a sequence number: they pin the read state, whose memtables and tables are immutable.
 */
import { assert } from '../../base/assert.js'

export class PinnedSequences {
  /** Ascending, with one element a pin. */
  readonly #pins: number[] = []

  pin(sequence: number): void {
    let at = this.#pins.length
    while (at > 0 && this.#pins[at - 1] > sequence) at--
    this.#pins.splice(at, 0, sequence)
  }

  unpin(sequence: number): void {
    const at = this.#pins.indexOf(sequence)
    assert(at >= 0, 'each pin is let go once')
    this.#pins.splice(at, 1)
  }

  /** The distinct pinned sequence numbers, ascending. */
  list(): number[] {
    return [...new Set(this.#pins)]
  }
}
