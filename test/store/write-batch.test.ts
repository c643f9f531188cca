import { expect, test } from 'vitest'
import { WriteBatch } from '../../src/store/write-batch.js'

test('a batch keeps its writes in order and can be used again', () => {
  const batch = new WriteBatch<string, string>().set('a', '1').delete('b').set('a', '2', { ttl: 5 })
  expect(batch.size).toBe(3)
  expect([...batch]).toEqual([
    { type: 'set', key: 'a', value: '1', ttl: undefined },
    { type: 'delete', key: 'b' },
    { type: 'set', key: 'a', value: '2', ttl: 5 },
  ])
  expect(batch.clear()).toBe(batch)
  expect(batch.size).toBe(0)
  expect([...batch]).toEqual([])
})

test('a time to live that is none is refused at once', () => {
  const batch = new WriteBatch<string, string>()
  for (const ttl of [-1, Number.NaN, '5', 5n, null]) {
    expect(() => batch.set('a', '1', { ttl: ttl as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('ttl') }),
    )
  }
  expect(batch.size).toBe(0)
})
