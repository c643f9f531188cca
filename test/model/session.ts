/**
 * One open store on one disk, with what hangs on it: views, iterators, calls in flight, promises of durability.
 */
import {
  open,
  type RangeIterator,
  type Store,
  type StoreOptions,
  VarveError,
  type View,
} from '../../src/index.js'
import { InlineExecutor, ManualClock } from '../../src/testing.js'
import { Acknowledged, type Promised } from './acknowledged.js'
import type { Durability, Projection } from './commands.js'
import { type Disk, KilledError } from './disk.js'
import type { ExpectedScan } from './expected-scan.js'
import type { Model, State } from './model.js'
import { turn } from './turns.js'

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
  readonly #model: Model

  constructor(wallMs: number, model: Model) {
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

export class Session {
  readonly disk: Disk<Promised>
  readonly model: Model
  readonly clock: ManualClock
  readonly options: StoreOptions
  views: OpenView[] = []
  iterators: OpenIterator[] = []
  #store: Store<string, Buffer> | undefined
  #acknowledged = new Acknowledged(0)
  #inFlight = new Set<Promise<void>>()
  #failure: unknown

  constructor(
    disk: Disk<Promised>,
    model: Model,
    wallMs: number,
    options: StoreOptions,
    random: () => number,
  ) {
    this.disk = disk
    this.model = model
    this.clock = new WatchedClock(wallMs, model)
    this.options = {
      ...options,
      fileSystem: disk.fileSystem,
      clock: this.clock,
      executor: new InlineExecutor(),
      random,
    }
  }

  get store(): Store<string, Buffer> {
    if (this.#store === undefined) throw new Error('the store is open')
    return this.#store
  }

  async open(): Promise<void> {
    this.#store = await this.drive(open<string, Buffer>(DIRECTORY, this.options))
    this.#store.on('error', (error) => this.#fail(error))
  }

  /** Everything up to `sequence` is durable. */
  begin(sequence: number): void {
    this.#acknowledged = new Acknowledged(sequence)
  }

  promised(): Promised {
    return this.#acknowledged.promised(this.model.issued)
  }

  /** The sequence number at which the store stands. */
  get sequence(): number {
    return this.store.stats().sequence
  }

  /** The calls of now are durable once `call` has ended. */
  makesDurable(call: Promise<unknown>): Promise<void> {
    const { issued } = this.model
    return call.then(() => this.#acknowledged.disk(issued))
  }

  /** {@link run} for upkeep, which a close may call off. */
  runUpkeep(call: Promise<void>, wait: boolean): Promise<void> {
    const { store } = this
    const endured = call.catch((error: unknown) => {
      if (!(error instanceof VarveError && error.code === 'CLOSED') || store.isOpen) throw error
    })
    return this.run(endured, wait)
  }

  /** Notes what the end of a write promises. */
  acknowledge(end: number, durability: Durability): void {
    if (durability === 'disk') this.#acknowledged.disk(end)
    else if (durability === 'os') this.#acknowledged.os(end)
    else this.clock.nextTurn(() => this.#acknowledged.os(end))
  }

  /** Waits for `call`, or lets it run on. */
  async run(call: Promise<void>, wait: boolean): Promise<void> {
    if (wait) {
      await this.drive(call)
      return
    }
    const tracked: Promise<void> = call
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#inFlight.delete(tracked))
    this.#inFlight.add(tracked)
  }

  /** Waits for all calls in flight and until nothing moves any more. */
  async settle(): Promise<void> {
    if (this.disk.killed) {
      for (let turns = 0; turns < TURNS_OF_DEATH; turns++) await turn()
      return
    }
    while (this.#inFlight.size > 0) await this.drive(Promise.all(this.#inFlight))
    let operations = -1
    for (let quiet = 0; quiet < 12; quiet++) {
      if (this.disk.operations !== operations) quiet = 0
      operations = this.disk.operations
      await turn()
    }
    this.check()
  }

  /** Throws what has gone wrong behind the scenes. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Moves the clock; all that is written is on the device when the sync interval has passed. */
  async advance(ms: number): Promise<void> {
    await this.settle()
    const { issued } = this.model
    this.clock.advance(ms)
    await this.settle()
    const { syncInterval = 0 } = this.options
    if (syncInterval > 0 && ms >= syncInterval) this.#acknowledged.disk(issued)
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
    const result = await call
    this.check()
    return result
  }

  #fail(error: unknown): void {
    // What a dead process runs into is of no account.
    if (!this.disk.killed) this.#failure ??= error
  }
}
