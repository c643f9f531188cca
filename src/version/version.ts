/**
 * A `Version`: an immutable picture of the levels.
 *
 * What always holds: level 0 is sorted newest first and its tables may overlap; in every deeper level the tables are
 * sorted by key and disjoint in user keys; a table stands in one place only. Along any path of one user key from
 * level 0 to the last level, entries only get older.
 *
 * Readers pin a version; while it is pinned, no file that it names is deleted (see version-set).
 */
import { assert } from '../base/assert.js'
import { compareBytes, compareKeys } from '../base/bytes.js'
import { byAge, bySmallest, lowerBound, overlaps, type TableMetadata, totalBytes } from './table-metadata.js'
import { isSound, LEVEL_COUNT, type VersionEdit } from './version-edit.js'

export class Version {
  /** The tables of each level, in order. */
  readonly levels: readonly (readonly TableMetadata[])[]
  /** The bytes of each level. */
  readonly levelBytes: readonly number[]
  #pins = 0
  readonly #onReleased: ((version: Version) => void) | undefined

  /** `onReleased` is called each time that the last pin is gone. Levels must be as the head of this file says. */
  constructor(levels: readonly (readonly TableMetadata[])[], onReleased?: (version: Version) => void) {
    this.levels = levels
    this.levelBytes = levels.map(totalBytes)
    this.#onReleased = onReleased
  }

  /** A version without a table. */
  static empty(onReleased?: (version: Version) => void): Version {
    return new Version(
      Array.from({ length: LEVEL_COUNT }, () => []),
      onReleased,
    )
  }

  /** Keeps the files of this version; every pin needs its {@link unpin}. */
  pin(): this {
    this.#pins++
    return this
  }

  unpin(): void {
    assert(this.#pins > 0, 'a version is unpinned once for each pin')
    this.#pins--
    if (this.#pins === 0) this.#onReleased?.(this)
  }

  get pinned(): boolean {
    return this.#pins > 0
  }

  get tableCount(): number {
    return this.levels.reduce((count, tables) => count + tables.length, 0)
  }

  get totalBytes(): number {
    return this.levelBytes.reduce((total, bytes) => total + bytes, 0)
  }

  /** Every table with its level, level 0 first. */
  *tables(): IterableIterator<{ level: number; table: TableMetadata }> {
    for (let level = 0; level < LEVEL_COUNT; level++) {
      for (const table of this.levels[level]) yield { level, table }
    }
  }

  /** The version behind `edit`; asserts that the edit fits this version. */
  apply(edit: VersionEdit, onReleased?: (version: Version) => void): Version {
    const builder = new VersionBuilder(this)
    builder.apply(edit)
    return builder.build(onReleased)
  }

  /** The tables of `level` with keys in `[start, end]`, both inclusive, `undefined` for no bound; in the level's order. */
  tablesOverlapping(level: number, start?: Uint8Array, end?: Uint8Array): readonly TableMetadata[] {
    const tables = this.levels[level]
    if (level === 0) return tables.filter((table) => overlaps(table, start, end))
    const from = start === undefined ? 0 : lowerBound(tables, start)
    let to = end === undefined ? tables.length : lowerBound(tables, end)
    if (end !== undefined && to < tables.length && compareKeys(tables[to].smallest, end) <= 0) to++
    return tables.slice(from, Math.max(from, to))
  }

  /** Whether `level` has keys in `[start, end]`, both inclusive. */
  hasOverlap(level: number, start: Uint8Array, end: Uint8Array): boolean {
    const tables = this.levels[level]
    if (level === 0) return tables.some((table) => overlaps(table, start, end))
    const index = lowerBound(tables, start)
    return index < tables.length && compareKeys(tables[index].smallest, end) <= 0
  }

  /** The one table of `level`, which is at least 1, that may hold `key[start, end)`. */
  findTable(level: number, key: Uint8Array, start = 0, end: number = key.length): TableMetadata | undefined {
    const tables = this.levels[level]
    const index = lowerBound(tables, key, start, end)
    if (index === tables.length) return undefined
    const table = tables[index]
    return compareBytes(table.smallest, 0, table.smallest.length, key, start, end) <= 0 ? table : undefined
  }
}

/** Applies a run of edits, in order, and builds the one version behind them all. */
export class VersionBuilder {
  readonly #base: readonly (readonly TableMetadata[])[]
  /** The tables of the levels that an edit touched, by number. */
  readonly #touched: (Map<number, TableMetadata> | undefined)[]

  constructor(base: Version) {
    this.#base = base.levels
    this.#touched = base.levels.map(() => undefined)
  }

  apply(edit: VersionEdit): void {
    for (const { level, number } of edit.removed ?? []) {
      assert(
        this.#level(level).delete(number),
        `table ${number}, which an edit removes, stands in level ${level}`,
      )
    }
    for (const { level, table } of edit.added ?? []) {
      assert(isSound(table), `the metadata of table ${table.number} agree with each other`)
      const tables = this.#level(level)
      assert(!tables.has(table.number), `table ${table.number}, which an edit adds, is new to level ${level}`)
      tables.set(table.number, table)
    }
  }

  /** The version behind the edits; asserts what a version must hold. */
  build(onReleased?: (version: Version) => void): Version {
    const levels = this.#base.map((tables, level) => {
      const touched = this.#touched[level]
      return touched === undefined ? tables : sorted(level, [...touched.values()])
    })
    if (this.#touched.some((touched) => touched !== undefined)) assertUnique(levels)
    return new Version(levels, onReleased)
  }

  #level(level: number): Map<number, TableMetadata> {
    assert(level >= 0 && level < LEVEL_COUNT, 'an edit names a level that there is')
    let tables = this.#touched[level]
    if (tables === undefined) {
      tables = new Map(this.#base[level].map((table) => [table.number, table]))
      this.#touched[level] = tables
    }
    return tables
  }
}

function sorted(level: number, tables: TableMetadata[]): TableMetadata[] {
  if (level === 0) return tables.sort(byAge)
  tables.sort(bySmallest)
  for (let i = 1; i < tables.length; i++) {
    const before = tables[i - 1]
    assert(
      compareKeys(before.largest, tables[i].smallest) < 0,
      `tables ${before.number} and ${tables[i].number} of level ${level} are disjoint`,
    )
  }
  return tables
}

function assertUnique(levels: readonly (readonly TableMetadata[])[]): void {
  const numbers = new Set<number>()
  let count = 0
  for (const tables of levels) {
    for (const table of tables) numbers.add(table.number)
    count += tables.length
  }
  assert(numbers.size === count, 'a table stands in one place only')
}
