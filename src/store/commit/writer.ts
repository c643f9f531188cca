/** What the writing methods need of whatever commits: the engine in this thread, or that of another one. */
import type { SearchKey } from '../../memtable/search-key.js'
import type { GroupBuffer } from '../../wal/group-buffer.js'
import type { Codec } from '../encodings/codec.js'
import type { Durability } from '../options.js'
import type { ByteRange } from '../range.js'
import type { PinnedMoment } from '../reading/pinned-moments.js'
import type { ReadSet } from '../transactions/read-set.js'
import type { Decide } from './decision.js'

/** Writes that are committed together: add operations in the step in which the group was joined. */
export interface WriteGroup {
  readonly operations: GroupBuffer
  /** Resolves when the write is as durable as asked for; called in the same step. */
  promiseFor(durability: Durability): Promise<void>
}

export interface Writer {
  /** The group that a write made now belongs to. */
  join(durability: Durability): WriteGroup
  /** Removes `key`, which stays as it is until the promise settles; resolves to whether it was there. */
  delete(key: SearchKey, durability: Durability): Promise<boolean>
  /** Shows `decide` what is under `key`, writes what it wants with nothing in between, and resolves to its answer. */
  decide<V, R>(
    codec: Codec<unknown, V>,
    key: SearchKey,
    durability: Durability,
    decide: Decide<V, R>,
  ): Promise<R>
  /** Removes what is in a range; without one, everything. */
  clear(range: ByteRange | undefined, durability: Durability): Promise<void>
  /**
   * Commits what `write` adds, if nothing of what was `read` at `moment`, which is pinned meanwhile, has changed since;
   * else rejects with `CONFLICT`.
   */
  commit(
    read: ReadSet,
    moment: PinnedMoment,
    durability: Durability,
    write: (operations: GroupBuffer) => void,
  ): Promise<void>
}
