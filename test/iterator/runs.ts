/** Sorted runs in memory for the tests of this folder: cursors over arrays, and random entries spread over runs. */
import fc from 'fast-check'
import { compareKeys } from '../../src/base/bytes.js'
import { isTombstone, Kind, writeExpiry } from '../../src/base/entry.js'
import { Cursor } from '../../src/iterator/cursor.js'
import { NotResident } from '../../src/iterator/not-resident.js'

export interface Entry {
  readonly key: Uint8Array
  readonly sequence: number
  readonly kind: number
  /** As stored: behind its expiry, where the kind has one. */
  readonly value: Uint8Array
  readonly expiresAt: number
}

export function compareEntries(
  a: Pick<Entry, 'key' | 'sequence'>,
  b: Pick<Entry, 'key' | 'sequence'>,
): number {
  return compareKeys(a.key, b.key) || b.sequence - a.sequence
}

export const keyArbitrary: fc.Arbitrary<Uint8Array> = fc
  .array(fc.constantFrom(0, 0x61, 0xff), { maxLength: 3 })
  .map((bytes) => Uint8Array.from(bytes))

/** The moments at which entries of {@link runsArbitrary} expire lie in [0, 100). */
export const nowArbitrary: fc.Arbitrary<number> = fc.integer({ min: -1, max: 101 })

/** Entries with ascending sequence numbers, each in one of the runs, each run sorted. */
export function runsArbitrary(maxEntries: number, maxRuns = 5): fc.Arbitrary<Entry[][]> {
  const write = fc.record({
    key: keyArbitrary,
    kind: fc.constantFrom(Kind.delete, Kind.put, Kind.put, Kind.putWithExpiry, Kind.expire, Kind.evict),
    expiresAt: fc.nat(99),
    run: fc.nat(maxRuns - 1),
  })
  return fc.array(write, { maxLength: maxEntries, size: 'max' }).map((writes) => {
    const runs: Entry[][] = Array.from({ length: maxRuns }, () => [])
    writes.forEach(({ key, kind, expiresAt, run }, i) => {
      runs[run].push(entry(key, i + 1, kind, expiresAt))
    })
    for (const run of runs) run.sort(compareEntries)
    return runs
  })
}

/** An entry whose value names its sequence number. */
export function entry(key: Uint8Array, sequence: number, kind: number, expiresAt = 0): Entry {
  const text = isTombstone(kind) ? '' : `v${sequence}`
  const prefix = kind === Kind.putWithExpiry ? 8 : 0
  const value = new Uint8Array(prefix + text.length)
  if (prefix > 0) writeExpiry(value, 0, expiresAt)
  value.set(Buffer.from(text), prefix)
  return {
    key,
    sequence,
    kind,
    value,
    expiresAt: kind === Kind.putWithExpiry ? expiresAt : Number.POSITIVE_INFINITY,
  }
}

/** One line an entry, which compares fast and reads well. */
export function lineOf({
  key,
  sequence,
  kind,
  value,
}: Pick<Entry, 'key' | 'sequence' | 'kind' | 'value'>): string {
  return `${Buffer.from(key).toString('hex')}@${sequence} ${kind} ${Buffer.from(value).toString('latin1')}`
}

export function lineAt(cursor: Cursor): string {
  return lineOf({
    key: cursor.keyBytes.subarray(cursor.keyStart, cursor.keyEnd),
    sequence: cursor.sequence,
    kind: cursor.kind,
    value: cursor.valueBytes.subarray(cursor.valueStart, cursor.valueEnd),
  })
}

/**
 * A cursor over a sorted array. Its fields change with every move, and it moves only when valid: who reads a stale
 * field or moves it when it must not is found out. With `isMissing` it throws `NotResident` in the middle of a move
 * for entries that are not in memory yet.
 */
export class ArrayCursor extends Cursor {
  readonly #entries: readonly Entry[]
  readonly #resident: Set<number> | undefined
  #at = -1

  constructor(entries: readonly Entry[], isMissing?: (index: number) => boolean) {
    super()
    this.#entries = entries
    if (isMissing !== undefined) this.#resident = new Set([...entries.keys()].filter((i) => !isMissing(i)))
  }

  override seek(key: Uint8Array, keyStart: number, keyEnd: number, sequence: number): void {
    const target = { key: key.slice(keyStart, keyEnd), sequence }
    const at = this.#entries.findIndex((one) => compareEntries(one, target) >= 0)
    this.#standOn(at < 0 ? this.#entries.length : at)
  }

  override seekToFirst(): void {
    this.#standOn(0)
  }

  override seekToLast(): void {
    this.#standOn(this.#entries.length - 1)
  }

  override next(): void {
    if (!this.valid) throw new Error('next() of an invalid cursor')
    this.#standOn(this.#at + 1)
  }

  override prev(): void {
    if (!this.valid) throw new Error('prev() of an invalid cursor')
    this.#standOn(this.#at - 1)
  }

  #standOn(at: number): void {
    const resident = this.#resident
    if (resident !== undefined && at >= 0 && at < this.#entries.length && !resident.has(at)) {
      this.#at = -1
      this.valid = false
      throw new NotResident(async () => {
        resident.add(at)
      })
    }
    this.#at = at
    this.valid = at >= 0 && at < this.#entries.length
    if (!this.valid) return
    const { key, sequence, kind, value } = this.#entries[at]
    this.keyBytes = key
    this.keyStart = 0
    this.keyEnd = key.length
    this.sequence = sequence
    this.kind = kind
    this.valueBytes = value
    this.valueStart = 0
    this.valueEnd = value.length
  }
}

/** One move of a cursor, for random walks. */
export type Move =
  | { readonly kind: 'seek'; readonly key: Uint8Array; readonly sequence: number }
  | { readonly kind: 'first' | 'last' | 'next' | 'prev' }

export const movesArbitrary: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('seek' as const), key: keyArbitrary, sequence: fc.nat(50) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('first' as const, 'last' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('next' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('prev' as const) }) },
  ),
  { maxLength: 40, size: 'max' },
)

/** Takes a move; one that needs a valid cursor is left out when it is not. */
export function move(cursor: Cursor, step: Move): void {
  if (step.kind === 'seek') cursor.seek(step.key, 0, step.key.length, step.sequence)
  else if (step.kind === 'first') cursor.seekToFirst()
  else if (step.kind === 'last') cursor.seekToLast()
  else if (!cursor.valid) return
  else if (step.kind === 'next') cursor.next()
  else cursor.prev()
}

/** The same walk over one sorted array: a cursor must agree with it after each move. */
export function checkWalk(cursor: Cursor, entries: readonly Entry[], moves: readonly Move[]): void {
  const model = new ArrayCursor([...entries].sort(compareEntries))
  for (const step of moves) {
    move(cursor, step)
    move(model, step)
    const got = cursor.valid ? lineAt(cursor) : 'nothing'
    const wanted = model.valid ? lineAt(model) : 'nothing'
    if (got !== wanted) throw new Error(`after ${step.kind} the cursor is on ${got}, not on ${wanted}`)
  }
}
