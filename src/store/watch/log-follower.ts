/** Follows commits in the log, and behind its end in what is applied and not yet logged. */
import { type GroupBuffer, OPERATIONS_START } from '../../wal/group-buffer.js'
import type { LogTail } from '../../wal/log-tail.js'
import { OperationReader } from '../../wal/operation.js'
import type { CommitFollower, TakeOperation } from './commit-follower.js'

/** What is applied and not yet logged, which goes on where the log ends. */
export interface Unlogged {
  readonly operations: GroupBuffer
  readonly firstSequence: number
}

export class LogFollower implements CommitFollower {
  readonly #log: LogTail
  readonly #unlogged: () => Unlogged
  readonly #operations = new OperationReader()

  constructor(log: LogTail, unlogged: () => Unlogged) {
    this.#log = log
    this.#unlogged = unlogged
  }

  get next(): number {
    return this.#log.next
  }

  fill(take: TakeOperation): boolean {
    return this.#log.fill(take) || this.#fillUnlogged(take)
  }

  close(): Promise<void> {
    return this.#log.close()
  }

  #fillUnlogged(take: TakeOperation): boolean {
    const { operations, firstSequence } = this.#unlogged()
    if (operations.count === 0 || firstSequence > this.next) return false
    const operation = this.#operations.reset(operations.bytes, OPERATIONS_START, operations.length)
    for (let sequence = firstSequence; operation.next(); sequence++) {
      if (sequence < this.next) continue
      this.#log.advanceTo(sequence + 1)
      if (!take(operation, sequence)) return true
    }
    return false
  }
}
