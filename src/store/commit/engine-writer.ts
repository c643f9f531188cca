/**
 * The writer of the engine in this thread.
 *
 * Writes that depend on what is there are atomic without a lock: the decision is made in one synchronous step, in which
 * everything that was written before is applied and what it looks at is in memory. Where that is not so yet, what is missing is
 * awaited (a stall, a block on disk) and the step begins again; nothing is written before the step that decides.
 */
import { Kind } from '../../base/entry.js'
import { VarveError } from '../../base/errors.js'
import { NotResident } from '../../iterator/not-resident.js'
import type { SearchKey } from '../../memtable/search-key.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { GroupBuffer } from '../../wal/group-buffer.js'
import type { Codec } from '../encodings/codec.js'
import type { Engine } from '../engine.js'
import type { Durability } from '../options.js'
import type { ByteRange } from '../range.js'
import type { PinnedMoment, ReadPoint } from '../reading/pinned-moments.js'
import { awaitLookUp, LookupResult, lookUp } from '../reading/point-lookup.js'
import type { ReadSet } from '../transactions/read-set.js'
import { LOOKUP_COST } from '../turn-budget.js'
import { addTombstones } from './clear-range.js'
import type { CommitGroup } from './commit-pipeline.js'
import { conflict, type Decide, describe, writeOf } from './decision.js'
import type { Writer } from './writer.js'

export class EngineWriter implements Writer {
  readonly #engine: Engine
  /** Answers from memory or throws `NotResident`; nothing is ever loaded through it. */
  readonly #memory: BlockFetcher
  readonly #result = new LookupResult()

  constructor(engine: Engine) {
    this.#engine = engine
    this.#memory = new BlockFetcher(engine.parts.tableCache, { blocking: false })
  }

  join(durability: Durability): CommitGroup {
    return this.#engine.pipeline.join(durability)
  }

  async delete(key: SearchKey, durability: Durability): Promise<boolean> {
    const group = this.join(durability)
    const index = group.operations.count
    group.operations.add(Kind.delete, key.bytes, undefined, undefined, key.length)
    let isThere: boolean | Promise<boolean> = false
    group.onApplied(() => {
      // Told below; a write that is refused after it was applied tells of the refusal instead.
      isThere = this.#wasThere(key, group.firstSequence + index - 1)
    })
    await group.promiseFor(durability)
    return isThere
  }

  async decide<V, R>(
    codec: Codec<unknown, V>,
    key: SearchKey,
    durability: Durability,
    decide: Decide<V, R>,
  ): Promise<R> {
    const { parts } = this.#engine
    const fetcher = new BlockFetcher(parts.tableCache, { blocking: false })
    const result = new LookupResult()
    return this.#inOneStep(() => {
      const { readState, lastSequence } = this.#engine
      const isThere = lookUp(readState, key, lastSequence, fetcher, result, parts.clock)
      const decision = decide(isThere ? describe(codec, result) : undefined)
      const write = decision.write === 'nothing' ? undefined : writeOf(codec, key, decision)
      this.#checkUnchanged(lastSequence)
      if (write === undefined) return Promise.resolve(decision.answer)
      const group = this.join(durability)
      write(group.operations)
      return group.promiseFor(durability).then(() => decision.answer)
    })
  }

  async clear(range: ByteRange | undefined, durability: Durability): Promise<void> {
    if (range === undefined) return this.#engine.clear()
    const { pipeline, keepAlive } = this.#engine
    await keepAlive.during(
      pipeline.alone(durability, (operations) => addTombstones(this.#engine, range, operations)),
    )
  }

  commit(
    read: ReadSet,
    moment: PinnedMoment,
    durability: Durability,
    write: (operations: GroupBuffer) => void,
  ): Promise<void> {
    return this.commitSince(moment.sequence, read, moment, durability, write)
  }

  /** {@link commit} of what was read at `sequence`, when `moment` or later. */
  async commitSince(
    sequence: number,
    read: ReadSet,
    moment: PinnedMoment,
    durability: Durability,
    write: (operations: GroupBuffer) => void,
  ): Promise<void> {
    const fetcher = new BlockFetcher(this.#engine.parts.tableCache, { blocking: false })
    await this.#inOneStep(() => {
      // A clearing takes all with it, and what was not there is read again.
      if (moment.detached || read.hasChangedSince(sequence, this.#engine.readState, fetcher)) {
        throw conflict()
      }
      // Validated and joined in one step: no other write comes between.
      const group = this.join(durability)
      write(group.operations)
      return group.promiseFor(durability)
    })
  }

  /** Refuses a step in which the user's code, which decides and encodes, has written: it would go before what it decided. */
  #checkUnchanged(lastSequence: number): void {
    if (this.#engine.pipeline.flushQueue() && this.#engine.lastSequence === lastSequence) return
    throw new VarveError(
      'INVALID_ARGUMENT',
      'The function of update, or the encoding of a value, has written to the store itself. Write before or after, or use a transaction.',
    )
  }

  /** Whether something was there at `sequence`, as the read state of now tells; at once, where that is in memory. */
  #wasThere(key: SearchKey, sequence: number): boolean | Promise<boolean> {
    const { parts, readState, turn } = this.#engine
    turn.spend(LOOKUP_COST)
    try {
      return lookUp(readState, key, sequence, this.#memory, this.#result, parts.clock)
    } catch {
      // Not in memory; or it cannot be read, as that will tell, too.
      return this.#engine.owe(this.#awaitWhether(key, { readState, sequence }))
    }
  }

  async #awaitWhether(key: SearchKey, point: ReadPoint): Promise<boolean> {
    return (await awaitLookUp(this.#engine.parts, point, key, () => true)) === true
  }

  /** Runs `step` when everything that was written before is applied, again until what it looks at is in memory. */
  async #inOneStep<T>(step: () => Promise<T>): Promise<T> {
    const { pipeline } = this.#engine
    for (;;) {
      if (!pipeline.flushQueue()) {
        await pipeline.drained()
        continue
      }
      let done: Promise<T>
      try {
        done = step()
      } catch (error) {
        if (!(error instanceof NotResident)) throw error
        await this.#engine.readState.during(error.load())
        continue
      }
      return done
    }
  }
}
