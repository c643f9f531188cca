/** What the store has promised: up to which sequence number each kind of crash must leave everything. */

import type { Death } from './commands.js'

export interface Promised {
  /** The operations of all calls so far: no crash leaves more. */
  readonly issued: number
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

  promised(issued: number): Promised {
    return { issued, os: this.#os, disk: this.#disk }
  }
}

/** What is left of the promises behind a crash: all that they were for, and everything that is left is durable, but for a kill. */
export function surviving({ issued, os, disk }: Promised, profile: Death): Promised {
  if (profile === 'kill') return { issued, os, disk }
  return profile === 'all' ? { issued, os, disk: os } : { issued, os: disk, disk }
}
