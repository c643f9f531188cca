/**
 * What is open and holds memory and files back: iterators, views, transactions.
 *
 * Each takes out a lease and ends it when it is closed. A lease whose owner was garbage collected instead is ended here, so
 * that nothing is held for ever, and reported: by the event `'leak'` or, when nobody listens, by a process warning, once for
 * each place.
 *
 * What must always hold:
 * - From the turn after its opening on, nothing here refers to the owner of a lease; nor does what it holds.
 * - The open leases are in the order in which they were opened; those of the current turn, which are not registered for
 *   finalization yet, are the last ones.
 * - A lease that ends in the turn in which it began costs some links in a list: no clock, no registration, and a stack
 *   trace only once in a while.
 */
import type { Clock } from '../../env/clock.js'
import type { StoreEmitter } from '../events.js'

export type LeaseKind = 'iterator' | 'view' | 'transaction'

/** What a lease holds. */
export interface Held {
  unpin(): void
}

/** What happened, and what to do. */
const SUBJECT: Readonly<Record<LeaseKind, string>> = {
  iterator: 'An iterator was garbage collected without having been closed: call its close().',
  view: 'A view was garbage collected without having been closed: call its close().',
  transaction: 'A transaction was garbage collected whose function has never returned.',
}

/** How often the place where a lease was taken out is recorded, at most, unless it always is. */
const TRACE_EVERY_MS = 10

/** A place is warned of once; so many places are remembered. */
const MAX_WARNED_PLACES = 1000

/** The folder of this package, as it stands in stack traces. */
const OWN_CODE = new URL('../..', import.meta.url).pathname

/** An iterator, view or transaction that is open. */
export interface OpenReader {
  readonly kind: LeaseKind
  readonly ageMs: number
  /** The stack of the call that made it, where it was recorded. */
  readonly madeAt: string | undefined
}

export class Lease {
  readonly kind: LeaseKind
  readonly held: Held
  readonly madeAt: string | undefined
  /** Until the owner is registered. */
  owner: object | undefined
  /** In the clock's monotonic time, once the turn is over in which the lease was taken out. */
  openedAtMs: number | undefined
  previous: Lease | undefined
  next: Lease | undefined
  open = true

  constructor(kind: LeaseKind, owner: object, held: Held, madeAt: string | undefined) {
    this.kind = kind
    this.owner = owner
    this.held = held
    this.madeAt = madeAt
  }
}

export class Leases {
  readonly #clock: Clock
  readonly #events: StoreEmitter
  readonly #traceAll: boolean
  readonly #registry = new FinalizationRegistry<Lease>((lease) => this.#collected(lease))
  readonly #warnedPlaces = new Set<string>()
  #oldest: Lease | undefined
  #newest: Lease | undefined
  #turnWatched = false
  #traceNext = true
  #tracedAtMs = Number.NEGATIVE_INFINITY
  #leaked = 0

  /** @param traceAll - whether the place of each lease is recorded, which costs some ten microseconds */
  constructor(clock: Clock, events: StoreEmitter, traceAll: boolean) {
    this.#clock = clock
    this.#events = events
    this.#traceAll = traceAll
  }

  /** Those whose owners were garbage collected. */
  get leaked(): number {
    return this.#leaked
  }

  /** A lease for `owner` on `held`, which is unpinned when the lease ends and must not refer to `owner`. */
  begin(kind: LeaseKind, owner: object, held: Held): Lease {
    const lease = new Lease(kind, owner, held, this.#traceNext || this.#traceAll ? this.#trace() : undefined)
    const before = this.#newest
    if (before === undefined) this.#oldest = lease
    else before.next = lease
    lease.previous = before
    this.#newest = lease
    if (!this.#turnWatched) {
      this.#turnWatched = true
      this.#clock.nextTurn(() => this.#turnEnded())
    }
    return lease
  }

  /** Ends a lease. Idempotent. */
  end(lease: Lease): void {
    if (!lease.open) return
    lease.open = false
    const { previous, next } = lease
    if (previous === undefined) this.#oldest = next
    else previous.next = next
    if (next === undefined) this.#newest = previous
    else next.previous = previous
    lease.previous = undefined
    lease.next = undefined
    // Before its first turn has ended a lease is not registered.
    if (lease.owner === undefined) this.#registry.unregister(lease)
    lease.owner = undefined
    lease.held.unpin()
  }

  /** Ends all leases: the store is closed, and their owners hand out nothing more. */
  endAll(): void {
    while (this.#newest !== undefined) this.end(this.#newest)
  }

  /** All open leases, oldest first. */
  *list(): Generator<OpenReader, void, undefined> {
    const nowMs = this.#clock.monotonic()
    for (let lease = this.#oldest; lease !== undefined; lease = lease.next) {
      yield describe(lease, nowMs)
    }
  }

  #turnEnded(): void {
    this.#turnWatched = false
    const nowMs = this.#clock.monotonic()
    if (nowMs - this.#tracedAtMs >= TRACE_EVERY_MS) this.#traceNext = true
    for (let lease = this.#newest; lease?.owner !== undefined; lease = lease.previous) {
      lease.openedAtMs = nowMs
      this.#registry.register(lease.owner, lease, lease)
      lease.owner = undefined
    }
  }

  /** The stack of the call into this package. Formatted at once: what V8 keeps otherwise refers to the caller's objects. */
  #trace(): string | undefined {
    this.#traceNext = false
    this.#tracedAtMs = this.#clock.monotonic()
    const trace: { stack?: unknown } = {}
    Error.captureStackTrace(trace)
    if (typeof trace.stack !== 'string') return undefined
    const frames = trace.stack.split('\n').slice(1)
    const place = frames.filter((frame) => !frame.includes(OWN_CODE)).map((frame) => frame.trim())
    return place.length === 0 ? undefined : place.join('\n')
  }

  #collected(lease: Lease): void {
    if (!lease.open) return
    this.#leaked++
    const leak = describe(lease, this.#clock.monotonic())
    this.end(lease)
    if (this.#events.hasListener('leak')) this.#events.emit('leak', leak)
    else this.#warn(leak)
  }

  #warn({ kind, ageMs, madeAt }: OpenReader): void {
    const place = `${kind} ${madeAt}`
    if (this.#warnedPlaces.has(place) || this.#warnedPlaces.size >= MAX_WARNED_PLACES) return
    this.#warnedPlaces.add(place)
    process.emitWarning(`${SUBJECT[kind]} For ${Math.round(ageMs)} ms it held memory and files back.`, {
      type: 'VarveWarning',
      code: 'VARVE_LEAK',
      detail:
        madeAt === undefined
          ? "Where it was made was not recorded; open the store with leakDetection: 'all'."
          : `It was made here:\n    ${madeAt.replaceAll('\n', '\n    ')}`,
    })
  }
}

function describe({ kind, openedAtMs, madeAt }: Lease, nowMs: number): OpenReader {
  return { kind, ageMs: openedAtMs === undefined ? 0 : nowMs - openedAtMs, madeAt }
}
