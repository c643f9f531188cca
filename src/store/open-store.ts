/** What every open store has, whether it writes or only reads: a place, views, events and an end. */
import { VarveError } from '../base/errors.js'
import type { Codec } from './encodings/codec.js'
import type { StoreEmitter, StoreEvents } from './events.js'
import { Readable } from './readable.js'
import type { ReadSource } from './reading/read-source.js'
import { View } from './view.js'

/** What an open store is made on. */
export interface StoreSource extends ReadSource {
  readonly parts: ReadSource['parts'] & { readonly events: StoreEmitter }
}

export abstract class OpenStore<K, V> extends Readable<K, V> {
  /** The directory, as an absolute path. */
  readonly path: string
  readonly #source: StoreSource
  readonly #codec: Codec<K, V>
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(path: string, source: StoreSource, codec: Codec<K, V>) {
    super(source, codec)
    this.path = path
    this.#source = source
    this.#codec = codec
  }

  /** Ends everything; called once. @internal */
  protected abstract shutDown(): Promise<void>

  /** Pins the store as it is now. Close it: `using view = store.view()`. */
  view(): View<K, V> {
    this.checkOpen()
    return new View(this.#source, this.#codec)
  }

  /** Calls `listener` on each event of that name. */
  on<E extends keyof StoreEvents>(event: E, listener: (payload: StoreEvents<K, V>[E]) => void): this {
    this.checkOpen()
    this.#source.parts.events.on(event, listener as (payload: StoreEvents[E]) => void)
    return this
  }

  /** Calls `listener` no more. */
  off<E extends keyof StoreEvents>(event: E, listener: (payload: StoreEvents<K, V>[E]) => void): this {
    this.#source.parts.events.off(event, listener as (payload: StoreEvents[E]) => void)
    return this
  }

  /** Whether the store can be used. */
  get isOpen(): boolean {
    return this.#closing === undefined
  }

  /**
   * Closes the store: waits for the writes that were made, brings what durability owes to the device, lets the lock go.
   * Idempotent. Rejects when something of that failed; the store is closed all the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.shutDown()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected override checkOpen(): void {
    if (this.#closing !== undefined) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
  }
}
