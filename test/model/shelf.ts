/** Which snapshots must be there, and which may be: behind a crash, those that were being taken or deleted. */
import type { State } from './history.js'

/** A snapshot that is there. */
interface Known {
  readonly sequence: number
  readonly state: State
  /** What had expired by then may be gone: it was open as a store that had nobody to tell. */
  droppedUpTo?: number
}

/** The snapshots of a store: all that are there for certain, and what is under way. */
export class Shelf {
  readonly known: Map<string, Known>
  /** The ids that a snapshot under way will have, and those of which one is being deleted. */
  readonly taking: string[]
  readonly deleting: string[]

  constructor(of?: Shelf) {
    this.known = new Map(of?.known)
    this.taking = [...(of?.taking ?? [])]
    this.deleting = [...(of?.deleting ?? [])]
  }
}
