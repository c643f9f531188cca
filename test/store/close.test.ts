import { expect, test } from 'vitest'
import { InlineExecutor, type Job } from '../../src/env/executor.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { WriteBatch } from '../../src/store/write-batch.js'
import { checkFilled, codeOf, fill, numbered, openText, TINY, textOf, until } from './stores.js'

/** An executor whose jobs wait until they are let go. */
class HeldExecutor extends InlineExecutor {
  readonly held: { readonly name: string; go(): void }[] = []
  isHolding = false

  override async execute<Input, Output>(job: Job<Input, Output>, input: Input): Promise<Output> {
    if (this.isHolding) await new Promise<void>((go) => this.held.push({ name: job.name, go }))
    return super.execute(job, input)
  }
}

test('close during a compaction calls it off and leaves a store that opens whole', async () => {
  const fileSystem = new MemoryFileSystem()
  const executor = new HeldExecutor()
  const store = await openText({
    ...TINY,
    fileSystem,
    executor,
    memtableSize: 1 << 20,
    walSegmentSize: 1 << 24,
  })
  await fill(store, 0, 3000)
  await store.flush()
  await fill(store, 0, 3000)
  executor.isHolding = true
  const compacting = codeOf(() => store.compact())
  await until(() => executor.held.length > 0, 'a flush')
  executor.held.shift()?.go()
  await until(() => executor.held.some(({ name }) => name === 'compaction'), 'a compaction')
  executor.isHolding = false
  const closing = store.close()
  for (const { go } of executor.held) go()
  await closing
  expect(await compacting).toBe('CLOSED')
  expect(fileSystem.openCount).toBe(0)
  const again = await openText({ fileSystem })
  await checkFilled(again, 0, 3000)
})

test('close waits for a flush under way', async () => {
  const fileSystem = new MemoryFileSystem()
  const executor = new HeldExecutor()
  const store = await openText({ ...TINY, fileSystem, executor })
  executor.isHolding = true
  const flushing = codeOf(async () => {
    await store.set('a', 'b')
    await store.flush()
  })
  await until(() => executor.held.length > 0, 'a flush')
  let isClosed = false
  const closing = store.close().then(() => {
    isClosed = true
  })
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(isClosed).toBe(false)
  executor.isHolding = false
  for (const { go } of executor.held) go()
  await closing
  expect(await flushing).toBeUndefined()
  expect(await (await openText({ fileSystem })).get('a')).toBe('b')
})

test('close lets go of every file, and of the lock also when the disk fails it', async () => {
  const memory = new MemoryFileSystem()
  const fileSystem = new FaultFileSystem(memory)
  const store = await openText({ ...TINY, fileSystem })
  await fill(store, 0, 300)
  const iterator = store.keys()
  await iterator.next()
  const view = store.view()
  fileSystem.fail({ kind: 'sync', forGood: true })
  expect(await codeOf(() => store.close())).toBe('IO_ERROR')
  expect(await codeOf(() => store.close())).toBe('IO_ERROR')
  await iterator.close()
  view.close()
  expect(memory.openCount).toBe(0)
  fileSystem.heal()
  const again = await openText({ fileSystem })
  await checkFilled(again, 0, 300)
})

test('close after a full disk keeps what was acknowledged', async () => {
  const fileSystem = new FaultFileSystem(new MemoryFileSystem())
  const store = await openText({ ...TINY, fileSystem })
  await fill(store, 0, 50)
  fileSystem.byteQuota = fileSystem.bytesWritten
  await codeOf(() => store.set('too', 'late'))
  await codeOf(() => store.close())
  fileSystem.heal()
  await checkFilled(await openText({ fileSystem }), 0, 50)
})

test('a store is disposed of by `await using`', async () => {
  const fileSystem = new MemoryFileSystem()
  {
    const store = await openText({ fileSystem })
    await store.set('a', 'b')
    await store[Symbol.asyncDispose]()
    expect(store.isOpen).toBe(false)
  }
  expect(await (await openText({ fileSystem })).get('a')).toBe('b')
})

test('what waits in a stall when the store closes is written, or its writer is told', async () => {
  const fileSystem = new MemoryFileSystem()
  const executor = new HeldExecutor()
  const store = await openText({ ...TINY, fileSystem, executor })
  executor.isHolding = true
  const outcomes: Promise<string | undefined>[] = []
  for (let i = 0; i < 400; i++) {
    outcomes.push(codeOf(() => store.set(numbered(i), textOf(numbered(i)))))
    await Promise.resolve()
  }
  await until(() => store.stats().stalls.level === 'stop', 'a stop')
  const closing = store.close()
  executor.isHolding = false
  for (const { go } of executor.held) go()
  await closing
  const codes = await Promise.all(outcomes)
  const again = await openText({ fileSystem })
  for (const [i, code] of codes.entries()) {
    if (code === undefined) expect(await again.get(numbered(i))).toBe(textOf(numbered(i)))
    else expect(code).toBe('CLOSED')
  }
})

test('a batch is whole after close, whatever its size', async () => {
  const fileSystem = new MemoryFileSystem()
  const store = await openText({ ...TINY, fileSystem })
  const batch = new WriteBatch<string, string>()
  for (let i = 0; i < 1000; i++) batch.set(numbered(i), textOf(numbered(i)))
  void store.applyBatch(batch)
  await store.close()
  await checkFilled(await openText({ fileSystem }), 0, 1000)
})
