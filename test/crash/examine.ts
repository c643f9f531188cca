/**
 * Opens what a crash has left and holds it to the contract: it opens by itself, on a state that was committed and not before
 * what was promised; every way of reading agrees; snapshots are whole; the directory holds what the store needs and nothing
 * else; what is seen is durable; later writes work and survive the next crash. `verify` finds no damage in what was left, and
 * nothing at all in what was closed.
 */
import { parseFileName } from '../../src/base/file-names.js'
import { open, type Store, VarveError, type VerifyReport, verify } from '../../src/index.js'
import { InlineExecutor, ManualClock, type MemoryFileSystem } from '../../src/testing.js'
import { readCurrent } from '../../src/version/current-file.js'
import { recoverState } from '../../src/version/recover-state.js'
import { replay } from '../../src/wal/replay.js'
import { randomFrom } from '../model/random.js'
import { type State, visible } from './history.js'
import { DIRECTORY, type Mode, OPTIONS } from './settings.js'
import { changes, type Judge, lenient, StepFileSystem } from './step-file-system.js'
import { drive, settle } from './turns.js'

/** What may be found. */
export interface Expected {
  readonly mode: Mode
  readonly states: readonly State[]
  /** The first and the last state that may be found. */
  readonly floor: number
  readonly issued: number
  /** Snapshots that must be there, and those that may be: id to index of state. */
  readonly snapshots: ReadonlyMap<string, number>
  readonly perhaps: ReadonlyMap<string, number>
  /** What the wall clock showed when it happened, in ms since 1970. */
  readonly now: number
  /** Whether the store was closed. */
  readonly closed: boolean
  /** Decides about the calls of a process. */
  readonly judge?: (() => Judge) | undefined
  /** Whether there is another crash behind the first write, and a third opening; whether snapshots are restored there. */
  readonly again: boolean
  readonly thorough: boolean
}

/** The life of an entry in a run is shorter. */
const LONG_AFTER_MS = 10_000

const PROBE = { key: 'probe', value: 'written behind the crash' }

/** Throws when `image` is not what may be left. It is changed. */
export async function examine(image: MemoryFileSystem, expected: Expected): Promise<void> {
  if (expected.closed) await checkClosed(image, expected.mode)
  const left = expected.thorough ? await verified(image) : undefined
  const survivor = await Survivor.open(image, expected, expected.now)
  const found = await survivor.read()
  const index = stateOf(found, expected, survivor.now)
  await survivor.checkDirectory()
  await survivor.checkSnapshots(expected)
  await survivor.write()
  same(left?.ok ?? true, true, `whether no damage was left: ${left?.findings.map(({ what }) => what)}`)
  if (expected.again) await examineAgain(image, expected, index)
  await survivor.close()
  if (!expected.thorough) return
  const closed = await verified(image)
  same(closed?.findings.map(({ what }) => what).join(), '', 'what is found in a store that was closed')
}

/** What `verify` says; `undefined` where there is no store. */
async function verified(fileSystem: MemoryFileSystem): Promise<VerifyReport | undefined> {
  try {
    return await verify(DIRECTORY, { fileSystem })
  } catch (error) {
    if (error instanceof VarveError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** What was seen, and what was written, survives whatever comes. */
async function examineAgain(image: MemoryFileSystem, expected: Expected, index: number): Promise<void> {
  const { states, now } = expected
  const survivor = await Survivor.open(image.crash('nothing', Math.random), expected, now + LONG_AFTER_MS)
  const state = new Map(states[index])
  state.set(PROBE.key, { value: PROBE.value, expiresAt: Number.POSITIVE_INFINITY })
  same(await survivor.read(), visible(state, survivor.now), 'what a later crash leaves')
  if (expected.thorough) await survivor.restoreAll(expected)
  await survivor.close()
}

/** A store that was closed says so: what is damaged from then on is found out, and nothing need be replayed into tables. */
async function checkClosed(image: MemoryFileSystem, { persistence }: Mode): Promise<void> {
  const current = await readCurrent(image, DIRECTORY)
  same((current?.sealedLength ?? 0) > 0, true, 'whether CURRENT is sealed')
  const { state, databaseId, names } = await recoverState(image, DIRECTORY)
  if (persistence === 'snapshot') return
  const numbers = names.flatMap((name) => {
    const parsed = parseFileName(name)
    return parsed?.kind === 'wal' ? [parsed.number] : []
  })
  const { closedInOrder } = await replay(
    {
      fileSystem: image,
      directory: DIRECTORY,
      databaseId,
      numbers,
      fromSequence: state.flushedSequence,
      readOnly: true,
    },
    () => undefined,
  )
  same(closedInOrder, true, 'whether the log ends with a close record')
}

/** The last of the states that may be found and look like this. */
function stateOf(found: string, { states, floor, issued }: Expected, now: number): number {
  for (let index = issued; index >= floor; index--) if (visible(states[index], now) === found) return index
  const lost = states.findIndex((state) => visible(state, now) === found)
  const what =
    lost < 0 ? 'no state that ever was' : lost < floor ? `state ${lost}` : `state ${lost}, later than any`
  throw new Error(`found ${what}, not one of ${floor} to ${issued}: ${abridged(found)}`)
}

class Survivor {
  readonly #image: MemoryFileSystem
  readonly #clock: ManualClock
  #fileSystem: StepFileSystem | undefined
  #store: Store<string, string> | undefined
  #steps = 0
  #failure: unknown

  private constructor(image: MemoryFileSystem, now: number) {
    this.#image = image
    this.#clock = new ManualClock(now)
  }

  static async open(image: MemoryFileSystem, expected: Expected, now: number): Promise<Survivor> {
    const survivor = new Survivor(image, now)
    await survivor.#open(expected)
    return survivor
  }

  get now(): number {
    return this.#clock.now()
  }

  async #open({ mode, judge }: Expected): Promise<void> {
    const judged = judge?.() ?? lenient
    const fileSystem = new StepFileSystem(this.#image, (step) => {
      if (changes(step)) this.#steps++
      return judged(step)
    })
    this.#fileSystem = fileSystem
    const options = { ...OPTIONS, ...mode, fileSystem, clock: this.#clock, random: randomFrom(2) }
    this.#store = await this.#drive(
      open<string, string>(DIRECTORY, { ...options, executor: new InlineExecutor() }),
    )
    this.#store.on('error', (error) => {
      this.#failure ??= error
    })
    await this.#settle()
  }

  get #opened(): Store<string, string> {
    if (this.#store === undefined) throw new Error('the store is not open')
    return this.#store
  }

  /** What is in the store, found in every way. */
  async read(): Promise<string> {
    const store = this.#opened
    const entries = [...store.entries()]
    const found = entries.map(([key, value]) => `${key}=${value}`).join('\n')
    const backwards = await this.#drive(store.entries({ reverse: true }).all())
    same(
      backwards
        .reverse()
        .map(([key, value]) => `${key}=${value}`)
        .join('\n'),
      found,
      'a scan backwards',
    )
    const values = new Map(entries)
    const sought = store.entries()
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f0', 'f3', 'f5', PROBE.key]) {
      same(store.getSync(key), values.get(key), `get of ${key}`)
      sought.seek(key)
      const [entry] = sought.nextManySync(1)
      same(entry?.[0] === key ? entry[1] : undefined, values.get(key), `seek to ${key}`)
    }
    await sought.close()
    return found
  }

  async checkDirectory(): Promise<void> {
    await this.#settle()
    const names = await this.#image.readdir(DIRECTORY)
    const kinds = names.map((name) => parseFileName(name)?.kind ?? name)
    const count = (kind: string): number => kinds.filter((one) => one === kind).length
    const { wal, levels } = this.#opened.stats()
    const tables = levels.reduce((sum, level) => sum + level.tables, 0)
    same(count('current'), 1, `CURRENT in ${names.join()}`)
    same(count('manifest'), 1, `MANIFESTs in ${names.join()}`)
    same(count('temporary'), 0, `temporary files in ${names.join()}`)
    same(count('sst'), tables, `tables in ${names.join()}`)
    same(count('wal'), wal.segments, `log segments in ${names.join()}`)
  }

  async checkSnapshots({ snapshots, perhaps }: Expected): Promise<void> {
    const found = (await this.#drive(this.#opened.snapshots())).map(({ id }) => id)
    for (const id of snapshots.keys()) same(found.includes(id), true, `whether snapshot ${id} is there`)
    for (const id of found) same(snapshots.has(id) || perhaps.has(id), true, `whether snapshot ${id} may be`)
    const path = `${DIRECTORY}/snapshots`
    if ((await this.#image.stat(path)) === undefined) return
    same((await this.#image.readdir(path)).sort().join(), found.sort().join(), 'what is in snapshots')
  }

  /** Writes durably. */
  async write(): Promise<void> {
    await this.#drive(this.#opened.set(PROBE.key, PROBE.value, { durability: 'disk' }))
    same(this.#opened.getSync(PROBE.key), PROBE.value, 'what was just written')
    this.#check()
  }

  /** Restores each snapshot that is there. */
  async restoreAll({ snapshots, perhaps, states }: Expected): Promise<void> {
    const store = this.#opened
    for (const { id } of await this.#drive(store.snapshots())) {
      const index = snapshots.get(id) ?? perhaps.get(id) ?? 0
      await this.#drive(store.restoreSnapshot(id))
      same(await this.read(), visible(states[index], this.now), `what is in snapshot ${id}`)
    }
  }

  async close(): Promise<void> {
    await this.#drive(this.#opened.close())
    this.#check()
    same(this.#fileSystem?.openCount, 0, 'files that are open behind close')
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #drive<T>(call: Promise<T>): Promise<T> {
    return drive(call, this.#clock)
  }

  #settle(): Promise<void> {
    return settle(() => this.#steps)
  }
}

function same<T>(actual: T, expected: T, what: string): void {
  if (Object.is(actual, expected)) return
  throw new Error(`${what}: ${abridged(String(actual))} instead of ${abridged(String(expected))}`)
}

/** Values are long and alike. */
function abridged(text: string): string {
  const short = text
    .replace(/([xy])\1{20,}/g, (run, letter) => `${letter}{${run.length}}`)
    .replaceAll('\n', ' ')
  return short === '' ? 'nothing' : short
}
