/** The read-only store: everything that reads, and a clear answer from everything that writes. */
import { VarveError } from '../base/errors.js'
import type { Codec } from './encodings/codec.js'
import { OpenStore } from './open-store.js'
import type { ReadOnlyEngine } from './read-only-engine.js'
import { type StoreStatistics, statisticsOf } from './statistics/statistics.js'
import type { Store } from './store.js'

/**
 * A store that was opened with `readOnly: true`, beside a writer and any number of other readers: in this process, in
 * others, from a snapshot, from a directory that may not be written.
 *
 * It shows a prefix of what the writer has committed, as of the last {@link refresh} or the opening. Views and iterators
 * go on with what they saw. Every method of {@link Store} that writes rejects with `READ_ONLY`, and `watch` throws it.
 * A read rejects with `ABORTED` when the writer has deleted a table that it needs: that can only be in a store with more
 * than `maxOpenFiles` tables; `refresh()` and read again.
 *
 * @example
 * ```ts
 * const reader = await open('./data', { readOnly: true, valueEncoding: 'utf8' })
 * await reader.refresh() // true when something was written since
 * ```
 */
export class ReadOnlyStore<K = string, V = Buffer> extends OpenStore<K, V> {
  readonly #engine: ReadOnlyEngine

  /** @internal */
  constructor(path: string, engine: ReadOnlyEngine, codec: Codec<K, V>) {
    super(path, engine, codec)
    this.#engine = engine
  }

  /**
   * Moves to the newest state; resolves to whether anything was written since. After an error nothing has changed.
   *
   * Rejects with `CORRUPTION`, `IO_ERROR`, `NOT_FOUND` when the store is gone, and `ABORTED` when another one has taken
   * its place, or the writer has always been faster.
   */
  async refresh(): Promise<boolean> {
    this.checkOpen()
    return this.#engine.refresh()
  }

  /** What the store knows of itself now. */
  stats(): StoreStatistics {
    this.checkOpen()
    return statisticsOf(this.#engine)
  }

  protected override shutDown(): Promise<void> {
    return this.#engine.close()
  }
}

/** The methods that a store has beyond these, and how each refuses. One that is missing here does not compile. */
const REFUSALS: Record<Exclude<keyof Store, keyof ReadOnlyStore>, 'rejects' | 'throws'> = {
  set: 'rejects',
  setNX: 'rejects',
  delete: 'rejects',
  update: 'rejects',
  increment: 'rejects',
  compareAndSet: 'rejects',
  expire: 'rejects',
  persist: 'rejects',
  applyBatch: 'rejects',
  transaction: 'rejects',
  clear: 'rejects',
  snapshot: 'rejects',
  snapshots: 'rejects',
  deleteSnapshot: 'rejects',
  restoreSnapshot: 'rejects',
  flush: 'rejects',
  sync: 'rejects',
  resume: 'rejects',
  compact: 'rejects',
  verify: 'rejects',
  share: 'throws',
  watch: 'throws',
}

for (const [name, how] of Object.entries(REFUSALS)) {
  const refusal = (): VarveError =>
    new VarveError(
      'READ_ONLY',
      `${name} is not for a store that was opened with readOnly. Call it where the store is open for writing.`,
    )
  const refuse = (): Promise<never> => {
    if (how === 'throws') throw refusal()
    return Promise.reject(refusal())
  }
  Object.defineProperty(ReadOnlyStore.prototype, name, { value: refuse, configurable: true, writable: true })
}
