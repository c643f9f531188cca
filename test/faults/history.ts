/**
 * One history that takes every path to the disk: opening, writes, log rotations, flushes, compactions, a snapshot, a restore,
 * clearing, closing. Every call may fail, typed; what was acknowledged is noted.
 */
import { open, type Store, VarveError, WriteBatch } from '../../src/index.js'
import { type FaultFileSystem, InlineExecutor, ManualClock } from '../../src/testing.js'
import { drive, settle } from '../crash/turns.js'
import { randomFrom } from '../model/random.js'
import { Ledger } from './ledger.js'

export const DIRECTORY = '/db'

const OPTIONS = {
  valueEncoding: 'utf8',
  memtableSize: 4096,
  blockSize: 256,
  targetFileSize: 2048,
  walSegmentSize: 2048,
  cacheSize: 0,
  maxOpenFiles: 2,
  shardCount: 1,
  level0CompactionTrigger: 2,
  levelSizeMultiplier: 3,
  compression: 'none',
  metrics: false,
} as const

/** How long background work may wait before it tries again, in ms. */
const PATIENCE_MS = 3000

export class FaultyHistory {
  readonly ledger = new Ledger()
  readonly clock = new ManualClock()
  /** The codes of the calls that failed. */
  readonly failures: string[] = []
  readonly #faults: FaultFileSystem
  #store: Store<string, string> | undefined
  #values = 0

  constructor(faults: FaultFileSystem) {
    this.#faults = faults
  }

  /** The store, if it could be opened. */
  get store(): Store<string, string> | undefined {
    return this.#store
  }

  async open(): Promise<void> {
    const { clock } = this
    await this.#attempt(async () => {
      this.#store = await open<string, string>(DIRECTORY, {
        ...OPTIONS,
        fileSystem: this.#faults,
        clock,
        executor: new InlineExecutor(),
        random: randomFrom(1),
      })
    })
  }

  /** Everything but opening and closing. */
  async work(): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    await this.fill(8)
    await this.write(['a'], { durability: 'disk' })
    await this.#attempt(() => store.flush())
    await this.fill(6)
    const before = this.failures.length === 0 ? this.ledger.certain() : undefined
    const isTaken = await this.#attempt(() => store.snapshot({ name: 's' }))
    await this.write(['b', 'c', 'd'], {})
    await this.#attempt(() => store.compact())
    await this.#change(new Map([['a', undefined]]), () => store.delete('a'))
    if (isTaken && before !== undefined) {
      const restored = new Map<string, string | undefined>([...this.ledger.nothing(), ...before])
      await this.#change(restored, () => store.restoreSnapshot('s'))
    }
    await this.write(['e'], { durability: 'memory' })
    await this.#attempt(() => store.sync())
    if (isTaken) await this.#attempt(() => store.deleteSnapshot('s'))
    await this.#change(this.ledger.nothing(), () => store.clear())
    await this.write(['a', 'f3'], {})
  }

  /** Writes that fill memtables and log segments, each acknowledged before the next. */
  async fill(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.write([`f${i}`], {}, 600)
  }

  /** Writes `keys` in one batch. */
  async write(
    keys: readonly string[],
    options: { durability?: 'memory' | 'disk' },
    length = 10,
  ): Promise<boolean> {
    const store = this.#store
    if (store === undefined) return false
    const values = new Map(keys.map((key) => [key, `${++this.#values}:`.padEnd(length, 'v')]))
    const batch = new WriteBatch<string, string>()
    for (const [key, value] of values) batch.set(key, value)
    return this.#change(values, () => store.applyBatch(batch, options))
  }

  /** Throws when what is there is not what may be. A read may fail, typed; it is never wrong. */
  async check(when: string, readsMayFail: boolean): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    const read = async (): Promise<void> => this.ledger.check(new Map(await store.entries().all()), when)
    if (readsMayFail) await this.#attempt(read)
    else await drive(read(), this.clock)
  }

  /** The faults are gone: a store that they have made read-only takes writes again. */
  async resume(): Promise<void> {
    if (this.#store !== undefined) await drive(this.#store.resume(), this.clock)
  }

  /** What is there, if the store is open. */
  async shown(): Promise<[string, string][] | undefined> {
    return this.#store === undefined ? undefined : drive(this.#store.entries().all(), this.clock)
  }

  /** The faults are gone: writes work again, without a reopen, within the time in which background work tries again. */
  async resumes(): Promise<void> {
    for (let waited = 0; waited < PATIENCE_MS; waited += 100) {
      if (await this.write(['resumed'], { durability: 'disk' })) return
      await this.clock.advanceInTurns(100)
    }
    throw new Error(`the store does not go on: ${this.failures.at(-1)}`)
  }

  async close(): Promise<void> {
    const store = this.#store
    this.#store = undefined
    if (store !== undefined) await this.#attempt(() => store.close())
    await settle(() => this.#faults.operations)
  }

  async #change(
    values: ReadonlyMap<string, string | undefined>,
    call: () => Promise<unknown>,
  ): Promise<boolean> {
    const asked = this.ledger.asked(values)
    const isDone = await this.#attempt(call)
    if (isDone) asked.kept()
    return isDone
  }

  /** Whether the call succeeded. Throws when it never ends, or fails with what is no VarveError. */
  async #attempt(call: () => Promise<unknown>): Promise<boolean> {
    try {
      await drive(call(), this.clock)
      return true
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      this.failures.push(error.code)
      return false
    }
  }
}
