/**
 * What a bounded store must hold, in the simplest way: a map, and a sort whenever something has to go. Keys are latin1
 * strings of their bytes. Entries that have expired stay until they make room, as in a store that does not sweep.
 */
export type Policy = 'none' | 'lru' | 'lfu' | 'ttl' | 'random'

export interface ModelBound {
  readonly policy: Policy
  readonly maxEntries: number
  readonly maxBytes: number
}

export interface ModelEntry {
  readonly value: string
  readonly expiresAt: number
  /** When it was last written and last used, in steps of the model; how often it was used. */
  readonly written: number
  used: number
  uses: number
}

export interface ModelWrite {
  readonly key: string
  /** `undefined` removes the key. */
  readonly value: string | undefined
  readonly expiresAt: number
}

/** Whom `'random'` has drawn, as far as is known. */
export type Drawn = () => string

export class BoundedModel {
  bound: ModelBound
  entries = new Map<string, ModelEntry>()
  /** What must have been announced since the store was opened. */
  announced: string[] = []
  #step = 0

  constructor(bound: ModelBound) {
    this.bound = bound
  }

  visible(now: number): [string, string][] {
    const there = [...this.entries].filter(([, { expiresAt }]) => expiresAt > now)
    return there
      .map(([key, { value }]): [string, string] => [key, value])
      .sort(([a], [b]) => (a < b ? -1 : 1))
  }

  peek(key: string, now: number): ModelEntry | undefined {
    const entry = this.entries.get(key)
    return entry !== undefined && entry.expiresAt > now ? entry : undefined
  }

  read(key: string, now: number): string | undefined {
    const entry = this.peek(key, now)
    if (entry === undefined) return undefined
    entry.used = ++this.#step
    entry.uses++
    return entry.value
  }

  /** One write, batch or transaction. */
  write(writes: readonly ModelWrite[], now: number, drawn: Drawn): 'done' | 'STORE_FULL' {
    const last = new Map(writes.map(({ key, value }) => [key, value]))
    const before = this.#total()
    const own = { entries: 0, bytes: 0 }
    let { entries, bytes } = before
    for (const [key, value] of last) {
      const old = this.entries.get(key)
      if (old !== undefined) {
        entries--
        bytes -= key.length + old.value.length
      }
      if (value === undefined) continue
      own.entries++
      own.bytes += key.length + value.length
    }
    entries += own.entries
    bytes += own.bytes
    const { maxEntries, maxBytes } = this.bound
    const isTooMuch = (): boolean => entries > maxEntries || bytes > maxBytes
    const going: string[] = []
    if (isTooMuch()) {
      if (own.entries > maxEntries || own.bytes > maxBytes) return 'STORE_FULL'
      this.#give(now, new Set(last.keys()), drawn, isTooMuch, (key) => {
        going.push(key)
        entries--
        bytes -= this.#sizeOf([key])
      })
      const isRefused =
        (entries > maxEntries && entries > before.entries - going.length) ||
        (bytes > maxBytes && bytes > before.bytes - this.#sizeOf(going))
      if (isRefused) return 'STORE_FULL'
    }
    for (const { key, value, expiresAt } of writes) this.#put(key, value, expiresAt)
    for (const key of going) this.#goes(key, now)
    return 'done'
  }

  clear(): void {
    this.entries.clear()
  }

  /** The store is opened again with `bound`: reads are forgotten, and what is too much goes. */
  reopen(bound: ModelBound, now: number, drawn: Drawn): void {
    this.bound = bound
    this.announced = []
    this.#forgetReads()
    if (bound.policy === 'none') return
    this.#give(
      now,
      new Set(),
      drawn,
      () => this.isTooMuch,
      (key) => this.#goes(key, now),
    )
  }

  /** Everything is as it was in `entries`, as far as it fits; what does not is not announced. */
  restore(entries: ReadonlyMap<string, ModelEntry>, now: number, drawn: Drawn): 'done' | 'STORE_FULL' {
    const old = this.entries
    this.entries = new Map([...entries].map(([key, entry]) => [key, { ...entry }]))
    this.#forgetReads()
    this.#give(
      now,
      new Set(),
      drawn,
      () => this.isTooMuch,
      (key) => this.entries.delete(key),
    )
    if (!this.isTooMuch) return 'done'
    this.entries = old
    return 'STORE_FULL'
  }

  get isTooMuch(): boolean {
    const { entries, bytes } = this.#total()
    return entries > this.bound.maxEntries || bytes > this.bound.maxBytes
  }

  #total(): { entries: number; bytes: number } {
    return { entries: this.entries.size, bytes: this.#sizeOf([...this.entries.keys()]) }
  }

  #sizeOf(keys: readonly string[]): number {
    return keys.reduce((sum, key) => sum + key.length + (this.entries.get(key)?.value.length ?? 0), 0)
  }

  #put(key: string, value: string | undefined, expiresAt: number): void {
    const uses = this.entries.get(key)?.uses ?? 0
    if (value === undefined) {
      this.entries.delete(key)
      return
    }
    const step = ++this.#step
    this.entries.set(key, { value, expiresAt, written: step, used: step, uses: uses + 1 })
  }

  #goes(key: string, now: number): void {
    const entry = this.entries.get(key)
    if (entry === undefined) return
    this.announced.push(`${entry.expiresAt <= now ? 'expire' : 'evict'} ${key}=${entry.value}`)
    this.entries.delete(key)
  }

  /** Names to `goes`, one by one, what should go, as long as `isTooMuch` and there is something. */
  #give(
    now: number,
    kept: ReadonlySet<string>,
    drawn: Drawn,
    isTooMuch: () => boolean,
    goes: (key: string) => void,
  ): void {
    const order = this.#inOrderOfGoing(now, kept, drawn)
    while (isTooMuch()) {
      const next = order.next()
      if (next.done === true) return
      goes(next.value)
    }
  }

  /** First what has expired, then what the policy says; `'random'` is asked whom it drew. */
  *#inOrderOfGoing(now: number, kept: ReadonlySet<string>, drawn: Drawn): Generator<string> {
    const all = [...this.entries].filter(([key]) => !kept.has(key))
    const byExpiry = (one: ModelEntry, other: ModelEntry): number =>
      one.expiresAt === other.expiresAt ? one.written - other.written : one.expiresAt - other.expiresAt
    const expired = all.filter(([, { expiresAt }]) => expiresAt <= now)
    for (const [key] of expired.sort(([, a], [, b]) => byExpiry(a, b))) yield key
    const rest = all.filter(([, { expiresAt }]) => expiresAt > now)
    switch (this.bound.policy) {
      case 'none':
        return
      case 'lru':
        rest.sort(([, a], [, b]) => a.used - b.used)
        break
      case 'lfu':
        rest.sort(([, a], [, b]) => a.uses - b.uses || a.used - b.used)
        break
      case 'ttl':
        rest.sort(([, a], [, b]) => byExpiry(a, b))
        break
      case 'random': {
        const left = new Set(rest.map(([key]) => key))
        while (left.size > 0) {
          const key = drawn()
          if (!left.delete(key)) throw new Error(`${JSON.stringify(key)} went, and was not to be drawn`)
          yield key
        }
        return
      }
    }
    for (const [key] of rest) yield key
  }

  #forgetReads(): void {
    for (const entry of this.entries.values()) {
      entry.uses = 1
      entry.used = entry.written
    }
  }
}
