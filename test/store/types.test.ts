/** What the encodings say about key and value types. The compiler is the judge (`npm run check`); nothing is opened. */
import { expectTypeOf, test } from 'vitest'
import {
  type BatchOperation,
  type Entry,
  type KeyRange,
  type OrderedKey,
  open,
  openInMemory,
  type RangeIterator,
  type Readable,
  type ReadOnlyStore,
  type Store,
  type View,
  type Watcher,
  WriteBatch,
} from '../../src/index.js'

/** What `onEvict` and `onExpire` are called with. Types only, as below. */
async function callbackTypes() {
  const told = await open('/a', {
    onEvict(key, value) {
      expectTypeOf(key).toEqualTypeOf<string>()
      expectTypeOf(value).toEqualTypeOf<Buffer>()
    },
  })
  expectTypeOf(told).toEqualTypeOf<Store<string, Buffer>>()
  const ordered = await openInMemory({
    onEvict: (key, value) => {
      expectTypeOf(key).toEqualTypeOf<OrderedKey>()
      expectTypeOf(value).toEqualTypeOf<Date>()
    },
    keyEncoding: 'ordered',
    valueEncoding: {
      encode: (value: Date) => Buffer.from(value.toJSON()),
      decode: (bytes: Buffer) => new Date(String(bytes)),
    },
    onExpire: (key, value) => {
      expectTypeOf(key).toEqualTypeOf<OrderedKey>()
      expectTypeOf(value).toEqualTypeOf<Date>()
    },
  })
  expectTypeOf(ordered).toEqualTypeOf<Store<OrderedKey, Date>>()
  await open<string, { readonly name: string }>('/a', {
    valueEncoding: 'json',
    onExpire: (key, { name }) => {
      expectTypeOf(key).toEqualTypeOf<string>()
      expectTypeOf(name).toEqualTypeOf<string>()
    },
  })
}

/** Types only: never called. */
async function types() {
  const plain = await open('/a')
  expectTypeOf(plain).toEqualTypeOf<Store<string, Buffer>>()
  expectTypeOf(plain.get('a')).resolves.toEqualTypeOf<Buffer | undefined>()
  await plain.set('a', 'text')
  await plain.set('a', new Uint8Array(1))
  // @ts-expect-error a number is no value of the encoding 'buffer'
  await plain.set('a', 1)

  expectTypeOf(await openInMemory()).toEqualTypeOf<Store<string, Buffer>>()
  const text = await open('/a', { valueEncoding: 'utf8' })
  expectTypeOf(text).toEqualTypeOf<Store<string, string>>()
  expectTypeOf(text.getSync('a')).toEqualTypeOf<string | undefined>()
  expectTypeOf(text.getMany(['a'])).resolves.toEqualTypeOf<(string | undefined)[]>()
  // @ts-expect-error a key must be a string here
  await text.get(1)
  // @ts-expect-error a value must be a string here
  await text.set('a', new Uint8Array(1))

  const bytes = await open('/a', { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  expectTypeOf(bytes).toEqualTypeOf<Store<Buffer, Buffer>>()
  await bytes.set(new Uint8Array(1), new Uint8Array(1))
  expectTypeOf(bytes.keys()).toEqualTypeOf<RangeIterator<Buffer, Buffer, Buffer>>()

  const ordered = await open('/a', { keyEncoding: 'ordered', valueEncoding: 'json' })
  expectTypeOf(ordered).toEqualTypeOf<Store<OrderedKey, unknown>>()
  await ordered.set(['user', 7, new Date(), 1n, null, true], { any: 'thing' })
  // @ts-expect-error an object is no ordered key
  await ordered.get({ a: 1 })

  const custom = await open('/a', {
    valueEncoding: {
      encode: (value: Date) => Buffer.from(value.toJSON()),
      decode: (b: Buffer) => new Date(String(b)),
    },
  })
  expectTypeOf(custom.get('a')).resolves.toEqualTypeOf<Date | undefined>()

  interface User {
    readonly name: string
  }
  const users = await open<string, User>('/a', { valueEncoding: 'json' })
  expectTypeOf(users.get('a')).resolves.toEqualTypeOf<User | undefined>()
  // @ts-expect-error a user has a name
  await users.set('a', {})

  for (const [key, value] of users.entries({ prefix: 'a' })) {
    expectTypeOf(key).toEqualTypeOf<string>()
    expectTypeOf(value).toEqualTypeOf<User>()
  }
  const reader = await open('/a', { valueEncoding: 'utf8', readOnly: true })
  expectTypeOf(reader).toEqualTypeOf<ReadOnlyStore<string, string>>()
  expectTypeOf(await open<string, User>('/a', { valueEncoding: 'json', readOnly: true })).toEqualTypeOf<
    ReadOnlyStore<string, User>
  >()
  expectTypeOf(reader.get('a')).resolves.toEqualTypeOf<string | undefined>()
  // @ts-expect-error it does not write
  await reader.set('a', '1')
  // @ts-expect-error it has nothing to resume
  await reader.resume()
  expectTypeOf(text.resume()).resolves.toBeVoid()
  const readables: Readable<string, string>[] = [reader, text, text.view()]
  expectTypeOf(readables[0].entries()).toEqualTypeOf<RangeIterator<[string, string], string, string>>()

  expectTypeOf(users.view()).toEqualTypeOf<View<string, User>>()
  expectTypeOf(users.update('a', (old) => old)).resolves.toEqualTypeOf<User | undefined>()
  expectTypeOf(users.transaction((tx) => tx.get('a'))).resolves.toEqualTypeOf<User | undefined>()
  await users.applyBatch(new WriteBatch<string, User>().set('a', { name: 'Ada' }))
  // @ts-expect-error a batch of other values
  await users.applyBatch(new WriteBatch<string, number>().set('a', 1))
}

/** Wherever a key goes in, a store of byte strings takes any; what comes out is a Buffer. */
async function byteStrings() {
  const store = await open('/a', { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const key = new Uint8Array(1)
  const bounds: KeyRange<Buffer> = { gte: key, gt: key, lte: key, lt: key, prefix: key }
  for (const [k, v] of store.entries(bounds)) {
    expectTypeOf(k).toEqualTypeOf<Buffer>()
    expectTypeOf(v).toEqualTypeOf<Buffer>()
  }
  store.keys({ prefix: key, filter: (k, v) => k.equals(v) }).seek(key)
  store.values({ gt: key, lte: key, view: store.view() })
  await store.count({ prefix: key })
  store.estimateSize({ gte: key })
  await store.compact({ gte: key })
  await store.clear({ prefix: key })
  store.watch(key)
  expectTypeOf(store.watch({ prefix: key })).toEqualTypeOf<Watcher<Buffer, Buffer>>()
  const view = store.view()
  expectTypeOf(view.get(key)).resolves.toEqualTypeOf<Buffer | undefined>()
  view.entries({ gte: key })
  await view.getMany([key])
  expectTypeOf(store.getEntry(key)).resolves.toEqualTypeOf<Entry<Buffer, Buffer> | undefined>()
  await store.set(key, 'text')
  await store.setNX(key, key)
  await store.update(key, (old) => old?.subarray(1) ?? 'text', { ttl: 5 })
  await store.compareAndSet(key, 'text', key)
  await store.transaction(async (tx) => {
    tx.set(key, 'text')
    tx.delete(key)
    expectTypeOf(tx.keys({ prefix: key }).all()).resolves.toEqualTypeOf<Buffer[]>()
    // @ts-expect-error the moment of a transaction is its own
    tx.entries({ view })
  })
  // @ts-expect-error a string is no key here
  store.entries({ gte: 'a' })
  // @ts-expect-error nor a prefix
  await store.clear({ prefix: 'a' })
  // @ts-expect-error nor to be watched
  store.watch('a')
  // @ts-expect-error a bound is no option of entries
  store.entries({ prefx: key })
  // @ts-expect-error increment keeps the expiry
  await store.increment(key, 1, { ttl: 5 })
}

/** Keys that are arrays have their first elements for bounds. */
async function prefixes() {
  const pairs = await open<[string, number], string>('/a', { keyEncoding: 'ordered', valueEncoding: 'utf8' })
  pairs.keys({ prefix: ['user'] })
  pairs.keys({ prefix: [] })
  pairs.values({ gte: ['user'], lt: ['user', 7] })
  await pairs.clear({ prefix: ['user'] })
  pairs.watch({ prefix: ['user'] })
  expectTypeOf(pairs.keys({ prefix: ['user'] }).all()).resolves.toEqualTypeOf<[string, number][]>()
  const [part] = pairs.splitRange({ prefix: ['user'] }, 2)
  await pairs.count(part)
  // @ts-expect-error a key is whole
  await pairs.get(['user'])
  // @ts-expect-error the first element is a string
  pairs.keys({ prefix: [7] })
  // @ts-expect-error there is no third element
  pairs.keys({ gte: ['user', 7, 8] })
  const names = await open<readonly string[], string>('/a', { keyEncoding: 'ordered', valueEncoding: 'utf8' })
  names.keys({ prefix: ['a', 'b'] })
  // @ts-expect-error a string is no array
  names.keys({ prefix: 'a' })
  const any = await open('/a', { keyEncoding: 'ordered' })
  any.keys({ prefix: ['user', 7], gte: 5 })
}

/** A batch without type arguments goes everywhere; one with them is held to them. */
async function batches() {
  interface User {
    readonly name: string
  }
  const users = await open<string, User>('/a', { valueEncoding: 'json' })
  const bytes = await open('/a', { keyEncoding: 'buffer' })
  const ordered = await open('/a', { keyEncoding: 'ordered', valueEncoding: 'msgpack' })
  const plain = await open('/a')

  const any = new WriteBatch()
    .set('a', { name: 'Ada' })
    .set(new Uint8Array(1), 'b', { ttl: 5 })
    .delete(['c', 1])
  await users.applyBatch(any)
  await bytes.applyBatch(any)
  await ordered.applyBatch(any)
  expectTypeOf(any.set('a', 1).clear().delete('a')).toEqualTypeOf<WriteBatch>()

  const typed = new WriteBatch<string, User>()
  await users.applyBatch(typed.set('a', { name: 'Ada' }).delete('b'))
  // @ts-expect-error a user has a name
  typed.set('a', {})
  // @ts-expect-error a key is a string
  typed.set(1, { name: 'Ada' })
  // @ts-expect-error also one that is deleted
  typed.delete(1)
  // @ts-expect-error a user is no byte string
  await plain.applyBatch(typed)
  // @ts-expect-error a string is no byte string for a key
  await bytes.applyBatch(new WriteBatch<string, string>())
  // What a store takes may be narrower in a batch.
  await plain.applyBatch(new WriteBatch<string, string>().set('a', 'text'))
  await bytes.applyBatch(new WriteBatch<Buffer, Uint8Array>())
  const contextual: WriteBatch<string, User> = new WriteBatch()
  // @ts-expect-error the variable's type is the batch's
  contextual.set('a', 1)
  for (const operation of typed) expectTypeOf(operation).toEqualTypeOf<BatchOperation<string, User>>()
}

test('the types hold', () => {
  for (const compiled of [types, callbackTypes, byteStrings, prefixes, batches]) {
    expectTypeOf(compiled).toEqualTypeOf<() => Promise<void>>()
  }
})
