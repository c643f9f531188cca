/** A tree of synthetic tables with real entries, which carries out plans and can be read: what compaction must not change. */
import { expect } from 'vitest'
import type { CompactionPlan, PickerState } from '../../src/compaction/compaction-plan.js'
import { advancePointers } from '../../src/compaction/picker.js'
import type { TableMetadata } from '../../src/version/table-metadata.js'
import { Version } from '../../src/version/version.js'
import { key } from '../version/tables.js'

export interface Entry {
  readonly key: number
  readonly sequence: number
  readonly isTombstone: boolean
  readonly expiresAt: number
}

export const ENTRY_BYTES = 10

export class TreeModel {
  version = Version.empty()
  now = 0
  /** The pinned sequence number, if there is one. */
  pin = Number.MAX_SAFE_INTEGER
  pointers: (Uint8Array | undefined)[] = []
  running: CompactionPlan[] = []
  readonly entries = new Map<number, readonly Entry[]>()
  readonly #settings: PickerState['settings']
  #log: Entry[] = []
  #sequence = 0
  #number = 0

  constructor(settings: PickerState['settings']) {
    this.#settings = settings
  }

  get state(): PickerState {
    const { now, running, pointers, pin } = this
    return { now, running, pointers, oldestSequence: pin, settings: this.#settings }
  }

  get lastSequence(): number {
    return this.#sequence
  }

  get nextNumber(): number {
    return this.#number + 1
  }

  /** Writes and flushes one table of entries. */
  flush(writes: readonly { key: number; isTombstone: boolean; ttl: number }[]): void {
    const entries = writes.map(({ key, isTombstone, ttl }) => {
      const expiresAt = isTombstone || ttl === 0 ? Number.POSITIVE_INFINITY : this.now + ttl
      return { key, isTombstone, expiresAt, sequence: ++this.#sequence }
    })
    this.#log.push(...entries)
    const table = this.#table(this.#kept(entries, false))
    this.version = this.version.apply({ added: [{ level: 0, table }] })
  }

  /** Begins a plan: no table may be in two, and the plan must fit the version. */
  begin(plan: CompactionPlan): void {
    const busy = new Set(this.running.flatMap(({ inputs }) => inputs.flat().map(({ number }) => number)))
    for (const table of plan.inputs.flat()) expect(busy.has(table.number)).toBe(false)
    expect(plan.inputs[0].length).toBeGreaterThan(0)
    this.running.push(plan)
    this.pointers = advancePointers(this.pointers, plan)
  }

  /** Carries out a plan that was begun; the version asserts that its levels stay disjoint. */
  finish(plan: CompactionPlan): void {
    this.running = this.running.filter((one) => one !== plan)
    const removed = [
      ...plan.inputs[0].map(({ number }) => ({ level: plan.level, number })),
      ...plan.inputs[1].map(({ number }) => ({ level: plan.outputLevel, number })),
    ]
    let outputs: TableMetadata[] = []
    if (plan.kind === 'move') outputs = [...plan.inputs[0]]
    if (plan.kind === 'merge') {
      const inputs = plan.inputs.flat().flatMap(({ number }) => this.entries.get(number) ?? [])
      outputs = this.#split(this.#kept(inputs, plan.bottommost)).map((entries) => this.#table(entries))
    }
    this.version = this.version.apply({
      removed,
      added: outputs.map((table) => ({ level: plan.outputLevel, table })),
    })
  }

  /** Reads every key, now and at the pin, both from the tree and from the log of all writes. */
  check(): void {
    const keys = new Set(this.#log.map((entry) => entry.key))
    for (const sequence of new Set([Number.MAX_SAFE_INTEGER, this.pin])) {
      for (const one of keys) expect(this.#read(one, sequence), `key ${one}`).toBe(this.#truth(one, sequence))
    }
  }

  #truth(wanted: number, sequence: number): number | undefined {
    const newest = this.#log.findLast((entry) => entry.key === wanted && entry.sequence <= sequence)
    return this.#visible(newest)
  }

  #read(wanted: number, sequence: number): number | undefined {
    const [level0, ...deeper] = this.version.levels
    for (const table of [
      ...level0,
      ...deeper.flatMap((_, index) => this.version.findTable(index + 1, key(wanted)) ?? []),
    ]) {
      const found = this.entries
        .get(table.number)
        ?.find((entry) => entry.key === wanted && entry.sequence <= sequence)
      if (found !== undefined) return this.#visible(found)
    }
    return undefined
  }

  #visible(entry: Entry | undefined): number | undefined {
    return entry === undefined || entry.isTombstone || entry.expiresAt <= this.now
      ? undefined
      : entry.sequence
  }

  /** What a compaction keeps: the newest version of each key that a reader may see. */
  #kept(entries: readonly Entry[], bottommost: boolean): Entry[] {
    const sorted = entries.toSorted((a, b) => a.key - b.key || b.sequence - a.sequence)
    const seen = new Set<string>()
    return sorted.flatMap((entry) => {
      const isOld = entry.sequence <= this.pin
      const stripe = `${entry.key} ${isOld}`
      if (seen.has(stripe)) return []
      seen.add(stripe)
      const isTombstone = entry.isTombstone || entry.expiresAt <= this.now
      if (isTombstone && bottommost && isOld) return []
      return [isTombstone ? { ...entry, isTombstone, expiresAt: Number.POSITIVE_INFINITY } : entry]
    })
  }

  /** Tables of the target size; all versions of one key stay together. */
  #split(entries: readonly Entry[]): Entry[][] {
    const tables: Entry[][] = []
    for (const [index, entry] of entries.entries()) {
      const last = tables[tables.length - 1]
      const isFull = last === undefined || last.length * ENTRY_BYTES >= this.#settings.targetFileSize
      if (isFull && entry.key !== entries[index - 1]?.key) tables.push([entry])
      else last.push(entry)
    }
    return tables
  }

  #table(entries: readonly Entry[]): TableMetadata {
    const number = ++this.#number
    this.entries.set(number, entries)
    const sequences = entries.map(({ sequence }) => sequence)
    const expiries = entries.map(({ expiresAt }) => expiresAt)
    return {
      number,
      sizeBytes: entries.length * ENTRY_BYTES,
      entryCount: entries.length,
      tombstoneCount: entries.filter(({ isTombstone }) => isTombstone).length,
      smallest: key(entries[0].key),
      largest: key(entries[entries.length - 1].key),
      smallestSequence: Math.min(...sequences),
      largestSequence: Math.max(...sequences),
      earliestExpiry: Math.min(...expiries),
      latestExpiry: Math.max(...expiries),
      rawKeyBytes: 0,
      rawValueBytes: 0,
      createdAt: this.now,
    }
  }
}
