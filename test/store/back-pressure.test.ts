import { describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { StallGate, type StallStatistics } from '../../src/store/commit/stall-gate.js'
import {
  FREE,
  slowdownDelayMs,
  stallStateOf,
  type WriteLimits,
} from '../../src/store/commit/write-controller.js'
import { PinnedSequences } from '../../src/store/reading/pinned-sequences.js'

describe('stallStateOf', () => {
  const limits: WriteLimits = {
    level0Slowdown: 8,
    level0Stop: 16,
    debtSlowdownBytes: 1000,
    debtStopBytes: 5000,
  }
  const state = (level0Tables: number, compactionDebtBytes: number): ReturnType<typeof stallStateOf> =>
    stallStateOf({ level0Tables, compactionDebtBytes }, limits)

  test('is free below both limits', () => {
    expect(state(0, 0)).toBe(FREE)
    expect(state(7, 999)).toBe(FREE)
  })

  test('slows before it stops, the more the nearer the stop', () => {
    expect(state(8, 0)).toMatchObject({ level: 'slow', reason: 'level0', severity: 0 })
    expect(state(12, 0)).toMatchObject({ level: 'slow', reason: 'level0', severity: 0.5 })
    expect(state(16, 0)).toMatchObject({ level: 'stop', reason: 'level0' })
    expect(state(99, 0)).toMatchObject({ level: 'stop', reason: 'level0' })
    expect(state(0, 1000)).toMatchObject({ level: 'slow', reason: 'compaction debt', severity: 0 })
    expect(state(0, 5000)).toMatchObject({ level: 'stop', reason: 'compaction debt' })
  })

  test('names the worse of two reasons', () => {
    expect(state(9, 4000)).toMatchObject({ level: 'slow', reason: 'compaction debt' })
    expect(state(15, 1500)).toMatchObject({ level: 'slow', reason: 'level0' })
    expect(state(8, 9999)).toMatchObject({ level: 'stop', reason: 'compaction debt' })
    expect(state(16, 1000)).toMatchObject({ level: 'stop', reason: 'level0' })
  })

  test('a slowed write waits longer the larger it is and the nearer the stop', () => {
    expect(slowdownDelayMs(0, 0.5)).toBe(0)
    expect(slowdownDelayMs(32 * 1024 * 1024, 0)).toBeCloseTo(1000)
    expect(slowdownDelayMs(2 * 1024 * 1024, 1)).toBeCloseTo(1000)
    for (let severity = 0.1; severity < 1; severity += 0.1) {
      expect(slowdownDelayMs(100, severity)).toBeGreaterThan(slowdownDelayMs(100, severity - 0.1))
      expect(slowdownDelayMs(200, severity)).toBeCloseTo(2 * slowdownDelayMs(100, severity))
    }
  })
})

describe('StallGate', () => {
  function makeGate(): { clock: ManualClock; gate: StallGate; seen: StallStatistics[] } {
    const clock = new ManualClock()
    const seen: StallStatistics[] = []
    return { clock, gate: new StallGate(clock, (statistics) => seen.push(statistics)), seen }
  }

  test('tells of each change once', () => {
    const { gate, seen } = makeGate()
    gate.enter('none', undefined)
    gate.enter('slow', 'level0')
    gate.enter('slow', 'level0')
    gate.enter('stop', 'level0')
    gate.enter('stop', 'memtables')
    gate.enter('none', undefined)
    expect(seen.map(({ level, reason }) => `${level} ${reason}`)).toEqual([
      'slow level0',
      'stop level0',
      'stop memtables',
      'none undefined',
    ])
  })

  test('counts stops and their time, the one under way included', () => {
    const { clock, gate } = makeGate()
    gate.enter('stop', 'level0')
    clock.advance(10)
    expect(gate.statistics).toMatchObject({ level: 'stop', stops: 1, stoppedMs: 10 })
    gate.enter('stop', 'memtables')
    clock.advance(5)
    gate.enter('slow', 'level0')
    clock.advance(100)
    expect(gate.statistics).toMatchObject({ level: 'slow', stops: 1, stoppedMs: 15 })
    gate.enter('stop', 'level0')
    clock.advance(1)
    gate.enter('none', undefined)
    expect(gate.statistics).toMatchObject({ level: 'none', reason: undefined, stops: 2, stoppedMs: 16 })
  })

  test('lets all who wait go with the next relief', async () => {
    const { gate } = makeGate()
    const order: string[] = []
    const waits = [gate.waitForRelief(), gate.waitForRelief()].map((wait, i) =>
      wait.then(() => order.push(`${i}`)),
    )
    order.push('before')
    gate.relieve()
    await Promise.all(waits)
    expect(order).toEqual(['before', '0', '1'])
    let isLet = false
    void gate.waitForRelief().then(() => {
      isLet = true
    })
    await Promise.resolve()
    expect(isLet).toBe(false)
  })

  test('tells those who wait, and those who come, of the trouble, until there is relief', async () => {
    const { gate } = makeGate()
    const trouble = new VarveError('NO_SPACE', 'full')
    const wait = gate.waitForRelief()
    gate.refuse(trouble)
    await expect(wait).rejects.toBe(trouble)
    expect(() => gate.waitForRelief()).toThrow(trouble)
    gate.relieve()
    const next = gate.waitForRelief()
    gate.relieve()
    await next
  })

  test('a delay takes its time and is counted', async () => {
    const { clock, gate } = makeGate()
    let isOver = false
    const delay = gate.delay(7).then(() => {
      isOver = true
    })
    clock.advance(6)
    await Promise.resolve()
    expect(isOver).toBe(false)
    clock.advance(1)
    await delay
    expect(gate.statistics.slowedMs).toBe(7)
  })
})

describe('PinnedSequences', () => {
  test('lists what is pinned, ascending and each once', () => {
    const pinned = new PinnedSequences()
    for (const sequence of [5, 1, 9, 5]) pinned.pin(sequence)
    expect(pinned.list()).toEqual([1, 5, 9])
    pinned.unpin(5)
    expect(pinned.list()).toEqual([1, 5, 9])
    pinned.unpin(5)
    pinned.unpin(1)
    expect(pinned.list()).toEqual([9])
    expect(() => pinned.unpin(5)).toThrow('once')
  })
})
