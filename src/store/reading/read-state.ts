/**
 * What a read looks at: the active memtable, the frozen ones and a version, pinned together.
 *
 * Immutable, except that the active memtable grows: a reader's sequence number hides what came later. A freeze,
 * flush or compaction puts a new read state in place of the old; the old one lets its pins go when its last
 * reader has.
 */
import { assert } from '../../base/assert.js'
import type { Memtable } from '../../memtable/memtable.js'
import type { Version } from '../../version/version.js'

export class ReadState {
  /** The active memtable first, then the frozen ones, newest first. */
  readonly memtables: readonly Memtable[]
  readonly version: Version
  #pins = 1

  /** Pins `memtables` and `version`; begins with one pin of its own. */
  constructor(memtables: readonly Memtable[], version: Version) {
    this.memtables = memtables
    this.version = version
    for (const memtable of memtables) memtable.pin()
    version.pin()
  }

  pin(): this {
    assert(this.#pins > 0, 'a read state that was let go is not pinned again')
    this.#pins++
    return this
  }

  /** The outcome of `work`, until which nothing of what is here goes: for a load of what a step has missed. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.pin()
    try {
      return await work
    } finally {
      this.unpin()
    }
  }

  unpin(): void {
    assert(this.#pins > 0, 'each pin is let go once')
    if (--this.#pins > 0) return
    for (const memtable of this.memtables) memtable.unpin()
    this.version.unpin()
  }
}
