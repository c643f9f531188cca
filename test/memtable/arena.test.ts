import { describe, expect, test } from 'vitest'
import { Arena, ArenaPool, MAX_ARENA_BYTES } from '../../src/memtable/arena.js'

describe('Arena', () => {
  test('hands out words one behind the other, never word 0', () => {
    const arena = Arena.allocate(64)
    expect(arena.usedBytes).toBe(4)
    expect(arena.allocateWords(3)).toBe(1)
    expect(arena.allocateWords(2)).toBe(4)
    expect(arena.usedBytes).toBe(24)
    expect(arena.freeBytes).toBe(40)
  })

  test('rounds its capacity up to whole words and says no beyond it', () => {
    const arena = Arena.allocate(13)
    expect(arena.capacityBytes).toBe(16)
    arena.allocateWords(3)
    expect(() => arena.allocateWords(1)).toThrow('has room')
  })

  test('shares one memory between bytes, words and another arena on the same buffer', () => {
    const arena = Arena.allocate(16)
    arena.words[1] = 0x01020304
    expect(arena.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect([...new Arena(arena.buffer).bytes.subarray(4, 8)].reduce((a, b) => a + b)).toBe(10)
  })

  test('refuses what word indexes cannot address, and half words', () => {
    expect(() => Arena.allocate(MAX_ARENA_BYTES + 4)).toThrow('addressable')
    expect(() => new Arena(new SharedArrayBuffer(6))).toThrow('whole number')
  })

  test('copies bytes from wherever they are to whole words, padding the last', () => {
    const sources = [3, 0].map((shift) =>
      new Uint8Array(900).map((_, i) => i * 7 + shift + 1).subarray(shift),
    )
    const arena = Arena.allocate(4096)
    for (let length = 0; length < 800; length = length < 20 ? length + 1 : length * 2 - 3) {
      for (const [start, source] of [...sources, ...sources].entries()) {
        arena.bytes.fill(0xa5)
        arena.copyIn(source, start, start + length, 2)
        const padded = (length + 3) & ~3
        expect([...arena.bytes.subarray(8, 8 + length)]).toEqual([...source.subarray(start, start + length)])
        expect(arena.bytes.subarray(8 + length, 8 + padded).every((byte) => byte === 0)).toBe(true)
        expect([arena.bytes[7], arena.bytes[8 + padded]]).toEqual([0xa5, 0xa5])
      }
    }
  })

  test('is empty again after a reset', () => {
    const arena = Arena.allocate(16)
    arena.allocateWords(3)
    arena.reset()
    expect(arena.usedBytes).toBe(4)
    expect(arena.allocateWords(3)).toBe(1)
  })
})

describe('ArenaPool', () => {
  test('gives an arena back that it was given, emptied', () => {
    const pool = new ArenaPool(64)
    const arena = pool.take()
    arena.allocateWords(5)
    pool.give(arena)
    expect(pool.take()).toBe(arena)
    expect(arena.usedBytes).toBe(4)
    expect(pool.take()).not.toBe(arena)
  })

  test('makes a larger arena when it must, and does not keep it', () => {
    const pool = new ArenaPool(64)
    const usual = pool.take()
    const large = pool.take(1000)
    expect(large.capacityBytes).toBe(1000)
    pool.give(large)
    pool.give(usual)
    expect(pool.take(65)).not.toBe(usual)
    expect(pool.take(64)).toBe(usual)
  })

  test('keeps no more idle arenas than it was told', () => {
    const pool = new ArenaPool(64, 1)
    const [a, b] = [pool.take(), pool.take()]
    pool.give(a)
    pool.give(b)
    expect(pool.take()).toBe(a)
    expect(pool.take()).not.toBe(b)
  })
})
