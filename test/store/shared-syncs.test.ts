/** How writes that wait for the device share its syncs: commit-log.ts says what must hold. */
import { expect, test } from 'vitest'
import type { File, FileSystem, OpenMode } from '../../src/env/file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { codeOf, numbered, openText, type TextStore } from './stores.js'

/** A file system on which a sync of the log takes until the test ends it. */
class SlowLog {
  readonly disk = new MemoryFileSystem()
  readonly fileSystem: FileSystem
  /** How many were begun. */
  begun = 0
  /** What is called in the step in which one begins. */
  onSync = (): void => undefined
  #running: ((error?: Error) => void)[] = []
  #isSlow = false

  constructor() {
    const open = async (path: string, mode: OpenMode): Promise<File> => {
      const file = await this.disk.open(path, mode)
      if (!path.endsWith('.wal')) return file
      return override(file, 'sync', () => this.#sync(file))
    }
    this.fileSystem = override(this.disk as FileSystem, 'open', open)
  }

  slow(): void {
    this.#isSlow = true
    this.begun = 0
  }

  fast(): void {
    this.#isSlow = false
    this.end()
  }

  get isRunning(): boolean {
    return this.#running.length > 0
  }

  /** Ends the sync that runs. */
  end(error?: Error): void {
    for (const end of this.#running.splice(0)) end(error)
  }

  async #sync(file: File): Promise<void> {
    this.begun++
    this.onSync()
    if (this.#isSlow) {
      await new Promise<void>((resolve, reject) => {
        this.#running.push((error) => (error === undefined ? resolve() : reject(error)))
      })
    }
    await file.sync()
  }
}

/** `object` with another method `name`. */
function override<T extends object, N extends keyof T>(object: T, name: N, method: T[N]): T {
  return new Proxy(object, {
    get: (target, key) => {
      const value: unknown = key === name ? method : Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function openSlow(): Promise<{ log: SlowLog; store: TextStore }> {
  const log = new SlowLog()
  const store = await openText({ fileSystem: log.fileSystem, durability: 'disk', syncInterval: 0 })
  log.slow()
  return { log, store }
}

/** Lets everything happen that needs no turn of the event loop. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 100; i++) await undefined
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Writes again and again, and some writers take their time in between: in microtasks, as any `async` function around a call does. */
async function writeAgainAndAgain(store: TextStore, writer: number, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await store.set(numbered(writer), `${i}`)
    for (let step = 0; step < writer % 7; step++) await undefined
  }
}

test('whoever is woken by a sync shares the next: 64 writers, each with the same number of writes', async () => {
  const { log, store } = await openSlow()
  const times = 20
  const all = Promise.all(Array.from({ length: 64 }, (_, writer) => writeAgainAndAgain(store, writer, times)))
  let isDone = false
  all.then(() => {
    isDone = true
  })
  while (!isDone) {
    log.end()
    await turn()
  }
  expect(log.begun).toBe(times)
  log.fast()
})

test('a writer alone waits for nobody: its sync begins in the step in which it is logged, before it is applied', async () => {
  const { log, store } = await openSlow()
  const seen: (string | undefined)[] = []
  log.onSync = () => seen.push(store.getSync('key'))
  for (let i = 1; i <= 5; i++) {
    const write = store.set('key', `${i}`)
    await microtasks()
    expect(log.begun).toBe(i)
    log.end()
    await write
  }
  expect(seen).toEqual([undefined, '1', '2', '3', '4'])
  log.fast()
})

test('what was written while a sync ran waits for no one who does not come back', async () => {
  const { log, store } = await openSlow()
  const first = Promise.all(Array.from({ length: 10 }, (_, i) => store.set(numbered(i), 'first')))
  await turn()
  const second = store.set('other', 'second')
  await microtasks()
  expect(log.begun).toBe(1)
  log.end()
  await first
  expect(log.isRunning).toBe(false)
  await turn()
  expect(log.isRunning).toBe(true)
  log.end()
  await second
  expect(log.begun).toBe(2)
  log.fast()
})

test('sync() shares the sync that runs when nothing was written since, and else the next', async () => {
  const { log, store } = await openSlow()
  const write = store.set('a', '1')
  await turn()
  const syncs = [store.sync(), store.sync()]
  await turn()
  expect(log.begun).toBe(1)
  const later = store.set('b', '2', { durability: 'memory' })
  syncs.push(store.sync())
  await turn()
  log.end()
  await Promise.all([write, later, ...syncs.slice(0, 2)])
  await turn()
  expect([log.begun, log.isRunning]).toEqual([2, true])
  log.end()
  await Promise.all(syncs)
  log.fast()
})

test('a close lets those who wait hear of their sync, and not of what becomes of the mark behind it', async () => {
  const { log, store } = await openSlow()
  const writes = [store.set('a', '1')]
  await turn()
  writes.push(store.set('b', '2'))
  await turn()
  const closing = store.close()
  await turn()
  log.end()
  await turn()
  expect([log.begun, log.isRunning]).toEqual([2, true])
  log.end()
  await turn()
  expect([log.begun, log.isRunning]).toEqual([3, true])
  log.end(Object.assign(new Error('no mark'), { code: 'EIO' }))
  log.fast()
  expect(await Promise.all(writes.map((write) => codeOf(() => write)))).toEqual([undefined, undefined])
  await closing
  const survivor = await openText({ fileSystem: log.disk.crash('nothing', Math.random) })
  expect([survivor.getSync('a'), survivor.getSync('b')]).toEqual(['1', '2'])
})

test('when a sync fails, those who wait for the next are told too', async () => {
  const { log, store } = await openSlow()
  store.on('error', () => undefined)
  const writes = [store.set('a', '1')]
  await turn()
  writes.push(store.set('b', '2'))
  await turn()
  log.end(Object.assign(new Error('failed'), { code: 'EIO' }))
  expect(await Promise.all(writes.map((write) => codeOf(() => write)))).toEqual(['IO_ERROR', 'IO_ERROR'])
  expect(log.begun).toBe(1)
  log.fast()
})

test('a write whose time is taken is answered no later for that', async () => {
  const { log, store } = await openSlow()
  log.fast()
  const answered: number[] = []
  const writes = Array.from({ length: 64 }, (_, i) => store.set(numbered(i), '').then(() => answered.push(i)))
  await Promise.all(writes)
  expect(answered).toEqual(Array.from({ length: 64 }, (_, i) => i))
  expect(store.stats().latency.write.samples).toBe(4)
})
