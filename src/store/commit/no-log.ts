/**
 * The journal of a store without a log, for `persistence` `'snapshot'` and `'none'`: commits live in the memtables until
 * they are flushed. Memtables hold whole groups and are flushed in order, so what a crash leaves is one moment.
 *
 * To be on the device means to be in a table here, so a sync is a flush. Syncs that come while one runs share the next.
 */
import type { Memtable } from '../../memtable/memtable.js'
import { MemtableFollower } from '../watch/memtable-follower.js'
import type { CommitJournal } from './commit-journal.js'

export class NoLog implements CommitJournal {
  readonly segmentCount = 0
  readonly sizeBytes = 0
  readonly wantsTables: boolean
  readonly #flush: (() => Promise<void>) | undefined
  readonly #flushedSequence: () => number
  readonly #memtables: () => readonly Memtable[]
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  /** @param flush - writes everything that is in memory to tables; undefined where nothing outlives the process anyway */
  constructor(
    flush: (() => Promise<void>) | undefined,
    flushedSequence: () => number,
    memtables: () => readonly Memtable[],
  ) {
    this.#flush = flush
    this.#flushedSequence = flushedSequence
    this.#memtables = memtables
    this.wantsTables = flush !== undefined
  }

  get syncedSequence(): number {
    return this.#flushedSequence()
  }

  ready(): undefined {
    return undefined
  }

  append(): void {}

  catchUp(): void {}

  appendLater(): void {}

  forget(): void {}

  sync(): Promise<void> {
    if (this.#flush === undefined) return Promise.resolve()
    if (this.#running === undefined) return this.#start(this.#flush)
    const flush = this.#flush
    // One that runs may have begun before the last write.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.#start(flush)
      })
    return this.#next
  }

  follow(next: number): MemtableFollower {
    return new MemtableFollower(this.#memtables, next)
  }

  async rotate(): Promise<void> {}

  async restart(): Promise<void> {}

  async release(): Promise<void> {}

  async settle(): Promise<void> {
    await this.#next?.catch(() => undefined)
    await this.#running?.catch(() => undefined)
  }

  async close(): Promise<void> {}

  #start(flush: () => Promise<void>): Promise<void> {
    const running = flush().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}
