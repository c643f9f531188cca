import { expect, test } from 'vitest'
import { CHUNK_BYTES, giveChunk, idleChunkBytes, takeChunk } from '../../src/base/chunk-pool.js'

test('chunks come back, a bounded number of them; anything else does not', () => {
  const chunk = takeChunk()
  expect(chunk.length).toBe(CHUNK_BYTES)
  const before = idleChunkBytes()
  giveChunk(new Uint8Array(5))
  giveChunk(chunk.subarray(1))
  expect(idleChunkBytes()).toBe(before)
  giveChunk(chunk)
  expect(idleChunkBytes()).toBe(before + CHUNK_BYTES)
  expect(takeChunk()).toBe(chunk)
  for (let i = 0; i < 100; i++) giveChunk(new Uint8Array(CHUNK_BYTES))
  expect(idleChunkBytes()).toBe(16 * CHUNK_BYTES)
})
