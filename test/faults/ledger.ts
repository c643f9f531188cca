/** What may stand under each key: what was acknowledged last, and what was asked for since and refused. */

export class Ledger {
  readonly #allowed = new Map<string, Set<string | undefined>>()

  /** A write of `values` was begun; `undefined` removes. To be told when it is acknowledged. */
  asked(values: ReadonlyMap<string, string | undefined>): { kept(): void } {
    for (const [key, value] of values) this.#of(key).add(value)
    return {
      kept: () => {
        for (const [key, value] of values) this.#allowed.set(key, new Set([value]))
      },
    }
  }

  /** What is there now. Only to be asked while nothing was refused. */
  certain(): Map<string, string | undefined> {
    return new Map([...this.#allowed].map(([key, [value]]) => [key, value]))
  }

  /** All keys that were ever written, with `undefined`. */
  nothing(): Map<string, undefined> {
    return new Map([...this.#allowed.keys()].map((key) => [key, undefined]))
  }

  /** Throws when `found` is not what may be there. */
  check(found: ReadonlyMap<string, string>, when: string): void {
    for (const [key, allowed] of this.#allowed) {
      const value = found.get(key)
      if (allowed.has(value)) continue
      const wanted = [...allowed].map((one) => one?.slice(0, 12)).join(' or ')
      throw new Error(`${when}: ${key} is ${value?.slice(0, 12)}, not ${wanted}`)
    }
    for (const key of found.keys()) {
      if (!this.#allowed.has(key)) throw new Error(`${when}: ${key} was never written`)
    }
  }

  #of(key: string): Set<string | undefined> {
    let allowed = this.#allowed.get(key)
    if (allowed === undefined) this.#allowed.set(key, (allowed = new Set([undefined])))
    return allowed
  }
}
