import { expect, test } from 'vitest'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { paceOn, ReadPace } from '../../src/sstable/read-pace.js'

const QUICK = 0.01
const SLOW = 3

class Reads {
  readonly #clock = new ManualClock()
  readonly pace = new ReadPace(this.#clock)

  /** Makes `count` reads of `ms` each; how many of them blocked. */
  make(count: number, ms: number): number {
    let blocked = 0
    for (let i = 0; i < count; i++) {
      if (!this.pace.mayBlock(4096)) continue
      this.pace.timed(() => this.#clock.advance(ms))
      blocked++
    }
    return blocked
  }
}

test('quick reads block, every one of them', () => {
  expect(new Reads().make(10_000, QUICK)).toBe(10_000)
})

test('slow ones do so ever more rarely', () => {
  const reads = new Reads()
  expect(reads.make(1, SLOW)).toBe(1)
  expect(reads.make(16, SLOW)).toBe(0)
  expect(reads.make(1, SLOW)).toBe(1)
  expect(reads.make(32, SLOW)).toBe(0)
  // 16 + 32 + … + 4096, then every 4097th.
  expect(reads.make(8200, SLOW)).toBe(8)
  expect(reads.make(40_970, SLOW)).toBe(10)
})

test('one slow read among quick ones sends few away', () => {
  const reads = new Reads()
  let blocked = 0
  for (let i = 0; i < 100; i++) blocked += reads.make(1, SLOW) + reads.make(500, QUICK)
  expect(blocked).toBe(100 * (501 - 16))
})

test('quick reads win the trust back that many slow ones have lost', () => {
  const reads = new Reads()
  reads.make(100_000, SLOW)
  expect(reads.make(4096 + 100, QUICK)).toBeGreaterThanOrEqual(100)
  reads.make(1, SLOW)
  expect(reads.make(16 + 100, QUICK)).toBe(100)
})

test('long reads never block', () => {
  const { pace } = new Reads()
  expect([pace.mayBlock(64 * 1024), pace.mayBlock(64 * 1024 + 1)]).toEqual([true, false])
})

test('a read that fails counts by its time, too', () => {
  const clock = new ManualClock()
  const pace = new ReadPace(clock)
  expect(() =>
    pace.timed(() => {
      clock.advance(SLOW)
      throw new Error('EIO')
    }),
  ).toThrow('EIO')
  expect(pace.mayBlock(1)).toBe(false)
})

test('a file system that says nothing of a page cache has no pace', () => {
  const clock = new ManualClock()
  expect(paceOn(new MemoryFileSystem(), clock)).toBeUndefined()
  expect(paceOn(new MemoryFileSystem({ strict: false }), clock)).toBeInstanceOf(ReadPace)
})
