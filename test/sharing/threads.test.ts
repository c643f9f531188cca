/** Stores that real threads share; built, because a thread loads the package itself. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import type { Store } from '../../src/index.js'
import { builtPackage } from '../integration/real-store.js'
import { temporaryDirectory } from '../store/stores.js'

const MODULE = new URL('./fixtures/worker.mjs', import.meta.url)

/** Flushes and compacts all the time. */
const SMALL = { memtableSize: 64 * 1024, targetFileSize: 64 * 1024, level0CompactionTrigger: 2 } as const

async function openNumbers(): Promise<Store<string, number>> {
  const { open } = await builtPackage()
  const store = await open<string, number>(await temporaryDirectory(), { valueEncoding: 'json', ...SMALL })
  onTestFinished(() => store.close())
  return store
}

class Thread {
  readonly worker: Worker

  private constructor(worker: Worker) {
    this.worker = worker
  }

  static async attachedTo(store: Store<string, number>): Promise<Thread> {
    const thread = new Thread(new Worker(MODULE, { workerData: { handle: store.share() } }))
    onTestFinished(async () => {
      await thread.worker.terminate()
    })
    await thread.#answer()
    return thread
  }

  async does(name: string, argument: unknown = undefined): Promise<unknown> {
    this.worker.postMessage({ name, argument })
    return this.#answer()
  }

  async #answer(): Promise<unknown> {
    const [{ value, error }] = await once(this.worker, 'message')
    expect(error).toBeUndefined()
    return value
  }
}

test('increments of several threads are all counted', async () => {
  const store = await openNumbers()
  const threads = await Promise.all([Thread.attachedTo(store), Thread.attachedTo(store)])
  const own = (async () => {
    for (let i = 0; i < 150; i++) await store.increment('counter')
  })()
  await Promise.all(threads.map((thread) => thread.does('increment', { key: 'counter', times: 150 })))
  await own
  expect(await store.get('counter')).toBe(450)
}, 60_000)

test('transactions of several threads keep the sum', async () => {
  const store = await openNumbers()
  for (let i = 0; i < 8; i++) await store.set(`account ${i}`, 100)
  const threads = await Promise.all([Thread.attachedTo(store), Thread.attachedTo(store)])
  const transfers = threads.map((thread, i) =>
    thread.does('transfer', { accounts: 8, times: 60, seed: i + 1 }),
  )
  const scans = (async () => {
    for (let i = 0; i < 20; i++) {
      const sum = (await store.values().all()).reduce((total, value) => total + value, 0)
      expect(sum).toBe(800)
      await store.flush()
    }
  })()
  await Promise.all([...transfers, scans])
  expect((await store.values().all()).reduce((total, value) => total + value, 0)).toBe(800)
}, 60_000)

test('a thread that never yields sees whole batches, newer and newer, through flushes and compactions', async () => {
  const store = await openNumbers()
  const { WriteBatch } = await builtPackage()
  const thread = await Thread.attachedTo(store)
  const pairs = 20
  const until = 6_000
  const watching = thread.does('watchPairs', { pairs, until })
  for (let n = 0; n <= until; n++) {
    const batch = new WriteBatch<string, number>()
    batch.set(`pair ${n % pairs} 0`, n)
    // Fills memtables, and lies between the two.
    for (let i = 0; i < 5; i++) batch.set(`pair ${n % pairs} 0 filler ${i}`, 0)
    batch.set(`pair ${n % pairs} 1`, n)
    await store.applyBatch(batch)
  }
  expect(await watching).toEqual(expect.any(Number))
  expect(store.stats().compaction.count).toBeGreaterThan(0)
}, 60_000)

test('what a thread holds is let go when it ends', async () => {
  const store = await openNumbers()
  await store.set('a', 1)
  await store.flush()
  const thread = await Thread.attachedTo(store)
  await thread.does('hold')
  await thread.worker.terminate()
  await store.set('a', 2)
  await store.compact()
  await expect.poll(() => store.stats().levels.reduce((count, level) => count + level.entries, 0)).toBe(1)
}, 60_000)
