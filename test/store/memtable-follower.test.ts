import { expect, test } from 'vitest'
import { Kind } from '../../src/base/entry.js'
import { ArenaPool } from '../../src/memtable/arena.js'
import { Memtable } from '../../src/memtable/memtable.js'
import { MemtableFollower } from '../../src/store/watch/memtable-follower.js'

const pool = new ArenaPool(64 * 1024)

/** A memtable of puts with the sequence numbers `[first, last]`, under keys in another order. */
function memtableOf(first: number, last: number): Memtable {
  const memtable = Memtable.create(pool, 4)
  for (let sequence = first; sequence <= last; sequence++) {
    const key = Buffer.from(`${(sequence * 7) % 5}`)
    const value = Buffer.from(`${sequence}`)
    memtable.insert(key, 0, key.length, sequence, Kind.put, value, 0, value.length)
  }
  return memtable
}

/** The values that the follower hands out now, which are the sequence numbers. */
function read(follower: MemtableFollower, limit = Number.POSITIVE_INFINITY): number[] {
  const values: number[] = []
  follower.fill(({ bytes, valueStart, valueEnd }, sequence) => {
    expect(Buffer.from(bytes.subarray(valueStart, valueEnd)).toString()).toBe(`${sequence}`)
    values.push(sequence)
    return values.length < limit
  })
  return values
}

test('hands out all memtables in commit order, in portions, and what comes in later', async () => {
  const active = memtableOf(7, 8)
  const memtables = [active, memtableOf(4, 6), memtableOf(1, 3)]
  const follower = new MemtableFollower(() => memtables, 2)
  expect(read(follower, 3)).toEqual([2, 3, 4])
  memtables.pop()?.unpin()
  expect(read(follower)).toEqual([5, 6, 7, 8])
  expect(read(follower)).toEqual([])
  active.insert(Buffer.from('a'), 0, 1, 9, Kind.put, Buffer.from('9'), 0, 1)
  expect(read(follower)).toEqual([9])
  expect(follower.next).toBe(10)
  await follower.close()
})

test('goes on with a memtable that was flushed under it, and says what it does not hold', async () => {
  const [old, gone, active] = [memtableOf(1, 3), memtableOf(4, 6), memtableOf(7, 9)]
  let memtables = [active, gone, old]
  const follower = new MemtableFollower(() => memtables, 1)
  expect(read(follower, 1)).toEqual([1])
  memtables = [active]
  old.unpin()
  gone.unpin()
  expect(read(follower, 2)).toEqual([2, 3])
  expect(() => read(follower)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  await follower.close()
  // Its arena went back, so it cannot be pinned any more.
  expect(() => old.pin()).toThrow()
})
