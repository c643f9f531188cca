/** Bounded stores for the tests: tiny sizes, a manual clock, chance from a seed. */
import { expect } from 'vitest'
import { open, type Store, type StoreOptions } from '../../src/index.js'
import { InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'

export type TextStore = Store<string, string>

const SMALL: StoreOptions = { memtableSize: 2048, targetFileSize: 2048, blockSize: 256, walSegmentSize: 4096 }

export function openBounded(options: StoreOptions = {}, path = '/db'): Promise<TextStore> {
  return open<string, string>(path, {
    valueEncoding: 'utf8',
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    fileSystem: new MemoryFileSystem(),
    random: randomFrom(7),
    ...SMALL,
    ...options,
  })
}

export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** What is in the store, as everybody may see it, and that the counters say the same. */
export async function contentsOf(store: TextStore): Promise<[string, string][]> {
  const entries = await store.entries().all()
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key + value), 0)
  expect(store.stats()).toMatchObject({ entries: entries.length, bytes })
  expect(await store.len()).toBe(entries.length)
  expect(await store.size()).toBe(bytes)
  return entries
}
