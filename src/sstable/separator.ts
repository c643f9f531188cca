/** Short keys for the index: it only has to tell blocks apart. */

/** How many bytes `a[aStart, aEnd)` and `b[bStart, bEnd)` share at their beginning. */
export function sharedPrefix(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const shorter = Math.min(aEnd - aStart, bEnd - bStart)
  let shared = 0
  while (shared < shorter && a[aStart + shared] === b[bStart + shared]) shared++
  return shared
}

/**
 * A key, as short as is easily found, with `last` ≤ key < `next` in byte order; `last` must be before `next`.
 * The result is memory of its own.
 */
export function separatorBetween(
  last: Uint8Array,
  lastStart: number,
  lastEnd: number,
  next: Uint8Array,
  nextStart: number,
  nextEnd: number,
): Uint8Array {
  const shared = sharedPrefix(last, lastStart, lastEnd, next, nextStart, nextEnd)
  if (shared + 1 < lastEnd - lastStart) {
    // A true prefix of `next` that is one byte beyond what both share lies between them.
    if (shared + 1 < nextEnd - nextStart) return next.slice(nextStart, nextStart + shared + 1)
    if (last[lastStart + shared] + 1 < next[nextStart + shared]) {
      const separator = last.slice(lastStart, lastStart + shared + 1)
      separator[shared]++
      return separator
    }
  }
  return last.slice(lastStart, lastEnd)
}
