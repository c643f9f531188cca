/** What a store tells of entries that it removed by itself: each once, with key and value, in the order of their removal. */
import type { Store, StoreOptions } from '../../src/index.js'
import type { Calls, Removed } from './calls.js'
import { same } from './check.js'
import type { State } from './history.js'
import type { RankedKeys } from './key-space.js'

export class Announcements {
  readonly #calls: Calls
  readonly #keys: RankedKeys
  readonly #listens: boolean
  readonly #fail: (error: unknown) => void
  #byCallback = 0
  #byEvent = 0

  constructor(calls: Calls, keys: RankedKeys, listens: boolean, fail: (error: unknown) => void) {
    this.#calls = calls
    this.#keys = keys
    this.#listens = listens
    this.#fail = fail
  }

  /** The options with which a store tells of removals. */
  get callbacks(): Pick<StoreOptions, 'onExpire'> {
    if (!this.#listens) return {}
    return { onExpire: (key, value) => this.#check(this.#calls.removed[this.#byCallback++], key, value) }
  }

  listenTo(store: Store<string, Buffer>): void {
    if (!this.#listens) return
    store.on('expire', ({ key, value }) => this.#check(this.#calls.removed[this.#byEvent++], key, value))
  }

  /** Throws unless everything that was removed is told; `expired`: what the store counts. */
  checkComplete(expired: number): void {
    if (!this.#listens) return
    const { length } = this.#calls.removed
    same(this.#byCallback, length, 'entries that onExpire was told of')
    same(this.#byEvent, length, "entries that 'expire' has told of")
    same(expired, length, 'entries that were counted as expired')
  }

  /** Throws unless everything is removed that had expired at `before`, when a sweep has come by since. */
  checkSwept(state: State, before: number): void {
    if (!this.#listens) return
    for (const [rank, { operation }] of state) {
      if (operation.value !== undefined && !operation.swept && operation.expiresAt <= before) {
        throw new Error(`no sweep has removed ${rank}, which expired at ${operation.expiresAt}`)
      }
    }
  }

  #check(removed: Removed | undefined, key: unknown, value: unknown): void {
    const told = `${this.#keys.rankOf(key)}=${value}`
    const expected = removed === undefined ? 'nothing' : `${removed.rank}=${removed.value}`
    if (told !== expected) this.#fail(new Error(`${told} is announced instead of ${expected}`))
  }
}
