/**
 * Whether a lookup that must not block on the disk may read a block all the same (docs/adr/0008).
 *
 * Mostly the system has what is read in its page cache: then a blocking read takes some microseconds, and the way to another thread
 * and back ten times as many. There is no asking beforehand. So a read is tried, and after one that was slow the next ones go to
 * other threads, twice as many each time; reads that are quick win the trust back. A disk that is slow all the time holds the thread
 * up once in thousands of reads.
 */
import type { Clock } from '../env/clock.js'
import type { FileSystem } from '../env/file-system.js'

/** A read from memory takes less, one from the device more, in ms. */
const QUICK_MS = 0.05
/** A longer read is worth the way to another thread. */
const MOST_BYTES = 64 * 1024
const FEWEST_AWAY = 16
const MOST_AWAY = 4096

export class ReadPace {
  readonly #clock: Clock
  /** So many reads go to other threads now, and so many after the next slow one. */
  #away = 0
  #nextAway = FEWEST_AWAY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether a read of `length` bytes may block; then it is to go through {@link timed}. */
  mayBlock(length: number): boolean {
    if (length > MOST_BYTES) return false
    if (this.#away === 0) return true
    this.#away--
    return false
  }

  /** Runs a blocking read. */
  timed<T>(read: () => T): T {
    const began = this.#clock.monotonic()
    try {
      return read()
    } finally {
      this.#took(this.#clock.monotonic() - began)
    }
  }

  #took(ms: number): void {
    if (ms <= QUICK_MS) {
      if (this.#nextAway > FEWEST_AWAY) this.#nextAway /= 2
      return
    }
    this.#away = this.#nextAway
    if (this.#nextAway < MOST_AWAY) this.#nextAway *= 2
  }
}

/** The pace of reads on a file system; undefined where a read that blocks is no quicker than one that does not. */
export function paceOn(fileSystem: FileSystem, clock: Clock): ReadPace | undefined {
  return fileSystem.hasPageCache === true ? new ReadPace(clock) : undefined
}
