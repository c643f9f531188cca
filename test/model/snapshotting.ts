/** Snapshots: taken while the store goes on, listed, deleted, opened and restored; whole or not there behind a crash. */
import { open, type SnapshotInfo, VarveError } from '../../src/index.js'
import { holds, same } from './check.js'
import { EVERYTHING } from './commands.js'
import { ExpectedScan } from './expected-scan.js'
import { type State, visibilityOf } from './history.js'
import { DIRECTORY, type Session } from './session.js'
import { Shelf } from './shelf.js'

/** An operation on the snapshot of that name. */
interface Named {
  readonly name: string
  readonly wait: boolean
}

export async function takeSnapshot(session: Session, { name, wait }: Named): Promise<void> {
  const { store, calls, history } = session
  const { shelf } = session
  const called = calls.soFar()
  shelf.taking.push(name)
  const taken = session.makesDurable(store.snapshot({ name })).then(
    (info) => {
      remove(shelf.taking, name)
      holds(!shelf.known.has(name), `${name} is the name of one snapshot`)
      same(info.id, name, 'the id of a snapshot')
      same(info.automatic, false, 'whether a snapshot is automatic')
      holds(info.sequence >= called() && history.mayStandAt(info.sequence), 'the moment of a snapshot')
      shelf.known.set(name, { sequence: info.sequence, state: history.stateAt(info.sequence) })
      session.meets('snapshot')
      checkCount(session, info)
    },
    (error: unknown) => {
      remove(shelf.taking, name)
      if (!(error instanceof VarveError && error.code === 'EXISTS')) throw error
      holds(shelf.known.has(name), `there is a snapshot ${name}`)
    },
  )
  await session.runUntilClosed(taken, wait)
}

export async function deleteSnapshot(session: Session, { name, wait }: Named): Promise<void> {
  const { shelf } = session
  shelf.deleting.push(name)
  const deleted = session.store.deleteSnapshot(name).then(
    () => {
      remove(shelf.deleting, name)
      holds(shelf.known.delete(name), `a snapshot ${name} was there to be deleted`)
    },
    (error: unknown) => {
      remove(shelf.deleting, name)
      if (!(error instanceof VarveError && error.code === 'NOT_FOUND')) throw error
      holds(!shelf.known.has(name), `there is no snapshot ${name}`)
    },
  )
  await session.runUntilClosed(deleted, wait)
}

export async function restoreSnapshot(session: Session, { name, wait }: Named): Promise<void> {
  // So that it is known what the name stands for, and that no other replacement is under way.
  await session.idle()
  const { store, calls, shelf } = session
  const known = shelf.known.get(name)
  if (known === undefined) return session.drive(refused(store.restoreSnapshot(name)))
  const { state, droppedUpTo = Number.NEGATIVE_INFINITY } = known
  const call = calls.restoring(droppable(state, Math.min(droppedUpTo, session.clock.now())))
  const restored = store.restoreSnapshot(name).then(() => {
    same(session.acknowledge(call, 'disk'), true, 'whether a restore took place')
    session.meets('restore')
  })
  await session.runUntilClosed(restored, wait)
}

/** Opens a snapshot as a store of its own, and looks at it. */
export async function openSnapshot(session: Session, { name }: Named): Promise<void> {
  await session.idle()
  const { keys, clock } = session
  const known = session.shelf.known.get(name)
  if (known === undefined) return
  const { droppedUpTo = Number.NEGATIVE_INFINITY } = known
  // In case that a crash ends it.
  known.droppedUpTo = Number.POSITIVE_INFINITY
  const copy = await session.drive(open<string, Buffer>(`${DIRECTORY}/snapshots/${name}`, session.surface))
  const since = clock.now()
  const entries = await session.drive(copy.entries().all())
  const found = entries.map(([key, value]) => `${keys.rankOf(key)}=${value}`)
  const describe = ({ rank, value }: { rank: number; value: string }): string => `${rank}=${value}`
  const expected = ExpectedScan.of(keys, known.state, clock.now(), EVERYTHING, describe, since)
  expected.take(found, Number.POSITIVE_INFINITY)
  await session.drive(copy.close())
  known.droppedUpTo = Math.max(droppedUpTo, clock.now())
}

/** `state` with what has expired at `upTo` as if a sweep had come by: it may be there or not. */
function droppable(state: State, upTo: number): State {
  const marked = new Map(state)
  for (const [rank, held] of state) {
    const { operation } = held
    if (operation.expiresAt <= upTo) marked.set(rank, { ...held, operation: { ...operation, swept: true } })
  }
  return marked
}

/** Throws unless exactly the snapshots are there that must be; behind a crash, those that were under way may be. */
export async function checkSnapshots(session: Session, before = new Shelf(session.shelf)): Promise<void> {
  const { shelf, history, store, disk } = session
  const listed = await session.drive(store.snapshots())
  const own = listed.filter(({ automatic }) => !automatic)
  shelf.taking.length = 0
  shelf.deleting.length = 0
  shelf.known.clear()
  for (const { id, sequence } of own) {
    const known = before.known.get(id)
    if (known !== undefined && !before.deleting.includes(id)) {
      same(sequence, known.sequence, `the moment of snapshot ${id}`)
    }
    if (known?.sequence === sequence) {
      shelf.known.set(id, known)
      continue
    }
    holds(before.taking.includes(id) && history.mayStandAt(sequence), `a snapshot ${id} was asked for`)
    shelf.known.set(id, { sequence, state: history.stateAt(sequence) })
  }
  for (const id of before.known.keys()) {
    holds(shelf.known.has(id) || before.deleting.includes(id), `the snapshot ${id} is there`)
  }
  // A crash may come between the newest and the deletion of the oldest.
  holds(listed.length - own.length <= 3, `of ${listed.length - own.length} automatic snapshots the oldest go`)
  if ((await disk.memory.stat(`${DIRECTORY}/snapshots`)) === undefined) return
  const names = await disk.memory.readdir(`${DIRECTORY}/snapshots`)
  same(names.length, listed.length, `snapshots in ${names.join()}`)
}

function checkCount(session: Session, { entryCount, sequence, createdAt }: SnapshotInfo): void {
  const seen = [...session.history.stateAt(sequence).values()].map((held) => visibilityOf(held, createdAt))
  const certain = seen.filter((visibility) => visibility === 'yes').length
  const possible = seen.filter((visibility) => visibility !== 'no').length
  holds(entryCount >= certain && entryCount <= possible, `${entryCount} entries in a snapshot of ${certain}`)
}

async function refused(call: Promise<void>): Promise<void> {
  const code = await call.then(
    () => 'nothing',
    (error: unknown) => (error as VarveError).code,
  )
  same(code, 'NOT_FOUND', 'the failure of a restore from nothing')
}

function remove(names: string[], name: string): void {
  names.splice(names.indexOf(name), 1)
}
