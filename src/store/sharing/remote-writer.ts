/**
 * The writer of an attached thread: gathers writes like the commit pipeline does and sends them to the owner.
 *
 * All writes of one durability that are made until the next microtask are one message, in order. What depends on what is
 * there is decided here, at the newest state that this thread knows, and sent with what was read; the owner commits it if
 * that still holds, else it is decided anew.
 */
import { VarveError } from '../../base/errors.js'
import type { ThreadLink } from '../../env/thread-link.js'
import type { SearchKey } from '../../memtable/search-key.js'
import { GroupBuffer, OPERATIONS_START } from '../../wal/group-buffer.js'
import { MAX_GROUP_BYTES } from '../commit/commit-pipeline.js'
import { conflict, type Decide, describe, writeOf } from '../commit/decision.js'
import type { WriteGroup, Writer } from '../commit/writer.js'
import { Deferred } from '../deferred.js'
import type { Codec } from '../encodings/codec.js'
import type { Durability } from '../options.js'
import type { ByteRange } from '../range.js'
import type { PinnedMoment } from '../reading/pinned-moments.js'
import { awaitLookUp } from '../reading/point-lookup.js'
import { nameOf, ReadSet } from '../transactions/read-set.js'
import type { AttachedState } from './attached-state.js'
import type { ConditionalOperations, Operations } from './share-protocol.js'

/** What a group begins with: most hold a write or two. */
const FIRST_BYTES = 512

/** How often a write is decided anew because others were faster, or because it changes its key itself. */
const MAX_ATTEMPTS = 1000

/** Writes of one durability, on their way to the owner. */
class RemoteGroup implements WriteGroup {
  readonly operations = new GroupBuffer(FIRST_BYTES)
  readonly durability: Durability
  readonly committed = new Deferred<void>()

  constructor(durability: Durability) {
    this.durability = durability
  }

  promiseFor(): Promise<void> {
    return this.committed.promise
  }
}

export class RemoteWriter implements Writer {
  readonly #link: ThreadLink
  readonly #state: AttachedState
  readonly #isEachAlone: boolean
  #open: RemoteGroup | undefined
  /** Calls that have no answer yet. */
  #calls = 0
  /** What has no answer yet. */
  readonly #unanswered = new Set<Promise<unknown>>()

  /** @param isEachAlone - whether each write is a group of its own, which can be refused by itself */
  constructor(link: ThreadLink, state: AttachedState, isEachAlone: boolean) {
    this.#link = link
    this.#state = state
    this.#isEachAlone = isEachAlone
  }

  join(durability: Durability): WriteGroup {
    const open = this.#open
    if (open !== undefined && this.#takesMore(open, durability)) return open
    this.send()
    const group = new RemoteGroup(durability)
    this.#open = group
    queueMicrotask(() => {
      if (this.#open === group) this.send()
    })
    return group
  }

  /** Sends what has been gathered. */
  send(): void {
    const group = this.#open
    this.#open = undefined
    if (group === undefined) return
    const { operations, durability, committed } = group
    const committing = this.#call<void>('commit', operationsOf(operations, durability))
    committing.then(committed.resolve, committed.reject)
  }

  delete(key: SearchKey, durability: Durability): Promise<boolean> {
    return this.#call('delete', { key: key.bytes.subarray(0, key.length), durability })
  }

  decide<V, R>(
    codec: Codec<unknown, V>,
    key: SearchKey,
    durability: Durability,
    decide: Decide<V, R>,
  ): Promise<R> {
    return this.#awaited(this.#decide(codec, key, durability, decide))
  }

  async #decide<V, R>(
    codec: Codec<unknown, V>,
    key: SearchKey,
    durability: Durability,
    decide: Decide<V, R>,
  ): Promise<R> {
    const read = new ReadSet()
    read.addKey(nameOf(key), key.bytes.slice(0, key.length))
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      // What this thread wrote before is part of what is there.
      await this.settled()
      this.#state.catchUp()
      const moment = this.#state.pinned.pin(this.#state.sequence)
      try {
        const found = await awaitLookUp(this.#state.parts, moment, key, (result) => describe(codec, result))
        const decision = decide(found)
        if (decision.write === 'nothing') return decision.answer
        const write = writeOf(codec, key, decision)
        if (await this.#commitUnlessChanged(read, moment, durability, write)) return decision.answer
      } finally {
        moment.unpin()
      }
    }
    throw conflict()
  }

  clear(range: ByteRange | undefined, durability: Durability): Promise<void> {
    return this.#call('clear', { range, durability })
  }

  async commit(
    read: ReadSet,
    moment: PinnedMoment,
    durability: Durability,
    write: (operations: GroupBuffer) => void,
  ): Promise<void> {
    const operations = new GroupBuffer(FIRST_BYTES)
    write(operations)
    const request: ConditionalOperations = {
      ...operationsOf(operations, durability),
      epoch: this.#state.epochOf(moment.readState),
      sequence: moment.sequence,
      keys: read.keys,
      ranges: read.ranges,
    }
    await this.#call('commitIf', request)
  }

  /** Whether it was committed: false when what was read has changed. */
  async #commitUnlessChanged(
    read: ReadSet,
    moment: PinnedMoment,
    durability: Durability,
    write: (operations: GroupBuffer) => void,
  ): Promise<boolean> {
    try {
      await this.commit(read, moment, durability, write)
      return true
    } catch (error) {
      if (error instanceof VarveError && error.code === 'CONFLICT') return false
      throw error
    }
  }

  /** Resolves when everything that was written before the call is visible here, or refused. */
  async settled(): Promise<void> {
    if (this.#open !== undefined || this.#calls > 0) await this.#call('settled', undefined)
  }

  /** Resolves when every write has its answer. */
  async finished(): Promise<void> {
    this.send()
    while (this.#unanswered.size > 0) await Promise.allSettled(this.#unanswered)
  }

  #awaited<T>(answer: Promise<T>): Promise<T> {
    this.#unanswered.add(answer)
    const settle = (): void => void this.#unanswered.delete(answer)
    answer.then(settle, settle)
    return answer
  }

  #takesMore(group: RemoteGroup, durability: Durability): boolean {
    const { count, length } = group.operations
    return group.durability === durability && length <= MAX_GROUP_BYTES && !(this.#isEachAlone && count > 0)
  }

  #call<T>(name: string, argument: unknown): Promise<T> {
    // What was gathered comes first.
    if (name !== 'commit') this.send()
    this.#calls++
    const done = (): void => void this.#calls--
    const answer = this.#link.call<T>(name, argument)
    answer.then(done, done)
    return this.#awaited(answer)
  }
}

function operationsOf({ bytes, length, count }: GroupBuffer, durability: Durability): Operations {
  return { bytes: bytes.slice(OPERATIONS_START, length), count, durability }
}
