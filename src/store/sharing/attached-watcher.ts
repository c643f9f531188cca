/** A watcher of an attached thread: it lives with the owner and is asked for one change after the other. */
import { VarveError } from '../../base/errors.js'
import type { ThreadLink } from '../../env/thread-link.js'
import type { Codec } from '../encodings/codec.js'
import type { Change } from '../watch/change.js'
import type { RawChange, RawResult } from './remote-watcher.js'
import type { RemoteWatch } from './share-protocol.js'

export class AttachedWatcher<K, V> implements AsyncIterableIterator<Change<K, V>, undefined> {
  readonly #link: ThreadLink
  readonly #codec: Codec<K, V>
  readonly #id: Promise<number>
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => {
    this.#aborted = true
    void this.close()
  }
  #closed = false
  /** Whether it is still to be told that the signal has ended the watcher: once, like every error of a watcher. */
  #aborted = false

  /** @internal */
  constructor(link: ThreadLink, codec: Codec<K, V>, watch: RemoteWatch, signal: AbortSignal | undefined) {
    this.#link = link
    this.#codec = codec
    this.#signal = signal
    this.#id = link.call<number>('watch', watch)
    // Whoever asks for the first change is told.
    this.#id.catch(() => undefined)
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** The next change, as `Watcher.next` gives it. */
  async next(): Promise<IteratorResult<Change<K, V>, undefined>> {
    if (this.#closed) return this.#end()
    try {
      const result = await this.#link.call<RawResult>('nextChange', await this.#id)
      if (!this.#closed && result.done !== true) return { done: false, value: this.#decode(result.value) }
    } catch (error) {
      this.#finish()
      throw error
    }
    this.#finish()
    return this.#end()
  }

  /** Ends the watcher. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#finish()
    try {
      if (this.#link.isOpen) await this.#link.call('unwatch', await this.#id)
    } catch {
      // Who is gone does not watch.
    }
  }

  #finish(): void {
    this.#closed = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  async return(): Promise<IteratorResult<Change<K, V>, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #end(): IteratorResult<Change<K, V>, undefined> {
    if (!this.#aborted) return { done: true, value: undefined }
    this.#aborted = false
    throw new VarveError('ABORTED', 'The watcher was aborted by its signal.', { cause: this.#signal?.reason })
  }

  #decode(change: RawChange): Change<K, V> {
    const { key, value } = change
    const decoded = {
      ...change,
      key: key === undefined ? undefined : this.#codec.keys.decode(key, 0, key.length),
      value: value === undefined ? undefined : this.#valueOf(value),
    }
    if ('previous' in change && change.previous !== undefined) {
      return { ...decoded, previous: this.#valueOf(change.previous) } as Change<K, V>
    }
    return decoded as Change<K, V>
  }

  #valueOf(bytes: Uint8Array): V {
    return this.#codec.values.decode(bytes, 0, bytes.length)
  }
}
