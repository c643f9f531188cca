/**
 * The disk of a run: strict, slow, and with a crash that comes at a chosen operation, in the middle of whatever is going
 * on. A crash is an image beside the disk, which goes on: what happens behind it never happened.
 */
import { FaultFileSystem, type FileSystem, type MemoryFileSystem } from '../../src/testing.js'
import type { Crash } from './commands.js'
import { SlowFileSystem } from './slow-file-system.js'

/** Many times what the longest run needs. */
const MOST_OPERATIONS = 100_000

/** Thrown by every operation of a process that was killed. */
export class KilledError extends Error {}

export class Disk<Note> {
  readonly memory: MemoryFileSystem
  readonly fileSystem: FileSystem
  /** What a crash has left, with the note that was made at that moment. */
  crashed: { readonly image: MemoryFileSystem; readonly crash: Crash; readonly note: Note } | undefined
  readonly #counting: FaultFileSystem
  readonly #random: () => number
  #due: { readonly crash: Crash; readonly at: number; readonly note: () => Note } | undefined

  constructor(memory: MemoryFileSystem, slowness: number, random: () => number) {
    this.memory = memory
    this.#random = random
    this.#counting = new FaultFileSystem(memory, { observe: ({ index }) => this.#observe(index) })
    this.fileSystem = new SlowFileSystem(this.#counting, () =>
      slowness === 0 ? 0 : Math.floor(random() * (slowness + 1)),
    )
  }

  /** Grows with every operation. */
  get operations(): number {
    return this.#counting.operations
  }

  /** The files that this process has open. */
  get openCount(): number {
    return this.#counting.openCount
  }

  /** Whether the process is dead: nothing that it does has any effect. */
  get killed(): boolean {
    return this.crashed?.crash.profile === 'kill'
  }

  /** Lets the disk crash before the operation that comes `crash.after` operations later. */
  crashLater(crash: Crash, note: () => Note): void {
    this.#due = { crash, at: this.operations + crash.after, note }
  }

  /** Calls the crash off, if it is still to come. */
  spare(): void {
    this.#due = undefined
  }

  /** Brings the crash that was announced forward. */
  crashNow(): void {
    const due = this.#due
    this.#due = undefined
    if (due === undefined || this.crashed !== undefined) return
    const { crash } = due
    const note = due.note()
    const image = crash.profile === 'kill' ? this.memory : this.memory.crash(crash.profile, this.#random)
    this.crashed = { image, crash, note }
  }

  #observe(index: number): void {
    // Also ends background work that would go on in microtasks for ever and starve everything else.
    if (index > MOST_OPERATIONS) throw new Error('the store never comes to rest')
    if (this.#due !== undefined && index >= this.#due.at) this.crashNow()
    if (this.killed) throw new KilledError('the process was killed')
  }
}
