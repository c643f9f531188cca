/** Iterators, views and transactions that nobody closes: what they hold comes back, and they are told of. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import type { StoreEvents } from '../../src/store/events.js'
import { prometheusText } from '../../src/store/statistics/prometheus.js'
import { turn } from '../model/turns.js'
import { codeOf, DIRECTORY, fill, openText, type TextStore, TINY } from './stores.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

type Leak = StoreEvents['leak']

/** Collects garbage until `condition` holds. */
async function collectUntil(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) {
    await turn()
    collectGarbage()
  }
  expect(condition()).toBe(true)
}

/** The leaks that a store tells of. */
function leaksOf(store: TextStore): Leak[] {
  const leaks: Leak[] = []
  store.on('leak', (leak) => leaks.push(leak))
  return leaks
}

/** In a frame of its own, so that nothing refers to the iterator when it returns. */
async function dropIterator(store: TextStore): Promise<void> {
  await store.entries().next()
}

function dropView(store: TextStore): void {
  store.view()
}

function tableFiles(fileSystem: MemoryFileSystem): Promise<number> {
  return fileSystem.readdir(DIRECTORY).then((names) => names.filter((name) => name.endsWith('.sst')).length)
}

test('an iterator that is dropped lets its files go, and is told of with age and place', async () => {
  const fileSystem = new MemoryFileSystem()
  const clock = new ManualClock()
  const store = await openText({ ...TINY, fileSystem, clock })
  const leaks = leaksOf(store)
  await fill(store, 0, 300)
  await store.flush()
  await dropIterator(store)
  await turn()
  await store.clear()
  expect(await tableFiles(fileSystem)).toBeGreaterThan(0)
  expect(store.stats().readers).toMatchObject({ iterators: 1, leaked: 0 })
  clock.advance(1234)
  await collectUntil(() => leaks.length > 0)
  expect(leaks).toEqual([{ kind: 'iterator', ageMs: 1234, madeAt: expect.stringContaining('dropIterator') }])
  expect(leaks[0].madeAt).toMatch(/leaks\.test\.ts:\d+/)
  expect(leaks[0].madeAt).not.toContain('range-iterator')
  expect(store.stats().readers).toMatchObject({ iterators: 0, leaked: 1, oldest: undefined })
  await turn()
  expect(await tableFiles(fileSystem)).toBe(0)
})

test('a view and a transaction that are dropped let their moments go', async () => {
  const store = await openText()
  const leaks = leaksOf(store)
  await store.set('a', '1')
  dropView(store)
  // Nobody will ever settle this one.
  void store.transaction(() => new Promise(() => undefined))
  await turn()
  expect(store.stats().readers).toMatchObject({ views: 1, transactions: 1 })
  await collectUntil(() => leaks.length === 2)
  expect(leaks.map(({ kind }) => kind).sort()).toEqual(['transaction', 'view'])
  expect(store.stats().readers).toMatchObject({ views: 0, transactions: 0, leaked: 2 })
})

test('what is in use is not collected', async () => {
  const store = await openText({ ...TINY })
  const leaks = leaksOf(store)
  await fill(store, 0, 100)
  const iterator = store.keys()
  const view = store.view()
  let seen = 0
  for await (const _ of store.entries()) {
    if (seen++ % 20 === 0) {
      await turn()
      collectGarbage()
    }
  }
  expect(seen).toBe(100)
  await view.close()
  expect((await iterator.all()).length).toBe(100)
  await turn()
  collectGarbage()
  await turn()
  expect(leaks).toEqual([])
  expect(store.stats().readers).toMatchObject({ iterators: 0, views: 0, leaked: 0 })
})

test('without a listener a leak is a process warning, once for each place', async () => {
  const warnings: (Error & { code?: string; detail?: string })[] = []
  const note = (warning: Error): void => {
    if (warning.name === 'VarveWarning') warnings.push(warning)
  }
  process.on('warning', note)
  onTestFinished(() => {
    process.off('warning', note)
  })
  const store = await openText({ leakDetection: 'all' })
  await store.set('a', '1')
  for (let i = 0; i < 3; i++) dropView(store)
  await dropIterator(store)
  await collectUntil(() => store.stats().readers.leaked === 4)
  await turn()
  expect(warnings.map(({ code }) => code)).toEqual(['VARVE_LEAK', 'VARVE_LEAK'])
  const [view, iterator] = warnings.sort((a, b) => (a.message < b.message ? -1 : 1))
  expect(view.message).toMatch(/^A view was garbage collected without .*For \d+ ms/)
  expect(iterator.message).toMatch(/^An iterator was garbage collected/)
  expect(view.detail).toContain('dropView')
})

test('places are sampled: the first of each ten milliseconds, or all', async () => {
  const clock = new ManualClock()
  const store = await openText({ clock })
  const placed = (): boolean[] =>
    // Opened together, they are listed one by one as the older ones are closed.
    views.map((view) => {
      const isPlaced = store.stats().readers.oldest?.madeAt !== undefined
      view.close()
      return isPlaced
    })
  let views = [store.view(), store.view()]
  expect(placed()).toEqual([true, false])
  await turn()
  views = [store.view()]
  expect(placed()).toEqual([false])
  clock.advance(10)
  await turn()
  views = [store.view(), store.view()]
  expect(placed()).toEqual([true, false])
})

test('stats tell of the oldest reader', async () => {
  const clock = new ManualClock()
  const store = await openText({ clock, leakDetection: 'all' })
  await store.set('a', '1')
  using view = store.view()
  const early = store.entries()
  await turn()
  clock.advance(5000)
  const late = store.keys()
  expect(store.stats().readers).toEqual({
    iterators: 2,
    views: 1,
    transactions: 0,
    leaked: 0,
    oldest: { kind: 'view', ageMs: 5000, madeAt: expect.stringContaining('leaks.test.ts') },
  })
  expect(prometheusText(store.stats())).toContain('varve_oldest_reader_seconds 5\n')
  view.close()
  expect(store.stats().readers.oldest?.kind).toBe('iterator')
  await early.close()
  expect(store.stats().readers.oldest).toMatchObject({ kind: 'iterator', ageMs: 0 })
  await late.close()
  expect(store.stats().readers.oldest).toBeUndefined()
})

test('a store that is closed under its readers deletes nothing afterwards', async () => {
  const fileSystem = new MemoryFileSystem()
  const store = await openText({ ...TINY, fileSystem })
  await fill(store, 0, 300)
  await store.flush()
  const iterator = store.entries()
  await iterator.next()
  const view = store.view()
  await store.clear()
  expect(await tableFiles(fileSystem)).toBeGreaterThan(0)
  await store.close()
  expect(await tableFiles(fileSystem)).toBe(0)
  expect(await codeOf(() => iterator.all())).toBe('CLOSED')
  expect(await codeOf(() => view.get('a'))).toBe('CLOSED')
  await iterator.close()
  view.close()
})

test('an option that is neither is refused', async () => {
  expect(await codeOf(() => openText({ leakDetection: 'some' as 'all' }))).toBe('INVALID_ARGUMENT')
})
