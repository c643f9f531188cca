/** What the store has promised: up to which sequence number each kind of crash must leave everything. */

import type { Replacing } from './calls.js'
import type { Death } from './commands.js'
import type { Shelf } from './shelf.js'

export interface Promised {
  /** The last sequence number that was given out: no crash leaves more, but for a replacement. */
  readonly issued: number
  /** What may stand in the place of everything, one step behind that. */
  readonly replacing: Replacing | undefined
  /** The snapshots that are there or may be. */
  readonly shelf: Shelf
  /** Survives `kill -9`. */
  readonly os: number
  /** Survives power loss. */
  readonly disk: number
}

export class Acknowledged {
  #os: number
  #disk: number

  constructor(all: number) {
    this.#os = all
    this.#disk = all
  }

  os(sequence: number): void {
    this.#os = Math.max(this.#os, sequence)
  }

  disk(sequence: number): void {
    this.#disk = Math.max(this.#disk, sequence)
    this.os(sequence)
  }

  promised(issued: number): { issued: number; os: number; disk: number } {
    return { issued, os: this.#os, disk: this.#disk }
  }
}

/** What is left of the promises behind a crash: all that they were for, and everything that is left is durable, but for a kill. */
export function surviving(promised: Promised, profile: Death): Promised {
  const { os, disk } = promised
  if (profile === 'kill') return promised
  return profile === 'all' ? { ...promised, disk: os } : { ...promised, os: disk }
}
