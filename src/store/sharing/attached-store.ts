/**
 * A store that another thread has open, used from this one.
 *
 * Reads look at the owner's memtables, which are shared memory, and at the tables, with a cache of this thread's own; they
 * cross no thread. Writes and upkeep are carried out by the owner.
 */
import { VarveError } from '../../base/errors.js'
import { decodeError } from '../../env/error-transfer.js'
import type { ThreadLink } from '../../env/thread-link.js'
import type { Codec } from '../encodings/codec.js'
import type { StoreEvents } from '../events.js'
import { Announcer, type Removal } from '../expiry/removals.js'
import type { Settings } from '../options.js'
import { byteRangeOf, isEmptyRange, type KeyRange } from '../range.js'
import type { SnapshotInfo } from '../snapshots/snapshot-info.js'
import type { SnapshotOptions } from '../snapshots/snapshots.js'
import type { StoreStatistics } from '../statistics/statistics.js'
import type { VerifyOptions, VerifyReport } from '../verify.js'
import { checkWatchOptions, type WatchOptions } from '../watch/watch-options.js'
import { type KeyOrRange, watchTargetOf } from '../watch/watch-target.js'
import { Writable } from '../writable.js'
import type { AttachedState } from './attached-state.js'
import { AttachedWatcher } from './attached-watcher.js'
import { RemoteWriter } from './remote-writer.js'
import type { EventNote, ShareHandle } from './share-protocol.js'

/**
 * The store of another thread. Made by `attach`; the same methods as `Store`, with the same guarantees. Closing it lets go what this
 * thread holds; the store stays open.
 */
export class AttachedStore<K, V> extends Writable<K, V> {
  readonly #handle: ShareHandle
  readonly #link: ThreadLink
  readonly #writer: RemoteWriter
  readonly #state: AttachedState
  readonly #codec: Codec<K, V>
  readonly #announcer: Announcer<K, V>
  readonly #heard = new Set<string>()

  /** @internal */
  constructor(
    handle: ShareHandle,
    link: ThreadLink,
    state: AttachedState,
    codec: Codec<K, V>,
    settings: Settings,
  ) {
    const writer = new RemoteWriter(link, state, settings.bound !== undefined)
    super(handle.path, state, writer, codec, settings)
    this.#handle = handle
    this.#writer = writer
    this.#link = link
    this.#state = state
    this.#codec = codec
    this.#announcer = new Announcer(codec, state.parts.events)
    link.notes = {
      ...link.notes,
      // Listeners are called behind whatever read has taken the message.
      event: (note: EventNote) => queueMicrotask(() => this.#emit(note)),
    }
  }

  /** The changes of a key or a range, as `Store.watch` tells them. */
  watch(keyOrRange: KeyOrRange<K> = {}, options: WatchOptions = {}): AttachedWatcher<K, V> {
    this.checkOpen()
    checkWatchOptions(options)
    const target = watchTargetOf(keyOrRange, this.#codec)
    const { signal, ...rest } = options
    const watch = {
      target: target.kind === 'key' ? target.key : target.range,
      options: rest,
      seen: this.#state.sequence,
    }
    return new AttachedWatcher(this.#link, this.#codec, watch, signal)
  }

  async snapshot(options?: SnapshotOptions): Promise<SnapshotInfo> {
    return this.#call('snapshot', options)
  }

  async snapshots(): Promise<SnapshotInfo[]> {
    return this.#call('snapshots')
  }

  async deleteSnapshot(id: string): Promise<void> {
    return this.#call('deleteSnapshot', id)
  }

  async restoreSnapshot(idOrPath: string): Promise<void> {
    return this.#call('restoreSnapshot', idOrPath)
  }

  async flush(): Promise<void> {
    return this.#call('flush')
  }

  async sync(): Promise<void> {
    return this.#call('sync')
  }

  /** Lets the store take writes again, as `Store.resume` does. */
  async resume(): Promise<void> {
    return this.#call('resume')
  }

  async compact(range: KeyRange<K> = {}): Promise<void> {
    const bounds = byteRangeOf(range, this.#codec.keys)
    if (!isEmptyRange(bounds)) await this.#call('compact', bounds)
  }

  /** What the store knows of itself: a promise here, because the owner has to be asked. */
  async stats(): Promise<StoreStatistics> {
    return this.#call('stats')
  }

  /** Checks every file of the store, as `Store.verify` does; a callback for progress cannot be sent. */
  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    return this.#call('verify', options)
  }

  /** An attached store is always at the newest state: resolves to false. */
  async refresh(): Promise<boolean> {
    this.checkOpen()
    return false
  }

  /** What it is attached by: to be handed to more threads. */
  share(): ShareHandle {
    this.checkOpen()
    return this.#handle
  }

  /** Calls `listener` on each event of that name, wherever in the process it comes from. */
  override on<E extends keyof StoreEvents>(
    event: E,
    listener: (payload: StoreEvents<K, V>[E]) => void,
  ): this {
    super.on(event, listener)
    if (!this.#heard.has(event)) {
      this.#heard.add(event)
      this.#call('listen', event).catch(() => undefined)
    }
    return this
  }

  protected override async shutDown(): Promise<void> {
    await this.#writer.finished()
    this.#state.close()
    this.#link.close()
  }

  override off<E extends keyof StoreEvents>(
    event: E,
    listener: (payload: StoreEvents<K, V>[E]) => void,
  ): this {
    super.off(event, listener)
    if (this.#heard.has(event) && !this.#state.parts.events.hasListener(event)) {
      this.#heard.delete(event)
      this.#call('unlisten', event).catch(() => undefined)
    }
    return this
  }

  #emit({ event, payload, error, removed }: EventNote): void {
    const { events } = this.#state.parts
    if (error !== undefined) events.emit(event, decodeError(error) as never)
    else if (removed === undefined) events.emit(event, payload as never)
    else this.#announcer.removed(event as Removal, removed.key, removed.value)
  }

  #call<T>(name: string, argument?: unknown): Promise<T> {
    this.checkOpen()
    // What was written before comes first.
    this.#writer.send()
    return this.#link.call<T>(name, argument)
  }

  protected override checkOpen(): void {
    super.checkOpen()
    if (this.#state.closed) {
      throw new VarveError('CLOSED', 'The thread that has the store open has closed it, or has ended.')
    }
    this.#state.catchUp()
  }
}
