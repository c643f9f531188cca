/** What the store has promised: up to which sequence number each kind of crash must leave everything. */

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
