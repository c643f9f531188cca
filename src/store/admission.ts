/**
 * Whether writes are taken: not behind a failure that leaves open what is on the device, until the store resumes, and not
 * by a store that closes.
 */
import { VarveError } from '../base/errors.js'

export class Admission {
  #failure: VarveError | undefined
  #closed = false

  /** Why no write is taken. */
  get failure(): VarveError | undefined {
    return this.#failure
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Takes no write because of `error`, unless that is so already; the error that writers are told, if it is new. */
  end(error: VarveError): VarveError | undefined {
    if (this.#failure !== undefined) return undefined
    this.#failure = error
    return this.#refusal()
  }

  /** What it had failed with is mended. */
  resume(): void {
    this.#failure = undefined
  }

  close(): void {
    this.#closed = true
  }

  /** Throws `READ_ONLY` or `CLOSED` when no write is taken. */
  check(): void {
    if (this.#failure !== undefined) throw this.#refusal()
    if (this.#closed) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
  }

  #refusal(): VarveError {
    return new VarveError(
      'READ_ONLY',
      'The store takes no more writes after a failure (see cause). Call resume(), or reopen it.',
      { cause: this.#failure },
    )
  }
}
