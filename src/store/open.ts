/** `open`: checks the options, puts the parts together. */
import { randomBytes } from 'node:crypto'
import * as nodePath from 'node:path'
import { present } from '../base/assert.js'
import { VarveError } from '../base/errors.js'
import { WORKER_MODULE } from '../compaction/jobs.js'
import { type Executor, InlineExecutor } from '../env/executor.js'
import type { FileSystem } from '../env/file-system.js'
import { MemoryFileSystem } from '../env/memory-file-system.js'
import { NodeFileSystem } from '../env/node-file-system.js'
import { SystemClock } from '../env/system-clock.js'
import { WorkerExecutor } from '../env/worker-executor.js'
import { hasCurrent } from '../version/current-file.js'
import { Codec } from './encodings/codec.js'
import { type KeyEncodingName, type KeyOf, keyEncodingOf } from './encodings/key-encoding.js'
import {
  type AnyValueEncoding,
  type ValueEncodingName,
  type ValueOf,
  valueEncodingOf,
} from './encodings/value-encoding.js'
import { KeepAlive } from './keep-alive.js'
import { checkOptionNames } from './option-names.js'
import { resolveSettings, type Settings, STORE_OPTION_NAMES, type StoreOptions } from './options.js'
import { ReadOnlyEngine } from './read-only-engine.js'
import { ReadOnlyStore } from './read-only-store.js'
import { type OpenEngine, openEngine } from './recovery.js'
import { Store } from './store.js'

/** Where a store without a disk believes itself to be. */
const IN_MEMORY_PATH = ':memory:'

/**
 * Jobs hold some ten megabytes on the heap of their thread. What they leave outside of it is freed when the heap is collected, and a
 * smaller heap is collected sooner.
 */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 }

/** The options of a store without a disk. */
export type InMemoryOptions<
  KE extends KeyEncodingName = KeyEncodingName,
  VE extends ValueEncodingName | AnyValueEncoding = ValueEncodingName | AnyValueEncoding,
  K = KeyOf<KE>,
  V = ValueOf<VE>,
> = Omit<StoreOptions<KE, VE, K, V>, 'fileSystem' | 'persistence' | 'readOnly'>

const IN_MEMORY_NAMES: ReadonlySet<string> = new Set(
  [...STORE_OPTION_NAMES].filter(
    (name) => name !== 'fileSystem' && name !== 'persistence' && name !== 'readOnly',
  ),
)

/** The options of a store whose keys and values are of types that you name. */
type NamedOptions<K, V> = StoreOptions<KeyEncodingName, ValueEncodingName | AnyValueEncoding, K, V>
type NamedInMemoryOptions<K, V> = InMemoryOptions<KeyEncodingName, ValueEncodingName | AnyValueEncoding, K, V>

/** What `open` gives, by the option `readOnly`. */
type Opened<RO, K, V> = [RO] extends [true] ? ReadOnlyStore<K, V> : Store<K, V>

/**
 * Opens the store in a directory of its own, making it if it is missing.
 *
 * Rejects with `LOCKED` (another process has it; the message names it), `INVALID_ARGUMENT`, `NOT_FOUND`, `EXISTS`,
 * `CORRUPTION`, `UNSUPPORTED_FORMAT`, `IO_ERROR`, `NO_SPACE`.
 *
 * @example
 * ```ts
 * const store = await open('./data', { valueEncoding: 'utf8' }) // a Store<string, string>
 * await store.set('greeting', 'hello')
 * await store.close()
 * ```
 */
export function open<
  const KE extends KeyEncodingName = 'utf8',
  const VE extends ValueEncodingName | AnyValueEncoding = 'buffer',
  const RO extends boolean = false,
>(
  path: string,
  options?: StoreOptions<KE, VE> & { readonly readOnly?: RO },
): Promise<Opened<RO, KeyOf<KE>, ValueOf<VE>>>
/** The same with key and value types that you name, for `'json'` and `'msgpack'`. */
export function open<K, V>(
  path: string,
  options: NamedOptions<K, V> & { readonly readOnly: true },
): Promise<ReadOnlyStore<K, V>>
export function open<K, V>(path: string, options?: NamedOptions<K, V>): Promise<Store<K, V>>
export async function open<K, V>(
  path: string,
  options: StoreOptions = {},
): Promise<Store<K, V> | ReadOnlyStore<K, V>> {
  if (typeof path !== 'string' || path === '') {
    throw new VarveError('INVALID_ARGUMENT', 'open takes the path of a directory as its first argument.')
  }
  const settings = resolveSettings(options)
  const directory = nodePath.resolve(path)
  const fileSystem = options.fileSystem ?? new NodeFileSystem()
  if (settings.readOnly) return openReadOnly(directory, options, settings, fileSystem)
  if (settings.persistence !== 'none') return openStore(directory, options, settings, fileSystem)
  await refuseStoreOnDisk(directory, fileSystem)
  return openStore(directory, options, settings, new MemoryFileSystem({ strict: false }))
}

/**
 * Opens a store without a disk: the same interface, gone with the process. Flush and compaction work in memory, so what
 * is old is compressed; they run on this thread in small steps.
 *
 * @example
 * ```ts
 * const cache = await openInMemory({ valueEncoding: 'json', defaultTtl: 60_000 })
 * ```
 */
export function openInMemory<
  const KE extends KeyEncodingName = 'utf8',
  const VE extends ValueEncodingName | AnyValueEncoding = 'buffer',
>(options?: InMemoryOptions<KE, VE>): Promise<Store<KeyOf<KE>, ValueOf<VE>>>
/** The same with key and value types that you name, for `'json'` and `'msgpack'`. */
export function openInMemory<K, V>(options?: NamedInMemoryOptions<K, V>): Promise<Store<K, V>>
export async function openInMemory<K, V>(options: InMemoryOptions = {}): Promise<Store<K, V>> {
  checkOptionNames('a store in memory', options, IN_MEMORY_NAMES)
  const settings = resolveSettings({ ...options, persistence: 'none' })
  return openStore(IN_MEMORY_PATH, options, settings, new MemoryFileSystem({ strict: false }))
}

async function openStore<K, V>(
  directory: string,
  options: StoreOptions,
  settings: Settings,
  fileSystem: FileSystem,
): Promise<Store<K, V>> {
  const codec = codecOf<K, V>(options, settings)
  const ownExecutor =
    options.executor === undefined ? executorFor(fileSystem instanceof NodeFileSystem) : undefined
  const clock = options.clock ?? new SystemClock()
  const { random } = options
  try {
    const opening = openEngine(
      directory,
      settings,
      { keyEncoding: codec.keys.name },
      {
        fileSystem,
        clock,
        executor: options.executor ?? present(ownExecutor, 'a store that was given no executor has its own'),
        random: random ?? Math.random,
        newDatabaseId: () =>
          random === undefined ? randomBytes(16) : Uint8Array.from({ length: 16 }, () => random() * 256),
      },
    )
    const opened = await new KeepAlive().during(opening)
    const store = new Store(directory, opened, codec, ownExecutor, options)
    return await boundedStore(store, opened)
  } catch (error) {
    await ownExecutor?.close()
    throw error
  }
}

/** Lets a bounded store take stock before anybody has it. */
async function boundedStore<K, V>(store: Store<K, V>, { engine }: OpenEngine): Promise<Store<K, V>> {
  try {
    if (engine.bound !== undefined) await engine.keepAlive.during(engine.bound.open())
    return store
  } catch (error) {
    await store.close().catch(() => undefined)
    throw error
  }
}

async function openReadOnly<K, V>(
  directory: string,
  options: StoreOptions,
  settings: Settings,
  fileSystem: FileSystem,
): Promise<ReadOnlyStore<K, V>> {
  const codec = codecOf<K, V>(options, settings)
  const clock = options.clock ?? new SystemClock()
  const opening = ReadOnlyEngine.open({ directory, fileSystem, clock }, settings, {
    keyEncoding: codec.keys.name,
  })
  return new ReadOnlyStore(directory, await new KeepAlive().during(opening), codec)
}

function codecOf<K, V>(options: StoreOptions, settings: Settings): Codec<K, V> {
  const keys = keyEncodingOf<K>(options.keyEncoding ?? 'utf8')
  const values = valueEncodingOf<V>(options.valueEncoding ?? 'buffer')
  return new Codec(keys, values, settings)
}

/** A store that is on the disk is not passed over in silence. */
async function refuseStoreOnDisk(directory: string, fileSystem: FileSystem): Promise<void> {
  if (!(await hasCurrent(fileSystem, directory))) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `There is a store in ${directory}, which persistence 'none' would neither read nor write. Open it in another mode, or use openInMemory.`,
    { path: directory },
  )
}

/** Node's file system is there in a worker thread too; any other lives in this thread. */
function executorFor(isNodeFileSystem: boolean): Executor {
  return isNodeFileSystem
    ? new WorkerExecutor(WORKER_MODULE, { name: 'varve', resourceLimits: WORKER_LIMITS })
    : new InlineExecutor()
}
