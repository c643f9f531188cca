/** The owner's end of a watcher of an attached thread: a change ahead of who asks, so that it goes live without being asked. */
import type { Change } from '../watch/change.js'
import type { Watcher } from '../watch/watcher.js'

/** A change as it is posted. */
export type RawChange = Change<Uint8Array, Uint8Array>
export type RawResult = IteratorResult<RawChange, undefined>

export class RemoteWatcher {
  readonly #watcher: Watcher<Uint8Array, Uint8Array>
  #first: RawChange | undefined
  #ahead: Promise<RawResult>

  /** @param first - told before what `watcher` tells */
  constructor(watcher: Watcher<Uint8Array, Uint8Array>, first?: RawChange) {
    this.#watcher = watcher
    this.#first = first
    this.#ahead = this.#look()
  }

  async next(): Promise<RawResult> {
    const first = this.#first
    this.#first = undefined
    if (first !== undefined) return { done: false, value: first }
    const result = this.#ahead
    this.#ahead = this.#look()
    return result
  }

  close(): void {
    void this.#watcher.close()
  }

  #look(): Promise<RawResult> {
    const result = this.#watcher.next()
    // Whoever asks for it is told.
    result.catch(() => undefined)
    return result
  }
}
