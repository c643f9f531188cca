/** Stores for the tests of this folder: tiny sizes, so that a few writes flush and compact. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { onTestFinished } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import type { Operation } from '../../src/env/fault-plan.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { open } from '../../src/store/open.js'
import type { StoreOptions } from '../../src/store/options.js'
import type { Readable } from '../../src/store/readable.js'
import type { Store } from '../../src/store/store.js'

export const DIRECTORY = '/store'

/** A memtable of some thirty entries, tables of some twenty, levels of a few tables. */
export const TINY = {
  memtableSize: 4096,
  blockSize: 256,
  targetFileSize: 2048,
  walSegmentSize: 8192,
  cacheSize: 4096,
  shardCount: 2,
  level0CompactionTrigger: 2,
  levelSizeMultiplier: 3,
} as const

export type TextStore = Store<string, string>

/** A store of text in memory, closed at the end of the test. */
export async function openText(options: StoreOptions & { path?: string } = {}): Promise<TextStore> {
  const { path: directory = DIRECTORY, ...rest } = options
  const fileSystem = rest.fileSystem ?? new MemoryFileSystem()
  const store = await open<string, string>(directory, { valueEncoding: 'utf8', ...rest, fileSystem })
  onTestFinished(async () => {
    await store.close().catch(() => undefined)
  })
  return store
}

/** A tiny store on a file system that can fail. */
export async function openFaulty(
  options: StoreOptions = {},
): Promise<{ store: TextStore; faults: FaultFileSystem; errors: VarveError[] }> {
  const faults = new FaultFileSystem(new MemoryFileSystem())
  const store = await openText({ ...TINY, ...options, fileSystem: faults })
  const errors: VarveError[] = []
  store.on('error', (error) => errors.push(error))
  return { store, faults, errors }
}

/** A directory of its own on the real disk, gone after the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'varve-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export function numbered(i: number): string {
  return `key${String(i).padStart(6, '0')}`
}

/** A value of about a hundred bytes that does not compress and names its key. */
export function textOf(key: string, length = 100): string {
  let seed = 7
  for (const char of key) seed = (seed * 31 + char.charCodeAt(0)) >>> 0
  let text = `${key}:`
  while (text.length < length) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    text += seed.toString(36)
  }
  return text.slice(0, length)
}

/** Writes keys `from` to `to`, each awaited. */
export async function fill(store: TextStore, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await store.set(numbered(i), textOf(numbered(i)))
}

/** Writes keys `from` to `to`, each awaited: `text` and its number. */
export async function write(store: TextStore, from: number, to: number, text = 'value'): Promise<void> {
  for (let i = from; i < to; i++) await store.set(numbered(i), `${text}${i}`)
}

/** All that is in a store, to be compared. */
export async function contentOf(store: Pick<Readable<string, string>, 'entries'>): Promise<string> {
  return JSON.stringify(await store.entries().all())
}

/** Whether a call to a file system changes something, so that a crash or a fault can come before it. */
export function isChange({ kind }: Operation): boolean {
  return !['read', 'size', 'stat', 'readdir', 'close', 'unlock'].includes(kind)
}

/** Fails unless exactly keys `from` to `to` are there, by `get`, forwards and backwards. */
export async function checkFilled(store: Readable<string, string>, from: number, to: number): Promise<void> {
  const expected = Array.from({ length: to - from }, (_, i) => numbered(from + i))
  const wrong = expected.filter((key) => store.getSync(key) !== textOf(key))
  if (wrong.length > 0) throw new Error(`${wrong.length} values are wrong, first ${wrong[0]}`)
  for (const reverse of [false, true]) {
    const entries = await store.entries({ reverse }).all()
    if (reverse) entries.reverse()
    const got = entries.map(([key, value]) => `${key}=${value}`).join()
    if (got !== expected.map((key) => `${key}=${textOf(key)}`).join()) {
      throw new Error(
        `a ${reverse ? 'reverse ' : ''}scan finds ${entries.length} entries, not ${expected.length}, or other ones`,
      )
    }
  }
}

/** Waits until `condition` holds; fails after a while. */
export async function until(condition: () => boolean, what: string, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** The code of the error that `work` ends with; `undefined` when it succeeds. What is no VarveError fails. */
export async function codeOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    if (error.message.length < 20) throw new Error(`says too little: ${error.message}`)
    return error.code
  }
  return undefined
}
