/** The smallest tests of bugs that the model tests (test/model) found, named by the behaviour that was wrong. */

import { expect, test } from 'vitest'
import { open, type Store, type StoreOptions, WriteBatch } from '../../src/index.js'
import {
  FaultFileSystem,
  type File,
  ManualClock,
  MemoryFileSystem,
  type OpenMode,
} from '../../src/testing.js'
import { turn } from '../model/turns.js'

function openOn(fileSystem: MemoryFileSystem, options: StoreOptions = {}): Promise<Store<string, string>> {
  return open<string, string>('/db', {
    valueEncoding: 'utf8',
    clock: new ManualClock(),
    fileSystem,
    ...options,
  })
}

async function storeWith(...keys: string[]): Promise<Store<string, string>> {
  const store = await openOn(new MemoryFileSystem())
  for (const key of keys) await store.set(key, key)
  return store
}

/** The number of tables on the disk, when nothing moves any more. */
async function tablesOn(fileSystem: MemoryFileSystem): Promise<number> {
  for (let turns = 0; turns < 10; turns++) await turn()
  return (await fileSystem.readdir('/db')).filter((name) => name.endsWith('.sst')).length
}

test('a batch that is cleared right after the call is counted as it was', async () => {
  await using store = await storeWith()
  const batch = new WriteBatch<string, string>().set('a', '1').delete('b')
  const applied = store.applyBatch(batch)
  batch.clear()
  expect(await applied).toEqual({ successful: 2, failed: 0 })
})

test('an entry that was fetched ahead and passed over by a seek does not count towards the limit', async () => {
  await using store = await storeWith('a', 'b', 'c')
  await using iterator = store.keys({ limit: 3 })
  expect(await iterator.next()).toEqual({ done: false, value: 'a' })
  iterator.seek('b')
  expect(await iterator.nextMany(9)).toEqual(['b', 'c'])
})

test.each(['all', 'for', 'for await'])(
  '%s lets go of an iterator that is at its end already',
  async (how) => {
    const fileSystem = new MemoryFileSystem()
    await using store = await openOn(fileSystem)
    await store.set('a', '1')
    await store.flush()
    const iterator = store.keys()
    expect(await iterator.nextMany(9)).toEqual(['a'])
    if (how === 'all') expect(await iterator.all()).toEqual([])
    else if (how === 'for') expect([...iterator]).toEqual([])
    else for await (const key of iterator) expect(key).toBe('nothing')
    await store.delete('a')
    await store.compact()
    expect(await tablesOn(fileSystem)).toBe(0)
  },
)

test('a delete tells whether the key was there, though the store is closed while it looks', async () => {
  class SlowFileSystem extends MemoryFileSystem {
    override async open(path: string, mode: OpenMode): Promise<File> {
      if (path.endsWith('.sst')) for (let turns = 0; turns < 20; turns++) await turn()
      return super.open(path, mode)
    }
  }
  const fileSystem = new SlowFileSystem()
  await using before = await openOn(fileSystem)
  await before.set('a', '1')
  await before.flush()
  await before.close()
  const store = await openOn(fileSystem)
  const deleted = store.delete('a')
  await store.close()
  expect(await deleted).toBe(true)
})

test('an iterator refuses a view that was closed, and one of another store', async () => {
  await using store = await storeWith('a')
  await using other = await storeWith('a')
  const view = store.view()
  expect(() => other.entries({ view })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  view.close()
  expect(() => store.entries({ view })).toThrow(expect.objectContaining({ code: 'CLOSED' }))
})

test('ordered keys of different types come in the order that the documentation tells', async () => {
  await using store = await open('/db', { keyEncoding: 'ordered', fileSystem: new MemoryFileSystem() })
  const keys = [null, false, true, 1e300, new Date(0), -1n, 'a', ['a']]
  for (const key of keys.toReversed()) await store.set(key, '')
  expect(await store.keys().all()).toEqual(keys)
})

test.each(['/db', '/over/there/db'])(
  'a process that is killed while it makes %s leaves nothing that a power loss takes the store with',
  async (path) => {
    for (let after = 0; after < 12; after++) {
      const memory = new MemoryFileSystem()
      const dying = new FaultFileSystem(memory)
      dying.fail({ after, forGood: true })
      await open(path, { fileSystem: dying, clock: new ManualClock() }).catch(() => undefined)
      // The lock of a dead process is taken over.
      const next = new FaultFileSystem(memory)
      next.lock = async () => ({ release: async () => undefined })
      const store = await open(path, { fileSystem: next, clock: new ManualClock() })
      await store.set('a', '1', { durability: 'disk' })
      const survived = memory.crash('nothing', Math.random)
      await using reopened = await open(path, { fileSystem: survived, clock: new ManualClock() })
      expect((await reopened.get('a'))?.toString(), `killed before operation ${after}`).toBe('1')
    }
  },
)

test('a disk write that is refused while it is encoded leaves no promise behind to be rejected', async () => {
  const faults = new FaultFileSystem(new MemoryFileSystem())
  const store = await open('/store', { fileSystem: faults, valueEncoding: 'utf8' })
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => {
    unhandled.push(reason)
  }
  process.on('unhandledRejection', note)
  try {
    faults.fail({ kind: 'sync', errno: 'EIO', forGood: true })
    const kept = store.set('a', '1')
    const batch = new WriteBatch<string, string>().set('b', '\ud800')
    await expect(store.applyBatch(batch, { durability: 'disk' })).rejects.toMatchObject({
      code: 'INVALID_VALUE',
    })
    await kept
    await expect(store.set('c', '3', { durability: 'disk' })).rejects.toMatchObject({ code: 'IO_ERROR' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
    await store.close().catch(() => undefined)
  }
})

test('clearing a range that says nothing, or something else, is refused and removes nothing', async () => {
  const store = await openOn(new MemoryFileSystem())
  await store.set('a', '1')
  const odd = [
    { prefix: undefined },
    { prefx: 'b' },
    { key: 'a' },
    ['a'],
    Buffer.from('b'),
    new Map(),
    new Date(),
  ]
  for (const range of odd) {
    await expect(store.clear(range as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
  expect(await store.get('a')).toBe('1')
  await store.clear()
  expect(await store.count()).toBe(0)
  await store.close()
})

test('an asynchronous function is refused by update, and odd retries by transaction', async () => {
  const store = await openOn(new MemoryFileSystem())
  await store.set('a', '1')
  const refused = { code: 'INVALID_ARGUMENT' }
  await expect(store.update('a', (async () => '2') as never)).rejects.toMatchObject(refused)
  expect(await store.get('a')).toBe('1')
  for (const retries of [Number.NaN, -1, 'x']) {
    await expect(store.transaction(() => 1, { retries } as never)).rejects.toMatchObject(refused)
  }
  await expect(store.transaction((tx) => tx.keys({ limit: 'x' } as never).all())).rejects.toMatchObject(
    refused,
  )
  await expect(store.transaction((tx) => tx.getMany('abc' as never))).rejects.toMatchObject(refused)
  await store.close()
})

test("an empty batch with 'os' answers for what was written before it", async () => {
  const fileSystem = new MemoryFileSystem()
  const store = await openOn(fileSystem)
  await store.set('a', '1', { durability: 'memory' })
  await store.applyBatch(new WriteBatch(), { durability: 'os' })
  const survivor = await openOn(fileSystem.crash('all', () => 0.5))
  expect(await survivor.get('a')).toBe('1')
  await survivor.close()
  await store.close()
})

test('a log whose close record never got to the device opens after a power loss behind the next open', async () => {
  const fileSystem = new MemoryFileSystem()
  const faults = new FaultFileSystem(fileSystem)
  const first = await openOn(fileSystem, { fileSystem: faults })
  await first.set('a', '1', { durability: 'disk' })
  faults.fail({ kind: 'sync', path: /\.wal$/, dropUnsynced: true })
  await first.close()
  const second = await openOn(fileSystem)
  await second.set('b', '2', { durability: 'disk' })
  const survivor = await openOn(fileSystem.crash('nothing', Math.random))
  expect(await survivor.entries().all()).toEqual([
    ['a', '1'],
    ['b', '2'],
  ])
  await survivor.close()
  await second.close()
})

test('a value encoding that writes to the store while a batch is encoded tears no batch', async () => {
  let inside: (() => void) | undefined
  const valueEncoding = {
    encode(value: string) {
      inside?.()
      if (value === 'bad') throw new Error('no value')
      return Buffer.from(value)
    },
    decode: String,
  }
  const store = await open('/db', { fileSystem: new MemoryFileSystem(), valueEncoding, maxEntries: 100 })
  const batch = new WriteBatch<string, string>().delete('first').set('a', '1').set('b', 'bad')
  await store.set('first', 'x')
  inside = () => {
    inside = undefined
    void store.set('other', 'x')
  }
  await expect(store.applyBatch(batch)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
  expect(await store.get('first')).toBe('x')
  expect(await store.keys().all()).not.toContain('a')
  await store.close()
})

test('what is left of the deletion of a snapshot goes only when the snapshot cannot come back', async () => {
  const fileSystem = new MemoryFileSystem()
  let killed: MemoryFileSystem | undefined
  const faults = new FaultFileSystem(fileSystem, {
    observe: ({ kind, path }) => {
      if (kind === 'syncDir' && path === '/db/snapshots' && killed === undefined) killed = fileSystem.fork()
    },
  })
  const store = await openOn(fileSystem)
  await store.set('a', '1')
  const { id } = await store.snapshot()
  await store.close()
  const deleting = await openOn(fileSystem, { fileSystem: faults })
  await deleting.deleteSnapshot(id)
  await deleting.close()
  if (killed === undefined) throw new Error('the directory is synced')
  // Killed behind the rename, before it was durable; the power goes in the middle of the next open.
  const images: MemoryFileSystem[] = []
  const disk: MemoryFileSystem = killed
  const observing = new FaultFileSystem(disk, {
    observe: ({ kind }) => {
      if (kind === 'unlink') images.push(disk.crash('unlinks-first', Math.random))
    },
  })
  const recovered = await openOn(disk, { fileSystem: observing })
  await recovered.close()
  expect(images.length).toBeGreaterThan(0)
  for (const image of images) {
    const survivor = await openOn(image)
    for (const snapshot of await survivor.snapshots()) await survivor.restoreSnapshot(snapshot.id)
    expect(await survivor.get('a')).toBe('1')
    await survivor.close()
  }
})

test('a short read of the footer that was just written is no corruption', async () => {
  const faults = new FaultFileSystem(new MemoryFileSystem())
  const store = await openOn(new MemoryFileSystem(), { fileSystem: faults })
  await store.set('a', '1')
  faults.shorten = () => 7
  await store.flush()
  expect(await store.get('a')).toBe('1')
  await store.close()
})

test.each([false, true])(
  'a long run of keys that nobody sees is gone through once (reverse: %s)',
  async (reverse) => {
    const clock = new ManualClock()
    const store = await open<string, string>('/db', {
      valueEncoding: 'utf8',
      clock,
      fileSystem: new MemoryFileSystem(),
      blockSize: 256,
      cacheSize: 0,
      cleanupInterval: 0,
    })
    const batch = new WriteBatch<string, string>()
    for (let i = 0; i < 10_000; i++) batch.set(`key ${String(i).padStart(6, '0')}`, 'value', { ttl: 1000 })
    batch.set('a', 'first').set('z', 'last')
    await store.applyBatch(batch)
    await store.flush()
    clock.advance(2000)
    const before = store.stats().cache.misses
    expect(await store.keys({ reverse }).all()).toEqual(reverse ? ['z', 'a'] : ['a', 'z'])
    expect(await store.count()).toBe(2)
    // Two scans of some thousand blocks, each asked for in vain once, and again when it is there.
    expect(store.stats().cache.misses - before).toBeLessThan(20_000)
    await store.close()
  },
)
