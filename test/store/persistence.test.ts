/** The persistence modes: what each leaves behind, and that a store may be opened in another mode than it was written in. */
import { describe, expect, test } from 'vitest'
import { open, openInMemory, type Persistence, type Store, WriteBatch } from '../../src/index.js'
import {
  CRASH_PROFILES,
  FaultFileSystem,
  type FileSystem,
  InlineExecutor,
  ManualClock,
  MemoryFileSystem,
} from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { contentOf } from './stores.js'

const DIRECTORY = '/db'
const MODES: readonly Persistence[] = ['wal', 'snapshot', 'hybrid']

function openIn(
  mode: Persistence,
  fileSystem: FileSystem,
  memtableSize = 4096,
): Promise<Store<string, string>> {
  return open<string, string>(DIRECTORY, {
    persistence: mode,
    valueEncoding: 'utf8',
    fileSystem,
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    memtableSize,
    blockSize: 256,
    cacheSize: 4096,
    walSegmentSize: 2048,
    level0CompactionTrigger: 2,
  })
}

/** Writes batches of three keys and knows what the store holds behind each. */
class Writer {
  /** The content behind each sequence number that ends a batch. */
  readonly contents = new Map<number, string>([[0, '[]']])
  #state = new Map<string, string>()
  #count = 0

  async write(store: Store<string, string>, chance: () => number): Promise<void> {
    const batch = new WriteBatch<string, string>()
    for (let i = 0; i < 3; i++) {
      const key = `key${Math.floor(chance() * 20)}`
      if (chance() < 0.25) {
        batch.delete(key)
        this.#state.delete(key)
      } else {
        const value = `${this.#count++}`.padEnd(Math.floor(chance() * 120), '.')
        batch.set(key, value)
        this.#state.set(key, value)
      }
    }
    const written = store.applyBatch(batch)
    const sorted = [...this.#state].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    await written
    this.contents.set(store.stats().sequence, JSON.stringify(sorted))
  }

  /** The store was found to end with `sequence`. */
  rewind(sequence: number): void {
    for (const known of this.contents.keys()) if (known > sequence) this.contents.delete(known)
    this.#state = new Map(JSON.parse(this.contents.get(sequence) ?? '[]'))
  }
}

/** Sessions in the given modes one after the other, each ended by a crash or a close; checks what each finds. */
async function live(modes: readonly Persistence[], seed: number): Promise<void> {
  const chance = randomFrom(seed)
  const writer = new Writer()
  let memory = new MemoryFileSystem()
  let least = 0
  let most = 0
  for (const [index, mode] of modes.entries()) {
    await new Promise(setImmediate)
    const where = `seed ${seed}, session ${index} (${modes.join(', ')})`
    const store = await openIn(mode, memory)
    const { sequence } = store.stats()
    expect(sequence, where).toBeGreaterThanOrEqual(least)
    expect(sequence, where).toBeLessThanOrEqual(most)
    expect(await contentOf(store), where).toBe(writer.contents.get(sequence))
    writer.rewind(sequence)
    // What was found is on the device, also when it came from a log that another mode has no use for.
    least = mode === 'snapshot' ? sequence : least
    for (let i = Math.floor(chance() * 30); i > 0; i--) {
      await writer.write(store, chance)
      const dice = chance()
      if (dice < 0.05) await store.flush()
      else if (dice < 0.1) await store.sync()
      if (dice < 0.1) least = store.stats().sequence
    }
    most = store.stats().sequence
    const isKilled = chance() < 0.3
    const profile = isKilled ? 'all' : CRASH_PROFILES[Math.floor(chance() * CRASH_PROFILES.length)]
    if (isKilled && mode !== 'snapshot') least = most
    if (chance() < 0.3) {
      await store.close()
      least = most
    }
    memory = memory.crash(profile, chance)
  }
}

describe('from mode to mode, through crashes', () => {
  test.each(MODES.flatMap((from) => MODES.map((to) => [from, to] as const)))('%s to %s', async (from, to) => {
    for (let seed = 1; seed <= 6; seed++) await live([from, to, to, from, to], seed)
  })

  test('a crash at any moment of the opening in another mode loses nothing and brings nothing back', async () => {
    for (const [from, to] of [
      ['wal', 'snapshot'],
      ['snapshot', 'wal'],
      ['hybrid', 'snapshot'],
    ] as const) {
      const chance = randomFrom(7)
      const disk = new MemoryFileSystem()
      // Nothing is flushed, so that there is a log of several segments to lose.
      const first = await openIn(from, disk, 1 << 20)
      const writer = new Writer()
      for (let i = 0; i < 30; i++) await writer.write(first, chance)
      await first.sync()
      const expected = await contentOf(first)
      const memory = disk.crash('random', chance)
      const crashes: { at: string; disk: MemoryFileSystem }[] = []
      const observed = new FaultFileSystem(memory, {
        observe: ({ kind, path }) => {
          if (['read', 'size', 'stat', 'readdir', 'close'].includes(kind)) return
          for (const profile of ['nothing', 'all', 'random'] as const) {
            crashes.push({ at: `${profile} at ${kind} ${path}`, disk: memory.crash(profile, chance) })
          }
        },
      })
      const store = await openIn(to, observed)
      expect(await contentOf(store)).toBe(expected)
      expect(crashes.length).toBeGreaterThan(40)
      for (const crash of crashes) {
        // A store in memory opens and closes in microtasks; timers of the next turn keep it alive until there is one.
        await new Promise(setImmediate)
        for (const mode of [to, from]) {
          const survivor = crash.disk.crash('all', chance)
          await using found = await openIn(mode, survivor)
          expect(await contentOf(found), `${from} to ${to}, then ${mode}: ${crash.at}`).toBe(expected)
          await found.set('new', 'write')
          await found.close()
          await using again = await openIn(to, survivor)
          expect(await again.get('new')).toBe('write')
        }
      }
    }
  }, 60_000)
})

describe("'snapshot'", () => {
  test('writes no log, and loses what was not flushed', async () => {
    const memory = new MemoryFileSystem()
    const store = await openIn('snapshot', memory)
    await store.set('a', 'flushed')
    await store.flush()
    await store.set('b', 'not flushed')
    expect((await memory.readdir(DIRECTORY)).filter((name) => name.endsWith('.wal'))).toEqual([])
    expect(store.stats().wal).toMatchObject({ segments: 0, bytes: 0, syncedSequence: 1 })
    await using found = await openIn('snapshot', memory.crash('all', Math.random))
    expect(await contentOf(found)).toBe('[["a","flushed"]]')
  })

  test('keeps what was synced, written with durability disk, or there at the close', async () => {
    for (const end of ['sync', 'disk', 'close'] as const) {
      const memory = new MemoryFileSystem()
      const store = await openIn('snapshot', memory)
      await store.set('a', '1')
      if (end === 'disk')
        await Promise.all(['b', 'c'].map((key) => store.set(key, '2', { durability: 'disk' })))
      else await store[end]()
      await using found = await openIn('snapshot', memory.crash('nothing', Math.random))
      expect(await found.keys().all()).toEqual(end === 'disk' ? ['a', 'b', 'c'] : ['a'])
    }
  })

  test('disk writes that come together share their flushes', async () => {
    const store = await openIn('snapshot', new MemoryFileSystem())
    const writes: Promise<void>[] = []
    for (let i = 0; i < 50; i++) {
      writes.push(store.set(`${i}`, 'x', { durability: 'disk' }))
      await Promise.resolve()
    }
    await Promise.all(writes)
    expect(store.stats().flush.count).toBeLessThan(10)
    await store.close()
  })

  test('removes the log that another mode left', async () => {
    const memory = new MemoryFileSystem()
    const logged = await openIn('wal', memory)
    await logged.set('a', '1')
    await logged.close()
    await using store = await openIn('snapshot', memory)
    expect(await store.get('a')).toBe('1')
    expect((await memory.readdir(DIRECTORY)).filter((name) => name.endsWith('.wal'))).toEqual([])
  })

  test('a missing log is still damage where there must be one', async () => {
    const memory = new MemoryFileSystem()
    const store = await openIn('snapshot', memory)
    await store.close()
    const logged = await openIn('wal', memory)
    await logged.set('a', '1')
    const survivor = memory.crash('all', Math.random)
    for (const name of await survivor.readdir(DIRECTORY)) {
      if (name.endsWith('.wal')) await survivor.unlink(`${DIRECTORY}/${name}`)
    }
    for (const mode of MODES) {
      await expect(openIn(mode, survivor)).rejects.toMatchObject({ code: 'CORRUPTION' })
    }
  })
})

describe("'none'", () => {
  test('is a whole store without a disk', async () => {
    const store = await openInMemory({ valueEncoding: 'utf8', memtableSize: 4096, clock: new ManualClock() })
    for (let i = 0; i < 500; i++) await store.set(`key${i}`, 'value'.repeat(10), { durability: 'disk' })
    await store.delete('key7')
    await store.compact()
    expect(await store.count()).toBe(499)
    expect(await store.get('key8')).toBe('value'.repeat(10))
    expect(store.stats().levels.reduce((sum, { tables }) => sum + tables, 0)).toBeGreaterThan(0)
    expect(store.stats().wal).toMatchObject({ segments: 0, bytes: 0 })
    await store.sync()
    await store.close()
  })

  test('lets the event loop breathe while it flushes and compacts', async () => {
    const store = await openInMemory({ memtableSize: 8 << 20, compression: 'none' })
    const value = Buffer.alloc(1000)
    for (let i = 0; i < 6000; i++) await store.set(`key${i}`, value)
    let turns = 0
    let running = true
    const count = (): void => {
      turns++
      if (running) setImmediate(count)
    }
    setImmediate(count)
    await store.flush()
    running = false
    expect(turns).toBeGreaterThan(10)
    await store.close()
  })

  test('leaves a directory alone, and does not pass over a store that is there', async () => {
    const memory = new MemoryFileSystem()
    const store = await openIn('none', memory)
    await store.set('a', '1')
    await store.close()
    expect(await memory.readdir('/')).toEqual([])
    await (await openIn('wal', memory)).close()
    await expect(openIn('none', memory)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

test('another mode than the four is refused', async () => {
  await expect(openIn('disk' as never, new MemoryFileSystem())).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
})
