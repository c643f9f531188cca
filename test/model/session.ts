/**
 * One open store on one disk, with what hangs on it: views, iterators, calls in flight, promises of durability.
 */
import { type RangeIterator, type Store, type StoreOptions, VarveError, type View } from '../../src/index.js'
import { InlineExecutor, ManualClock } from '../../src/testing.js'
import { Acknowledged, type Promised } from './acknowledged.js'
import { Announcements } from './announcements.js'
import { type Call, Calls } from './calls.js'
import type { Durability, Projection } from './commands.js'
import { type Disk, KilledError } from './disk.js'
import type { ExpectedScan } from './expected-scan.js'
import type { History, State } from './history.js'
import type { RankedKeys } from './key-space.js'
import { Shelf } from './shelf.js'
import { turn } from './turns.js'
import type { Values } from './values.js'
import { Watching } from './watching.js'
import { openWitnessed, type WitnessedOptions } from './witness.js'

export const DIRECTORY = '/db'

/** The turns after which a call that has not ended never will. */
const MANY_TURNS = 20_000
/** The turns in which a killed process comes to its end. */
const TURNS_OF_DEATH = 40
/** The turns after which whoever waits for a timer gets a millisecond. */
const TURNS_PER_MS = 40

export interface OpenView {
  readonly view: View<string, Buffer>
  readonly state: State
}

export interface OpenIterator {
  readonly iterator: RangeIterator<unknown, string, Buffer>
  readonly projection: Projection
  readonly expected: ExpectedScan
}

/** A clock whose every move the model sees. */
class WatchedClock extends ManualClock {
  readonly #model: History

  constructor(wallMs: number, model: History) {
    super(wallMs)
    this.#model = model
  }

  override advance(ms: number): void {
    super.advance(ms)
    this.#model.clockAt(this.now())
  }

  override set(wallMs: number): void {
    super.set(wallMs)
    this.#model.clockAt(this.now())
  }
}

/** What all sessions of a run share. */
export interface Surroundings {
  readonly keys: RankedKeys
  readonly values: Values
  readonly history: History
  readonly random: () => number
  /** Where the last watcher that ended has come to. */
  readonly bookmark: { next: number }
  /** Is told of what runs come by. */
  readonly meets: (what: string) => void
}

export class Session {
  readonly disk: Disk<Promised>
  readonly keys: RankedKeys
  readonly values: Values
  readonly history: History
  readonly clock: ManualClock
  readonly options: StoreOptions
  readonly calls: Calls
  readonly announcements: Announcements
  readonly watching: Watching
  readonly bookmark: Surroundings['bookmark']
  readonly meets: Surroundings['meets']
  readonly shelf: Shelf
  /** The sequence number at which the store was opened. */
  opened = 0
  views: OpenView[] = []
  iterators: OpenIterator[] = []
  readonly #witnessed: WitnessedOptions
  #store: Store<string, Buffer> | undefined
  #acknowledged = new Acknowledged(0)
  #inFlight = new Set<Promise<void>>()
  #failure: unknown

  /** @param listens - whether somebody is told of what expires */
  constructor(
    disk: Disk<Promised>,
    shelf: Shelf,
    { keys, values, history, random, bookmark, meets }: Surroundings,
    wallMs: number,
    options: StoreOptions,
    listens: boolean,
  ) {
    this.disk = disk
    this.shelf = shelf
    this.keys = keys
    this.values = values
    this.history = history
    this.bookmark = bookmark
    this.meets = meets
    this.watching = new Watching(this)
    this.options = options
    this.clock = new WatchedClock(wallMs, history)
    this.calls = new Calls(history, this.clock)
    this.announcements = new Announcements(this.calls, keys, listens, (error) => this.fail(error))
    this.#witnessed = {
      ...options,
      ...this.announcements.callbacks,
      fileSystem: disk.fileSystem,
      clock: this.clock,
      executor: new InlineExecutor(),
      random,
    }
  }

  /** The options with which another store can be opened on the same disk. */
  get surface(): StoreOptions {
    const { fileSystem, clock, executor, random } = this.#witnessed
    return { ...this.options, fileSystem, clock, executor, random, snapshotInterval: 0, cleanupInterval: 0 }
  }

  get store(): Store<string, Buffer> {
    if (this.#store === undefined) throw new Error('the store is open')
    return this.#store
  }

  async open(): Promise<void> {
    const { keys, calls } = this
    const fail = (error: unknown): void => this.fail(error)
    this.#store = await this.drive(openWitnessed(DIRECTORY, this.#witnessed, keys, calls, fail))
    this.#store.on('error', fail)
    this.announcements.listenTo(this.#store)
  }

  /** Everything up to `sequence` is durable. */
  begin(sequence: number): void {
    this.opened = sequence
    this.#acknowledged = new Acknowledged(sequence)
  }

  /** The sequence number at which the store stands. */
  get sequence(): number {
    return this.store.stats().sequence
  }

  promised(): Promised {
    const { history } = this
    const promised = {
      ...this.#acknowledged.promised(history.last),
      replacing: this.calls.replacing,
      shelf: new Shelf(this.shelf),
    }
    // In the middle of a step a group may be logged that is applied at its end.
    queueMicrotask(() => {
      promised.issued = Math.max(promised.issued, history.last)
    })
    return promised
  }

  /** Whether what is written is logged, and so may outlive the process before it is in tables. */
  get isLogged(): boolean {
    return this.options.persistence !== 'snapshot' && this.options.persistence !== 'none'
  }

  /** What was written before `call` is durable once it has ended. */
  makesDurable<T>(call: Promise<T>): Promise<T> {
    const end = this.calls.soFar()
    return call.then((result) => {
      this.#acknowledged.disk(end())
      return result
    })
  }

  /** {@link run} for what a close may call off: upkeep, and writes that have not decided yet. */
  runUntilClosed(call: Promise<void>, wait: boolean): Promise<void> {
    const { store } = this
    const endured = call.catch((error: unknown) => {
      if (!(error instanceof VarveError && error.code === 'CLOSED') || store.isOpen) throw error
    })
    return this.run(endured, wait)
  }

  /** Notes what the end of a write promises; answers whether it has committed anything. */
  acknowledge(call: Call, asked: Durability | undefined): boolean {
    const hasCommitted = this.calls.end(call)
    const { end } = call
    if (end === undefined) return hasCommitted
    const durability = asked ?? this.options.durability ?? 'os'
    if (durability === 'disk') this.#acknowledged.disk(end)
    else if (this.isLogged) {
      if (durability === 'os') this.#acknowledged.os(end)
      else this.clock.nextTurn(() => this.#acknowledged.os(end))
    }
    return hasCommitted
  }

  /** Whether values are strings, not bytes. */
  get isText(): boolean {
    return this.options.valueEncoding === 'utf8'
  }

  /** A value as the store takes it: bytes, or a string that goes by their type. */
  valueOf(text: string): Buffer {
    return this.isText ? (text as unknown as Buffer) : Buffer.from(text)
  }

  /** When an entry expires that is written now. */
  expiryOf(ttl: number | undefined): number {
    const ttlMs = ttl ?? this.options.defaultTtl ?? 0
    return ttlMs === 0 ? Number.POSITIVE_INFINITY : this.clock.now() + ttlMs
  }

  /** Waits for `call`, or lets it run on. */
  async run(call: Promise<void>, wait: boolean): Promise<void> {
    if (wait) {
      await this.drive(call)
      return
    }
    const tracked: Promise<void> = call
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.#inFlight.delete(tracked))
    this.#inFlight.add(tracked)
  }

  /** Waits for all calls in flight. */
  async idle(): Promise<void> {
    while (this.#inFlight.size > 0) await this.drive(Promise.all(this.#inFlight))
  }

  /** Waits for all calls in flight and until nothing moves any more. */
  async settle(): Promise<void> {
    if (this.disk.killed) {
      for (let turns = 0; turns < TURNS_OF_DEATH; turns++) await turn()
      return
    }
    await this.idle()
    let operations = -1
    for (let quiet = 0; quiet < 12; quiet++) {
      if (this.disk.operations !== operations) quiet = 0
      operations = this.disk.operations
      await turn()
    }
    this.check()
    if (this.#store?.isOpen) this.announcements.checkComplete(this.#store.stats().expired)
  }

  /** Throws what has gone wrong behind the scenes. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Moves the clock; all that is written is on the device when the sync interval has passed. */
  async advance(ms: number): Promise<void> {
    await this.settle()
    const { last } = this.history
    const before = this.clock.now()
    this.clock.advance(ms)
    await this.settle()
    const { syncInterval = 0, cleanupInterval = 0 } = this.options
    if (this.isLogged && syncInterval > 0 && ms >= syncInterval) this.#acknowledged.disk(last)
    if (cleanupInterval > 0 && ms >= cleanupInterval) this.announcements.checkSwept(this.history.live, before)
  }

  /**
   * Waits for `call` while time goes by for whoever waits for that; throws when it never ends, and `KilledError` when the
   * process is killed meanwhile.
   */
  async drive<T>(call: Promise<T>): Promise<T> {
    let ended = false
    const end = (): void => {
      ended = true
    }
    call.then(end, end)
    await Promise.resolve()
    for (let turns = 0; !ended; turns++) {
      if (this.disk.killed) throw new KilledError()
      if (turns > MANY_TURNS) throw new Error('a call never ends')
      if (turns % TURNS_PER_MS === TURNS_PER_MS - 1) this.clock.advance(1)
      await turn()
    }
    if (this.disk.killed) throw new KilledError()
    try {
      return await call
    } finally {
      // What went wrong behind the scenes comes first: the rest follows from it.
      this.check()
    }
  }

  fail(error: unknown): void {
    // What a dead process runs into is of no account.
    if (!this.disk.killed) this.#failure ??= error
  }
}
