/**
 * The public store: a façade that validates, encodes and delegates.
 *
 * It holds no data of its own. Writes go to the commit pipeline, point reads to the reader, ranges to iterators, upkeep
 * to the engine.
 */
import { ioError } from '../base/errors.js'
import type { Executor } from '../env/executor.js'
import { EngineWriter } from './commit/engine-writer.js'
import type { Codec } from './encodings/codec.js'
import type { Engine } from './engine.js'
import { Announcer, type RemovalCallbacks } from './expiry/removals.js'
import { byteRangeOf, isEmptyRange, type KeyRange } from './range.js'
import type { OpenEngine } from './recovery.js'
import { ShareHost } from './sharing/share-host.js'
import type { ShareHandle } from './sharing/share-protocol.js'
import type { SnapshotInfo } from './snapshots/snapshot-info.js'
import { type SnapshotOptions, Snapshots } from './snapshots/snapshots.js'
import { type StoreStatistics, statisticsOf } from './statistics/statistics.js'
import { type VerifyOptions, type VerifyReport, verifyOpen } from './verify.js'
import { WatchHub } from './watch/watch-hub.js'
import type { WatchOptions } from './watch/watch-options.js'
import type { KeyOrRange } from './watch/watch-target.js'
import { Watcher } from './watch/watcher.js'
import { Writable } from './writable.js'

/**
 * An open store. Made by `open`.
 *
 * Every method rejects (the `…Sync` ones throw) with a `VarveError`; after `close` its code is `CLOSED`.
 */
export class Store<K = string, V = Buffer> extends Writable<K, V> {
  readonly #engine: Engine
  readonly #codec: Codec<K, V>
  readonly #lock: OpenEngine['lock']
  readonly #ownExecutor: Executor | undefined
  readonly #snapshots: Snapshots
  readonly #watchHub: WatchHub
  #sharing: ShareHost | undefined

  /** @internal */
  constructor(
    path: string,
    opened: OpenEngine,
    codec: Codec<K, V>,
    ownExecutor: Executor | undefined,
    callbacks: RemovalCallbacks = {},
  ) {
    super(path, opened.engine, new EngineWriter(opened.engine), codec, opened.engine.parts.settings)
    this.#engine = opened.engine
    this.#lock = opened.lock
    this.#codec = codec
    this.#ownExecutor = ownExecutor
    const { engine } = opened
    this.#watchHub = new WatchHub(engine)
    engine.removals = new Announcer(codec, engine.parts.events, callbacks, () => this.#watchHub.isWatched)
    engine.expiry.start()
    this.#snapshots = new Snapshots(engine)
  }

  // Changes

  /**
   * The changes of a key or a range, all of them by default, from now on or `from` a sequence number: each committed write
   * once, in commit order. A consumer that falls behind by more than `buffer` changes gets `WATCH_OVERFLOW`, whose
   * `sequence` is where to resume.
   *
   * @example
   * ```ts
   * for await (const change of store.watch({ prefix: 'user:' }, { signal })) {
   *   if (change.type === 'set') console.log(change.key, change.value)
   * }
   * ```
   */
  watch(keyOrRange: KeyOrRange<K> = {}, options: WatchOptions = {}): Watcher<K, V> {
    this.checkOpen()
    return new Watcher(this.#watchHub, this.#codec, keyOrRange, options)
  }

  // Snapshots

  /**
   * Takes a snapshot: a directory that opens as a store of its own, of everything that was written before the call.
   * Writes go on meanwhile, and it costs neither time nor space for the data that is in tables already. Rejects with
   * `EXISTS` when there is one of that name, `NO_SPACE`; then nothing is left of it.
   */
  async snapshot(options?: SnapshotOptions): Promise<SnapshotInfo> {
    this.checkOpen()
    return this.#snapshots.take(options)
  }

  /** All snapshots, oldest first. */
  async snapshots(): Promise<SnapshotInfo[]> {
    this.checkOpen()
    return this.#snapshots.list()
  }

  /** Deletes a snapshot. Rejects with `NOT_FOUND`, and with `LOCKED` while it is open as a store. */
  async deleteSnapshot(id: string): Promise<void> {
    this.checkOpen()
    await this.#snapshots.delete(id)
  }

  /**
   * Makes the store what a snapshot holds; everything that was written since is gone. Atomic: a crash leaves the old
   * store or the restored one. Await it before you write: a write that is acknowledged before it resolves may be gone with
   * what was there. Views and iterators go on with what they saw; open transactions conflict. Rejects with `NOT_FOUND`, `LOCKED`, `CORRUPTION`, `NO_SPACE`; then nothing has changed.
   *
   * @param idOrPath - the id of a snapshot, or the directory of one or of any closed store with the same `keyEncoding`
   */
  async restoreSnapshot(idOrPath: string): Promise<void> {
    this.checkOpen()
    await this.#snapshots.restore(idOrPath)
  }

  // Other threads

  /**
   * What another thread needs to use this store: post it as a message or hand it over as `workerData`, and call `attach`
   * there. Throws `INVALID_ARGUMENT` for a store without a disk.
   */
  share(): ShareHandle {
    this.checkOpen()
    this.#sharing ??= new ShareHost(this.#engine, this.#watchHub, this, this.#codec)
    return this.#sharing.handle
  }

  // Upkeep

  /** What the store knows of itself now. */
  stats(): StoreStatistics {
    this.checkOpen()
    return statisticsOf(this.#engine)
  }

  /** Writes everything that is in memory to tables. */
  async flush(): Promise<void> {
    this.checkOpen()
    await this.#engine.flush()
  }

  /** Resolves when everything that was written before the call is on the device. */
  async sync(): Promise<void> {
    this.checkOpen()
    await this.#engine.pipeline.drained()
    await this.#engine.keepAlive.during(this.#engine.sync())
  }

  /**
   * Takes writes again, without a reopen, after a failure that has made the store read-only (`READ_ONLY`): a failed sync
   * of the log or the MANIFEST, or corruption that a compaction met. Everything that readers see is written to new files,
   * writes that were rejected with the failure and are seen all the same among it, and nothing rests on the old ones any more.
   *
   * Writes that are made meanwhile wait for it. Rejects with what keeps the store from it, `IO_ERROR`, `NO_SPACE` or
   * `CORRUPTION`; then nothing has changed, nothing is lost, and it may be called again. Resolves at once where nothing has
   * failed.
   *
   * @example
   * ```ts
   * if (error instanceof VarveError && error.code === 'READ_ONLY') await store.resume()
   * ```
   */
  async resume(): Promise<void> {
    this.checkOpen()
    await this.#engine.resume()
  }

  /**
   * Flushes, then compacts a range (all keys by default) down to the last level, so that deleted data gives its space
   * back: the files that it has replaced are gone when it resolves, unless a view, an iterator or a snapshot keeps them.
   */
  async compact(range: KeyRange<K> = {}): Promise<void> {
    this.checkOpen()
    const { lower, upper } = byteRangeOf(range, this.#codec.keys)
    if (isEmptyRange({ lower, upper })) return
    await this.#engine.compact(lower, upper)
  }

  /**
   * Checks every file of the store and of its snapshots while it is used, and reports everything that is damaged. Reads
   * only. Entries that are not in tables yet are checked in the log as far as they are written there. A snapshot that is
   * checked is not deleted meanwhile.
   */
  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    this.checkOpen()
    const alone = <T>(work: () => Promise<T>): Promise<T> => this.#snapshots.alone(work)
    return this.#engine.keepAlive.during(verifyOpen(this.#engine, alone, options))
  }

  /** A store that writes is always at its newest state: resolves to false. For code that takes read-only stores too. */
  async refresh(): Promise<boolean> {
    this.checkOpen()
    return false
  }

  /** Waits for the writes that were made, brings what durability owes to the device, lets the lock go. */
  protected override async shutDown(): Promise<void> {
    try {
      await this.#snapshots.close()
      await this.#engine.endWrites()
      this.#watchHub.close()
      this.#sharing?.stop()
      await this.#engine.close()
    } finally {
      await this.#sharing?.close()
      await this.#ownExecutor?.close()
      await this.#lock.release().catch((error) => {
        throw ioError(error, 'unlocking', this.path)
      })
    }
  }
}
