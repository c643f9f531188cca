/**
 * A 32-bit hash of a byte string, for bloom filters and for choosing a memtable shard.
 * MurmurHash3_x86_32 by Austin Appleby (public domain), computed over 4-byte little-endian words.
 * On disk (filter blocks): never change.
 */
export function hash32(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  const wordsEnd = start + (length & ~3)
  let hash = 0x9747b28c
  let at = start
  for (; at < wordsEnd; at += 4) {
    let word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    word = Math.imul(word, 0xcc9e2d51)
    word = (word << 15) | (word >>> 17)
    hash ^= Math.imul(word, 0x1b873593)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = end - 1; i >= at; i--) tail = (tail << 8) | bytes[i]
  if (at < end) {
    tail = Math.imul(tail, 0xcc9e2d51)
    tail = (tail << 15) | (tail >>> 17)
    hash ^= Math.imul(tail, 0x1b873593)
  }
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
