/**
 * Entries: what the engine stores under a user key.
 *
 * An entry is (user key, sequence number, kind, stored value). Entries are ordered by user key ascending in byte
 * order, then by sequence number descending, so that the newest version of a key comes first.
 * The stored value of a kind with an expiry begins with 8 bytes: the moment of expiry in milliseconds since 1970,
 * as a little-endian float64. All layers below `store` hand the stored value on untouched.
 */

/** The largest sequence number. Sequence numbers are JS numbers: no BigInt on a hot path. */
export const MAX_SEQUENCE = Number.MAX_SAFE_INTEGER

/** On disk: never change. */
export const Kind = {
  /** A tombstone: the key is not there from this sequence number on. */
  delete: 0,
  /** The key holds the stored value. */
  put: 1,
  /** The key holds the stored value, behind its expiry. */
  putWithExpiry: 2,
  /** A tombstone for an entry whose time to live had run out. */
  expire: 3,
  /** A tombstone for an entry that made room for others. */
  evict: 4,
} as const

/**
 * The largest sequence number, file number or epoch that a file may hold: whoever opens it counts on from there. A store
 * that wrote ten million entries a second would take fourteen years to come here.
 */
export const MAX_FOUND_NUMBER = 2 ** 52

/** The longest user key. On disk: a longer one is damage. */
export const MAX_KEY_LENGTH = 0xffff

/** One of {@link Kind}. */
export type Kind = (typeof Kind)[keyof typeof Kind]

/** The largest kind that this version knows. */
export const MAX_KIND = 4

/** Whether an entry of `kind` says that the key is not there. Why it is not matters to watchers only. */
export function isTombstone(kind: number): boolean {
  return kind === Kind.delete || kind >= Kind.expire
}

/** Where a lookup found an entry. Reusable: one object serves any number of lookups, one after the other. */
export interface FoundEntry {
  sequence: number
  kind: number
  valueBytes: Uint8Array
  valueStart: number
  valueEnd: number
}

/** The bytes of an expiry in front of a value. */
export const EXPIRY_LENGTH = 8

/** The expiry of an entry that has none. */
export const NEVER = Number.POSITIVE_INFINITY

const float = new Float64Array(1)
const floatBytes = new Uint8Array(float.buffer)

/** Writes an expiry (ms since 1970) in front of a stored value. */
export function writeExpiry(bytes: Uint8Array, at: number, expiresAt: number): void {
  float[0] = expiresAt
  for (let i = 0; i < EXPIRY_LENGTH; i++) bytes[at + i] = floatBytes[i]
}

/** The expiry of a stored value of `kind` at `valueStart`, {@link NEVER} where it has none. */
export function expiryOf(kind: number, bytes: Uint8Array, valueStart: number): number {
  if (kind !== Kind.putWithExpiry) return NEVER
  for (let i = 0; i < EXPIRY_LENGTH; i++) floatBytes[i] = bytes[valueStart + i]
  return float[0]
}

/** Where the user's value begins inside a stored value. */
export function userValueStart(kind: number, valueStart: number): number {
  return kind === Kind.putWithExpiry ? valueStart + EXPIRY_LENGTH : valueStart
}
