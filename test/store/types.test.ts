/** What the encodings say about key and value types. The compiler is the judge (`npm run check`); nothing is opened. */
import { expectTypeOf, test } from 'vitest'
import {
  type OrderedKey,
  open,
  type RangeIterator,
  type Store,
  type View,
  WriteBatch,
} from '../../src/index.js'

/** Types only: never called. */
async function types() {
  const plain = await open('/a')
  expectTypeOf(plain).toEqualTypeOf<Store<string, Buffer>>()
  expectTypeOf(plain.get('a')).resolves.toEqualTypeOf<Buffer | undefined>()
  await plain.set('a', 'text')
  await plain.set('a', new Uint8Array(1))
  // @ts-expect-error a number is no value of the encoding 'buffer'
  await plain.set('a', 1)

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
  expectTypeOf(users.view()).toEqualTypeOf<View<string, User>>()
  expectTypeOf(users.update('a', (old) => old)).resolves.toEqualTypeOf<User | undefined>()
  expectTypeOf(users.transaction((tx) => tx.get('a'))).resolves.toEqualTypeOf<User | undefined>()
  await users.applyBatch(new WriteBatch<string, User>().set('a', { name: 'Ada' }))
  // @ts-expect-error a batch of other values
  await users.applyBatch(new WriteBatch<string, number>().set('a', 1))
}

test('the types hold', () => {
  expectTypeOf(types).toEqualTypeOf<() => Promise<void>>()
})
