/** Writes that wait for nothing: one key, batches, clearing. Each tells what it commits before it is made. */
import { type KeyRange, WriteBatch } from '../../src/index.js'
import { type Claim, exactly, removalOf } from './calls.js'
import { same } from './check.js'
import type { Command, Durability, Range, Write } from './commands.js'
import { isInside } from './expected-scan.js'
import { type Operation, type State, type Visibility, visibilityOf } from './history.js'
import { failAsExpected, INVALID_CALLS } from './invalid-calls.js'
import { keyRangeOf } from './iterate.js'
import { type RankedKeys, spoil } from './key-space.js'
import type { Session } from './session.js'

/** How a write is made. */
export interface Manner {
  readonly durability: Durability | undefined
  readonly wait: boolean
}

/** The options of a write. */
export function writeOptions(durability: Durability | undefined, ttl?: number) {
  return { ...(durability === undefined ? {} : { durability }), ...(ttl === undefined ? {} : { ttl }) }
}

/** The operation of a write that is made now. */
export function operationOf(session: Session, write: Write): Operation {
  const { rank } = write
  if (write.kind === 'delete') return removalOf(rank)
  const value = session.values.next(write.size)
  return { rank, value, expiresAt: session.expiryOf(write.ttl), doomed: false }
}

export function write(session: Session, one: Write, { durability, wait }: Manner): Promise<void> {
  const { store, keys } = session
  const operation = operationOf(session, one)
  const call = session.calls.inOrder(exactly([operation]))
  const key = keys.key(one.rank)
  let made: Promise<unknown>
  if (one.kind === 'set') {
    const value = session.valueOf(operation.value ?? '')
    made = store.set(key, value, writeOptions(durability, one.ttl))
    spoil(value)
  } else {
    made = store.delete(key, writeOptions(durability)).then((wasThere) => {
      const visibility = visibilityOf(call.before, session.clock.now(), call.began)
      if (visibility !== 'maybe') same(wasThere, visibility === 'yes', `delete of key ${one.rank}`)
    })
  }
  spoil(key)
  return session.run(
    made.then(() => void session.acknowledge(call, durability)),
    wait,
  )
}

export async function fill(session: Session, command: Command & { kind: 'fill' }): Promise<void> {
  const { from, count, size, wait } = command
  for (let i = 0; i < count; i++) {
    const rank = (from + 7 * i) % session.keys.count
    await write(session, { kind: 'set', rank, size, ttl: undefined }, { durability: undefined, wait })
  }
}

export function applyBatch(
  session: Session,
  writes: readonly Write[],
  { durability, wait }: Manner,
): Promise<void> {
  const batch = new WriteBatch<string, Buffer>()
  const operations = writes.map((one) => operationOf(session, one))
  for (const [i, one] of writes.entries()) {
    const key = session.keys.key(one.rank)
    if (one.kind === 'delete') batch.delete(key)
    else batch.set(key, session.valueOf(operations[i].value ?? ''), writeOptions(undefined, one.ttl))
  }
  const call = session.calls.inOrder(exactly(operations))
  const made = session.store.applyBatch(batch, writeOptions(durability))
  // What was handed over counts, not what becomes of the batch.
  batch.clear()
  return session.run(
    made.then((result) => {
      same(result.successful, writes.length, 'writes of a batch')
      same(result.failed, 0, 'failed writes of a batch')
      // Also an empty one answers for what came before it.
      session.acknowledge(call, durability)
    }),
    wait,
  )
}

/** Removes everything; `bounds`: said as a range. */
export async function clear(session: Session, wait: boolean, bounds?: KeyRange<string>): Promise<void> {
  // Behind a crash it must be clear which of two replacements is there.
  if (session.calls.replacing !== undefined) await session.idle()
  const call = session.calls.clearing()
  await session.run(
    session.store.clear(bounds).then(() => void session.acknowledge(call, 'disk')),
    wait,
  )
}

/** Removes what is in a range: one tombstone for each key that is there then. */
export async function clearRange(session: Session, range: Range, manner: Manner): Promise<void> {
  const { store, keys, calls, clock, history } = session
  const bounds = keyRangeOf(keys, range)
  if (isEverything(keys, range)) return clear(session, manner.wait, bounds)
  const certainly = (rank: number): boolean => visibilityOf(history.live.get(rank), clock.now()) === 'yes'
  const ranksIn = (state: State, visibility: Visibility, began: number): number[] =>
    [...state.keys()].filter(
      (rank) =>
        isInside(keys, range, rank) && visibilityOf(state.get(rank), clock.now(), began) === visibility,
    )
  const claim: Claim = (seen, state, { began, since }) => {
    const must = ranksIn(state, 'yes', began)
    const may = ranksIn(state, 'maybe', began)
    const ranks = seen.map(({ rank }) => rank)
    const isWhole =
      seen.every(({ kind }) => kind === 'delete') &&
      must.every((rank) => ranks.includes(rank)) &&
      ranks.every(
        (rank, i) => (must.includes(rank) || may.includes(rank)) && (i === 0 || ranks[i - 1] < rank),
      )
    if (isWhole) return ranks.map((rank) => removalOf(rank))
    // Where nothing was removed, nothing tells when it was the call's turn.
    for (const past of history.statesSince(since)) {
      if (ranksIn(past, 'yes', began).length === 0) return []
    }
    return undefined
  }
  // Where nobody can tell what is there, what came from this call must not be mistaken for what came from the next.
  const isOpen = [...history.live.keys()].some((rank) => isInside(keys, range, rank) && !certainly(rank))
  if (isOpen) await session.idle()
  const call = calls.inOrder(claim)
  await session.run(
    store.clear(bounds, writeOptions(manner.durability)).then(() => {
      // Where there was nothing to remove, nothing is promised of what came before.
      if (!calls.end(call)) return
      session.acknowledge(call, manner.durability)
    }),
    manner.wait || isOpen,
  )
}

/** A call that fails and leaves no trace, and a write right behind it, in the same group. */
export async function makeInvalidCall(session: Session, what: number): Promise<void> {
  const failing = failAsExpected(INVALID_CALLS[what % INVALID_CALLS.length], session.store, session.keys)
  failing.catch(() => undefined)
  const rank = what % session.keys.count
  await write(
    session,
    { kind: 'set', rank, size: 5, ttl: undefined },
    { durability: undefined, wait: what % 2 === 0 },
  )
  await session.drive(failing)
}

/** Whether a range leaves out no key that there could be. */
function isEverything(keys: RankedKeys, { gte, gt, lte, lt, prefix }: Range): boolean {
  if (gt !== undefined || lte !== undefined || lt !== undefined) return false
  return (
    (gte === undefined || keys.isEmpty(keys.key(gte))) &&
    (prefix === undefined || keys.isEmpty(keys.prefix(prefix)))
  )
}
