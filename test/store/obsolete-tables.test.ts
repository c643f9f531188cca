import { expect, test } from 'vitest'
import type { File, OpenMode } from '../../src/env/file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { fill, numbered, openText, type TextStore, TINY, textOf, until } from './stores.js'

/** Holds back the opening of a table for reading, once it is told to, until it is let go. */
class SlowFileSystem extends MemoryFileSystem {
  isHolding = false
  #release: (() => void) | undefined

  get isHeld(): boolean {
    return this.#release !== undefined
  }

  override async open(path: string, mode: OpenMode): Promise<File> {
    if (this.isHolding && mode === 'read' && path.endsWith('.sst')) {
      this.isHolding = false
      await new Promise<void>((resolve) => {
        this.#release = resolve
      })
    }
    return super.open(path, mode)
  }

  release(): void {
    this.#release?.()
  }
}

const key = numbered(50)

const reads: [string, (store: TextStore) => Promise<unknown>, unknown][] = [
  ['get', (store) => store.get(key), textOf(key)],
  ['getMany', (store) => store.getMany([key]), [textOf(key)]],
  ['exists', (store) => store.exists(key), true],
  ['an iterator', (store) => store.values({ gte: key, limit: 1 }).all(), [textOf(key)]],
  ['count', (store) => store.count({ prefix: key }), 1],
  ['delete', (store) => store.delete(key), true],
  ['setNX', (store) => store.setNX(key, 'x'), false],
  ['update', (store) => store.update(key, (old) => `${old}!`), `${textOf(key)}!`],
  ['compareAndSet', (store) => store.compareAndSet(key, 'x', 'y'), false],
  ['a view', async (store) => store.view().get(key), textOf(key)],
  [
    'a transaction',
    (store) => store.transaction(async (transaction) => transaction.get(key), { retries: 0 }),
    textOf(key),
  ],
]

test.each(reads)(
  '%s finds its table, though a compaction has done with it meanwhile',
  async (_name, read, expected) => {
    const fileSystem = new SlowFileSystem()
    const store = await openText({ ...TINY, fileSystem })
    await fill(store, 0, 100)
    await store.compact()
    fileSystem.isHolding = true
    const reading = read(store)
    await until(() => fileSystem.isHeld, 'the read of a table')
    for (let i = 0; i < 100; i++) if (numbered(i) !== key) await store.set(numbered(i), 'new')
    await store.compact()
    fileSystem.release()
    expect(await reading).toEqual(expected)
  },
)

/** Takes its time to unlink a table. */
class SlowUnlinks extends MemoryFileSystem {
  override async unlink(path: string): Promise<void> {
    if (path.endsWith('.sst')) await new Promise((resolve) => setTimeout(resolve, 20))
    await super.unlink(path)
  }
}

test('compact resolves when the files that it has replaced are gone', async () => {
  const fileSystem = new SlowUnlinks()
  const store = await openText({ ...TINY, fileSystem })
  await fill(store, 0, 200)
  await store.clear({ gte: numbered(10) })
  await store.compact()
  const tables = (await fileSystem.readdir('/store')).filter((name) => name.endsWith('.sst'))
  const living = store.stats().levels.reduce((sum, level) => sum + level.tables, 0)
  expect(living).toBeGreaterThan(0)
  expect(tables).toHaveLength(living)
})

test('compact waits for no file that a view keeps', async () => {
  const fileSystem = new SlowUnlinks()
  const store = await openText({ ...TINY, fileSystem })
  await fill(store, 0, 200)
  await store.flush()
  const view = store.view()
  await store.clear()
  await store.compact()
  expect(await view.count()).toBe(200)
})
