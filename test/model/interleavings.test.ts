/**
 * Clients that work at the same time, in every order that a scheduler thinks of: what they were told must be explained by
 * carrying out what was committed one behind the other, in the order of its sequence numbers.
 *
 * - What a transaction has read, keys and ranges, is what was there right before its commit: no lost update, no phantom,
 *   no write skew. One that only reads has seen one moment. All see their own writes.
 * - What a conditional write decided follows from what was there right before it.
 * - What was rolled back, or conflicted, is nowhere.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Change, open, type Store, type Transaction, VarveError, WriteBatch } from '../../src/index.js'
import { InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { COUNTER, clients, KEYS, type Program, type Step } from './programs.js'

const { VARVE_RUNS, VARVE_SEED } = process.env

type State = ReadonlyMap<string, string>
type TextStore = Store<string, string>

/** Something that a client was told: where it stands among the commits, and whether it may have been told so there. */
interface Observation {
  readonly what: string
  /** The values that were committed with it, in order; a removal is undefined. */
  readonly writes: readonly (string | undefined)[]
  /** The moment that it has read, when it committed nothing. */
  readonly sequence: number
  readonly holdsOn: (state: State) => boolean
}

class Clients {
  readonly #store: TextStore
  readonly #scheduler: fc.Scheduler
  readonly observations: Observation[] = []
  /** What must never be seen: written in transactions that failed. */
  readonly undone: string[] = []
  increments = 0
  #values = 0

  constructor(store: TextStore, scheduler: fc.Scheduler) {
    this.#store = store
    this.#scheduler = scheduler
  }

  async run(programs: readonly Program[]): Promise<void> {
    for (const program of programs) {
      await this.#pause()
      await this.#carryOut(program)
    }
  }

  #pause(): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve())
  }

  #value(): string {
    return `v${this.#values++}`
  }

  async #carryOut(program: Program): Promise<void> {
    const store = this.#store
    const value = this.#value()
    const note = (what: string, key: string, holdsOn: (old: string | undefined) => boolean): void => {
      this.observations.push({
        what,
        writes: [value],
        sequence: 0,
        holdsOn: (state) => holdsOn(state.get(key)),
      })
    }
    switch (program.kind) {
      case 'transaction':
        return this.#transact(program)
      case 'set':
        return store.set(KEYS[program.key], value)
      case 'delete':
        await store.delete(KEYS[program.key])
        return
      case 'batch': {
        const batch = new WriteBatch<string, string>()
        for (const key of program.keys) batch.set(KEYS[key], value)
        await store.applyBatch(batch)
        return
      }
      case 'setNX':
        if (await store.setNX(KEYS[program.key], value)) {
          note('setNX', KEYS[program.key], (old) => old === undefined)
        }
        return
      case 'update': {
        let found: string | undefined
        await store.update(KEYS[program.key], (old) => {
          found = old
          return value
        })
        return note('update', KEYS[program.key], (old) => old === found)
      }
      case 'compareAndSet': {
        const expected = await store.get(KEYS[program.key])
        await this.#pause()
        if (await store.compareAndSet(KEYS[program.key], expected, value)) {
          note('compareAndSet', KEYS[program.key], (old) => old === expected)
        }
        return
      }
      case 'increment':
        await store.increment(COUNTER)
        this.increments++
        return
      case 'clearRange':
        return store.clear({ gte: KEYS[program.gte] ?? 'g', lt: KEYS[program.lt] ?? 'g' })
      case 'clear':
        // The counter is to stay.
        return store.clear({ lt: COUNTER })
      case 'flush':
        return store.flush()
      case 'compact':
        return store.compact()
    }
  }

  async #transact({ steps, retries, throws }: Program & { kind: 'transaction' }): Promise<void> {
    let attempt: Attempt | undefined
    const work = async (transaction: Transaction<string, string>): Promise<void> => {
      this.undone.push(...(attempt?.marks ?? []))
      attempt = new Attempt(transaction)
      for (const step of steps) {
        await this.#pause()
        await attempt.step(step, this.#value())
      }
      await this.#pause()
      if (throws) throw new RangeError('rolled back')
    }
    try {
      await this.#store.transaction(work, { retries })
      const committed = attempt as Attempt
      this.observations.push(committed.observation)
      this.undone.push(...committed.overwritten)
    } catch (error) {
      const isExpected = throws ? error instanceof RangeError : isConflict(error)
      if (!isExpected) throw error
      this.undone.push(...(attempt?.marks ?? []))
    }
  }
}

/** One run of a transaction's work. */
class Attempt {
  readonly marks: string[] = []
  readonly #transaction: Transaction<string, string>
  readonly #own = new Map<string, string | undefined>()
  readonly #reads: ((state: State) => boolean)[] = []

  constructor(transaction: Transaction<string, string>) {
    this.#transaction = transaction
  }

  async step(step: Step, value: string): Promise<void> {
    const transaction = this.#transaction
    const own = new Map(this.#own)
    switch (step.kind) {
      case 'get': {
        const key = KEYS[step.key]
        const found = await transaction.get(key)
        this.#reads.push((state) => overlaid(state, own).get(key) === found)
        return
      }
      case 'scan': {
        const [gte, lt] = [KEYS[step.gte] ?? 'g', KEYS[step.lt] ?? 'g']
        const { reverse, limit = Number.POSITIVE_INFINITY } = step
        const found = await transaction.entries({ gte, lt, reverse, limit }).all()
        this.#reads.push((state) => {
          const inside = [...overlaid(state, own)].filter(([key]) => key >= gte && key < lt).sort()
          if (reverse) inside.reverse()
          return JSON.stringify(inside.slice(0, limit)) === JSON.stringify(found)
        })
        return
      }
      case 'set':
        transaction.set(KEYS[step.key], value)
        this.marks.push(value)
        this.#own.set(KEYS[step.key], value)
        return
      case 'delete':
        transaction.delete(KEYS[step.key])
        this.#own.set(KEYS[step.key], undefined)
    }
  }

  get observation(): Observation {
    const { sequence } = this.#transaction
    const writes = [...this.#own.values()]
    return {
      what: 'transaction',
      writes,
      sequence,
      holdsOn: (state) => this.#reads.every((read) => read(state)),
    }
  }

  /** What it wrote and replaced itself, which nobody ever sees. */
  get overwritten(): string[] {
    const kept = [...this.#own.values()]
    return this.marks.filter((mark) => !kept.includes(mark))
  }
}

function overlaid(state: State, own: ReadonlyMap<string, string | undefined>): Map<string, string> {
  const result = new Map(state)
  for (const [key, value] of own) {
    if (value === undefined) result.delete(key)
    else result.set(key, value)
  }
  return result
}

function isConflict(error: unknown): boolean {
  return error instanceof VarveError && error.code === 'CONFLICT'
}

/** The states behind each of the changes, by sequence number; `[0]` is empty. */
function statesOf(changes: readonly Change<string, string>[]): State[] {
  const states: State[] = [new Map()]
  for (const { type, key, value } of changes) {
    const next = new Map(states.at(-1))
    if (type === 'set') next.set(key, value)
    else if (key !== undefined) next.delete(key)
    states.push(next)
  }
  return states
}

/** The moment right before `writes` were committed, one behind the other; `otherwise` where nothing tells whose they are. */
function momentBefore(
  changes: readonly Change<string, string>[],
  writes: Observation['writes'],
  otherwise: number,
): number {
  const offset = writes.findIndex((value) => value !== undefined)
  if (offset < 0) return otherwise
  const first = changes.findIndex(({ value }) => value === writes[offset]) - offset
  const committed = changes.slice(first, first + writes.length).map(({ value }) => value)
  expect(committed, 'what is committed together').toEqual(writes)
  return first
}

test('whatever clients do at once is as if they had done it one behind the other', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), clients, async (scheduler, programs) => {
      const store = await open<string, string>('/db', {
        valueEncoding: 'utf8',
        fileSystem: new MemoryFileSystem(),
        executor: new InlineExecutor(),
        clock: new ManualClock(),
        memtableSize: 1024,
        cacheSize: 0,
      })
      const watcher = store.watch()
      const all = new Clients(store, scheduler)
      await scheduler.waitFor(Promise.all(programs.map((program) => all.run(program))))
      const changes: Change<string, string>[] = []
      while (changes.length < store.stats().sequence)
        changes.push((await watcher.next()).value as Change<string, string>)
      const states = statesOf(changes)
      for (const { what, writes, sequence, holdsOn } of all.observations) {
        const moment = momentBefore(changes, writes, sequence)
        expect(holdsOn(states[moment]), `${what} at ${moment}`).toBe(true)
      }
      const told = new Set(changes.map(({ value }) => value))
      expect(all.undone.filter((value) => told.has(value))).toEqual([])
      expect(Number((await store.get(COUNTER)) ?? 0)).toBe(all.increments)
      expect(await store.entries().all()).toEqual([...(states.at(-1) as State)].sort())
      await store.close()
    }),
    {
      numRuns: Number(VARVE_RUNS ?? 150),
      ...(VARVE_SEED === undefined ? {} : { seed: Number(VARVE_SEED) }),
    },
  )
})
