/** A store in memory whose clock stands still until it is told to move, and what the tests of this folder do with it. */
import { onTestFinished } from 'vitest'
import {
  type Change,
  open,
  type Store,
  type StoreOptions,
  VarveError,
  type Watcher,
} from '../../src/index.js'
import { InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'

export type TextStore = Store<string, string>
export type TextWatcher = Watcher<string, string>

/** Sweeps come by this often, in ms. */
export const SWEEP_MS = 1000

export class World {
  readonly clock = new ManualClock(1_000_000)
  /** What the store has told of expiry and eviction. */
  readonly told: string[] = []
  fileSystem = new MemoryFileSystem()
  readonly #options: StoreOptions
  #store: TextStore | undefined

  constructor(options: StoreOptions = {}) {
    this.#options = options
  }

  /** A world with an open store, which is closed at the end of the test. */
  static async open(options: StoreOptions = {}): Promise<World> {
    const world = new World(options)
    await world.open()
    onTestFinished(async () => {
      await world.store.close().catch(() => undefined)
    })
    return world
  }

  get store(): TextStore {
    if (this.#store === undefined) throw new Error('the store is open')
    return this.#store
  }

  async open(options: StoreOptions = {}): Promise<TextStore> {
    this.#store = await open<string, string>('/db', {
      valueEncoding: 'utf8',
      clock: this.clock,
      executor: new InlineExecutor(),
      fileSystem: this.fileSystem,
      cleanupInterval: SWEEP_MS,
      onExpire: (key: string, value: string) => {
        this.told.push(`expire ${key}=${value}`)
      },
      onEvict: (key: string, value: string) => {
        this.told.push(`evict ${key}=${value}`)
      },
      memtableSize: 4096,
      blockSize: 256,
      targetFileSize: 4096,
      level0CompactionTrigger: 2,
      ...this.#options,
      ...options,
    })
    return this.#store
  }

  /** Closes the store and opens it again, perhaps with other options. */
  async reopen(options: StoreOptions = {}): Promise<TextStore> {
    await this.store.close()
    return this.open(options)
  }

  /** The power is lost, with whatever was not on the device; the store is opened on what is left. */
  async crash(options: StoreOptions = {}): Promise<TextStore> {
    const left = this.fileSystem.crash('nothing', Math.random)
    await this.store.close()
    this.fileSystem = left
    return this.open(options)
  }

  /** Lets time go by, and what it starts come to its end. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.settle()
  }

  async settle(): Promise<void> {
    for (let turns = 0; turns < 60; turns++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Everything that is there, as `key=value`. */
  async all(store: Pick<TextStore, 'entries'> = this.store): Promise<string> {
    return (await store.entries().all()).map(([key, value]) => `${key}=${value}`).join(' ')
  }
}

/** The next `count` changes, as `sequence type key=value`. */
export async function changes(watcher: TextWatcher, count: number): Promise<string[]> {
  const told: string[] = []
  while (told.length < count) {
    const { value } = await watcher.next()
    if (value === undefined) throw new Error(`the watcher ended behind ${told.length} changes`)
    told.push(describe(value))
  }
  return told
}

/** What a watcher still has to tell until its end, and the code of the error it ends with. */
export async function rest(watcher: TextWatcher): Promise<{ told: string[]; code: string | undefined }> {
  const told: string[] = []
  try {
    for await (const change of watcher) told.push(describe(change))
    return { told, code: undefined }
  } catch (error) {
    return { told, code: codeOf(error) }
  }
}

function describe({ sequence, type, key, value }: Change<string, string>): string {
  if (type === 'clear') return `${sequence} clear`
  return value === undefined ? `${sequence} ${type} ${key}` : `${sequence} ${type} ${key}=${value}`
}

export function codeOf(error: unknown): string {
  if (!(error instanceof VarveError)) throw error
  return error.code
}
