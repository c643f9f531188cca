import { describe, expect, it } from 'vitest'
import { ReadAhead } from '../../src/sstable/read-ahead.js'

const KIB = 1024
const END = 10_000 * KIB

/** Wants a block; tells what would be read for it. */
function want(readAhead: ReadAhead, offset: number, size = KIB): [number, number] | undefined {
  readAhead.note(offset, size)
  return readAhead.plan(offset, size, END) ? [readAhead.start, readAhead.length] : undefined
}

describe('read-ahead', () => {
  it('reads long runs into one memory, which the next cursor takes over, and short ones into as much as they need', () => {
    const first = new ReadAhead()
    expect(first.target(32 * KIB).buffer.byteLength).toBe(32 * KIB)
    const run = first.target(256 * KIB)
    first.hold(0, run)
    expect(first.taken(KIB, KIB)?.buffer).toBe(run.buffer)
    expect(first.target(64 * KIB).buffer).toBe(run.buffer)
    // What was held is overwritten.
    expect(first.taken(KIB, KIB)).toBeUndefined()
    first.clear()
    const second = new ReadAhead()
    expect(second.target(256 * KIB).buffer).toBe(run.buffer)
    expect(first.target(256 * KIB).buffer).not.toBe(run.buffer)
    expect(second.target(300 * KIB).length).toBe(300 * KIB)
  })

  it('grows while blocks are wanted in order, up to a bound, and begins small again after a jump', () => {
    const readAhead = new ReadAhead()
    expect(want(readAhead, 0)).toBeUndefined()
    let offset = KIB
    for (const length of [32, 64, 128, 256, 256]) {
      expect(want(readAhead, offset)).toEqual([offset, length * KIB])
      readAhead.note(offset + KIB, KIB)
      offset += 2 * KIB
    }
    expect(want(readAhead, 5000 * KIB)).toBeUndefined()
    expect(want(readAhead, 5001 * KIB)).toEqual([5001 * KIB, 32 * KIB])
  })

  it('runs backward too, and never out of the data', () => {
    const readAhead = new ReadAhead()
    readAhead.note(9 * KIB, KIB)
    expect(want(readAhead, 8 * KIB)).toEqual([0, 9 * KIB])
    readAhead.note(END - 2 * KIB, KIB)
    expect(want(readAhead, END - KIB)).toBeUndefined()
    readAhead.note(END - 3 * KIB, KIB)
    expect(want(readAhead, END - 2 * KIB)).toEqual([END - 2 * KIB, 2 * KIB])
  })

  it('hands out what lies wholly inside the run that was read', () => {
    const readAhead = new ReadAhead()
    expect(readAhead.taken(0, 1)).toBeUndefined()
    readAhead.hold(100, Uint8Array.of(1, 2, 3, 4))
    expect(readAhead.taken(101, 3)).toEqual(Uint8Array.of(2, 3, 4))
    expect(readAhead.taken(101, 4)).toBeUndefined()
    expect(readAhead.taken(99, 2)).toBeUndefined()
  })

  it('keeps its direction when a step is run again', () => {
    const readAhead = new ReadAhead()
    readAhead.note(0, KIB)
    expect(want(readAhead, KIB)?.[0]).toBe(KIB)
    expect(want(readAhead, KIB)?.[0]).toBe(KIB)
  })
})
