import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Kind } from '../../src/base/entry.js'
import { ManualClock } from '../../src/env/manual-clock.js'
import {
  type CommitGroup,
  CommitPipeline,
  type CommitTarget,
} from '../../src/store/commit/commit-pipeline.js'
import { Deferred } from '../../src/store/deferred.js'
import type { Durability } from '../../src/store/options.js'
import { TurnBudget } from '../../src/store/turn-budget.js'
import { OPERATIONS_START } from '../../src/wal/group-buffer.js'
import { OperationReader } from '../../src/wal/operation.js'
import { turn } from '../model/turns.js'

/** Keeps what it is told to commit: the keys of each group. */
class FakeTarget implements CommitTarget {
  readonly groups: string[][] = []
  /** What happens next, for each `prepare` in turn. */
  readonly plans: (Promise<void> | Error)[] = []
  applyFailure: Error | undefined
  syncs: Deferred<void>[] = []
  #sequence = 0

  prepare(): Promise<void> | undefined {
    const plan = this.plans.shift()
    if (plan instanceof Error) throw plan
    return plan
  }

  apply(group: CommitGroup): void {
    if (this.applyFailure !== undefined) throw this.applyFailure
    const reader = new OperationReader().reset(
      group.operations.bytes,
      OPERATIONS_START,
      group.operations.length,
    )
    const keys: string[] = []
    while (reader.next())
      keys.push(Buffer.from(reader.bytes.subarray(reader.keyStart, reader.keyEnd)).toString())
    this.groups.push(keys)
    group.firstSequence = this.#sequence + 1
    this.#sequence += keys.length
  }

  sync(): Promise<void> {
    const sync = new Deferred<void>()
    this.syncs.push(sync)
    return sync.promise
  }
}

function make(): {
  target: FakeTarget
  pipeline: CommitPipeline
  write: (key: string, durability?: Durability, size?: number) => Promise<void>
} {
  const target = new FakeTarget()
  const pipeline = new CommitPipeline(target, new TurnBudget(new ManualClock()))
  const write = (key: string, durability: Durability = 'os', size = 0): Promise<void> => {
    const group = pipeline.join(durability)
    group.operations.add(Kind.put, Buffer.from(key), new Uint8Array(size))
    return group.promiseFor(durability)
  }
  return { target, pipeline, write }
}

/** What became of a promise so far. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  await turn()
  return Promise.race([
    promise.then(
      () => 'resolved',
      (error) => `rejected: ${error.message}`,
    ),
    Promise.resolve('pending'),
  ])
}

const unhandled: unknown[] = []
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason)
}
const listeners = process.listeners('unhandledRejection')

beforeEach(() => {
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', onUnhandled)
})

afterEach(async () => {
  await turn()
  process.off('unhandledRejection', onUnhandled)
  for (const listener of listeners) process.on('unhandledRejection', listener)
  expect(unhandled.splice(0)).toEqual([])
})

describe('grouping', () => {
  test('writes of one turn are one group and share a promise; later ones are another', async () => {
    const { target, write } = make()
    const [a, b] = [write('a'), write('b')]
    expect(a).toBe(b)
    expect(target.groups).toEqual([])
    await a
    await write('c')
    await write('d')
    expect(target.groups).toEqual([['a', 'b'], ['c'], ['d']])
  })

  test('a write in a microtask behind the group is the next group', async () => {
    const { target, write } = make()
    const writes = [
      write('a'),
      Promise.resolve().then(() => write('b')),
      Promise.resolve().then(() => write('c')),
    ]
    await Promise.all(writes)
    expect(target.groups.flat()).toEqual(['a', 'b', 'c'])
    expect(target.groups.length).toBeLessThanOrEqual(2)
  })

  test('a group that grows large is applied at once, and order is kept', async () => {
    const { target, write } = make()
    const writes = Array.from({ length: 20 }, (_, i) => write(`${i}`, 'os', 100_000))
    expect(target.groups.length).toBeGreaterThan(3)
    await Promise.all(writes)
    expect(target.groups.flat()).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
    expect(Math.max(...target.groups.map(({ length }) => length))).toBeLessThan(6)
  })

  test('one operation may be larger than any group', async () => {
    const { target, write } = make()
    await Promise.all([write('a'), write('huge', 'os', 5_000_000), write('b')])
    expect(target.groups.flat()).toEqual(['a', 'huge', 'b'])
    await write('c')
    expect(target.groups.at(-1)).toEqual(['c'])
  })

  test('a group to which nothing was added is passed over, unless a writer waits for what came before', async () => {
    const { target, pipeline, write } = make()
    await pipeline.join('memory').promiseFor('memory')
    pipeline.join('os')
    await Promise.resolve()
    expect(target.groups).toEqual([])
    await pipeline.join('os').promiseFor('os')
    expect(target.groups.splice(0)).toEqual([[]])
    await write('a')
    expect(target.groups).toEqual([['a']])
  })

  test('says whether every write was content with memory', () => {
    const { pipeline } = make()
    expect(pipeline.join('memory').memoryOnly).toBe(true)
    expect(pipeline.join('memory').memoryOnly).toBe(true)
    expect(pipeline.join('os').memoryOnly).toBe(false)
    expect(pipeline.join('memory').memoryOnly).toBe(false)
  })
})

describe('waiting', () => {
  test('holds back what comes later, which gathers in one group, and keeps the order', async () => {
    const { target, write } = make()
    const wait = new Deferred<void>()
    target.plans.push(wait.promise)
    const first = write('a')
    await turn()
    const later = [write('b')]
    await turn()
    later.push(write('c'))
    expect(await stateOf(first)).toBe('pending')
    expect(target.groups).toEqual([])
    wait.resolve()
    await Promise.all([first, ...later])
    expect(target.groups).toEqual([['a', 'b', 'c']])
  })

  test('asks again after each wait', async () => {
    const { target, write } = make()
    const waits = [new Deferred<void>(), new Deferred<void>()]
    target.plans.push(...waits.map(({ promise }) => promise))
    const written = write('a')
    waits[0].resolve()
    expect(await stateOf(written)).toBe('pending')
    waits[1].resolve()
    await written
    expect(target.groups).toEqual([['a']])
  })

  test('large groups queue behind the one that waits, in order', async () => {
    const { target, write } = make()
    const wait = new Deferred<void>()
    target.plans.push(wait.promise)
    const writes = [write('first')]
    await turn()
    for (let i = 0; i < 20; i++) writes.push(write(`${i}`, 'os', 100_000))
    expect(target.groups).toEqual([])
    wait.resolve()
    await Promise.all(writes)
    expect(target.groups.flat()).toEqual(['first', ...Array.from({ length: 20 }, (_, i) => `${i}`)])
  })

  test('keeps few of the buffers that gathered meanwhile', async () => {
    const { target, pipeline, write } = make()
    const gather = async (): Promise<Set<unknown>> => {
      const wait = new Deferred<void>()
      target.plans.push(wait.promise)
      const buffers = new Set<unknown>()
      const writes: Promise<void>[] = []
      await turn()
      for (let i = 0; i < 60; i++) {
        writes.push(write(`${i}`, 'os', 100_000))
        buffers.add(pipeline.join('os').operations)
      }
      wait.resolve()
      await Promise.all(writes)
      return buffers
    }
    const [first, second] = [await gather(), await gather()]
    expect(first.size).toBeGreaterThan(10)
    expect([...second].filter((buffer) => first.has(buffer)).length).toBeLessThanOrEqual(4)
  })

  test('flushQueue applies at once what can be, and says what cannot', async () => {
    const { target, pipeline, write } = make()
    expect(pipeline.flushQueue()).toBe(true)
    void write('a')
    expect(pipeline.flushQueue()).toBe(true)
    expect(target.groups).toEqual([['a']])
    const wait = new Deferred<void>()
    target.plans.push(wait.promise)
    const second = write('b')
    expect(pipeline.flushQueue()).toBe(false)
    wait.resolve()
    await second
    expect(pipeline.flushQueue()).toBe(true)
  })

  test('drained waits for what was joined before, applied or refused', async () => {
    const { target, pipeline, write } = make()
    await pipeline.drained()
    const wait = new Deferred<void>()
    target.plans.push(wait.promise)
    const written = write('a')
    const drained = pipeline.drained()
    expect(await stateOf(drained)).toBe('pending')
    wait.reject(new Error('full'))
    await drained
    await expect(written).rejects.toThrow('full')
  })
})

describe('refusal', () => {
  test('reaches each writer of the group and nobody else', async () => {
    const { target, write } = make()
    target.plans.push(new Error('read-only'))
    const writes = [write('a'), write('b', 'disk'), write('c', 'memory')]
    for (const written of writes) await expect(written).rejects.toThrow('read-only')
    await write('d')
    expect(target.groups).toEqual([['d']])
    expect(target.syncs).toEqual([])
  })

  test('of a group that waited, and of one that could not be applied', async () => {
    const { target, write } = make()
    target.plans.push(Promise.reject(new Error('no relief')))
    await expect(write('a')).rejects.toThrow('no relief')
    target.applyFailure = new Error('no space')
    await expect(write('b')).rejects.toThrow('no space')
    target.applyFailure = undefined
    await write('c')
    expect(target.groups).toEqual([['c']])
  })

  test('runs no hooks, and leaves no rejection that nobody handles', async () => {
    const { target, pipeline } = make()
    target.plans.push(new Error('read-only'))
    let hooks = 0
    const group = pipeline.join('disk')
    group.operations.add(Kind.put, Buffer.from('a'))
    group.onApplied(() => hooks++)
    await expect(group.promiseFor('disk')).rejects.toThrow('read-only')
    expect(hooks).toBe(0)
  })
})

describe('durability', () => {
  test('a disk write resolves with the sync, the others of its group before', async () => {
    const { target, write } = make()
    const [os, disk, memory] = [write('a', 'os'), write('b', 'disk'), write('c', 'memory')]
    await os
    await memory
    expect(target.syncs).toHaveLength(1)
    expect(await stateOf(disk)).toBe('pending')
    target.syncs[0].resolve()
    await disk
    await write('d')
    expect(target.syncs).toHaveLength(1)
  })

  test('a failed sync is told to the disk writes only', async () => {
    const { target, write } = make()
    const [os, disk] = [write('a', 'os'), write('b', 'disk')]
    await os
    target.syncs[0].reject(new Error('EIO'))
    await expect(disk).rejects.toThrow('EIO')
  })

  test('hooks run in the step that applies the group, before anything newer', async () => {
    const { target, pipeline, write } = make()
    const seen: number[] = []
    const group = pipeline.join('os')
    group.operations.add(Kind.put, Buffer.from('a'))
    group.onApplied(() => seen.push(target.groups.length, group.firstSequence))
    await Promise.all([group.promiseFor('os'), Promise.resolve().then(() => write('b'))])
    expect(seen).toEqual([1, 1])
  })
})

describe('the turn budget', () => {
  test('is enough for a while, then one promise waits for the next turn, and then there is a new one', async () => {
    const budget = new TurnBudget(new ManualClock())
    expect(budget.spend(1000)).toBeUndefined()
    const waiting = budget.spend(10_000_000)
    expect(waiting).toBeInstanceOf(Promise)
    expect(budget.spend(1)).toBe(waiting)
    await waiting
    expect(budget.spend(1)).toBeUndefined()
  })

  test('ends by the clock where the work takes longer than it should', async () => {
    const clock = new ManualClock()
    const budget = new TurnBudget(clock)
    expect(budget.spend(10_000)).toBeUndefined()
    clock.advance(3)
    // The clock is not looked at for each operation.
    expect(budget.spend(100)).toBeUndefined()
    const waiting = budget.spend(10_000)
    expect(waiting).toBeInstanceOf(Promise)
    expect(budget.spend(1)).toBe(waiting)
    await waiting
    expect(budget.spend(10_000)).toBeUndefined()
    // Another thread had the processor for a while.
    clock.advance(12)
    const heldUp = budget.spend(10_000)
    expect(heldUp).toBeInstanceOf(Promise)
    await heldUp
    // A pause in between: the loop has turned by itself.
    clock.advance(60)
    expect(budget.spend(10_000)).toBeUndefined()
  })

  test('lets the event loop turn under a program that awaits each write', async () => {
    const { write } = make()
    let turns = 0
    let isOver = false
    const tick = (): void => {
      turns++
      if (!isOver) setImmediate(tick)
    }
    setImmediate(tick)
    for (let i = 0; i < 5000; i++) await write(`${i}`)
    isOver = true
    expect(turns).toBeGreaterThan(10)
    expect(turns).toBeLessThan(2500)
  })
})
