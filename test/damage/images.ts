/**
 * Small stores as images of their bytes, to be damaged, and what opening such an image comes to.
 *
 * A store has a table in the last level and one in level 0 (with tombstones and expiries), a sealed log segment and
 * the live one: every kind of file of the damage table.
 */
import { VarveError } from '../../src/base/errors.js'
import { parseFileName } from '../../src/base/file-names.js'
import { InlineExecutor } from '../../src/env/executor.js'
import { type FileSystem, writeFullySync } from '../../src/env/file-system.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { open } from '../../src/store/open.js'
import type { StoreOptions } from '../../src/store/options.js'
import type { RepairReport } from '../../src/store/repair.js'
import type { Store } from '../../src/store/store.js'

export const DIRECTORY = '/store'

/** Paths below the store's directory and their bytes. */
export type Image = ReadonlyMap<string, Uint8Array>

export type State = ReadonlyMap<string, string>

export const NOW = 1_700_000_000_000

export const OPTIONS = {
  valueEncoding: 'utf8',
  persistence: 'wal',
  syncInterval: 0,
  cleanupInterval: 1_000_000_000,
  memtableSize: 16_384,
  blockSize: 128,
  targetFileSize: 1024,
  walSegmentSize: 1024,
  filterBitsPerKey: 10,
  level0CompactionTrigger: 10,
  shardCount: 1,
  cacheSize: 0,
  metrics: false,
} as const satisfies StoreOptions

let id = 0

/** What a store runs on under test; ids are the same in every run. */
export function surroundings(fileSystem: FileSystem): StoreOptions {
  let seed = ++id
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 0x1_0000_0000
  }
  return { fileSystem, clock: new ManualClock(NOW), executor: new InlineExecutor(), random }
}

export interface SmallStore {
  /** After a clean close. */
  readonly closed: Image
  /** After the death of its process: all that it wrote is there, and a lock is not. */
  readonly crashed: Image
  /** What both hold. */
  readonly state: State
  /** The same without the last write: nothing on the disk of the crashed one tells that it was complete. */
  readonly before: State
  /** The same store before its last table was made, as a backup may bring it back. */
  readonly old: Image
}

/** Makes one of `count` keys; each has a database id of its own. */
export async function makeStore(count = 30): Promise<SmallStore> {
  const fileSystem = new MemoryFileSystem()
  const store = await open<string, string>(DIRECTORY, {
    ...OPTIONS,
    ...surroundings(fileSystem),
  })
  const part = (share: number): number => Math.floor(count * share)
  const state = new Map<string, string>()
  const set = async (i: number, text: string, ttl?: number): Promise<void> => {
    await store.set(keyOf(i), text, { durability: 'disk', ...(ttl === undefined ? {} : { ttl }) })
    state.set(keyOf(i), text)
  }
  const remove = async (i: number): Promise<void> => {
    await store.delete(keyOf(i), { durability: 'disk' })
    state.delete(keyOf(i))
  }
  for (let i = 0; i < count; i++) await set(i, textOf(i, 0))
  await store.compact()
  const old = await imageOf(fileSystem.crash('all', Math.random))
  for (let i = part(0.1); i < part(0.4); i++) await set(i, textOf(i, 1), i % 3 === 0 ? 10_000_000 : undefined)
  for (let i = part(0.67); i < part(0.84); i++) await remove(i)
  await store.flush()
  for (let i = part(0.27); i < part(0.8); i++) await set(i, textOf(i, 2))
  const before = new Map(state)
  await remove(0)
  const crashed = await imageOf(fileSystem.crash('all', Math.random))
  await store.close()
  return { closed: await imageOf(fileSystem), crashed, state, before, old }
}

export function keyOf(i: number): string {
  return `key${String(i).padStart(3, '0')}`
}

export function textOf(i: number, round: number): string {
  let seed = i * 7 + round + 1
  let text = `${keyOf(i)} in round ${round}: `
  while (text.length < 44) text += (seed = (seed * 48271) % 0x7fffffff).toString(36)
  return text
}

/** Every file below the store's directory. */
export async function imageOf(
  fileSystem: FileSystem,
  directory = DIRECTORY,
): Promise<Map<string, Uint8Array>> {
  const image = new Map<string, Uint8Array>()
  const walk = async (path: string, prefix: string): Promise<void> => {
    for (const name of (await fileSystem.readdir(path)).sort()) {
      const below = `${path}/${name}`
      if ((await fileSystem.stat(below))?.kind === 'directory') {
        await walk(below, `${prefix}${name}/`)
        continue
      }
      const file = await fileSystem.open(below, 'read')
      const bytes = new Uint8Array(await file.size())
      if (bytes.length > 0) await file.read(bytes, 0)
      await file.close()
      image.set(prefix + name, bytes)
    }
  }
  await walk(directory, '')
  return image
}

/** A disk with an image on it. One that is `strict` can crash, which leaves at least the image. */
export async function diskOf(
  image: Image,
  directory = DIRECTORY,
  { strict }: { readonly strict: boolean } = { strict: false },
): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem({ strict })
  await fileSystem.mkdir(directory)
  for (const [name, bytes] of image) {
    const path = `${directory}/${name}`
    await fileSystem.mkdir(path.slice(0, path.lastIndexOf('/')))
    const file = await fileSystem.open(path, 'create')
    if (bytes.length > 0) writeFullySync(file, bytes, 0)
    await file.close()
  }
  return strict ? fileSystem.crash('all', Math.random) : fileSystem
}

/** The image with one file in another shape; `undefined`: without it. */
export function withFile(image: Image, name: string, bytes: Uint8Array | undefined): Image {
  const changed = new Map(image)
  if (bytes === undefined) changed.delete(name)
  else changed.set(name, bytes)
  return changed
}

export function bytesOf(image: Image, name: string): Uint8Array {
  const bytes = image.get(name)
  if (bytes === undefined) throw new Error(`there is no ${name} in ${[...image.keys()].join()}`)
  return bytes
}

/** The names of a kind, in the order of their numbers. */
export function namesOf(image: Image, kind: 'wal' | 'sst' | 'manifest'): string[] {
  return [...image.keys()].filter((name) => parseFileName(name)?.kind === kind).sort()
}

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >> 3] ^= 1 << (bit & 7)
  return copy
}

/** What came of opening an image and reading all of it. */
export interface Outcome {
  /** Why it was not opened. */
  readonly refusal: VarveError | undefined
  /** What could be read. */
  readonly state: State
  /** Keys that could not be read, and why. */
  readonly failed: ReadonlyMap<string, VarveError>
  /** Why a scan over everything ended early. */
  readonly scanFailure?: VarveError | undefined
}

/** Opens, reads `keys` one by one and by scans, closes. Anything but values and typed errors throws. */
export async function outcomeOf(
  fileSystem: FileSystem,
  keys: Iterable<string>,
  directory = DIRECTORY,
): Promise<Outcome> {
  const state = new Map<string, string>()
  const failed = new Map<string, VarveError>()
  let store: Store<string, string>
  try {
    store = await open<string, string>(directory, {
      ...OPTIONS,
      ...surroundings(fileSystem),
      createIfMissing: false,
    })
  } catch (error) {
    return { refusal: typed(error), state, failed }
  }
  try {
    for (const key of keys) {
      try {
        const value = await store.get(key)
        if (value !== undefined) state.set(key, value)
      } catch (error) {
        failed.set(key, typed(error))
      }
    }
    const scanFailure = await checkScans(store, state)
    return { refusal: undefined, state, failed, scanFailure }
  } finally {
    await store.close().catch(typed)
  }
}

/** A scan tells what the lookups told, or fails typed; then it is told why. */
async function checkScans(store: Store<string, string>, state: State): Promise<VarveError | undefined> {
  let failure: VarveError | undefined
  for (const reverse of [false, true]) {
    let entries: [string, string][]
    try {
      entries = await store.entries({ reverse }).all()
    } catch (error) {
      failure = typed(error)
      continue
    }
    for (const [key, value] of entries) {
      if (state.get(key) !== value) throw new Error(`a scan finds ${value} for ${key}, get ${state.get(key)}`)
    }
    if (entries.length !== state.size)
      throw new Error(`a scan finds ${entries.length} entries, get ${state.size}`)
  }
  return failure
}

/** A typed error that says enough. */
export function typed(error: unknown): VarveError {
  if (!(error instanceof VarveError)) throw error
  if (error.code === 'CORRUPTION' && error.path === undefined)
    throw new Error(`names no file: ${error.message}`)
  return error
}

/** Whether a report tells that `key` may be another than it was. */
export function tellsOf({ lost }: RepairReport, key: string): boolean {
  const bytes = Buffer.from(key)
  return lost.some(({ keys, sequences }) => {
    if (keys === undefined) return sequences !== undefined
    const { gt, gte, lte, lt } = keys
    return (
      (gt === undefined || Buffer.compare(bytes, gt) > 0) &&
      (gte === undefined || Buffer.compare(bytes, gte) >= 0) &&
      (lte === undefined || Buffer.compare(bytes, lte) <= 0) &&
      (lt === undefined || Buffer.compare(bytes, lt) < 0)
    )
  })
}

/** A flat text of a state, to compare. */
export function shownState(state: State): string {
  return [...state]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')
}
