import { describe, expect, test } from 'vitest'
import type { VarveError } from '../../src/base/errors.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { OPERATION_KINDS } from '../faults/operation-kinds.js'
import { checkFilled, codeOf, fill, numbered, openFaulty, openText, TINY, textOf, until } from './stores.js'

/** Writes keys from `from` on, one by one, and counts how many were acknowledged before the first refusal. */
async function fillUntilRefused(
  store: Parameters<typeof fill>[0],
  from: number,
): Promise<{ to: number; code: string | undefined }> {
  for (let i = from; i < from + 5000; i++) {
    const code = await codeOf(() => store.set(numbered(i), textOf(numbered(i))))
    if (code !== undefined) return { to: i, code }
  }
  return { to: from + 5000, code: undefined }
}

/** {@link fill}, with patience: until the next attempt of the background work writers may still be told of the last. */
async function fillPatiently(store: Parameters<typeof fill>[0], from: number, to: number): Promise<void> {
  const deadline = Date.now() + 3000
  for (let i = from; i < to; ) {
    const code = await codeOf(() => store.set(numbered(i), textOf(numbered(i))))
    if (code === undefined) i++
    else if (Date.now() > deadline) throw new Error(`still ${code} after three seconds`)
    else await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('no space', () => {
  test('wherever it strikes, work resumes without a reopen and nothing acknowledged is lost', async () => {
    for (let quota = 0; quota < 60_000; quota += 4999) {
      const { store, faults } = await openFaulty()
      faults.byteQuota = faults.bytesWritten + quota
      const { to, code } = await fillUntilRefused(store, 0)
      expect(code, `after ${quota} bytes`).toBe('NO_SPACE')
      expect(await store.count()).toBe(to)
      faults.byteQuota = Number.POSITIVE_INFINITY
      await fillPatiently(store, to, to + 100)
      await checkFilled(store, 0, to + 100)
      await store.flush()
      await store.close()
      const again = await openText({ ...TINY, fileSystem: faults })
      await checkFilled(again, 0, to + 100)
      await again.close()
    }
  })

  test('in a flush: flush() says so, error is told, the next attempt works', async () => {
    const { store, faults, errors } = await openFaulty({ memtableSize: 1 << 20 })
    await fill(store, 0, 20)
    const fault = faults.fail({ kind: 'write', path: /\.sst$/, errno: 'ENOSPC', forGood: true })
    expect(await codeOf(() => store.flush())).toBe('NO_SPACE')
    expect(errors.map(({ code }) => code)).toContain('NO_SPACE')
    expect(errors[0].cause).toMatchObject({ code: 'ENOSPC' })
    await fill(store, 20, 30)
    await checkFilled(store, 0, 30)
    fault.cancel()
    await store.flush()
    expect(
      store.stats().levels[0].tables +
        store
          .stats()
          .levels.slice(1)
          .reduce((sum, { tables }) => sum + tables, 0),
    ).toBeGreaterThan(0)
    await checkFilled(store, 0, 30)
  })

  test("what 'memory' writes have left in memory is logged when there is room again, though nobody writes any more", async () => {
    const memory = new MemoryFileSystem()
    const faults = new FaultFileSystem(memory)
    const clock = new ManualClock()
    const options = { ...TINY, durability: 'memory', syncInterval: 100 } as const
    const store = await openText({ ...options, fileSystem: faults, clock })
    const errors: VarveError[] = []
    store.on('error', (error) => errors.push(error))
    const fault = faults.fail({ kind: 'write', path: /\.wal$/, errno: 'ENOSPC', forGood: true })
    await store.set('key', 'value')
    await until(() => errors.length > 0, 'the log to be tried')
    await clock.advanceInTurns(1000)
    fault.cancel()
    await clock.advanceInTurns(200)
    await until(() => store.stats().wal.syncedSequence === 1, 'the sync')
    const survivor = await openText({ ...TINY, fileSystem: memory.crash('nothing', Math.random) })
    expect(await survivor.get('key')).toBe('value')
  })

  test('no half-written table is left behind', async () => {
    const { store, faults } = await openFaulty({ memtableSize: 1 << 20 })
    await fill(store, 0, 200)
    const before = (await faults.readdir('/store')).filter((name) => name.endsWith('.sst'))
    for (const kind of ['write', 'sync', 'open', 'syncDir'] as const) {
      faults.fail({ kind, path: kind === 'syncDir' ? /store$/ : /\.sst$/, errno: 'ENOSPC', forGood: true })
      expect(await codeOf(() => store.flush())).toBe('NO_SPACE')
      faults.heal()
      expect(
        (await faults.readdir('/store')).filter((name) => name.endsWith('.sst')),
        kind,
      ).toEqual(before)
    }
  })
})

describe('too many open files', () => {
  test('is survived without a reopen', async () => {
    const { store, faults, errors } = await openFaulty({ maxOpenFiles: 2 })
    await fill(store, 0, 300)
    faults.descriptorQuota = faults.openCount
    const { to, code } = await fillUntilRefused(store, 300)
    expect(code).toBe('IO_ERROR')
    expect(errors.every((error) => error.code === 'IO_ERROR')).toBe(true)
    faults.descriptorQuota = Number.POSITIVE_INFINITY
    await fillPatiently(store, to, to + 1)
    await store.flush()
    await checkFilled(store, 0, to + 1)
  })

  test('a read that cannot open its table is a typed error, never "not found"', async () => {
    const { store, faults } = await openFaulty({ maxOpenFiles: 1, cacheSize: 0 })
    await fill(store, 0, 500)
    await store.compact()
    faults.fail({ kind: 'open', path: /\.sst$/, errno: 'EMFILE', forGood: true })
    let failures = 0
    for (let i = 0; i < 500; i += 7) {
      const reads: (() => unknown)[] = [
        () => store.get(numbered(i)),
        () => store.getSync(numbered(i)),
        () => store.getMany([numbered(i)]),
        () => store.exists(numbered(i)),
      ]
      for (const read of reads) {
        let code: string | undefined
        const value = await Promise.resolve()
          .then((): unknown => read())
          .catch((error) => {
            code = error.code
          })
        if (code !== undefined) {
          expect(code).toBe('IO_ERROR')
          failures++
        } else {
          expect([textOf(numbered(i)), true]).toContainEqual(Array.isArray(value) ? value[0] : value)
        }
      }
    }
    expect(failures).toBeGreaterThan(50)
    expect(await codeOf(() => store.entries().all())).toBe('IO_ERROR')
    expect(await codeOf(() => [...store.entries()])).toBe('IO_ERROR')
    expect(await codeOf(() => store.count())).toBe('IO_ERROR')
    faults.heal()
    await checkFilled(store, 0, 500)
  })
})

describe('a failed sync of the log', () => {
  test('makes the store read-only, with the cause; reads go on; a reopen works', async () => {
    const { store, faults, errors } = await openFaulty()
    await fill(store, 0, 50)
    faults.fail({ kind: 'sync', path: /\.wal$/, errno: 'EIO' })
    expect(await codeOf(() => store.set('lost?', 'x', { durability: 'disk' }))).toBe('IO_ERROR')
    expect(errors.length).toBe(1)
    expect(errors[0]).toMatchObject({ code: 'IO_ERROR', cause: { code: 'EIO' } })
    for (const write of [
      () => store.set('a', 'x'),
      () => store.set('a', 'x', { durability: 'memory' }),
      () => store.delete('a'),
      () => store.setNX('a', 'x'),
      () => store.flush(),
      () => store.sync(),
      () => store.compact(),
    ]) {
      const error = await write().catch((caught) => caught)
      expect(error).toMatchObject({ code: 'READ_ONLY', cause: { code: 'IO_ERROR', cause: { code: 'EIO' } } })
    }
    expect(errors.length).toBe(1)
    for (let i = 0; i < 50; i++) expect(await store.get(numbered(i))).toBe(textOf(numbered(i)))
    expect((await store.keys({ lt: 'l' }).all()).length).toBe(50)
    await codeOf(() => store.close())
    const again = await openText({ ...TINY, fileSystem: faults })
    for (let i = 0; i < 50; i++) expect(await again.get(numbered(i))).toBe(textOf(numbered(i)))
    await again.set('a', 'x', { durability: 'disk' })
  })

  test('also when it is the one that is due after a while', async () => {
    const clock = new ManualClock()
    const { store, faults, errors } = await openFaulty({ clock, syncInterval: 100 })
    await store.set('a', 'x')
    faults.fail({ kind: 'sync', path: /\.wal$/, errno: 'EIO' })
    await clock.advanceInTurns(100)
    await until(() => errors.length > 0, 'the error')
    expect(await codeOf(() => store.set('b', 'x'))).toBe('READ_ONLY')
    expect(await store.get('a')).toBe('x')
  })

  test('all who wait for it are told', async () => {
    const { store, faults } = await openFaulty()
    faults.fail({ kind: 'sync', path: /\.wal$/, errno: 'EIO' })
    const writes = await Promise.allSettled([
      store.set('a', 'x', { durability: 'disk' }),
      store.set('b', 'x', { durability: 'os' }),
      store.delete('a', { durability: 'disk' }),
    ])
    expect(writes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
  })
})

describe('a failed sync of the MANIFEST', () => {
  test('makes the store read-only; a reopen works', async () => {
    const { store, faults, errors } = await openFaulty({ memtableSize: 1 << 20 })
    await fill(store, 0, 100)
    faults.fail({ kind: 'sync', path: /MANIFEST/, errno: 'EIO' })
    expect(await codeOf(() => store.flush())).toBe('IO_ERROR')
    expect(await codeOf(() => store.set('a', 'x'))).toBe('READ_ONLY')
    expect(errors.map(({ code }) => code)).toEqual(['IO_ERROR'])
    await checkFilled(store, 0, 100)
    await codeOf(() => store.close())
    await checkFilled(await openText({ ...TINY, fileSystem: faults }), 0, 100)
  })
})

describe('background work that fails', () => {
  test('reaches error, hangs no writer and is tried again', async () => {
    const { store, faults, errors } = await openFaulty()
    const fault = faults.fail({ kind: 'open', path: /\.sst$/, errno: 'EACCES', forGood: true })
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        Promise.resolve().then(() => codeOf(() => store.set(numbered(i), textOf(numbered(i))))),
      ),
    )
    const { to } = await fillUntilRefused(store, 300)
    expect(to).toBeLessThan(5300)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors[0]).toMatchObject({ code: 'IO_ERROR', cause: { code: 'EACCES' } })
    fault.cancel()
    await store.flush()
    const written = outcomes.filter((code) => code === undefined).length
    expect(await store.count()).toBe(written + to - 300)
  })

  test('a corrupt table that a compaction meets makes the store read-only and names the file', async () => {
    const { store, faults, errors } = await openFaulty({ level0CompactionTrigger: 64, memtableSize: 1 << 20 })
    await fill(store, 0, 300)
    await store.flush()
    await fill(store, 0, 300)
    await store.flush()
    faults.flipBit(/\.sst$/, 700, 3)
    expect(await codeOf(() => store.compact())).toBe('CORRUPTION')
    expect(errors[0]).toMatchObject({ code: 'CORRUPTION', path: expect.stringMatching(/\.sst$/) })
    expect(errors[0].offset).toBeTypeOf('number')
    expect(await codeOf(() => store.set('a', 'b'))).toBe('READ_ONLY')
    faults.heal()
    await checkFilled(store, 0, 300)
  })

  test('a listener that throws does not stop the others nor the store', async () => {
    const thrown: unknown[] = []
    const onUncaught = (error: unknown): void => {
      thrown.push(error)
    }
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', onUncaught)
    try {
      const { store } = await openFaulty()
      const seen: number[] = []
      store.on('flush', () => {
        throw new Error('mine')
      })
      store.on('flush', ({ entries }) => seen.push(entries))
      await store.set('a', 'b')
      await store.flush()
      await until(() => thrown.length > 0, 'the error of the listener')
      expect(seen).toEqual([1])
      expect(thrown).toEqual([new Error('mine')])
      expect(await store.get('a')).toBe('b')
    } finally {
      process.off('uncaughtException', onUncaught)
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })
})

test.each([
  ['once', false],
  ['for good', true],
])(
  'operations of the file system failed in turn, %s: no wrong answer, no hang, and a whole store after a reopen',
  async (_how, forGood) => {
    // A history that flushes, compacts and rotates the log; how many operations it takes is counted first.
    const run = async (faults: FaultFileSystem): Promise<number> => {
      const store = await openText({ ...TINY, fileSystem: faults }).catch(() => undefined)
      if (store === undefined) return 0
      let to = 0
      for (; to < 120; to++) {
        if ((await codeOf(() => store.set(numbered(to), textOf(numbered(to))))) !== undefined) break
      }
      for (let i = 0; i < to; i++) {
        // A read may fail, typed; it is never wrong.
        const code = await codeOf(async () => expect(await store.get(numbered(i))).toBe(textOf(numbered(i))))
        expect([undefined, 'IO_ERROR', 'NO_SPACE']).toContain(code)
      }
      await codeOf(() => store.close())
      return to
    }
    const counting = new FaultFileSystem(new MemoryFileSystem())
    expect(await run(counting)).toBe(120)
    for (let after = 0; after < counting.operations; after += 7) {
      const memory = new MemoryFileSystem()
      const faults = new FaultFileSystem(memory)
      faults.fail({ kind: OPERATION_KINDS, after, forGood, errno: after % 2 === 0 ? 'EIO' : 'ENOSPC' })
      const acknowledged = await run(faults)
      faults.heal()
      const store = await openText({ ...TINY, fileSystem: faults })
      const count = await store.count()
      expect(count, `operation ${after}`).toBeGreaterThanOrEqual(acknowledged)
      await checkFilled(store, 0, count)
      await store.close()
      expect(memory.openCount, `operation ${after}`).toBe(0)
    }
  },
)
