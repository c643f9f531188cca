/**
 * Who still needs which table.
 *
 * Versions are numbered in the order in which they became current. A table is named by the versions from the one whose
 * edit added it up to the one before the edit that removed it; its file is obsolete when that edit is durable and no
 * pinned version of those is left.
 */
import { assert } from '../base/assert.js'
import type { Version } from './version.js'
import type { VersionEdit } from './version-edit.js'

interface DroppedTable {
  readonly number: number
  readonly addedBy: number
  readonly removedBy: number
}

export class LiveVersions {
  #nextId = 0
  readonly #ids = new Map<Version, number>()
  /** The tables of the newest version: which version was the first with it. */
  readonly #addedBy = new Map<number, number>()
  #dropped: DroppedTable[] = []

  /** `version` is the newest one, behind durable `edits`. */
  add(version: Version, edits: readonly VersionEdit[]): void {
    const id = this.#nextId++
    this.#ids.set(version, id)
    for (const edit of edits) {
      const moved = new Map<number, number>()
      for (const { number } of edit.removed ?? []) {
        const addedBy = this.#addedBy.get(number)
        assert(addedBy !== undefined, `table ${number}, which an edit removes, is known`)
        this.#addedBy.delete(number)
        moved.set(number, addedBy)
      }
      for (const { table } of edit.added ?? []) {
        this.#addedBy.set(table.number, moved.get(table.number) ?? id)
        moved.delete(table.number)
      }
      for (const [number, addedBy] of moved) this.#dropped.push({ number, addedBy, removedBy: id })
    }
  }

  /** `version` is pinned no more. */
  release(version: Version): void {
    this.#ids.delete(version)
  }

  /** Whether any live version names the table. */
  needs(number: number): boolean {
    return this.#addedBy.has(number) || this.#dropped.some((table) => table.number === number)
  }

  /** The tables that no live version names any more, each told once. */
  takeObsolete(): number[] {
    if (this.#dropped.length === 0) return []
    const live = [...this.#ids.values()]
    const isNeeded = ({ addedBy, removedBy }: DroppedTable): boolean =>
      live.some((id) => id >= addedBy && id < removedBy)
    const obsolete = this.#dropped.filter((table) => !isNeeded(table))
    if (obsolete.length === 0) return []
    this.#dropped = this.#dropped.filter(isNeeded)
    // A table that a restore has brought back may be needed again.
    return [...new Set(obsolete.map(({ number }) => number))].filter((number) => !this.needs(number))
  }
}
