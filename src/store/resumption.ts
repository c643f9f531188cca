/**
 * Resuming: a store that a failure has made read-only takes writes again, without a reopen.
 *
 * After a failed sync nobody knows what of the file is on the device, and its next sync may succeed for nothing. So nothing
 * may rest on that file any more. What counts is what readers see: the tables of the current version and the memtables. It
 * is made durable in new files, in the order of an open behind a crash:
 *
 * 1. Where a sync of the MANIFEST has failed, a fresh one: an edit of which it was open whether it counts is out for good.
 * 2. Tables for all that is in memory; that is everything up to the last sequence number.
 * 3. A log segment that begins a chain of its own behind that number.
 * 4. An edit: the log begins there.
 *
 * Only then writes are taken and the old segments go. Until 3 a crash finds the old log, of which tables hold what was
 * seen; behind it nobody reads the old log. When a step fails, the store stays as it was, and all can be done again.
 */
import { assert } from '../base/assert.js'
import { ioError } from '../base/errors.js'
import type { Engine } from './engine.js'

export class Resumption {
  readonly #engine: Engine
  #running: Promise<void> | undefined

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Lets the store take writes again. Calls that overlap share one. Rejects with what keeps the store from it. */
  run(): Promise<void> {
    const { keepAlive, pipeline } = this.#engine
    if (this.#running === undefined && !this.#isNeeded) return Promise.resolve()
    this.#running ??= keepAlive.during(pipeline.alone('memory', () => this.#resume())).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  get #isNeeded(): boolean {
    const { admission, background, parts } = this.#engine
    const failures = [admission.failure, background.failure, parts.versions.failure, parts.wal?.failed]
    return failures.some((failure) => failure !== undefined)
  }

  /** No commit is under way, and none comes before it has ended. */
  async #resume(): Promise<void> {
    const { admission, background, gate, journal, parts } = this.#engine
    const { versions, wal, tableSettings } = parts
    const mayFailAgain = background.failure !== undefined && versions.failure === undefined
    try {
      await this.#settleEdits()
      await this.#engine.flushMemtables()
      const { lastSequence } = this.#engine
      assert(versions.flushedSequence === lastSequence, 'tables hold everything that was seen')
      await journal.restart(lastSequence)
      if (wal !== undefined) await versions.logAndApply({ logNumber: wal.number, logged: true })
      // Corruption that the background has met is there still, unless it did not get to the file.
      if (mayFailAgain) await background.settled()
      if (background.failure !== undefined) throw background.failure
    } catch (error) {
      throw ioError(error, 'resuming', tableSettings.directory)
    }
    admission.resume()
    gate.relieve()
    await this.#engine.releaseLog()
  }

  /** Behind this each edit counts or does not, for good, and background work may be begun again. */
  async #settleEdits(): Promise<void> {
    const { background, parts } = this.#engine
    background.pause()
    try {
      await background.settled()
      await parts.versions.restart()
      background.forgetFailure()
    } finally {
      background.resume()
    }
  }
}
