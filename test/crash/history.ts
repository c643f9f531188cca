/**
 * What a run has committed and what of it was promised: the states of the store in commit order, and the first of them that
 * a kill, and a power loss, may leave.
 */

export interface Held {
  readonly value: string
  /** In ms since 1970; `Infinity`: never. */
  readonly expiresAt: number
}

export type State = ReadonlyMap<string, Held>

/** The promises at one moment, as indices of states. */
export interface Promised {
  /** A kill leaves this state or a later one. */
  readonly os: number
  /** A power loss leaves this state or a later one. */
  readonly disk: number
  /** No crash leaves a later one. */
  readonly issued: number
  /** The snapshots that must be there, and those that may be: id to index of state. */
  readonly snapshots: ReadonlyMap<string, number>
  readonly perhaps: ReadonlyMap<string, number>
}

export class History {
  readonly states: State[]
  #os = 0
  #disk = 0
  #snapshots: ReadonlyMap<string, number>
  #perhaps: ReadonlyMap<string, number> = new Map()

  /** Begins with `state`, which is durable, and with snapshots of states that came before, which are appended in front. */
  constructor(state: State, snapshots: ReadonlyMap<string, State> = new Map()) {
    const ids = [...snapshots.keys()]
    this.states = [...snapshots.values(), state]
    this.#snapshots = new Map(ids.map((id, index) => [id, index]))
    this.#os = this.#disk = this.issued
  }

  get issued(): number {
    return this.states.length - 1
  }

  /** The newest state. */
  get newest(): State {
    return this.states[this.issued]
  }

  get snapshots(): ReadonlyMap<string, number> {
    return this.#snapshots
  }

  /** A call is about to be made that commits a change of the newest state; the index of the new one. */
  commit(change: (entries: Map<string, Held>) => void): number {
    const entries = new Map(this.newest)
    change(entries)
    return this.states.push(entries) - 1
  }

  /**
   * The store has settled on what it shows at `now`, which must be one of the states that a kill may leave: what was rejected
   * is in or out from now on. The index of the new newest state, which is that one.
   */
  settles(shown: string, now: number): number {
    for (let index = this.issued; index >= this.#os; index--) {
      if (visible(this.states[index], now) === shown) return this.states.push(this.states[index]) - 1
    }
    throw new Error(`the store shows none of the states ${this.#os} to ${this.issued}: ${shown}`)
  }

  /** What was committed up to `index` outlives the process. */
  keepsInKill(index: number): void {
    this.#os = Math.max(this.#os, index)
  }

  /** What was committed up to `index` outlives a power loss. */
  keeps(index: number): void {
    this.keepsInKill(index)
    this.#disk = Math.max(this.#disk, index)
  }

  /** Snapshot `id` is being made (`index`: of which state) or deleted (`undefined`). */
  snapshotChanges(id: string, index: number | undefined): void {
    const certain = new Map(this.#snapshots)
    const perhaps = new Map(this.#perhaps)
    const known = certain.get(id)
    certain.delete(id)
    const may = index ?? known
    if (may !== undefined) perhaps.set(id, may)
    this.#snapshots = certain
    this.#perhaps = perhaps
  }

  /** It was made or deleted. */
  snapshotChanged(id: string, index: number | undefined): void {
    const certain = new Map(this.#snapshots)
    const perhaps = new Map(this.#perhaps)
    perhaps.delete(id)
    if (index !== undefined) certain.set(id, index)
    this.#snapshots = certain
    this.#perhaps = perhaps
  }

  promised(): Promised {
    return {
      os: this.#os,
      disk: this.#disk,
      issued: this.issued,
      snapshots: this.#snapshots,
      perhaps: this.#perhaps,
    }
  }
}

/** What a reader sees of a state at a moment: `key=value` in key order. */
export function visible(state: State, now: number): string {
  const lines: string[] = []
  for (const [key, { value, expiresAt }] of state) if (expiresAt > now) lines.push(`${key}=${value}`)
  return lines.sort().join('\n')
}
