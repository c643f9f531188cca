/** Time, injected so that a run is a function of its seed. This interface and `SystemClock` are all that know of time. */

/** A running timer. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock milliseconds since 1970; may jump either way. */
  now(): number
  /** Milliseconds that never run backwards, from an arbitrary origin; for intervals and rates. */
  monotonic(): number
  /** Calls back once after `delayMs`. A timer never keeps a finished process alive unless `keepAlive` is true. */
  after(delayMs: number, callback: () => void, keepAlive?: boolean): Timer
  /** Calls back in a later turn of the event loop, after pending I/O. */
  nextTurn(callback: () => void): void
}
