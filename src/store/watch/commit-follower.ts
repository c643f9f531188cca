/**
 * Reading what was committed, in commit order, from some sequence number on: out of a log, or of memory.
 *
 * Synchronous and resumable (iterator/not-resident). When `fill` returns false, everything that is visible was handed out, in
 * this very step: whoever subscribes in the same step misses nothing and sees nothing twice.
 */

import { notHeld } from '../../wal/log-tail.js'

/** A committed operation; its key and its stored value lie in `bytes`. */
export interface CommittedOperation {
  readonly bytes: Uint8Array
  /** One of `Kind`. */
  readonly kind: number
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** Takes an operation, whose bytes are good during the call; whether to go on. */
export type TakeOperation = (operation: CommittedOperation, sequence: number) => boolean

export interface CommitFollower {
  /** The sequence number of the next operation. */
  readonly next: number
  /**
   * Hands operations to `take` until it returns false (then true: there may be more) or nothing is left (false). Throws
   * `NotResident`, and `NOT_FOUND` when what comes next is not held any more.
   */
  fill(take: TakeOperation): boolean
  close(): Promise<void>
}

/** Follows what is held no more from `next` on. */
export function followNothing(next: number): CommitFollower {
  return {
    next,
    fill() {
      throw notHeld(next)
    },
    async close() {},
  }
}
