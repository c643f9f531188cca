/** setNX, update, increment, compareAndSet, ttl, expire, persist: atomic, and right about what was there. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { open, type Store } from '../../src/index.js'
import { ManualClock, MemoryFileSystem } from '../../src/testing.js'

let store: Store<string, unknown>
let clock: ManualClock

beforeEach(async () => {
  clock = new ManualClock()
  store = await open<string, unknown>('/store', {
    fileSystem: new MemoryFileSystem(),
    clock,
    valueEncoding: 'json',
    memtableSize: 4096,
  })
})

afterEach(() => store.close())

describe('setNX', () => {
  test('writes only where nothing is, and after an expiry', async () => {
    expect(await store.setNX('a', 1, { ttl: 100 })).toBe(true)
    expect(await store.setNX('a', 2)).toBe(false)
    clock.advance(100)
    expect(await store.setNX('a', 3)).toBe(true)
    expect(await store.get('a')).toBe(3)
    expect(await store.ttl('a')).toBe(Number.POSITIVE_INFINITY)
  })

  test('lets one of many at the same time win', async () => {
    const won = await Promise.all(Array.from({ length: 50 }, (_, i) => store.setNX('a', i)))
    expect(won.filter(Boolean)).toHaveLength(1)
    expect(await store.get('a')).toBe(won.indexOf(true))
  })
})

describe('update and increment', () => {
  test('make the new value of the old one, atomically', async () => {
    const sums = await Promise.all(Array.from({ length: 100 }, () => store.increment('n', 2)))
    expect(sums).toEqual(Array.from({ length: 100 }, (_, i) => 2 * (i + 1)))
    expect(await store.update('n', (old) => (old as number) * 10)).toBe(2000)
    expect(await store.get('n')).toBe(2000)
  })

  test('remove with undefined, and see undefined where nothing is', async () => {
    await store.set('a', 1)
    expect(await store.update('a', () => undefined)).toBe(undefined)
    expect(await store.exists('a')).toBe(false)
    let seen: unknown = 'never called'
    await store.update('a', (old) => {
      seen = old
      return undefined
    })
    expect(seen).toBe(undefined)
  })

  test('keep the expiry unless told otherwise', async () => {
    await store.set('a', 1, { ttl: 1000 })
    await store.increment('a')
    expect(await store.ttl('a')).toBe(1000)
    await store.update('a', (old) => old, { ttl: 5000 })
    expect(await store.ttl('a')).toBe(5000)
  })

  test('write nothing when the function throws or the value is no number', async () => {
    await store.set('a', 'text')
    await expect(store.increment('a')).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    const failure = new Error('no')
    await expect(
      store.update('a', () => {
        throw failure
      }),
    ).rejects.toBe(failure)
    await expect(store.increment('n', Number.NaN)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await store.get('a')).toBe('text')
    expect(await store.exists('n')).toBe(false)
  })

  test.each<[string, () => Promise<unknown>]>([
    ['a write', () => store.set('a', 'inner')],
    ['a write of another key', () => store.set('b', 'inner')],
    ['an update', () => store.update('a', (old) => `${old}-inner`)],
    ['a removal', () => store.delete('a')],
    ['a clearing', () => store.clear()],
  ])('refuse %s in the function itself, and lose nothing of it', async (_, inner) => {
    await store.set('a', 'outer')
    let written: Promise<unknown> | undefined
    const refused = {
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('written to the store itself'),
    }
    const write = () => {
      written = inner()
      return 'lost'
    }
    await expect(store.update('a', write)).rejects.toMatchObject(refused)
    await written
    expect(await store.get('a')).not.toBe('lost')
    await expect(store.update('new', () => void write())).rejects.toMatchObject(refused)
    await expect(store.setNX('c', { toJSON: write })).rejects.toMatchObject(refused)
    expect(await store.exists('c')).toBe(false)
  })

  test('resolve to what is stored, not to the object of the function', async () => {
    const made = { at: new Date(0), none: undefined }
    const answer = await store.update('a', () => made)
    expect(answer).toStrictEqual({ at: '1970-01-01T00:00:00.000Z' })
    expect(await store.get('a')).toStrictEqual(answer)
    await using bytes = await open('/bytes', { fileSystem: new MemoryFileSystem() })
    expect(await bytes.update('a', () => 'text')).toStrictEqual(Buffer.from('text'))
  })

  test('let the function read the store', async () => {
    await store.set('b', 1)
    expect(await store.update('a', () => (store.getSync('b') as number) + 1)).toBe(2)
  })

  test('see what is on disk only', async () => {
    await store.set('n', 41)
    await store.set('pad', 'x'.repeat(5000))
    await store.flush()
    await store.compact()
    expect(await store.increment('n')).toBe(42)
  })

  test('hold numbers as text with valueEncoding utf8, and not at all with buffer', async () => {
    const options = { fileSystem: new MemoryFileSystem() }
    const text = await open('/text', { ...options, valueEncoding: 'utf8' })
    expect(await text.increment('n', 1.5)).toBe(1.5)
    expect(await text.increment('n')).toBe(2.5)
    expect(await text.get('n')).toBe('2.5')
    await text.close()
    const bytes = await open('/bytes', options)
    await expect(bytes.increment('n')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await bytes.close()
  })
})

describe('compareAndSet', () => {
  test('compares by value; undefined stands for not there', async () => {
    expect(await store.compareAndSet('a', undefined, { x: 1 })).toBe(true)
    expect(await store.compareAndSet('a', undefined, { x: 2 })).toBe(false)
    expect(await store.compareAndSet('a', { x: 2 }, { x: 3 })).toBe(false)
    expect(await store.compareAndSet('a', { x: 1 }, { x: 3 })).toBe(true)
    expect(await store.compareAndSet('a', { x: 3 }, undefined)).toBe(true)
    expect(await store.exists('a')).toBe(false)
    expect(await store.compareAndSet('a', undefined, undefined)).toBe(true)
  })

  test('compares with what the expected value is when it is stored', async () => {
    const at = new Date(0)
    await store.set('a', { at, none: undefined, n: Number.NaN })
    expect(await store.compareAndSet('a', { at, none: undefined, n: Number.NaN }, 1)).toBe(true)
    await expect(store.compareAndSet('a', () => 1, 2)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    await using rich = await open('/rich', { fileSystem: new MemoryFileSystem(), valueEncoding: 'msgpack' })
    await rich.set('a', { bytes: Buffer.from('one') })
    expect(await rich.compareAndSet('a', { bytes: new TextEncoder().encode('two') }, 2)).toBe(false)
    expect(await rich.compareAndSet('a', { bytes: new TextEncoder().encode('one') }, 2)).toBe(true)
    await rich.set('a', { bytes: new TextEncoder().encode('one') })
    expect(await rich.compareAndSet('a', { bytes: Buffer.from('one') }, 2)).toBe(true)
    class Point {
      x = 1
    }
    const valueEncoding = { encode: (p: Point) => Buffer.from([p.x]), decode: (b: Buffer) => ({ x: b[0] }) }
    await using own = await open('/own', { fileSystem: new MemoryFileSystem(), valueEncoding })
    await own.set('a', new Point())
    expect(await own.compareAndSet('a', new Point(), { x: 2 })).toBe(true)
  })

  test('compares bytes with valueEncoding buffer', async () => {
    const bytes = await open('/bytes', { fileSystem: new MemoryFileSystem() })
    await bytes.set('a', 'one')
    expect(await bytes.compareAndSet('a', Buffer.from('one'), Buffer.from('two'))).toBe(true)
    expect(await bytes.compareAndSet('a', 'two', 'three')).toBe(true)
    expect(await bytes.compareAndSet('a', 'two', 'four')).toBe(false)
    await bytes.close()
  })
})

describe('ttl, expire and persist', () => {
  test('tell and change when an entry expires', async () => {
    await store.set('a', 1)
    expect(await store.ttl('a')).toBe(Number.POSITIVE_INFINITY)
    expect(await store.ttl('none')).toBe(undefined)
    expect(await store.expire('none', 10)).toBe(false)
    expect(await store.expire('a', 1000)).toBe(true)
    clock.advance(400)
    expect(await store.ttl('a')).toBe(600)
    expect(await store.persist('a')).toBe(true)
    expect(await store.persist('a')).toBe(false)
    expect(await store.persist('none')).toBe(false)
    clock.advance(10_000)
    expect(await store.get('a')).toBe(1)
    await store.expire('a', 1)
    clock.advance(1)
    expect(await store.get('a')).toBe(undefined)
    expect(await store.ttl('a')).toBe(undefined)
  })
})
