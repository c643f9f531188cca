/**
 * Carries out one sequence on a file system in memory, once, and takes a fork of it right before every call that changes
 * something, and at the end. Between two such calls all crashes are alike, and what is promised only grows; so a fork with
 * the promises of its moment stands for every crash behind the call before.
 */
import { copyOf } from '../../src/base/bytes.js'
import { open, type Store, VarveError } from '../../src/index.js'
import { ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { GatedExecutor } from '../store/gated-executor.js'
import { LETTERS, type Stage } from './alphabet.js'
import { History, type Promised, type State } from './history.js'
import { BEGINNING, DIRECTORY, MODES, type Mode, OPTIONS, type Start } from './settings.js'
import { changes, type Judge, lenient, type Step, StepFileSystem, type Verdict } from './step-file-system.js'
import { drive, settle } from './turns.js'

/** One sequence. */
export interface Sequence {
  readonly start: Start
  /** One of {@link MODES}. */
  readonly mode: string
  readonly letters: readonly string[]
}

/** A moment at which a crash may come. */
export interface Point {
  /** How many changing calls came before, from the opening of the store on. */
  readonly index: number
  /** The letter that is being carried out; -1: the opening. */
  readonly place: number
  /** The call that is about to be made; none at the end. */
  readonly step: Step | undefined
  readonly disk: MemoryFileSystem
  readonly promised: Promised
  /** What the wall clock shows. */
  readonly now: number
  /** Whether the store is closed. */
  readonly closed: boolean
}

export interface Outcome {
  readonly points: readonly Point[]
  readonly states: readonly State[]
}

export interface RunOptions {
  /** From which letter on points are taken: -1, the opening, if not told. Those before belong to shorter sequences. */
  readonly from?: number
  /** The point whose call fails. */
  readonly failed?: number | undefined
  /** Whether a file can have two names; true if not told. */
  readonly links?: boolean
  /** Called when a letter is begun. */
  readonly onLetter?: () => void
  /** Decides about the calls of a process. */
  readonly judge?: (() => Judge) | undefined
}

/** Where sequences begin. */
interface Beginning {
  readonly disk: MemoryFileSystem
  readonly state: State
  readonly snapshots: ReadonlyMap<string, State>
}

/** Whose failed sync makes the store read-only. */
const FINAL = new RegExp(`^${DIRECTORY}/(MANIFEST-\\d+|\\d+\\.wal)$`)

const beginnings = new Map<string, Promise<Beginning>>()

export async function carryOut(sequence: Sequence, options: RunOptions = {}): Promise<Outcome> {
  const mode = modeOf(sequence.mode)
  const beginning = await beginningOf(sequence.start, mode)
  const run = new Run(beginning, mode, { ...options, links: sequence.start !== 'no-links' })
  await run.carryOut(sequence.letters)
  return { points: run.points, states: run.history.states }
}

function modeOf(name: string): Mode {
  const mode = MODES.get(name)
  if (mode === undefined) throw new Error(`there is no mode ${name}`)
  return mode
}

function beginningOf(start: Start, mode: Mode): Promise<Beginning> {
  const key = `${start} ${mode.persistence} ${mode.durability}`
  let beginning = beginnings.get(key)
  if (beginning === undefined) beginnings.set(key, (beginning = prepare(start, mode)))
  return beginning
}

/** Tables on two levels, a snapshot of an older state, and a log. */
async function prepare(start: Start, mode: Mode): Promise<Beginning> {
  const nothing = { disk: new MemoryFileSystem(), state: new Map(), snapshots: new Map() }
  if (start === 'new') return nothing
  const run = new Run(nothing, mode, {})
  await run.carryOut([
    'set',
    'batch',
    'snapshot',
    'set-large',
    'compact',
    'transaction',
    'flush',
    'batch',
    'sync',
  ])
  const snapshots = new Map([['base', run.history.states[2]]])
  await rename(run.disk, 's2', 'base')
  if (start !== 'killed') await run.close()
  return { disk: run.disk.crash('all', () => 0), state: run.history.newest, snapshots }
}

async function rename(disk: MemoryFileSystem, from: string, to: string): Promise<void> {
  await disk.rename(`${DIRECTORY}/snapshots/${from}`, `${DIRECTORY}/snapshots/${to}`)
}

class Run {
  readonly disk: MemoryFileSystem
  readonly history: History
  readonly points: Point[] = []
  readonly #mode: Mode
  readonly #options: RunOptions
  readonly #clock = new ManualClock(BEGINNING)
  readonly #executor = new GatedExecutor()
  #store: Store<string, string> | undefined
  #steps = 0
  #place = -1
  #failure: unknown
  /** Whether a failed sync has made the store read-only; `'resumed'`: it was, and nothing fails any more. */
  #state: 'sound' | 'read-only' | 'resumed' = 'sound'
  /** Whether the store was closed, and nothing has changed since. */
  #closed = false
  readonly #judge: Judge

  constructor(beginning: Beginning, mode: Mode, options: RunOptions) {
    this.disk = beginning.disk.fork()
    this.history = new History(beginning.state, beginning.snapshots)
    this.#mode = mode
    this.#options = options
    this.#judge = options.judge?.() ?? lenient
  }

  async carryOut(letters: readonly string[]): Promise<void> {
    try {
      await this.#open()
      for (this.#place = 0; this.#place < letters.length; this.#place++) {
        this.#options.onLetter?.()
        try {
          await this.#carryOutLetter(letters[this.#place])
        } catch (error) {
          this.#place = this.#whereItGoesOn(letters, error)
          await this.#carryOutLetter('resume')
        }
        this.#check()
      }
      this.#place = letters.length - 1
      await this.#settle()
      this.#check()
      // What is applied has been handed on by now.
      if (this.#mode.persistence !== 'snapshot') this.history.keepsInKill(this.history.issued)
    } catch (error) {
      if (!this.#failsNow) throw error
      await this.#settle()
    }
    this.#take(undefined)
  }

  /** The next place at which the store is resumed. Throws `error` when there is none, or it should not have been. */
  #whereItGoesOn(letters: readonly string[], error: unknown): number {
    const isExpected = this.#failsNow && error instanceof VarveError && letters[this.#place] !== 'reopen'
    const next = isExpected ? letters.indexOf('resume', this.#place + 1) : -1
    if (next < 0) throw error
    return next
  }

  /** Whether failures are due: a sync is to fail or has. */
  get #failsNow(): boolean {
    return this.#options.failed !== undefined && this.#state !== 'resumed'
  }

  async close(): Promise<void> {
    const store = this.#opened()
    await this.#drive(store.close())
  }

  async #open(): Promise<void> {
    const store = await this.#drive(
      open<string, string>(DIRECTORY, {
        ...OPTIONS,
        ...this.#mode,
        fileSystem: new StepFileSystem(this.disk, (step) => this.#onStep(step)),
        clock: this.#clock,
        executor: this.#executor,
        random: randomFrom(1),
      }),
    )
    store.on('error', (error) => {
      this.#failure ??= error
    })
    this.#store = store
  }

  async #carryOutLetter(name: string): Promise<void> {
    const letter = LETTERS.get(name)
    if (letter === undefined) throw new Error(`there is no letter ${name}`)
    const stage: Stage = {
      store: this.#opened(),
      history: this.history,
      clock: this.#clock,
      mode: this.#mode,
      place: this.#place,
      drive: (call) => this.#drive(call),
      settle: () => this.#settle(),
      holdJobs: () => this.#executor.hold(),
      releaseJobs: () => this.#executor.release(),
      reopen: () => this.#reopen(),
      isTroubled: () => this.#failure !== undefined,
      isReadOnly: () => this.#state === 'read-only',
    }
    await letter(stage)
    if (name !== 'resume' || this.#state !== 'read-only') return
    this.#state = 'resumed'
    this.#failure = undefined
  }

  async #reopen(): Promise<void> {
    const { issued } = this.history
    await this.close()
    this.history.keeps(issued)
    this.#closed = this.#options.failed === undefined
    await this.#open()
    this.#state = 'sound'
  }

  #opened(): Store<string, string> {
    if (this.#store === undefined) throw new Error('the store is not open')
    return this.#store
  }

  #drive<T>(call: Promise<T>): Promise<T> {
    return drive(call, this.#clock)
  }

  #settle(): Promise<void> {
    return settle(() => this.#steps)
  }

  #check(): void {
    if (this.#failure !== undefined && !this.#failsNow) throw this.#failure
  }

  #onStep(step: Step): Verdict {
    if (!changes(step)) return 'make'
    if (step.kind === 'link' && this.#options.links === false) return 'impossible'
    const verdict = this.#judge(step)
    this.#take(step)
    this.#closed = false
    if (this.#steps++ !== this.#options.failed) return verdict
    if (step.kind === 'sync' && FINAL.test(step.path)) this.#state = 'read-only'
    return 'fail'
  }

  #take(step: Step | undefined): void {
    if (this.#place < (this.#options.from ?? -1)) return
    this.points.push({
      index: this.#steps,
      place: this.#place,
      // The store goes on using its buffer.
      step: step?.bytes === undefined ? step : { ...step, bytes: copyOf(step.bytes) },
      disk: this.disk.fork(),
      promised: this.history.promised(),
      now: this.#clock.now(),
      closed: this.#closed,
    })
  }
}
