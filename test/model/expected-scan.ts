/** What an iterator must hand out: the entries of its range at its moment, of which some may or may not be there. */
import type { Range } from './commands.js'
import { type State, visibilityOf } from './history.js'
import type { RankedKeys } from './key-space.js'

export interface Expected {
  readonly rank: number
  readonly value: string
  readonly certain: boolean
}

/** Whether the model's filter lets a value pass: values begin with their number. */
export function passesFilter(value: string): boolean {
  return Number.parseInt(value, 10) % 2 === 0
}

/** Whether a rank lies in a range. */
export function isInside(keys: RankedKeys, range: Range, rank: number): boolean {
  const { gte, gt, lte, lt, prefix } = range
  if (gte !== undefined && rank < gte) return false
  if (gt !== undefined && rank <= gt) return false
  if (lte !== undefined && rank > lte) return false
  if (lt !== undefined && rank >= lt) return false
  return prefix === undefined || keys.startsWith(rank, prefix)
}

/** Walks along what an iterator hands out. */
export class ExpectedScan {
  readonly #all: readonly Expected[]
  readonly #reverse: boolean
  #left: number
  readonly #describe: (entry: Expected) => string
  #at = 0

  constructor(all: readonly Expected[], range: Range, describe: (entry: Expected) => string) {
    this.#all = all
    this.#reverse = range.reverse
    this.#left = range.limit ?? Number.POSITIVE_INFINITY
    this.#describe = describe
  }

  static of(
    keys: RankedKeys,
    state: State,
    now: number,
    range: Range,
    describe: (entry: Expected) => string,
    since = now,
  ): ExpectedScan {
    const all: Expected[] = []
    for (const [rank, held] of state) {
      const visibility = visibilityOf(held, now, since)
      const { value } = held.operation
      if (visibility === 'no' || value === undefined || !isInside(keys, range, rank)) continue
      if (range.filter && !passesFilter(value)) continue
      all.push({ rank, value, certain: visibility === 'yes' })
    }
    all.sort((a, b) => (range.reverse ? b.rank - a.rank : a.rank - b.rank))
    return new ExpectedScan(all, range, describe)
  }

  /** Takes in what the iterator handed out, as `describe` tells it; `asked`: how many it was asked for. */
  take(items: readonly string[], asked: number): void {
    if (items.length > Math.min(asked, this.#left)) {
      throw new Error(
        `the iterator gave ${items.length} entries, asked for ${asked}, limited to ${this.#left}`,
      )
    }
    for (const item of items) {
      while (this.#at < this.#all.length && this.#describe(this.#all[this.#at]) !== item) this.#skip(item)
      if (this.#at >= this.#all.length) throw new Error(`the iterator gave ${item} behind its end`)
      this.#at++
    }
    this.#left -= items.length
    if (items.length < asked && this.#left > 0) {
      while (this.#at < this.#all.length) this.#skip('its end')
    }
  }

  /** Whether the iterator has nothing more. */
  get finished(): boolean {
    return this.#left === 0 || this.#at >= this.#all.length
  }

  seek(rank: number): void {
    const found = this.#all.findIndex((entry) => (this.#reverse ? entry.rank <= rank : entry.rank >= rank))
    this.#at = found < 0 ? this.#all.length : found
  }

  #skip(instead: string): void {
    const entry = this.#all[this.#at++]
    if (entry.certain) throw new Error(`the iterator came to ${instead} instead of ${this.#describe(entry)}`)
  }
}
