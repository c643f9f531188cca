/** A read view: the store as it was at one moment, held in memory. */

import { VarveError } from '../base/errors.js'
import type { Codec } from './encodings/codec.js'
import type { Moment } from './range-options.js'
import { Readable } from './readable.js'
import type { Lease } from './reading/leases.js'
import type { ReadSource } from './reading/read-source.js'

/**
 * A pinned moment. Reads see exactly what was committed before the view was made; entries whose time to live has run
 * out are gone here too. Flush and compaction keep what the view sees, so close it: `using view = store.view()`.
 *
 * @example
 * ```ts
 * const view = store.view()
 * try { console.log(await view.count()) } finally { view.close() }
 * ```
 */
export class View<K, V> extends Readable<K, V> implements Moment {
  readonly sequence: number
  readonly #engine: ReadSource
  readonly #lease: Lease
  #closed = false

  /** @internal */
  constructor(engine: ReadSource, codec: Codec<K, V>) {
    const moment = engine.pinned.pin(engine.sequence)
    super(engine, codec, moment)
    this.sequence = moment.sequence
    this.#engine = engine
    this.#lease = engine.leases.begin('view', this, moment)
  }

  /** Lets the moment go. Iterators made from the view go on. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#engine.leases.end(this.#lease)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  protected override checkOpen(): void {
    if (this.#closed) throw new VarveError('CLOSED', 'The view is closed. Make a new one.')
    if (this.#engine.closed) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
  }
}
