/** The letters that sequences are made of: one call of the public interface each, with what it does to the history. */
import { type Durability, type Store, WriteBatch } from '../../src/index.js'
import type { ManualClock } from '../../src/testing.js'
import type { Held, History } from './history.js'
import { type Mode, SYNC_INTERVAL_MS } from './settings.js'

/** What a letter works on. */
export interface Stage {
  readonly store: Store<string, string>
  readonly history: History
  readonly clock: ManualClock
  readonly mode: Mode
  /** Which letter of the sequence it is: part of every value, so that no two states are alike. */
  readonly place: number
  drive<T>(call: Promise<T>): Promise<T>
  /** Waits until the store is quiet. */
  settle(): Promise<void>
  /** Background jobs do not begin until {@link releaseJobs}. */
  holdJobs(): void
  releaseJobs(): void
  reopen(): Promise<void>
  /** Whether something has gone wrong behind the scenes. */
  isTroubled(): boolean
  /** Whether a failed sync has made the store read-only. */
  isReadOnly(): boolean
}

type Letter = (stage: Stage) => Promise<void>

/** How long the entry of `ttl` lives, in ms. */
const TTL_MS = 500

/** As many small writes as it takes until a log has twice made room ahead, and filled it. */
const TRICKLE_COUNT = 10

/** Of several sectors. */
const LARGE = 'x'.repeat(1200)

const FILL_COUNT = 6

/** What fills memtables before the first is flushed, which has begun: the others become one table. Writers would stop behind six. */
const BURST_FILLS = 3

const NEVER = Number.POSITIVE_INFINITY

export const LETTERS: ReadonlyMap<string, Letter> = new Map<string, Letter>([
  ['set', (stage) => put(stage, 'a', 'set')],
  ['set-disk', (stage) => put(stage, 'a', 'disk', { durability: 'disk' })],
  ['trickle', trickle],
  ['set-memory', (stage) => put(stage, 'b', 'memory', { durability: 'memory' })],
  ['set-large', (stage) => put(stage, 'c', LARGE)],
  ['set-ttl', (stage) => put(stage, 'd', 'mortal', { ttl: TTL_MS })],
  [
    'delete',
    (stage) =>
      write(
        stage,
        undefined,
        (entries) => entries.delete('a'),
        () => stage.store.delete('a'),
      ),
  ],
  ['batch', batch],
  ['transaction', transaction],
  ['fill', (stage) => fill(stage)],
  ['burst', burst],
  ['clear', clear],
  ['clear-range', clearRange],
  ['flush', (stage) => durably(stage, () => stage.store.flush())],
  ['compact', (stage) => durably(stage, () => stage.store.compact())],
  ['sync', (stage) => durably(stage, () => stage.store.sync())],
  ['tick', tick],
  ['resume', resume],
  ['snapshot', snapshot],
  ['restore', restore],
  ['delete-snapshot', deleteSnapshot],
  ['reopen', (stage) => stage.reopen()],
])

/** A commit: made, driven to its end, promised. */
async function write(
  { history, mode, drive }: Stage,
  durability: Durability | undefined,
  change: (entries: Map<string, Held>) => void,
  call: () => Promise<unknown>,
): Promise<void> {
  const index = history.commit(change)
  await drive(call())
  acknowledge(history, mode, index, durability ?? mode.durability)
}

function acknowledge(history: History, mode: Mode, index: number, durability: Durability): void {
  if (durability === 'disk') history.keeps(index)
  else if (durability === 'os' && mode.persistence !== 'snapshot') history.keepsInKill(index)
}

function put(
  stage: Stage,
  key: string,
  text: string,
  options: { durability?: Durability; ttl?: number } = {},
): Promise<void> {
  const value = `${stage.place}:${text}`
  const expiresAt = options.ttl === undefined ? NEVER : stage.clock.now() + options.ttl
  return write(
    stage,
    options.durability,
    (entries) => entries.set(key, { value, expiresAt }),
    () => stage.store.set(key, value, options),
  )
}

/** Small writes that are each on the device before the next. */
async function trickle(stage: Stage): Promise<void> {
  // Without a log each is a table.
  const count = stage.mode.persistence === 'snapshot' ? 1 : TRICKLE_COUNT
  for (let i = 0; i < count; i++) await put(stage, 'a', `t${i}`, { durability: 'disk' })
}

function batch(stage: Stage): Promise<void> {
  const value = `${stage.place}:batch`
  const writes = new WriteBatch<string, string>().set('b', value).set('d', value).delete('c')
  return write(
    stage,
    undefined,
    (entries) => {
      entries.set('b', { value, expiresAt: NEVER }).set('d', { value, expiresAt: NEVER })
      entries.delete('c')
    },
    () => stage.store.applyBatch(writes),
  )
}

function transaction(stage: Stage): Promise<void> {
  const { clock, history, store } = stage
  const held = history.newest.get('a')
  const read = held !== undefined && held.expiresAt > clock.now() ? held.value : 'nothing'
  const value = `${stage.place}:after ${read.slice(0, 8)}`
  return write(
    stage,
    undefined,
    (entries) => entries.set('a', { value, expiresAt: NEVER }).set('b', { value, expiresAt: NEVER }),
    () =>
      store.transaction(async (tx) => {
        const found = (await tx.get('a')) ?? 'nothing'
        const next = `${stage.place}:after ${found.slice(0, 8)}`
        tx.set('a', next)
        tx.set('b', next)
      }),
  )
}

/** More than a memtable holds, in two steps of more than a log segment holds. */
async function fill(stage: Stage, prefix = 'f'): Promise<void> {
  const { drive, history, mode, place, store } = stage
  for (let step = 0; step < 2; step++) {
    const calls: Promise<void>[] = []
    for (let i = step; i < FILL_COUNT; i += 2) {
      const [key, value] = [`${prefix}${i}`, `${place}:${i}${'y'.repeat(700)}`]
      const index = history.commit((entries) => entries.set(key, { value, expiresAt: NEVER }))
      calls.push(store.set(key, value).then(() => acknowledge(history, mode, index, mode.durability)))
    }
    await drive(Promise.all(calls))
  }
}

/** Memtables fill faster than they are flushed. */
async function burst(stage: Stage): Promise<void> {
  const { durability, persistence } = stage.mode
  // Without a log a write that is on the device has waited for its flush.
  if (persistence !== 'snapshot' || durability !== 'disk') stage.holdJobs()
  try {
    for (let i = 0; i < BURST_FILLS; i++) await fill(stage, `g${i}`)
  } finally {
    stage.releaseJobs()
  }
  await stage.settle()
}

async function clear({ history, store, drive }: Stage): Promise<void> {
  const index = history.commit((entries) => entries.clear())
  await drive(store.clear())
  history.keeps(index)
}

function clearRange(stage: Stage): Promise<void> {
  return write(
    stage,
    undefined,
    (entries) => {
      for (const key of entries.keys()) if (key >= 'b' && key < 'd') entries.delete(key)
    },
    () => stage.store.clear({ gte: 'b', lt: 'd' }),
  )
}

/** A call that makes everything before it durable. */
async function durably({ history, drive }: Stage, call: () => Promise<void>): Promise<void> {
  const { issued } = history
  await drive(call())
  history.keeps(issued)
}

/** Time goes by: what is to expire has, and what was logged is on the device. */
async function tick({ clock, history, isTroubled, mode, settle }: Stage): Promise<void> {
  const { issued } = history
  await settle()
  clock.advance(SYNC_INTERVAL_MS)
  await settle()
  // A sync that failed is told as an error; it promises nothing.
  if (mode.persistence !== 'snapshot' && !isTroubled()) history.keeps(issued)
}

/** Where nothing has failed it does nothing. Else what is shown stays, and what is not never comes. */
async function resume({ clock, drive, history, isReadOnly, settle, store }: Stage): Promise<void> {
  await settle()
  const wasReadOnly = isReadOnly()
  await drive(store.resume())
  const shown = [...store.entries()].map(([key, value]) => `${key}=${value}`).join('\n')
  const index = history.settles(shown, clock.now())
  if (wasReadOnly) history.keeps(index)
}

async function snapshot({ drive, history, place, store }: Stage): Promise<void> {
  const { issued } = history
  const id = `s${place}`
  history.snapshotChanges(id, issued)
  await drive(store.snapshot({ name: id }))
  history.snapshotChanged(id, issued)
  history.keeps(issued)
}

/** The newest snapshot; none in a store that has none. */
async function restore({ drive, history, store }: Stage): Promise<void> {
  const newest = [...history.snapshots].at(-1)
  if (newest === undefined) return
  const [id, of] = newest
  const index = history.commit((entries) => {
    entries.clear()
    for (const [key, held] of history.states[of]) entries.set(key, held)
  })
  await drive(store.restoreSnapshot(id))
  history.keeps(index)
}

async function deleteSnapshot({ drive, history, store }: Stage): Promise<void> {
  const id = [...history.snapshots.keys()].at(-1)
  if (id === undefined) return
  history.snapshotChanges(id, undefined)
  await drive(store.deleteSnapshot(id))
  history.snapshotChanged(id, undefined)
}
