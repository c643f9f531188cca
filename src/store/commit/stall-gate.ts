/**
 * Where stalled writers wait, and the live figure of why.
 *
 * A stall always ends: by relief (a flush or compaction changed the shape of the store), or, when the background work
 * that should bring relief has failed, by that failure, so that no writer hangs.
 */
import type { VarveError } from '../../base/errors.js'
import type { Clock } from '../../env/clock.js'
import { Deferred } from '../deferred.js'
import type { StallReason } from './write-controller.js'

/** What `stats().stalls` and the event `'stall'` tell. */
export interface StallStatistics {
  /** What writers go through now. */
  readonly level: 'none' | 'slow' | 'stop'
  readonly reason: StallReason | undefined
  /** How often writers were stopped. */
  readonly stops: number
  /** How long they were stopped, in ms, the stop under way included. */
  readonly stoppedMs: number
  /** How long slowing has held writers back, in ms. */
  readonly slowedMs: number
}

export class StallGate {
  readonly #clock: Clock
  readonly #onChange: (statistics: StallStatistics) => void
  #level: 'none' | 'slow' | 'stop' = 'none'
  #reason: StallReason | undefined
  #stops = 0
  #stoppedMs = 0
  #slowedMs = 0
  #stopBegan = 0
  #relief: Deferred<void> | undefined
  /** Why background work that would bring relief does not come. */
  #trouble: VarveError | undefined

  constructor(clock: Clock, onChange: (statistics: StallStatistics) => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  get statistics(): StallStatistics {
    const running = this.#level === 'stop' ? this.#clock.monotonic() - this.#stopBegan : 0
    return {
      level: this.#level,
      reason: this.#reason,
      stops: this.#stops,
      stoppedMs: this.#stoppedMs + running,
      slowedMs: this.#slowedMs,
    }
  }

  /** Records what writers go through from now on. */
  enter(level: 'none' | 'slow' | 'stop', reason: StallReason | undefined): void {
    if (level === this.#level && reason === this.#reason) return
    const now = this.#clock.monotonic()
    if (this.#level === 'stop' && level !== 'stop') this.#stoppedMs += now - this.#stopBegan
    if (level === 'stop' && this.#level !== 'stop') {
      this.#stops++
      this.#stopBegan = now
    }
    this.#level = level
    this.#reason = reason
    this.#onChange(this.statistics)
  }

  /** Resolves with the next relief; throws the trouble that keeps it away. */
  waitForRelief(): Promise<void> {
    if (this.#trouble !== undefined) throw this.#trouble
    this.#relief ??= new Deferred()
    return this.#relief.promise
  }

  /** Resolves after `ms`: a slowed write. */
  delay(ms: number): Promise<void> {
    this.#slowedMs += ms
    return new Promise((resolve) => this.#clock.after(ms, resolve, true))
  }

  /** Background work is done: let writers look again. */
  relieve(): void {
    this.#trouble = undefined
    const relief = this.#relief
    this.#relief = undefined
    relief?.resolve()
  }

  /** Background work has failed: writers that wait for it are told so, until it succeeds. */
  refuse(error: VarveError): void {
    this.#trouble = error
    const relief = this.#relief
    this.#relief = undefined
    relief?.reject(error)
  }
}
