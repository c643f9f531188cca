/** What the clients of the interleaving tests do: plain data, so that fast-check can make a failing run small. */
import fc from 'fast-check'

export const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'] as const
/** The key that only `increment` writes. */
export const COUNTER = 'n'

/** A step of a transaction; ranges are `[gte, lt)` by index into {@link KEYS}. */
export type Step =
  | { readonly kind: 'get' | 'set' | 'delete'; readonly key: number }
  | {
      readonly kind: 'scan'
      readonly gte: number
      readonly lt: number
      readonly reverse: boolean
      readonly limit: number | undefined
    }

/** One call of a client. */
export type Program =
  | {
      readonly kind: 'transaction'
      readonly steps: readonly Step[]
      readonly retries: number
      readonly throws: boolean
    }
  | { readonly kind: 'set' | 'delete' | 'setNX' | 'update' | 'compareAndSet'; readonly key: number }
  | { readonly kind: 'batch'; readonly keys: readonly number[] }
  | { readonly kind: 'clearRange'; readonly gte: number; readonly lt: number }
  | { readonly kind: 'clear' | 'flush' | 'compact' | 'increment' }

const key = fc.nat(KEYS.length - 1)
const bound = fc.nat(KEYS.length)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('get' as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('set' as const, 'delete' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      gte: bound,
      lt: bound,
      reverse: fc.boolean(),
      limit: fc.constantFrom(undefined, undefined, 1, 2),
    }),
  },
)

const program: fc.Arbitrary<Program> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('transaction' as const),
      steps: fc.array(step, { minLength: 1, maxLength: 5 }),
      retries: fc.constantFrom(0, 1, 20),
      throws: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('set', 'delete', 'setNX', 'update', 'compareAndSet'),
      key,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      keys: fc.array(key, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clearRange' as const), gte: bound, lt: bound }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('clear', 'flush', 'compact', 'increment', 'increment') }),
  },
)

/** A few clients that each do a few things, one behind the other. */
export const clients = fc.array(fc.array(program, { minLength: 1, maxLength: 3 }), {
  minLength: 2,
  maxLength: 4,
})
