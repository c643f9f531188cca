/** Transactions: snapshot isolation, conflicts on keys and ranges, retries, rollback. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { open, type Store, type Transaction, WriteBatch } from '../../src/index.js'
import { MemoryFileSystem } from '../../src/testing.js'

let store: Store<string, number>

beforeEach(async () => {
  store = await open<string, number>('/store', { fileSystem: new MemoryFileSystem(), valueEncoding: 'json' })
})

afterEach(() => store.close())

const once = { retries: 0 }

describe('inside a transaction', () => {
  test('its own writes are read, and nobody else sees them', async () => {
    await store.set('a', 1)
    await store.transaction(async (tx) => {
      tx.set('a', 2)
      tx.set('b', 3)
      expect(await tx.get('a')).toBe(2)
      expect(await tx.getMany(['a', 'b', 'c'])).toEqual([2, 3, undefined])
      expect(await store.get('a')).toBe(1)
      tx.delete('a')
      expect(await tx.exists('a')).toBe(false)
    })
    expect(await store.entries().all()).toEqual([['b', 3]])
  })

  test('a value is written as it was when it was set', async () => {
    const bytes = await open('/bytes', { fileSystem: new MemoryFileSystem() })
    await bytes.transaction(async (tx) => {
      const value = Buffer.from('before')
      tx.set('a', value)
      value.fill('x')
    })
    expect(`${await bytes.get('a')}`).toBe('before')
    await bytes.close()
  })

  test('the conflict of another transaction is not taken for its own', async () => {
    let calls = 0
    const outer = store.transaction(async () => {
      calls++
      await store.transaction(async (inner) => {
        await store.set('a', calls)
        inner.set('a', 0)
      }, once)
    })
    await expect(outer).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(calls).toBe(1)
  })

  test('an asynchronous filter is refused', async () => {
    await store.set('a', 1)
    const filter = (async () => false) as never
    const reading = store.transaction((tx) => tx.keys({ filter }).all())
    await expect(reading).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('later writes of others are not seen', async () => {
    await store.set('a', 1)
    await store.transaction(async (tx) => {
      await store.set('b', 2)
      expect(await tx.get('a')).toBe(1)
      expect(await tx.keys().all()).toEqual(['a'])
    }, once)
  })

  test('ranges merge own writes in both directions, with bounds, limit and filter', async () => {
    for (const key of ['b', 'd', 'f']) await store.set(key, 1)
    await store.transaction(async (tx) => {
      tx.set('a', 2)
      tx.set('d', 2)
      tx.set('e', 2)
      tx.set('g', 2)
      tx.delete('f')
      expect(await tx.keys().all()).toEqual(['a', 'b', 'd', 'e', 'g'])
      expect(await tx.keys({ reverse: true }).all()).toEqual(['g', 'e', 'd', 'b', 'a'])
      expect(await tx.entries({ gt: 'a', lte: 'e' }).all()).toEqual([
        ['b', 1],
        ['d', 2],
        ['e', 2],
      ])
      expect(await tx.values({ limit: 2, reverse: true }).all()).toEqual([2, 2])
      expect(await tx.keys({ filter: (_key, value) => value === 1 }).all()).toEqual(['b'])
    })
  })

  test('what is thrown inside leaves nothing behind and comes out', async () => {
    const failure = new Error('no')
    await expect(
      store.transaction((tx) => {
        tx.set('a', 1)
        throw failure
      }),
    ).rejects.toBe(failure)
    expect(await store.count()).toBe(0)
  })

  test('its methods are refused when it has ended', async () => {
    let kept: Transaction<string, number> | undefined
    await store.transaction((tx) => {
      kept = tx
    })
    expect(() => kept?.set('a', 1)).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    await expect(kept?.get('a')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('a conflict', () => {
  const conflict = { code: 'CONFLICT' }

  test('is a change of a key that was read, also when it was not there', async () => {
    const run = store.transaction(async (tx) => {
      expect(await tx.get('a')).toBe(undefined)
      await store.set('a', 1)
      tx.set('b', 1)
    }, once)
    await expect(run).rejects.toMatchObject(conflict)
    expect(await store.exists('b')).toBe(false)
  })

  test('is a change of a key that is written', async () => {
    const run = store.transaction(async (tx) => {
      tx.set('a', 2)
      await store.set('a', 1)
    }, once)
    await expect(run).rejects.toMatchObject(conflict)
    expect(await store.get('a')).toBe(1)
  })

  test('is a removal of a key that was read', async () => {
    await store.set('a', 1)
    const run = store.transaction(async (tx) => {
      await tx.get('a')
      await store.delete('a')
      tx.set('b', 1)
    }, once)
    await expect(run).rejects.toMatchObject(conflict)
  })

  test('is a new key in a range that was read: no phantoms', async () => {
    const run = store.transaction(async (tx) => {
      expect(await tx.keys({ prefix: 'user:' }).all()).toEqual([])
      await store.set('user:1', 1)
      tx.set('count', 0)
    }, once)
    await expect(run).rejects.toMatchObject(conflict)
  })

  test('is found after the change went to a table and was compacted', async () => {
    await store.set('a', 1)
    const run = store.transaction(async (tx) => {
      await tx.get('a')
      await store.set('a', 2)
      await store.flush()
      await store.compact()
      tx.set('b', 1)
    }, once)
    await expect(run).rejects.toMatchObject(conflict)
  })

  test('is none where the rest of a limited range changes', async () => {
    for (const key of ['a', 'b', 'c']) await store.set(key, 1)
    await store.transaction(async (tx) => {
      expect(await tx.keys({ limit: 2 }).all()).toEqual(['a', 'b'])
      await store.set('c', 2)
      tx.set('d', 1)
    }, once)
    expect(await store.get('d')).toBe(1)
  })

  test('is none where a range was limited to nothing', async () => {
    await store.transaction(async (tx) => {
      expect(await tx.keys({ limit: 0 }).all()).toEqual([])
      await store.set('a', 1)
      tx.set('b', 1)
    }, once)
    expect(await store.get('b')).toBe(1)
  })

  test('is none for writes of other keys, nor for a transaction that only reads', async () => {
    await store.transaction(async (tx) => {
      await tx.get('a')
      await store.set('b', 1)
      tx.set('c', 1)
    }, once)
    await store.transaction(async (tx) => {
      await tx.get('a')
      await store.set('a', 1)
    }, once)
  })

  test('runs the work again with what is there now, as often as it may', async () => {
    let runs = 0
    const result = await store.transaction(async (tx) => {
      runs++
      const value = (await tx.get('a')) ?? 0
      if (runs <= 2) await store.set('a', runs)
      tx.set('a', value + 10)
      return value
    })
    expect([runs, result, await store.get('a')]).toEqual([3, 2, 12])
    runs = 0
    const never = store.transaction(
      async (tx) => {
        tx.set('a', ++runs)
        await store.set('a', 0)
      },
      { retries: 3 },
    )
    await expect(never).rejects.toMatchObject(conflict)
    expect(runs).toBe(4)
  })
})

test('a transaction that throws, and one that conflicts, let go of what they held', async () => {
  const failing = store.transaction(() => {
    throw new Error('no more')
  })
  await expect(failing).rejects.toThrow('no more')
  const conflicting = store.transaction(
    async (tx) => {
      await tx.get('held')
      await store.set('held', 1)
      tx.set('held', 2)
    },
    { retries: 1 },
  )
  await expect(conflicting).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(store.stats().readers.transactions).toBe(0)
})

test('transfers between accounts keep the sum, however they interleave', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.nat(9)), { minLength: 1, maxLength: 8 }),
      async (scheduler, transfers) => {
        const batch = new WriteBatch<string, number>()
        for (let account = 0; account < 4; account++) batch.set(`account:${account}`, 100)
        await store.applyBatch(batch)
        const running = transfers.map(([from, to, amount], index) =>
          store.transaction(
            async (tx) => {
              const a = (await tx.get(`account:${from}`)) ?? 0
              await scheduler.schedule(Promise.resolve(), `transfer ${index}`)
              tx.set(`account:${from}`, a - amount)
              const b = (await tx.get(`account:${to}`)) ?? 0
              tx.set(`account:${to}`, b + amount)
            },
            { retries: 100 },
          ),
        )
        const all = Promise.all(running)
        await scheduler.waitFor(all)
        const balances = await store.values({ prefix: 'account:' }).all()
        expect(balances.reduce((sum, balance) => sum + balance)).toBe(400)
      },
    ),
    { numRuns: 60, endOnFailure: true },
  )
})
