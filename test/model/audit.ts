/** Looks at a store through every window: all ways of reading agree with the model, and the directory holds what it needs. */
import { parseFileName } from '../../src/base/file-names.js'
import { VarveError, type VerifyReport, verify } from '../../src/index.js'
import type { MemoryFileSystem } from '../../src/testing.js'
import { holds, same } from './check.js'
import { EVERYTHING } from './commands.js'
import { type Expected, ExpectedScan } from './expected-scan.js'
import { visibilityOf } from './history.js'
import type { RankedKeys } from './key-space.js'
import { DIRECTORY, type Session } from './session.js'
import { checkSnapshots } from './snapshotting.js'

export const FOREIGN_FILE = 'notes.txt'

export async function audit(session: Session): Promise<void> {
  await session.settle()
  const { store, history, keys } = session
  const { sequence } = session
  same(sequence, history.last, 'the sequence number of an idle store')
  const state = history.stateAt(sequence)
  const now = session.clock.now()
  const describeEntry = entryDescriber(keys)
  for (const reverse of [false, true]) {
    const range = { ...EVERYTHING, reverse }
    const sync = [...store.entries({ reverse })].map(describeEntry)
    ExpectedScan.of(keys, state, now, range, describe).take(sync, Number.POSITIVE_INFINITY)
    const async = (await session.drive(store.entries({ reverse }).all())).map(describeEntry)
    same(async.join(), sync.join(), 'the asynchronous scan beside the synchronous one')
  }
  await checkCounts(session)
  const all = Array.from({ length: keys.count }, (_, rank) => keys.key(rank))
  const found = await session.drive(store.getMany(all))
  const forwards = store.entries()
  for (const [rank, value] of found.entries()) {
    const held = state.get(rank)
    const visibility = visibilityOf(held, now)
    const text = value?.toString()
    if (text !== undefined || visibility !== 'maybe') {
      same(text, visibility === 'no' ? undefined : held?.operation.value, `get of key ${rank}`)
    }
    same(store.getSync(keys.key(rank))?.toString(), text, `getSync of key ${rank}`)
    forwards.seek(keys.key(rank))
    const [entry] = forwards.nextManySync(1)
    const sought = entry !== undefined && keys.rankOf(entry[0]) === rank ? entry[1].toString() : undefined
    same(sought, text, `seek to key ${rank}`)
  }
  await forwards.close()
  checkViews(session)
  await checkSnapshots(session)
  await checkDirectory(session)
}

/** What a crash or a close has left is no damage, and whatever is there is the store's or of no account. */
export async function checkLeft(fileSystem: MemoryFileSystem): Promise<void> {
  const report = await verify(DIRECTORY, { fileSystem }).catch((error: unknown) => {
    // A crash came before there was a store.
    if (error instanceof VarveError && error.code === 'NOT_FOUND') return undefined
    throw error
  })
  if (report !== undefined) checkReport(report, 'before it is opened')
}

/** An open store, while it works, finds itself without fault. */
export async function checkOpen(session: Session): Promise<void> {
  checkReport(await session.drive(session.store.verify()), 'while it is open')
}

function checkReport({ ok, findings }: VerifyReport, when: string): void {
  holds(
    ok,
    `verify finds no damage ${when}: ${findings.map(({ file, what }) => `${file}: ${what}`).join('; ')}`,
  )
}

/** What the store counts is what it shows at the same moment. */
async function checkCounts(session: Session): Promise<void> {
  const { store, keys, clock } = session
  const began = clock.now()
  const count = await session.drive(store.count())
  const size = await session.drive(store.size())
  const found = [...store.entries()]
  if (clock.now() !== began) return
  same(count, found.length, 'entries that are counted')
  if (keys.encoding === 'ordered') return
  const bytes = found.reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  )
  same(size, bytes, 'bytes that are counted')
}

function describe({ rank, value }: Expected): string {
  return `${rank}=${value}`
}

function entryDescriber(keys: RankedKeys): (entry: [string, Buffer]) => string {
  return ([key, value]) => `${keys.rankOf(key)}=${value}`
}

/** All views still see their moment. */
export function checkViews({ views, clock, keys }: Session): void {
  for (const { view, state } of views) {
    for (const reverse of [false, true]) {
      const found = [...view.entries({ reverse })].map(entryDescriber(keys))
      const range = { ...EVERYTHING, reverse }
      ExpectedScan.of(keys, state, clock.now(), range, describe).take(found, Number.POSITIVE_INFINITY)
    }
  }
}

/** The directory of an idle store holds what the store needs and what is not the store's, and nothing else. */
async function checkDirectory(session: Session): Promise<void> {
  const { views, iterators, store, disk } = session
  await session.settle()
  const names = await disk.memory.readdir(DIRECTORY)
  const kinds = names.map((name) => parseFileName(name)?.kind ?? name)
  const count = (kind: string): number => kinds.filter((one) => one === kind).length
  same(count(FOREIGN_FILE), 1, 'a file that is not the store’s')
  same(count('current'), 1, 'CURRENT')
  same(count('manifest'), 1, `MANIFESTs in ${names.join()}`)
  same(count('temporary'), 0, `temporary files in ${names.join()}`)
  const { wal, levels } = store.stats()
  // The file of the next segment is made ahead of time.
  const spare = count('wal') - wal.segments
  holds(
    spare === 0 || spare === 1,
    `one segment to spare at most in ${names.join()}, of ${wal.segments} in use`,
  )
  if (views.length > 0 || iterators.length > 0) return
  const tables = levels.reduce((sum, level) => sum + level.tables, 0)
  same(count('sst'), tables, `tables in ${names.join()}`)
}
