/** `resume()`: a store that a failure has made read-only takes writes again, and nothing of what it shows is lost. */
import { describe, expect, test } from 'vitest'
import { parseFileName } from '../../src/base/file-names.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import type { FaultSpec } from '../../src/env/fault-plan.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { CRASH_PROFILES, type CrashProfile } from '../../src/env/memory-crash.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import type { StoreOptions } from '../../src/store/options.js'
import type { Readable } from '../../src/store/readable.js'
import { WriteBatch } from '../../src/store/write-batch.js'
import { randomFrom } from '../model/random.js'
import { codeOf, DIRECTORY, numbered, openText, type TextStore, textOf, until } from './stores.js'

/** Small, but for memtables: a flush comes when it is asked for. */
const OPTIONS = {
  memtableSize: 1 << 16,
  blockSize: 256,
  targetFileSize: 2048,
  walSegmentSize: 4096,
  shardCount: 2,
  level0CompactionTrigger: 64,
} as const satisfies StoreOptions

const DISK = { durability: 'disk' } as const

/** What was not synced when the sync failed never is, though the next sync succeeds. */
const LOG_FAILS: FaultSpec = { kind: 'sync', path: /\.wal$/, dropUnsynced: true }
const MANIFEST_FAILS: FaultSpec = { kind: 'sync', path: /MANIFEST/, dropUnsynced: true }

const COUNT = 12

interface Faulty {
  readonly store: TextStore
  readonly memory: MemoryFileSystem
  readonly faults: FaultFileSystem
  readonly errors: string[]
}

async function openFaulty(options: StoreOptions = {}): Promise<Faulty> {
  const memory = new MemoryFileSystem()
  const faults = new FaultFileSystem(memory)
  const store = await openText({ ...OPTIONS, ...options, fileSystem: faults })
  const errors: string[] = []
  store.on('error', (error) => errors.push(error.code))
  return { store, memory, faults, errors }
}

/** A store of a dozen durable entries that has become read-only, with `'seen'` in memory. */
async function openFailed(fault: FaultSpec, options: StoreOptions = {}): Promise<Faulty> {
  const faulty = await openFaulty(options)
  const { store, faults } = faulty
  const batch = new WriteBatch<string, string>()
  for (let i = 0; i < COUNT; i++) batch.set(numbered(i), textOf(numbered(i)))
  await store.applyBatch(batch, DISK)
  await store.set('seen', 'x')
  faults.fail(fault)
  expect(await codeOf(() => (fault === LOG_FAILS ? store.sync() : store.flush()))).toBe('IO_ERROR')
  expect(await codeOf(() => store.set('refused', 'x'))).toBe('READ_ONLY')
  return faulty
}

/** Fails unless the durable entries are there, and nothing else but what `others` says. */
async function check(store: Readable<string, string>, ...others: string[]): Promise<void> {
  const entries = await store.entries().all()
  const expected = Array.from({ length: COUNT }, (_, i) => `${numbered(i)}=${textOf(numbered(i))}`)
  expect(entries.map(([key, value]) => `${key}=${value}`)).toEqual([...expected, ...others].sort())
  for (const [key, value] of entries) expect(store.getSync(key)).toBe(value)
}

/** The directory holds what the store needs and nothing else. */
async function checkDirectory(store: TextStore, memory: MemoryFileSystem): Promise<void> {
  const count = async (): Promise<Record<string, number>> => {
    const counts: Record<string, number> = { current: 0, manifest: 0, wal: 0, sst: 0 }
    for (const name of await memory.readdir(DIRECTORY)) {
      const kind = parseFileName(name)?.kind ?? name
      if (kind === 'snapshots') continue
      counts[kind] = (counts[kind] ?? 0) + 1
    }
    return counts
  }
  const { wal, levels } = store.stats()
  const sst = levels.reduce((sum, { tables }) => sum + tables, 0)
  const expected = { current: 1, manifest: 1, wal: wal.segments, sst }
  // Files are deleted in the background.
  for (let tries = 0; tries < 50 && JSON.stringify(await count()) !== JSON.stringify(expected); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  expect(await count()).toEqual(expected)
}

/** Fails unless a crash of `memory` leaves the durable entries, and nothing else but what `others` says. */
async function checkCrash(
  memory: MemoryFileSystem,
  profile: CrashProfile,
  options: StoreOptions,
  ...others: string[]
): Promise<void> {
  const survivor = await survivorOf(memory, profile, 1, options)
  await check(survivor, ...others)
  await survivor.close()
}

/** What a crash of `memory` leaves, opened. */
async function survivorOf(
  memory: MemoryFileSystem,
  profile: CrashProfile,
  seed: number,
  options: StoreOptions = {},
): Promise<TextStore> {
  return openText({ ...OPTIONS, ...options, fileSystem: memory.crash(profile, randomFrom(seed)) })
}

describe.each([
  ['the log', LOG_FAILS, 'hybrid'],
  ['the MANIFEST', MANIFEST_FAILS, 'hybrid'],
  ['the MANIFEST without a log', MANIFEST_FAILS, 'snapshot'],
] as const)('behind a failed sync of %s', (_what, fault, persistence) => {
  test('what is shown stays, what is acknowledged survives any crash, nothing is left over', async () => {
    const { store, memory, errors } = await openFailed(fault, { persistence })
    await check(store, 'seen=x')
    await store.resume()
    await check(store, 'seen=x')
    await checkDirectory(store, memory)
    const resumed = memory.fork()
    await store.set('more', 'y', DISK)
    await store.set('even more', 'z')
    for (const profile of CRASH_PROFILES) {
      await checkCrash(resumed, profile, { persistence }, 'seen=x')
      const survivor = await survivorOf(memory, profile, 1, { persistence })
      expect(await survivor.get('more')).toBe('y')
      expect(await survivor.get('seen')).toBe('x')
      expect(await survivor.count()).toBeGreaterThanOrEqual(COUNT + 2)
      await survivor.close()
    }
    await store.flush()
    await store.compact()
    const { ok, findings } = await store.verify()
    expect(findings).toEqual([])
    expect(ok).toBe(true)
    await store.close()
    expect(memory.openCount).toBe(0)
    expect(errors).toEqual(['IO_ERROR'])
    await check(await openText({ fileSystem: memory, persistence }), 'seen=x', 'more=y', 'even more=z')
  })

  test.each([
    ['once', false],
    ['for good', true],
  ])(
    'each file operation of it fails %s: nothing is lost, and it can be called again',
    async (_how, forGood) => {
      let refusals = 0
      for (let after = 0; ; after++) {
        const { store, memory, faults } = await openFailed(fault, { persistence })
        const errno = after % 2 === 0 ? 'EIO' : 'ENOSPC'
        const planned = faults.fail({ after, errno, forGood, dropUnsynced: true })
        const code = await codeOf(() => store.resume())
        expect([undefined, 'IO_ERROR', 'NO_SPACE']).toContain(code)
        const struck = planned.struck > 0
        faults.heal()
        await check(store, 'seen=x')
        if (code !== undefined) {
          refusals++
          expect(await codeOf(() => store.set('refused', 'x'))).toBe('READ_ONLY')
          const reopened = await openText({
            ...OPTIONS,
            persistence,
            fileSystem: memory.crash('all', Math.random),
          })
          await check(reopened, ...((await reopened.exists('seen')) ? ['seen=x'] : []))
          await reopened.close()
          await store.resume()
        }
        await store.set('more', 'y', DISK)
        await check(store, 'seen=x', 'more=y')
        await checkCrash(memory, 'nothing', { persistence }, 'seen=x', 'more=y')
        await store.close()
        expect(memory.openCount).toBe(0)
        await check(await openText({ fileSystem: memory, persistence }), 'seen=x', 'more=y')
        if (!struck) break
      }
      expect(refusals).toBeGreaterThan(8)
    },
  )

  test('a crash at any file operation of it leaves all that was acknowledged, and what is then shown stays', async () => {
    const { store, memory, faults } = await openFailed(fault, { persistence })
    const forks: MemoryFileSystem[] = []
    faults.observe = () => void forks.push(memory.fork())
    await store.resume()
    faults.observe = undefined
    expect(forks.length).toBeGreaterThan(15)
    for (const [seed, fork] of forks.entries()) {
      for (const profile of [CRASH_PROFILES[seed % CRASH_PROFILES.length], 'random'] as const) {
        const left = fork.crash(profile, randomFrom(seed))
        const first = await openText({ ...OPTIONS, persistence, fileSystem: left })
        const shown = (await first.exists('seen')) ? ['seen=x'] : []
        await check(first, ...shown)
        await first.close()
        await checkCrash(left, 'nothing', { persistence }, ...shown)
      }
    }
  })

  test('calls that overlap share one, and writes that come meanwhile wait for it', async () => {
    const { store, faults, memory } = await openFailed(fault, { persistence })
    const before = faults.operations
    const resuming = [store.resume(), store.resume()]
    const writing = store.set('waited', '1', DISK)
    await Promise.all(resuming)
    const once = faults.operations - before
    await writing
    await check(store, 'seen=x', 'waited=1')
    await checkCrash(memory, 'nothing', { persistence }, 'seen=x', 'waited=1')
    expect(once).toBeLessThan(60)
  })

  test('close waits for it', async () => {
    const { store, memory } = await openFailed(fault, { persistence })
    const resuming = store.resume()
    await store.close()
    await resuming
    expect(memory.openCount).toBe(0)
    await check(await openText({ fileSystem: memory.crash('nothing', Math.random), persistence }), 'seen=x')
  })
})

describe('what was rejected with the failure', () => {
  test("a 'disk' write that is seen stays", async () => {
    const { store, memory, faults } = await openFaulty()
    faults.fail(LOG_FAILS)
    expect(await codeOf(() => store.set('a', 'rejected', DISK))).toBe('IO_ERROR')
    expect(await store.get('a')).toBe('rejected')
    await store.resume()
    expect(await store.get('a')).toBe('rejected')
    expect(await (await survivorOf(memory, 'nothing', 1)).get('a')).toBe('rejected')
  })

  test('one that was not applied never comes, and the store is read-only from then on', async () => {
    const { store, memory, faults, errors } = await openFaulty({ durability: 'os' })
    await store.set('a', '1')
    // It is written, and fails all the same; what is to take its place does not get to the device.
    faults.shorten = (kind, length) => (kind === 'write' ? Math.ceil(length / 2) : length)
    faults.fail({ kind: 'write', path: /\.wal$/, after: 1, errno: 'ENOSPC' })
    expect(await codeOf(() => store.set('b', 'half'))).toBe('NO_SPACE')
    faults.shorten = undefined
    faults.fail({ kind: 'sync', path: /\.wal$/ })
    expect(await codeOf(() => store.set('c', 'whole, but not synced'))).toBe('IO_ERROR')
    await until(() => errors.length > 0, 'the error')
    expect(await codeOf(() => store.set('d', 'x'))).toBe('READ_ONLY')
    expect(await store.keys().all()).toEqual(['a'])
    const changes = store.watch({}, { from: 1 })
    expect((await changes.next()).value).toMatchObject({ key: 'a', sequence: 1 })
    const next = changes.next()
    await store.resume()
    await store.set('e', '2')
    expect((await next).value).toMatchObject({ key: 'e', sequence: 2 })
    for (const profile of CRASH_PROFILES) {
      const survivor = await survivorOf(memory, profile, 1)
      expect(['a', 'a,e']).toContain((await survivor.keys().all()).join())
    }
    await store.close()
    expect(await (await openText({ fileSystem: memory })).keys().all()).toEqual(['a', 'e'])
  })

  test('an edit of the MANIFEST is out for good: a clear, and a restore with its files', async () => {
    for (const dropUnsynced of [false, true]) {
      const { store, memory, faults } = await openFaulty()
      await store.set('old', '1')
      const { id } = await store.snapshot()
      await store.set('new', '2')
      await store.flush()
      for (const edit of [() => store.clear(), () => store.restoreSnapshot(id), () => store.compact()]) {
        faults.fail({ ...MANIFEST_FAILS, dropUnsynced })
        expect(await codeOf(edit)).toBe('IO_ERROR')
        await store.resume()
        expect(await store.keys().all()).toEqual(['new', 'old'])
        await checkDirectory(store, memory)
        const survivor = await survivorOf(memory, 'all', 1)
        expect(await survivor.keys().all()).toEqual(['new', 'old'])
      }
      await store.restoreSnapshot(id)
      expect(await store.keys().all()).toEqual(['old'])
    }
  })

  test("'memory' writes that were not logged yet are kept", async () => {
    const { store, memory, faults } = await openFaulty({ durability: 'memory' })
    faults.fail(LOG_FAILS)
    const syncing = codeOf(() => store.set('a', '1', DISK))
    const writing = store.set('b', '2')
    expect(await syncing).toBe('IO_ERROR')
    await writing
    await store.resume()
    expect(await (await survivorOf(memory, 'nothing', 1)).keys().all()).toEqual(['a', 'b'])
  })
})

describe('what goes on', () => {
  test('a watcher misses nothing; what was before is not held by the log any more', async () => {
    const { store } = await openFailed(LOG_FAILS)
    const { sequence } = store.stats()
    const live = store.watch()
    const late = store.watch({}, { from: 1 })
    await store.resume()
    await store.set('next', '1')
    expect((await live.next()).value).toMatchObject({ key: 'next', sequence: sequence + 1 })
    expect(await codeOf(() => late.next())).toBe('NOT_FOUND')
    expect(await codeOf(() => store.watch({}, { from: sequence }).next())).toBe('NOT_FOUND')
    const from = store.watch({}, { from: sequence + 1 })
    expect((await from.next()).value).toMatchObject({ key: 'next' })
  })

  test('views, iterators and transactions that are open', async () => {
    const { store } = await openFailed(LOG_FAILS)
    const view = store.view()
    const iterator = store.entries()
    const transaction = store.transaction(async (tx) => {
      expect(await tx.get('seen')).toBe('x')
      await store.resume()
      tx.set('in a transaction', '1')
    })
    await transaction
    await check(view, 'seen=x')
    expect((await iterator.all()).length).toBe(COUNT + 1)
    view.close()
    await check(store, 'seen=x', 'in a transaction=1')
  })

  test('a bounded store keeps its bound', async () => {
    const { store } = await openFailed(LOG_FAILS, { maxEntries: COUNT + 5, evictionPolicy: 'lru' })
    await store.resume()
    for (let i = 0; i < 20; i++) await store.set(`more ${i}`, 'x')
    expect(await store.count()).toBe(COUNT + 5)
    expect(store.stats().entries).toBe(COUNT + 5)
  })

  test('entries expire, and are announced once', async () => {
    const clock = new ManualClock()
    const expired: string[] = []
    const options = {
      clock,
      cleanupInterval: 100,
      syncInterval: 0,
      onExpire: (key: string) => expired.push(key),
    }
    const { store, faults } = await openFaulty(options as StoreOptions)
    await store.set('a', 'x', { ttl: 50 })
    faults.fail(LOG_FAILS)
    expect(await codeOf(() => store.sync())).toBe('IO_ERROR')
    await clock.advanceInTurns(150)
    expect(expired).toEqual([])
    await store.resume()
    await store.set('b', 'x', { ttl: 50 })
    await clock.advanceInTurns(300)
    await until(() => expired.length === 2, 'both to expire')
    expect(expired.sort()).toEqual(['a', 'b'])
    expect(await store.count()).toBe(0)
  })

  test('the log: it rotates, and goes when tables hold it', async () => {
    const { store, memory } = await openFailed(LOG_FAILS)
    await store.resume()
    for (let i = 0; i < 100; i++) await store.set(`more ${i}`, 'y'.repeat(200))
    expect(store.stats().wal.segments).toBeGreaterThan(3)
    expect(await (await survivorOf(memory, 'all', 1)).count()).toBe(COUNT + 101)
    await store.flush()
    await checkDirectory(store, memory)
    expect(store.stats().wal.segments).toBeLessThan(3)
  })

  test('the log: one without the new segment is damaged, though old segments are there still', async () => {
    const { store, memory, faults } = await openFailed(LOG_FAILS)
    faults.fail({ kind: 'unlink', path: /\.wal$/, forGood: true })
    await store.resume()
    await store.set('more', 'y', DISK)
    const image = memory.crash('all', Math.random)
    const segments = (await image.readdir(DIRECTORY)).filter((name) => name.endsWith('.wal')).sort()
    expect(segments.length).toBeGreaterThan(1)
    await image.unlink(`${DIRECTORY}/${segments.at(-1)}`)
    expect(await codeOf(() => openText({ fileSystem: image }))).toBe('CORRUPTION')
  })

  test('the next failure makes the store read-only again', async () => {
    const { store, faults, errors } = await openFailed(LOG_FAILS)
    for (const fault of [MANIFEST_FAILS, LOG_FAILS, MANIFEST_FAILS]) {
      await store.resume()
      await store.applyBatch(new WriteBatch<string, string>().set('seen', 'x').delete('nothing'))
      faults.fail(fault)
      expect(await codeOf(() => (fault === LOG_FAILS ? store.sync() : store.flush()))).toBe('IO_ERROR')
      expect(await codeOf(() => store.delete('seen'))).toBe('READ_ONLY')
    }
    expect(errors.length).toBe(4)
    await store.resume()
    await check(store, 'seen=x')
  })
})

test('corruption that a compaction has met: tried again, and told as long as it is there', async () => {
  const { store, faults, errors } = await openFaulty({ level0CompactionTrigger: 2 })
  await store.set('a', '1'.repeat(300))
  await store.flush()
  faults.flipBit(/\.sst$/, 40, 3)
  await store.set('a', '2'.repeat(300))
  await store.flush()
  await until(() => errors.length > 0, 'the error')
  expect(errors).toEqual(['CORRUPTION'])
  expect(await codeOf(() => store.set('b', 'x'))).toBe('READ_ONLY')
  for (let i = 0; i < 2; i++) expect(await codeOf(() => store.resume())).toBe('CORRUPTION')
  expect(await codeOf(() => store.set('b', 'x'))).toBe('READ_ONLY')
  faults.heal()
  await store.resume()
  await store.set('b', 'x')
  await store.compact()
  expect(await store.keys().all()).toEqual(['a', 'b'])
})

test('a store that is well resolves at once and touches no file', async () => {
  for (const persistence of ['hybrid', 'wal', 'snapshot', 'none'] as const) {
    const { store, faults } = await openFaulty({ persistence })
    await store.set('a', '1')
    const before = faults.operations
    await store.resume()
    expect(faults.operations).toBe(before)
    await store.close()
    expect(await codeOf(() => store.resume())).toBe('CLOSED')
  }
})
