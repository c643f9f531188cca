/**
 * Transactions: each reads one moment and its own writes, whatever is written meanwhile; it commits whole, and only when
 * nothing that it read or writes was changed since; it conflicts only when something was.
 */
import { type Store, VarveError } from '../../src/index.js'
import { type Call, type Claim, exactly } from './calls.js'
import { holds, same } from './check.js'
import type { Command, Range, TransactionStep } from './commands.js'
import { type Expected, ExpectedScan, isInside } from './expected-scan.js'
import { type Held, type Operation, type State, visibilityOf } from './history.js'
import { rangeOptionsOf } from './iterate.js'
import type { Session } from './session.js'
import { operationOf, write, writeOptions } from './writes.js'

type Transact = Command & { kind: 'transaction' }
type Transaction = Parameters<Parameters<Store<string, Buffer>['transaction']>[0]>[0]

/** Thrown inside to roll back. */
class RolledBack extends Error {}

export async function transact(session: Session, command: Transact): Promise<void> {
  const { store } = session
  // One that only removes cannot be told from others that do.
  const isAmbiguous = !command.steps.some((step) => step.kind === 'set')
  if (isAmbiguous) await session.idle()
  let attempt: Attempt | undefined
  let attempts = 0
  const work = async (transaction: Transaction): Promise<number> => {
    attempt?.checkConflict()
    attempt = new Attempt(session, transaction)
    const isDisturbed = attempts++ < command.disturbed
    for (const step of command.steps) await attempt.step(step, isDisturbed)
    if (command.throws) throw new RolledBack()
    attempt.willCommit()
    return attempts
  }
  const { durability, retries } = command
  const made = store.transaction(work, { ...writeOptions(durability), retries }).then(
    (result) => {
      same(result, attempts, 'what a transaction resolves to')
      holds(!command.throws, 'a transaction that throws rejects')
      attempt?.checkCommitted(command)
    },
    (error: unknown) => {
      if (error instanceof RolledBack && command.throws) return
      if (!(error instanceof VarveError && error.code === 'CONFLICT')) throw error
      same(attempts, retries + 1, 'attempts of a transaction that conflicts')
      attempt?.checkConflict()
    },
  )
  await session.runUntilClosed(made, command.wait || isAmbiguous)
}

/** One run of a transaction's work. */
class Attempt {
  readonly #session: Session
  readonly #transaction: Transaction
  readonly #moment: State
  readonly #read = new Set<number>()
  readonly #writes = new Map<number, Operation>()
  #call: Call | undefined

  constructor(session: Session, transaction: Transaction) {
    this.#session = session
    this.#transaction = transaction
    same(transaction.sequence, session.history.last, 'the moment of a transaction')
    this.#moment = session.history.stateAt(transaction.sequence)
  }

  async step(step: TransactionStep, isDisturbed: boolean): Promise<void> {
    const { keys, clock } = this.#session
    switch (step.kind) {
      case 'get':
      case 'exists': {
        const since = clock.now()
        const found = await this.#transaction.get(keys.key(step.rank))
        const there = step.kind === 'exists' && (await this.#transaction.exists(keys.key(step.rank)))
        if (!this.#writes.has(step.rank)) this.#read.add(step.rank)
        const held = this.#held(step.rank)
        const visibility = visibilityOf(held, clock.now(), since)
        if (visibility === 'maybe') return
        const expected = visibility === 'yes' ? held?.operation.value : undefined
        same(found?.toString(), expected, `get of key ${step.rank} in a transaction`)
        if (step.kind === 'exists') same(there, expected !== undefined, `exists of key ${step.rank}`)
        return
      }
      case 'scan':
        return this.#scan(step.range)
      case 'set': {
        const operation = operationOf(this.#session, step)
        const value = this.#session.valueOf(operation.value ?? '')
        this.#transaction.set(keys.key(step.rank), value, writeOptions(undefined, step.ttl))
        this.#writes.set(step.rank, operation)
        return
      }
      case 'delete':
        this.#transaction.delete(keys.key(step.rank))
        this.#writes.set(step.rank, operationOf(this.#session, step))
        return
      case 'outside': {
        const { rank, size } = step
        const one = { kind: 'set' as const, rank, size, ttl: undefined }
        if (isDisturbed && this.#session.store.isOpen)
          await write(this.#session, one, { durability: undefined, wait: false })
      }
    }
  }

  /** From now on the transaction may commit. */
  willCommit(): void {
    const operations = [...this.#writes.values()]
    if (operations.length === 0) return
    const claim: Claim = (seen, state, call) => {
      const claimed = exactly(operations)(seen, state, call)
      if (claimed !== undefined && this.#hasConflict()) {
        throw new Error('a transaction commits though something that it read or writes was changed')
      }
      return claimed
    }
    this.#call = this.#session.calls.deciding(claim)
  }

  checkCommitted({ durability }: Transact): void {
    if (this.#call === undefined) return
    same(this.#session.acknowledge(this.#call, durability), true, 'a transaction that resolves is committed')
  }

  /** The transaction was run again, or gave up: something must have come between. */
  checkConflict(): void {
    if (this.#call === undefined) throw new Error('a transaction that only reads conflicts')
    same(this.#session.calls.end(this.#call), false, 'a transaction that conflicts has committed')
    this.#session.meets('conflict')
    holds(this.#hasConflict(), 'what a transaction that conflicts read or writes was changed')
  }

  #hasConflict(): boolean {
    const { history } = this.#session
    const touched = history.touchedBetween(this.#transaction.sequence, history.last + 1)
    if (touched === 'all') return true
    return [...this.#read, ...this.#writes.keys()].some((rank) => touched.has(rank))
  }

  #held(rank: number): Held | undefined {
    const own = this.#writes.get(rank)
    return own === undefined ? this.#moment.get(rank) : { operation: own, sequence: 0 }
  }

  async #scan(range: Range): Promise<void> {
    const { keys, clock } = this.#session
    const since = clock.now()
    const overlaid = new Map(this.#moment)
    for (const [rank, operation] of this.#writes) overlaid.set(rank, { operation, sequence: 0 })
    const entries = await this.#transaction.entries(rangeOptionsOf(keys, range)).all()
    const found = entries.map(([key, value]) => ({ rank: keys.rankOf(key), value: value.toString() }))
    const describe = ({ rank, value }: Omit<Expected, 'certain'>): string => `${rank}=${value}`
    const expected = ExpectedScan.of(keys, overlaid, clock.now(), range, describe, since)
    expected.take(found.map(describe), Number.POSITIVE_INFINITY)
    // Behind the last that it was limited to nothing was looked at.
    const isCut = found.length === range.limit
    const last = found.at(-1)?.rank ?? -1
    for (let rank = 0; rank < keys.count; rank++) {
      if (!isInside(keys, range, rank)) continue
      if (isCut && (last < 0 || (range.reverse ? rank < last : rank > last))) continue
      this.#read.add(rank)
    }
  }
}
