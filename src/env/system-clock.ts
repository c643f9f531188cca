/** The machine's time. The only file that reads it or sets a timer. */
import type { Clock, Timer } from './clock.js'

/** The longest delay that a Node timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Keeps the process alive until it is cancelled. */
export function holdProcess(): Timer {
  const timer = setInterval(() => undefined, MAX_TIMER_MS)
  return { cancel: () => clearInterval(timer) }
}

/** The machine's clock and timers. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now()
  }

  monotonic(): number {
    return performance.now()
  }

  after(delayMs: number, callback: () => void, keepAlive = false): Timer {
    let timer: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, MAX_TIMER_MS)
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs)
      if (!keepAlive) timer.unref()
    }
    arm(Math.max(0, delayMs))
    return { cancel: () => clearTimeout(timer) }
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback)
  }
}
