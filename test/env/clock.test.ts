import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../src/env/manual-clock.js'
import { SystemClock } from '../../src/env/system-clock.js'

describe('ManualClock', () => {
  it('fires timers in order of their due time, each at its own moment', () => {
    const clock = new ManualClock(1000)
    const fired: [string, number, number][] = []
    const note = (name: string) => () => void fired.push([name, clock.monotonic(), clock.now()])
    clock.after(30, note('c'))
    clock.after(10, note('a'))
    clock.after(10, note('b'))
    clock.after(10, note('cancelled')).cancel()
    clock.after(20, () => clock.after(5, note('nested')))
    clock.after(31, note('late'))
    clock.advance(30)
    expect(fired).toEqual([
      ['a', 10, 1010],
      ['b', 10, 1010],
      ['nested', 25, 1025],
      ['c', 30, 1030],
    ])
    expect([clock.monotonic(), clock.now(), clock.pendingTimers]).toEqual([30, 1030, 1])
  })

  it('lets the wall clock jump without moving time', () => {
    const clock = new ManualClock(1000)
    let fired = 0
    clock.after(10, () => fired++)
    clock.set(99_999)
    expect([clock.now(), clock.monotonic(), fired]).toEqual([99_999, 0, 0])
    clock.set(5)
    clock.advance(10)
    expect([clock.now(), clock.monotonic(), fired]).toEqual([15, 10, 1])
  })

  it('lets what a timer started go on before the next, when advancing in turns', async () => {
    const clock = new ManualClock()
    const order: string[] = []
    clock.after(1, () => void Promise.resolve().then(() => order.push('continuation')))
    clock.after(2, () => void order.push('timer'))
    await clock.advanceInTurns(2)
    expect(order).toEqual(['continuation', 'timer'])
    expect(clock.monotonic()).toBe(2)
  })

  it('turns the event loop by itself', async () => {
    const clock = new ManualClock()
    await new Promise<void>((resolve) => clock.nextTurn(resolve))
  })
})

describe('SystemClock', () => {
  const clock = new SystemClock()

  it('tells the time, and a monotonic one', () => {
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1000)
    const before = clock.monotonic()
    expect(clock.monotonic()).toBeGreaterThanOrEqual(before)
  })

  it('calls back after a delay, unless cancelled', async () => {
    let cancelled = true
    clock.after(1, () => (cancelled = false)).cancel()
    const began = clock.monotonic()
    await new Promise<void>((resolve) => clock.after(10, resolve, true))
    expect(clock.monotonic() - began).toBeGreaterThanOrEqual(9)
    expect(cancelled).toBe(true)
  })

  it('does not fire a timer at once that is longer than Node can count', async () => {
    let fired = false
    const timer = clock.after(2 ** 31 + 1000, () => (fired = true))
    await new Promise<void>((resolve) => clock.after(20, resolve, true))
    timer.cancel()
    expect(fired).toBe(false)
  })

  it('calls back in a later turn', async () => {
    const order: string[] = []
    await new Promise<void>((resolve) => {
      clock.nextTurn(() => {
        order.push('turn')
        resolve()
      })
      void Promise.resolve().then(() => order.push('microtask'))
    })
    expect(order).toEqual(['microtask', 'turn'])
  })
})
