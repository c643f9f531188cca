/** Calls that must fail and leave no trace. */
import { type Store, VarveError, WriteBatch } from '../../src/index.js'
import type { RankedKeys } from './key-space.js'

/** Larger values are refused by the stores of the model tests. */
export const MAX_VALUE_SIZE = 8000

/** A key that no encoding takes. */
const BAD_KEY = (() => 0) as unknown as string
const BAD_VALUE = 42 as unknown as string
/** Too large in every encoding. */
const LARGE = 'x'.repeat(MAX_VALUE_SIZE + 1)

type Call = (store: Store<string, Buffer>, keys: RankedKeys) => unknown

const huge = (keys: RankedKeys): string =>
  keys.encoding === 'buffer' ? (Buffer.alloc(70_000, 1) as unknown as string) : 'x'.repeat(70_000)

const good = (keys: RankedKeys): WriteBatch => new WriteBatch().set(keys.key(0), 'never').delete(keys.key(1))

/** The calls with the code of the error that each must bring. */
export const INVALID_CALLS: readonly (readonly [code: string, call: Call])[] = [
  ['INVALID_KEY', (store) => store.set(BAD_KEY, 'never')],
  ['INVALID_VALUE', (store, keys) => store.set(keys.key(0), BAD_VALUE)],
  ['KEY_TOO_LARGE', (store, keys) => store.set(huge(keys), 'never')],
  ['VALUE_TOO_LARGE', (store, keys) => store.set(keys.key(0), LARGE)],
  ['INVALID_ARGUMENT', (store, keys) => store.set(keys.key(0), 'never', { ttl: -1 })],
  ['INVALID_ARGUMENT', (store, keys) => store.set(keys.key(0), 'never', { ttl: Number.NaN })],
  ['INVALID_ARGUMENT', (store, keys) => store.set(keys.key(0), 'never', { durability: 'tape' as 'disk' })],
  ['INVALID_KEY', (store) => store.delete(BAD_KEY)],
  ['INVALID_ARGUMENT', (store, keys) => store.delete(keys.key(0), { durability: 'tape' as 'disk' })],
  ['INVALID_KEY', (store, keys) => store.applyBatch(good(keys).set(BAD_KEY, 'never'))],
  ['INVALID_VALUE', (store, keys) => store.applyBatch(good(keys).set(keys.key(2), BAD_VALUE))],
  ['VALUE_TOO_LARGE', (store, keys) => store.applyBatch(good(keys).set(keys.key(2), LARGE))],
  ['KEY_TOO_LARGE', (store, keys) => store.applyBatch(good(keys).delete(huge(keys)), { durability: 'disk' })],
  ['INVALID_KEY', (store) => store.get(BAD_KEY)],
  ['INVALID_KEY', async (store) => store.getSync(BAD_KEY)],
  ['INVALID_KEY', (store, keys) => store.getMany([keys.key(0), BAD_KEY])],
  ['INVALID_KEY', async (store) => store.existsSync(BAD_KEY)],
  ['INVALID_KEY', (store) => store.getEntry(BAD_KEY)],
  ['INVALID_KEY', async (store) => store.entries({ gte: BAD_KEY })],
  ['INVALID_ARGUMENT', async (store) => store.entries({ limit: -1 })],
  ['INVALID_KEY', (store) => store.compact({ lt: BAD_KEY })],
]

/** Makes the call; throws when it does not fail as it must. */
export async function failAsExpected(
  call: readonly [string, Call],
  store: Store<string, Buffer>,
  keys: RankedKeys,
): Promise<void> {
  try {
    await call[1](store, keys)
  } catch (error) {
    if (error instanceof VarveError && error.code === call[0]) return
    throw error
  }
  throw new Error(`a call that must fail with ${call[0]} succeeded: ${call[1]}`)
}
