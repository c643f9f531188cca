/**
 * The disk of a run: strict, slow, and with a crash that comes at a chosen operation, in the middle of whatever is going
 * on. A crash is an image beside the disk, which goes on: what happens behind it never happened.
 */
import { FaultFileSystem, type FileSystem, type MemoryFileSystem } from '../../src/testing.js'
import type { Crash } from './commands.js'
import { SlowFileSystem } from './slow-file-system.js'

/** Many times what the longest run needs. */
const MOST_OPERATIONS = 100_000

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
    this.#counting = new FaultFileSystem(memory, {
      observe: ({ index }) => {
        // Also ends background work that would go on in microtasks for ever and starve everything else.
        if (index > MOST_OPERATIONS) throw new Error('the store never comes to rest')
        if (this.#due !== undefined && index >= this.#due.at) this.crashNow()
      },
    })
    this.fileSystem =
      slowness === 0
        ? this.#counting
        : new SlowFileSystem(this.#counting, () => Math.floor(random() * (slowness + 1)))
  }

  /** Grows with every operation. */
  get operations(): number {
    return this.#counting.operations
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
    const note = due.note()
    this.crashed = { image: this.memory.crash(due.crash.profile, this.#random), crash: due.crash, note }
  }
}
