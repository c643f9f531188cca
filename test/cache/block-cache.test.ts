import { describe, expect, it } from 'vitest'
import { BlockCache, ENTRY_OVERHEAD_BYTES } from '../../src/cache/block-cache.js'

class Named {
  readonly name: string
  pins = 0

  constructor(name = '') {
    this.name = name
  }

  pin(): void {
    this.pins++
  }

  unpin(): void {
    this.pins--
  }
}

describe('the block cache', () => {
  it('stays within its bytes and drops what was used least recently', () => {
    const charge = 1000 + ENTRY_OVERHEAD_BYTES
    const cache = new BlockCache<Named>(3 * charge)
    for (const [key, name] of ['a', 'b', 'c'].entries()) cache.set(key, new Named(name), 1000)
    expect(cache.get(0)?.name).toBe('a')
    cache.set(3, new Named('d'), 1000)
    expect(cache.get(1)).toBeUndefined()
    expect([0, 2, 3].map((key) => cache.get(key)?.name)).toEqual(['a', 'c', 'd'])
    expect(cache.sizeBytes).toBe(3 * charge)
    expect([cache.hits, cache.misses, cache.count]).toEqual([4, 1, 3])
    cache.clear()
    expect([cache.count, cache.sizeBytes]).toEqual([0, 0])
  })

  it('holds nothing that is larger than itself, and nothing at all with a capacity of 0', () => {
    for (const capacity of [0, 500]) {
      const cache = new BlockCache<Named>(capacity)
      const block = new Named('a')
      cache.set(1, block, 1000)
      expect(block.pins).toBe(0)
      expect(cache.get(1)).toBeUndefined()
      expect([cache.count, cache.sizeBytes, cache.misses]).toEqual([0, 0, 1])
    }
  })

  it('has places for all blocks of half the size that they are cut at, and for no more than it may need', () => {
    const capacity = 1 << 20
    for (const [blockSize, places] of [
      [0, capacity / 512],
      [64, capacity / 512],
      [2048, capacity / 1024],
      [4096, capacity / 2048],
      [1 << 20, capacity / 2048],
    ]) {
      const cache = new BlockCache<Named>(capacity, blockSize)
      for (let key = 0; key < 2 * places; key++) cache.set(key, new Named(), 0)
      expect(cache.count).toBe(places)
    }
  })

  it('pins each block once for as long as it holds it, whyever it lets go of it', () => {
    const charge = 1000 + ENTRY_OVERHEAD_BYTES
    const cache = new BlockCache<Named>(2 * charge)
    const [oldest, replaced, replacement, cleared] = ['a', 'b', 'b', 'c'].map((name) => new Named(name))
    cache.set(0, oldest, 1000)
    cache.set(1, replaced, 1000)
    cache.set(1, replacement, 1000)
    expect([oldest, replaced, replacement].map((block) => block.pins)).toEqual([1, 0, 1])
    cache.set(2, cleared, 1000)
    expect([oldest, replaced, replacement, cleared].map((block) => block.pins)).toEqual([0, 0, 1, 1])
    cache.clear()
    expect([oldest, replaced, replacement, cleared].map((block) => block.pins)).toEqual([0, 0, 0, 0])
  })

  it('never hands out a key twice', () => {
    const cache = new BlockCache<Named>(1000)
    expect([cache.reserveKeys(10), cache.reserveKeys(2 ** 40), cache.reserveKeys(1)]).toEqual([
      0,
      10,
      10 + 2 ** 40,
    ])
  })
})
