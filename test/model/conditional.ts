/** Writes that depend on what is there: what they committed, and what they answered, must follow from it. */
import { VarveError } from '../../src/index.js'
import { type Call, type Claim, exactly, isSame, removalOf } from './calls.js'
import { holds, same } from './check.js'
import type { Command } from './commands.js'
import { type Held, type Operation, type State, type Visibility, visibilityOf } from './history.js'
import type { Session } from './session.js'
import { writeOptions } from './writes.js'

type Conditional = Command & { kind: 'conditional' }

/** Thrown by the function of an update. */
class Thrown extends Error {}

/** What may be there, seen from a call: once certainly, or perhaps. */
type Look = (held: Held | undefined) => Visibility

/** A call under way: how it is made, what it may commit, when it may answer that it has not. */
interface Attempt {
  /** Resolves to whether it has written; `undefined` when its answer does not tell. */
  readonly make: () => Promise<boolean | undefined>
  /** What it commits on `held`: all that it may. */
  readonly commits: (held: Held | undefined, look: Visibility) => readonly Operation[]
  /** Whether it may commit nothing on `held`. */
  readonly refuses: (held: Held | undefined, look: Visibility) => boolean
}

export async function writeConditionally(session: Session, command: Conditional): Promise<void> {
  const { calls, clock, history } = session
  const { rank, durability } = command
  const isAmbiguous = canBeMistaken(command)
  if (isAmbiguous) await session.idle()
  const attempt = attemptOf(session, command)
  const look =
    ({ began }: Call): Look =>
    (held) =>
      visibilityOf(held, clock.now(), began)
  const claim: Claim = (seen, state: State, call) => {
    const held = state.get(rank)
    const found = attempt.commits(held, look(call)(held)).find((operation) => isSame(operation, seen[0]))
    return found === undefined ? undefined : exactly([found])(seen, state, call)
  }
  const call = calls.deciding(claim)
  const checked = attempt.make().then((hasWritten) => {
    const hasCommitted = session.acknowledge(call, durability)
    same(hasCommitted, hasWritten ?? hasCommitted, `${command.what} of key ${rank} has written`)
    if (hasCommitted) return
    const candidates = history.heldSince(rank, call.since)
    const isRight = candidates.some((held) => attempt.refuses(held, look(call)(held)))
    holds(isRight, `${command.what} of key ${rank} may refuse`)
  })
  await session.runUntilClosed(checked, command.wait || isAmbiguous)
}

/** Whether others that are under way may commit the same: it writes no value of its own. */
function canBeMistaken({ what, outcome }: Conditional): boolean {
  if (what === 'setNX') return false
  return outcome === 'delete' || (what !== 'update' && what !== 'compareAndSet')
}

function attemptOf(session: Session, command: Conditional): Attempt {
  switch (command.what) {
    case 'setNX':
      return setNX(session, command)
    case 'update':
      return update(session, command)
    case 'compareAndSet':
      return compareAndSet(session, command)
    case 'increment':
      return increment(session, command)
    default:
      return changeExpiry(session, command)
  }
}

function setNX(session: Session, { rank, size, ttl, durability }: Conditional): Attempt {
  const value = session.values.next(size)
  const operation = { rank, value, expiresAt: session.expiryOf(ttl), doomed: false }
  return {
    make: () =>
      session.store.setNX(session.keys.key(rank), session.valueOf(value), writeOptions(durability, ttl)),
    commits: (_held, look) => (look === 'yes' ? [] : [operation]),
    refuses: (_held, look) => look !== 'no',
  }
}

function update(session: Session, { rank, size, ttl, durability, outcome }: Conditional): Attempt {
  const { store, keys, history, clock } = session
  const value = session.values.next(size)
  const fresh = session.expiryOf(ttl)
  let calls = 0
  const next = (old: Buffer | undefined): Buffer | undefined => {
    same(++calls, 1, 'calls of the function of an update')
    // Everything that was committed before is there, and nothing else comes between.
    const held = history.live.get(rank)
    const look = visibilityOf(held, clock.now())
    if (look !== 'maybe' || old !== undefined) {
      same(old?.toString(), look === 'no' ? undefined : held?.operation.value, `what update finds in ${rank}`)
    }
    if (outcome === 'throw') throw new Thrown()
    return outcome === 'delete' ? undefined : session.valueOf(value)
  }
  return {
    make: async () => {
      try {
        const result = await store.update(keys.key(rank), next, writeOptions(durability, ttl))
        same(result?.toString(), outcome === 'delete' ? undefined : value, 'the result of an update')
      } catch (error) {
        if (!(error instanceof Thrown)) throw error
        return false
      }
      return outcome === 'delete' ? undefined : true
    },
    commits: (held, look) => {
      if (outcome === 'throw') return []
      if (outcome === 'delete') return look === 'no' ? [] : [removalOf(rank)]
      const kept = held === undefined || look === 'no' ? [] : [held.operation.expiresAt]
      const expiries = ttl !== undefined ? [fresh] : look === 'yes' ? kept : [...kept, fresh]
      return expiries.map((expiresAt) => ({ rank, value, expiresAt, doomed: false }))
    },
    refuses: (_held, look) => outcome === 'throw' || (outcome === 'delete' && look !== 'yes'),
  }
}

function compareAndSet(session: Session, command: Conditional): Attempt {
  const { rank, size, ttl, durability, outcome } = command
  const { store, keys, history } = session
  const current = history.live.get(rank)?.operation.value
  const expected = command.guess === 'right' ? current : command.guess === 'wrong' ? 'wrong' : undefined
  const value = outcome === 'delete' ? undefined : session.values.next(size)
  const operation =
    value === undefined ? removalOf(rank) : { rank, value, expiresAt: session.expiryOf(ttl), doomed: false }
  const encoded = (text: string | undefined): Buffer | undefined =>
    text === undefined ? undefined : session.valueOf(text)
  return {
    make: async () => {
      const options = writeOptions(durability, ttl)
      const answer = await store.compareAndSet(keys.key(rank), encoded(expected), encoded(value), options)
      // Nothing in the place of nothing: that holds or not, and writes nothing.
      return expected === undefined && value === undefined ? undefined : answer
    },
    commits: (held, look) => {
      if (expected === undefined) return value === undefined || look === 'yes' ? [] : [operation]
      return look !== 'no' && held?.operation.value === expected ? [operation] : []
    },
    refuses: (held, look) => {
      if (expected === undefined) return value === undefined || look !== 'no'
      return look !== 'yes' || held?.operation.value !== expected
    },
  }
}

function increment(session: Session, { rank, size, durability }: Conditional): Attempt {
  const { store, keys } = session
  const by = size - 5
  const fresh = session.expiryOf(undefined)
  const isNumber = (held: Held | undefined): boolean => Number.isFinite(Number(held?.operation.value))
  return {
    make: async () => {
      try {
        const sum = await store.increment(keys.key(rank), by, writeOptions(durability))
        same(session.history.live.get(rank)?.operation.value, String(sum), `increment of key ${rank}`)
        return true
      } catch (error) {
        const expected = session.isText ? 'INVALID_VALUE' : 'INVALID_ARGUMENT'
        if (!(error instanceof VarveError) || error.code !== expected) throw error
        return false
      }
    },
    commits: (held, look) => {
      const operations: Operation[] = []
      const from = (old: number, expiresAt: number): void => {
        operations.push({ rank, value: String(old + by), expiresAt, doomed: false })
      }
      if (look !== 'yes') from(0, fresh)
      if (look !== 'no' && held !== undefined && isNumber(held)) {
        from(Number(held.operation.value), held.operation.expiresAt)
      }
      return operations
    },
    refuses: (held, look) => !session.isText || (look !== 'no' && !isNumber(held)),
  }
}

/** `expire` and `persist`: the same value with another expiry. */
function changeExpiry(session: Session, { what, rank, ttl = 0, durability }: Conditional): Attempt {
  const { store, keys } = session
  const isPersist = what === 'persist'
  const expiresAt = isPersist || ttl === 0 ? Number.POSITIVE_INFINITY : session.expiryOf(ttl)
  const applies = (held: Held | undefined): boolean =>
    !isPersist || held?.operation.expiresAt !== Number.POSITIVE_INFINITY
  return {
    make: () =>
      isPersist
        ? store.persist(keys.key(rank), writeOptions(durability))
        : store.expire(keys.key(rank), ttl, writeOptions(durability)),
    commits: (held, look) =>
      look === 'no' || held === undefined || !applies(held)
        ? []
        : [{ rank, value: held.operation.value, expiresAt, doomed: false }],
    refuses: (held, look) => look !== 'yes' || !applies(held),
  }
}
