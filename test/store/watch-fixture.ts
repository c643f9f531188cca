/** Stores whose engine a test can reach, and consumers of changes. */
import { Codec } from '../../src/store/encodings/codec.js'
import { type KeyEncodingName, keyEncodingOf } from '../../src/store/encodings/key-encoding.js'
import { valueEncodingOf } from '../../src/store/encodings/value-encoding.js'
import type { Engine } from '../../src/store/engine.js'
import { resolveSettings, type StoreOptions } from '../../src/store/options.js'
import { openEngine } from '../../src/store/recovery.js'
import { Store } from '../../src/store/store.js'
import { InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'

export interface Opened<K> {
  readonly store: Store<K, string>
  readonly engine: Engine
  readonly clock: ManualClock
  readonly fileSystem: MemoryFileSystem
}

export interface OpenOptions extends StoreOptions {
  readonly fileSystem?: MemoryFileSystem
  readonly clock?: ManualClock
}

/** Opens a store of strings with its engine in view. */
export async function openWithEngine<K = string>(options: OpenOptions = {}): Promise<Opened<K>> {
  const { fileSystem = new MemoryFileSystem(), clock = new ManualClock(), ...others } = options
  const keyEncoding: KeyEncodingName = options.keyEncoding ?? 'utf8'
  const settings = resolveSettings(others)
  const opened = await openEngine(
    '/db',
    settings,
    { keyEncoding },
    {
      fileSystem,
      clock,
      executor: new InlineExecutor(),
      random: Math.random,
      newDatabaseId: () => new Uint8Array(16).fill(7),
    },
  )
  const codec = new Codec(
    keyEncodingOf<K>(keyEncoding),
    valueEncodingOf<string>(options.valueEncoding === undefined ? 'utf8' : (options.valueEncoding as 'utf8')),
    settings,
  )
  return { store: new Store('/db', opened, codec, undefined), engine: opened.engine, clock, fileSystem }
}

/** Whether a watcher has gone live: only then what expires is kept for it. */
export function isTold(engine: Engine): boolean {
  return engine.removals?.wants('expire') === true
}

/** The next `count` items. */
export async function take<T>(items: AsyncIterator<T, undefined>, count: number): Promise<T[]> {
  const taken: T[] = []
  while (taken.length < count) {
    const { done, value } = await items.next()
    if (done) throw new Error(`the changes end after ${taken.length}`)
    taken.push(value)
  }
  return taken
}

/** All items up to the end, and the error that ends them. */
export async function drain<T>(items: AsyncIterable<T>): Promise<{ items: T[]; error: unknown }> {
  const taken: T[] = []
  try {
    for await (const item of items) taken.push(item)
    return { items: taken, error: undefined }
  } catch (error) {
    return { items: taken, error }
  }
}
