/** Point reads, of the store or of a view, compared with the model. */
import { holds, same } from './check.js'
import type { Command, PointRead } from './commands.js'
import { type Held, type State, visibilityOf } from './history.js'
import { type RankedKeys, spoil } from './key-space.js'
import type { Session } from './session.js'

export async function read(session: Session, command: Command & { kind: 'read' }): Promise<void> {
  const { store, keys, views, history, clock } = session
  const chosen = command.through === undefined ? undefined : views[command.through % views.length]
  const reader = chosen?.view ?? store
  const { sequence } = session
  same(sequence, history.last, 'where a reader stands')
  const state: State = chosen?.state ?? history.stateAt(sequence)
  const { how, ranks } = command
  const began = clock.now()
  const asked = how === 'getMany' || how === 'getManySync' ? ranks : ranks.slice(0, 1)
  const [rank] = ranks
  const check = (found: readonly (string | undefined)[]): void => {
    same(found.length, asked.length, 'values of a read')
    for (const [i, value] of found.entries()) {
      const allowed = allowedValues(state.get(asked[i]), [began, clock.now()])
      holds(allowed.includes(value), `${how} of key ${asked[i]}: ${value} is one of ${allowed.join()}`)
    }
  }
  switch (how) {
    case 'get':
      return check([textOf(await session.drive(reader.get(keys.key(rank))))])
    case 'getSync':
      return check([textOf(reader.getSync(keys.key(rank)))])
    case 'getMany':
      return check((await session.drive(reader.getMany(asked.map((one) => keys.key(one))))).map(textOf))
    case 'getManySync':
      return check(reader.getManySync(asked.map((one) => keys.key(one))).map(textOf))
    case 'exists':
    case 'existsSync':
      return checkExists(session, keys, { how, rank, reader, state, began })
    case 'ttl': {
      const ttl = await session.drive(store.ttl(keys.key(rank)))
      const held = history.stateAt(sequence).get(rank)
      const visibility = visibilityOf(held, clock.now(), began)
      if (visibility === 'no') same(ttl, undefined, `ttl of key ${rank}`)
      else if (visibility === 'yes' && clock.now() === began) {
        same(ttl, (held?.operation.expiresAt ?? 0) - began, `ttl of key ${rank}`)
      }
      return
    }
    case 'getEntry': {
      const entry = await session.drive(reader.getEntry(keys.key(rank)))
      check([entry?.value.toString()])
      if (entry === undefined) return
      const held = state.get(rank)
      same(keys.rankOf(entry.key), rank, 'key of an entry')
      same(entry.sequence, held?.sequence, 'sequence number of an entry')
      same(entry.expiresAt ?? Number.POSITIVE_INFINITY, held?.operation.expiresAt, 'expiry of an entry')
      if (clock.now() === began) same(entry.ttl, (held?.operation.expiresAt ?? 0) - began, 'ttl of an entry')
    }
  }
}

async function checkExists(
  session: Session,
  keys: RankedKeys,
  asked: {
    how: PointRead
    rank: number
    reader: { exists(key: string): Promise<boolean>; existsSync(key: string): boolean }
    state: State
    began: number
  },
): Promise<void> {
  const { how, rank, reader, state, began } = asked
  const key = keys.key(rank)
  const there = how === 'exists' ? await session.drive(reader.exists(key)) : reader.existsSync(key)
  const held = state.get(rank)
  const allowed = allowedValues(held, [began, session.clock.now()]).map((value) => value !== undefined)
  holds(allowed.includes(there), `${how} of key ${rank}: ${there} is one of ${allowed.join()}`)
}

/** What a read may find that was made at one of these moments. */
function allowedValues(held: Held | undefined, moments: readonly number[]): (string | undefined)[] {
  return moments.flatMap((now) => {
    const visibility = visibilityOf(held, now)
    if (visibility === 'no') return [undefined]
    return visibility === 'yes' ? [held?.operation.value] : [held?.operation.value, undefined]
  })
}

function textOf(value: Buffer | undefined): string | undefined {
  const text = value?.toString()
  // What was handed out is the caller's own.
  spoil(value)
  return text
}
