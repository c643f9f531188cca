/** The options of writes and transactions, and the checks of what a user gives for them. */
import { VarveError } from '../base/errors.js'
import { checkOptionNames } from './option-names.js'
import { checkDurability, type Durability } from './options.js'

/** Options of one write. */
export interface WriteOptions {
  /** Milliseconds until the entry expires; 0: never. Default: the store's `defaultTtl`. */
  readonly ttl?: number
}

/** Options of a write whose durability can be chosen. */
export interface DurabilityOptions {
  /** When the promise resolves. Default: the store's `durability`. */
  readonly durability?: Durability
}

/** Options of {@link Store.transaction}. */
export interface TransactionOptions extends DurabilityOptions {
  /** How often a transaction that conflicts is run again. Default 10. */
  readonly retries?: number
}

/** Which options a kind of write has. */
export const WRITE_NAMES = {
  /** Of a write whose durability is not its own: in a batch, in a transaction. */
  part: new Set<string>(['ttl'] satisfies (keyof WriteOptions)[]),
  /** Of a write that gives no value, or keeps the expiry. */
  durable: new Set<string>(['durability'] satisfies (keyof DurabilityOptions)[]),
  value: new Set<string>(['ttl', 'durability'] satisfies (keyof (WriteOptions & DurabilityOptions))[]),
  transaction: new Set<string>(['retries', 'durability'] satisfies (keyof TransactionOptions)[]),
} as const

/** The durability that `options` ask for; throws `INVALID_ARGUMENT` for a name that is not in `names`. */
export function durabilityOf(
  whose: string,
  options: DurabilityOptions | undefined,
  names: ReadonlySet<string>,
  fallback: Durability,
): Durability {
  if (options === undefined) return fallback
  checkOptionNames(whose, options, names)
  return checkDurability(options.durability, fallback)
}

/** How often a transaction is run again. */
export function checkRetries(retries: number | undefined): number {
  if (retries === undefined) return 10
  if (retries === Number.POSITIVE_INFINITY || (Number.isInteger(retries) && retries >= 0)) return retries
  throw new VarveError('INVALID_ARGUMENT', 'retries must be a whole number, 0 or more, or Infinity.')
}
