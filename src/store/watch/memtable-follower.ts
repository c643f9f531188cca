/**
 * Follows commits in the memtables, for stores without a log: what was flushed to tables is not held any more.
 *
 * A memtable is sorted by keys, so what it holds from the next sequence number on is listed and brought into commit
 * order, one memtable at a time; the listed one is pinned until it is handed out.
 */
import type { Memtable } from '../../memtable/memtable.js'
import { notHeld } from '../../wal/log-tail.js'
import type { CommitFollower, CommittedOperation, TakeOperation } from './commit-follower.js'

interface Listed extends CommittedOperation {
  readonly sequence: number
}

export class MemtableFollower implements CommitFollower {
  /** Newest first. */
  readonly #memtables: () => readonly Memtable[]
  #next: number
  #pinned: Memtable | undefined
  /** What is listed of the pinned memtable, in commit order, and how much of it was handed out. */
  #listed: readonly Listed[] = []
  #at = 0

  constructor(memtables: () => readonly Memtable[], next: number) {
    this.#memtables = memtables
    this.#next = next
  }

  get next(): number {
    return this.#next
  }

  fill(take: TakeOperation): boolean {
    for (;;) {
      while (this.#at < this.#listed.length) {
        const operation = this.#listed[this.#at++]
        if (operation.sequence !== this.#next) throw notHeld(this.#next)
        this.#next++
        if (!take(operation, operation.sequence)) return true
      }
      if (!this.#list()) return false
    }
  }

  async close(): Promise<void> {
    this.#release()
  }

  /** Lists the oldest memtable that holds anything from the next sequence number on; false when none does. */
  #list(): boolean {
    this.#release()
    const memtable = this.#memtables().findLast(({ lastSequence }) => lastSequence >= this.#next)
    if (memtable === undefined) return false
    memtable.pin()
    this.#pinned = memtable
    const listed: Listed[] = []
    for (const cursor of memtable.cursors()) {
      for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
        if (cursor.sequence < this.#next) continue
        const { keyBytes, keyStart, keyEnd, valueStart, valueEnd, kind, sequence } = cursor
        // Key and value lie in the same arena.
        listed.push({ bytes: keyBytes, keyStart, keyEnd, valueStart, valueEnd, kind, sequence })
      }
    }
    this.#listed = listed.sort((a, b) => a.sequence - b.sequence)
    return true
  }

  #release(): void {
    this.#pinned?.unpin()
    this.#pinned = undefined
    this.#listed = []
    this.#at = 0
  }
}
