/**
 * A clock that stands still until it is told to move, so that a test decides when everything happens.
 *
 * Only time is manual. `nextTurn` takes a real turn of the event loop: a store under test makes progress with its
 * asynchronous work by itself, and a test never pumps; the order of turns depends on nothing but the calls made.
 */
import type { Clock, Timer } from './clock.js'
import { SystemClock } from './system-clock.js'

interface PendingTimer {
  readonly dueMs: number
  readonly callback: () => void
}

const system = new SystemClock()

/**
 * A clock for tests.
 *
 * @example
 * ```ts
 * const clock = new ManualClock()
 * const store = await openInMemory({ clock })
 * await store.set('session', 'on', { ttl: 1000 })
 * clock.advance(1000) // the session has expired
 * ```
 */
export class ManualClock implements Clock {
  #wallMs: number
  #monotonicMs = 0
  /** In order of creation; among equal due times the earlier timer fires first. */
  readonly #timers = new Set<PendingTimer>()

  /** `wallMs`: where the wall clock begins, in milliseconds since 1970; 2024-01-01 unless told. */
  constructor(wallMs: number = Date.UTC(2024, 0, 1)) {
    this.#wallMs = wallMs
  }

  now(): number {
    return this.#wallMs
  }

  monotonic(): number {
    return this.#monotonicMs
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#monotonicMs + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  nextTurn(callback: () => void): void {
    system.nextTurn(callback)
  }

  /** How many timers are waiting. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves both clocks on by `ms` and fires what falls due on the way, each at its own moment, in order. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms
    for (let timer = this.#takeDue(endMs); timer !== undefined; timer = this.#takeDue(endMs)) timer.callback()
    this.#moveTo(endMs)
  }

  /** {@link advance}, but lets the event loop turn after every timer, so that what it started goes on before the next. */
  async advanceInTurns(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms
    for (let timer = this.#takeDue(endMs); timer !== undefined; timer = this.#takeDue(endMs)) {
      timer.callback()
      await new Promise<void>((resolve) => system.nextTurn(resolve))
    }
    this.#moveTo(endMs)
  }

  /** Sets the wall clock, forwards or backwards; timers and `monotonic` do not notice. */
  set(wallMs: number): void {
    this.#wallMs = wallMs
  }

  #takeDue(endMs: number): PendingTimer | undefined {
    let next: PendingTimer | undefined
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer
    }
    if (next !== undefined) {
      this.#timers.delete(next)
      this.#moveTo(next.dueMs)
    }
    return next
  }

  #moveTo(monotonicMs: number): void {
    const elapsedMs = Math.max(0, monotonicMs - this.#monotonicMs)
    this.#monotonicMs += elapsedMs
    this.#wallMs += elapsedMs
  }
}
