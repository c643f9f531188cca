/** Iterators, opened and stepped while the store goes on under them: they see their moment, whatever happens. */
import type { RangeIterator } from '../../src/index.js'
import { same } from './check.js'
import type { Command, Projection, Range } from './commands.js'
import { type Expected, ExpectedScan, passesFilter } from './expected-scan.js'
import { type RankedKeys, spoil } from './key-space.js'
import type { OpenIterator, Session } from './session.js'

/** More would only make a run slow. */
const MOST_ITERATORS = 6

export function openIterator(session: Session, command: Command & { kind: 'openIterator' }): void {
  const { store, keys, views, history, clock, iterators } = session
  if (iterators.length >= MOST_ITERATORS) return
  const { range, projection, through } = command
  const chosen = through === undefined ? undefined : views[through % views.length]
  const { sequence } = session
  same(sequence, history.last, 'where an iterator stands')
  const state = chosen?.state ?? history.stateAt(sequence)
  const options = rangeOptionsOf(keys, range)
  // A view's iterator comes from the view, or from the store that is given the view.
  const iterator: RangeIterator<unknown, string, Buffer> =
    chosen === undefined
      ? store[projection](options)
      : through === 0
        ? store[projection]({ ...options, view: chosen.view })
        : chosen.view[projection](options)
  const describe = (entry: Expected): string => describeExpected(projection, entry)
  iterators.push({
    iterator,
    projection,
    expected: ExpectedScan.of(keys, state, clock.now(), range, describe),
  })
}

export async function stepIterator(
  session: Session,
  { which, step }: Command & { kind: 'stepIterator' },
): Promise<void> {
  const { iterators, keys } = session
  if (iterators.length === 0) return
  const index = which % iterators.length
  const open = iterators[index]
  const { iterator, expected } = open
  const take = (items: readonly unknown[], asked: number): void =>
    expected.take(
      items.map((item) => describeActual(keys, open.projection, item)),
      asked,
    )
  const forget = (): void => {
    iterators.splice(index, 1)
  }
  const everything = Number.POSITIVE_INFINITY
  switch (step.kind) {
    case 'next': {
      const result = await session.drive(iterator.next())
      return take(result.done ? [] : [result.value], 1)
    }
    case 'nextMany':
      return take(await session.drive(iterator.nextMany(step.count)), step.count)
    case 'nextManySync':
      return take(iterator.nextManySync(step.count), step.count)
    case 'overlapping': {
      const calls = Promise.all([
        iterator.nextMany(step.count),
        iterator.next(),
        iterator.nextMany(step.count),
      ])
      const [first, second, third] = await session.drive(calls)
      take(first, step.count)
      take(second.done ? [] : [second.value], 1)
      return take(third, step.count)
    }
    case 'seek':
      iterator.seek(keys.key(step.rank))
      return expected.seek(step.rank)
    case 'all':
      forget()
      return take(await session.drive(iterator.all()), everything)
    case 'loop':
      forget()
      return take(await session.drive(collect(iterator)), everything)
    case 'loopSync':
      forget()
      return take([...iterator], everything)
    case 'close':
      forget()
      return session.drive(iterator.close())
  }
}

async function collect(iterator: OpenIterator['iterator']): Promise<unknown[]> {
  const items: unknown[] = []
  for await (const item of iterator) items.push(item)
  return items
}

/** The keys that a range is about. */
export function keyRangeOf(keys: RankedKeys, { gte, gt, lte, lt, prefix }: Partial<Range>) {
  return {
    ...(gte === undefined ? {} : { gte: keys.key(gte) }),
    ...(gt === undefined ? {} : { gt: keys.key(gt) }),
    ...(lte === undefined ? {} : { lte: keys.key(lte) }),
    ...(lt === undefined ? {} : { lt: keys.key(lt) }),
    ...(prefix === undefined ? {} : { prefix: keys.prefix(prefix) }),
  }
}

/** What an iterator over a range is given. */
export function rangeOptionsOf(keys: RankedKeys, range: Range) {
  const { reverse, limit } = range
  return {
    ...keyRangeOf(keys, range),
    reverse,
    ...(limit === undefined ? {} : { limit }),
    ...(range.filter ? { filter: (_key: string, value: Buffer) => passesFilter(value.toString()) } : {}),
  }
}

function describeExpected(projection: Projection, { rank, value }: Expected): string {
  return projection === 'entries' ? `${rank}=${value}` : projection === 'keys' ? `${rank}` : value
}

function describeActual(keys: RankedKeys, projection: Projection, item: unknown): string {
  if (projection === 'keys') return `${keys.rankOf(item)}`
  if (projection === 'values') {
    const text = String(item)
    spoil(item)
    return text
  }
  const [key, value] = item as [string, Buffer]
  const text = `${keys.rankOf(key)}=${value}`
  spoil(key)
  spoil(value)
  return text
}
