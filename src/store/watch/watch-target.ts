/** What a watcher watches: one key, or a range of keys. */
import { compareBytes } from '../../base/bytes.js'
import type { Codec } from '../encodings/codec.js'
import type { KeyInput } from '../encodings/key-encoding.js'
import { type ByteRange, byteRangeOf, type KeyRange } from '../range.js'
import { nameOf } from '../transactions/read-set.js'

/** A key, or bounds of keys; everything when it is left out. */
export type KeyOrRange<K> = KeyInput<K> | KeyRange<K>

export type WatchTarget =
  | { readonly kind: 'key'; readonly key: Uint8Array; readonly name: string }
  | { readonly kind: 'range'; readonly range: ByteRange }

/** Encodes what is to be watched; throws `INVALID_KEY`, `KEY_TOO_LARGE`, `INVALID_ARGUMENT`. */
export function watchTargetOf<K, V>(target: KeyOrRange<K>, codec: Codec<K, V>): WatchTarget {
  if (isRange(target)) return { kind: 'range', range: byteRangeOf(target as KeyRange<K>, codec.keys) }
  const encoded = codec.key(target as unknown as K)
  return { kind: 'key', key: encoded.bytes.slice(0, encoded.length), name: nameOf(encoded) }
}

/** Of all objects only byte strings, arrays and dates are keys. */
function isRange(target: unknown): boolean {
  if (typeof target !== 'object' || target === null) return false
  return !(target instanceof Uint8Array || target instanceof Date || Array.isArray(target))
}

/** Whether `target` takes in the key `bytes[start, end)`. */
export function isWatched(target: WatchTarget, bytes: Uint8Array, start: number, end: number): boolean {
  if (target.kind === 'key') return compareBytes(target.key, 0, target.key.length, bytes, start, end) === 0
  const { lower, upper } = target.range
  return (
    (lower === undefined || compareBytes(lower, 0, lower.length, bytes, start, end) <= 0) &&
    (upper === undefined || compareBytes(upper, 0, upper.length, bytes, start, end) > 0)
  )
}
