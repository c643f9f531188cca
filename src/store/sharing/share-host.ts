/**
 * The owner's side of sharing: answers what attached threads ask of the store.
 *
 * A thread that ends, or closes its store, lets everything go that was held for it. Writes that it has sent are carried
 * out all the same.
 */
import { randomUUID } from 'node:crypto'
import { copyOf } from '../../base/bytes.js'
import { VarveError } from '../../base/errors.js'
import { encodeError } from '../../env/error-transfer.js'
import { NodeFileSystem } from '../../env/node-file-system.js'
import { type Calls, listen, type ThreadLink, thisThread } from '../../env/thread-link.js'
import { SearchKey } from '../../memtable/search-key.js'
import { conflict } from '../commit/decision.js'
import { EngineWriter } from '../commit/engine-writer.js'
import { Codec } from '../encodings/codec.js'
import { keyEncodingOf } from '../encodings/key-encoding.js'
import { valueEncodingOf } from '../encodings/value-encoding.js'
import type { Engine } from '../engine.js'
import type { StoreEvents } from '../events.js'
import type { Durability } from '../options.js'
import type { ByteRange } from '../range.js'
import { nameOf, ReadSet } from '../transactions/read-set.js'
import type { CommitFollower } from '../watch/commit-follower.js'
import { MemtableFollower } from '../watch/memtable-follower.js'
import type { WatchHub } from '../watch/watch-hub.js'
import { Watcher } from '../watch/watcher.js'
import { type RawResult, RemoteWatcher } from './remote-watcher.js'
import type {
  ConditionalOperations,
  EventNote,
  Operations,
  RemoteWatch,
  ShareHandle,
  Upkeep,
} from './share-protocol.js'
import { StatePublisher } from './state-publisher.js'

/** Throws `INVALID_ARGUMENT` for a store that other threads cannot read. */
function checkShareable(engine: Engine): void {
  if (engine.parts.settings.persistence !== 'none') return
  throw new VarveError(
    'INVALID_ARGUMENT',
    'A store without a disk cannot be shared: its tables are in the memory of this thread.',
  )
}

export class ShareHost {
  readonly handle: ShareHandle
  readonly #engine: Engine
  readonly #writer: EngineWriter
  readonly #hub: WatchHub
  readonly #upkeep: Upkeep
  readonly #publisher: StatePublisher
  readonly #encodings: Codec<unknown, unknown>
  readonly #codec: Codec<Uint8Array, Uint8Array>
  readonly #links = new Set<ThreadLink>()
  readonly #stopListening: () => void

  constructor(
    engine: Engine,
    hub: WatchHub,
    upkeep: Upkeep & { readonly path: string },
    encodings: Codec<unknown, unknown>,
  ) {
    checkShareable(engine)
    const { settings, versions, fileSystem } = engine.parts
    this.#engine = engine
    this.#writer = new EngineWriter(engine)
    this.#hub = hub
    this.#upkeep = upkeep
    this.#encodings = encodings
    this.#publisher = new StatePublisher(engine)
    this.#codec = new Codec(keyEncodingOf('buffer'), valueEncodingOf('buffer'), settings)
    const name = randomUUID()
    this.handle = {
      varve: 1,
      name,
      threadId: thisThread(),
      path: upkeep.path,
      databaseId: versions.databaseId,
      settings,
      keyEncoding: encodings.keys.name,
      valueEncoding: encodings.values.name,
      hasOwnFileSystem: !(fileSystem instanceof NodeFileSystem),
      control: this.#publisher.control,
    }
    this.#stopListening = listen(name, (link) => this.#welcome(link))
  }

  /** Shows nothing more; what was asked for is still answered. */
  stop(): void {
    this.#publisher.close()
    this.#stopListening()
  }

  /** Closes all links behind the last answers; what the threads hold is let go. */
  async close(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.finish()))
  }

  #welcome(link: ThreadLink): void {
    this.#links.add(link)
    const watchers = new Map<number, RemoteWatcher>()
    const listeners = new Map<keyof StoreEvents, (payload: unknown) => void>()
    link.onClose = () => {
      this.#links.delete(link)
      this.#publisher.detach(link)
      for (const watcher of watchers.values()) watcher.close()
      for (const [event, listener] of listeners) this.#engine.parts.events.off(event, listener)
    }
    link.notes = {
      released: (epoch: number) => this.#publisher.released(link, epoch),
      used: (keys: readonly Uint8Array[]) => {
        for (const key of keys) this.#engine.bound?.used(searchKeyOf(key))
      },
    }
    link.calls = {
      attach: () => this.#publisher.attach(link),
      ...this.#writing(link),
      ...this.#watching(link, watchers),
      listen: (event: keyof StoreEvents) => {
        if (listeners.has(event)) return
        const listener = (payload: unknown): void => link.tell('event', this.#eventNote(event, payload))
        this.#engine.parts.events.on(event, listener)
        listeners.set(event, listener)
      },
      unlisten: (event: keyof StoreEvents) => {
        const listener = listeners.get(event)
        if (listener === undefined) return
        this.#engine.parts.events.off(event, listener)
        listeners.delete(event)
      },
      ...this.#upkeepCalls(),
    }
  }

  /** An event as it can be posted; an error where the encoding of the user's fails. */
  #eventNote(event: keyof StoreEvents, payload: unknown): EventNote {
    if (event === 'error') return { event, error: encodeError(payload) }
    if (event !== 'expire' && event !== 'evict') return { event, payload }
    const { key, value } = payload as StoreEvents['evict']
    try {
      const encoded = this.#encodings.key(key)
      const removed = {
        key: copyOf(encoded.bytes, 0, encoded.length),
        value: copyOf(this.#encodings.value(value)),
      }
      return { event, removed }
    } catch (error) {
      return { event: 'error', error: encodeError(error) }
    }
  }

  #writing(link: ThreadLink): Calls {
    return {
      commit: ({ bytes, count, durability }: Operations) => {
        const group = this.#writer.join(durability)
        group.operations.addAll(bytes, 0, bytes.length, count)
        return group.promiseFor(durability)
      },
      commitIf: ({ bytes, count, durability, epoch, sequence, keys, ranges }: ConditionalOperations) => {
        const moment = this.#publisher.momentOf(link, epoch)
        if (moment === undefined || moment.detached) throw conflict()
        const read = new ReadSet()
        for (const key of keys) read.addKey(nameOf(searchKeyOf(key)), key)
        for (const range of ranges) read.addRange(range)
        return this.#writer.commitSince(sequence, read, moment, durability, (operations) =>
          operations.addAll(bytes, 0, bytes.length, count),
        )
      },
      delete: ({ key, durability }: { key: Uint8Array; durability: Durability }) => {
        return this.#writer.delete(searchKeyOf(key), durability)
      },
      clear: ({ range, durability }: { range: ByteRange | undefined; durability: Durability }) =>
        this.#writer.clear(range, durability),
      settled: () => this.#engine.pipeline.drained(),
    }
  }

  #watching(link: ThreadLink, watchers: Map<number, RemoteWatcher>): Calls {
    let count = 0
    return {
      watch: ({ target, options, seen }: RemoteWatch) => {
        const watched = target instanceof Uint8Array ? target : { gte: target.lower, lt: target.upper }
        const watch = (from: number, follow?: (from: number) => CommitFollower) =>
          new Watcher(this.#hub, this.#codec, watched, { ...options, from }, follow)
        if (options.from !== undefined) {
          watchers.set(count, new RemoteWatcher(watch(options.from)))
        } else {
          this.#publisher.checkNotRestoredBehind(seen)
          // Of what was cleared before the call arrived, only that is told.
          const cleared = this.#publisher.clearedBehind(seen)
          const watcher = watch((cleared?.sequence ?? seen) + 1, (from) => this.#followFor(link, from))
          watchers.set(count, new RemoteWatcher(watcher, cleared))
        }
        return count++
      },
      nextChange: async (id: number): Promise<RawResult> => {
        const watcher = watchers.get(id)
        if (watcher === undefined) return { done: true, value: undefined }
        try {
          const result = await watcher.next()
          if (result.done === true) watchers.delete(id)
          return result
        } catch (error) {
          watchers.delete(id)
          throw error
        }
      },
      unwatch: async (id: number) => {
        watchers.get(id)?.close()
        watchers.delete(id)
      },
    }
  }

  /** Follows what `link` has not seen yet: a flush may have taken it out of the log, but its memtables are held for the thread. */
  #followFor(link: ThreadLink, from: number): CommitFollower {
    const { journal, parts } = this.#engine
    if (from > parts.versions.flushedSequence) return journal.follow(from)
    return new MemtableFollower(() => this.#publisher.memtablesOf(link), from)
  }

  #upkeepCalls(): Calls {
    const upkeep = this.#upkeep
    return {
      flush: () => upkeep.flush(),
      sync: () => upkeep.sync(),
      resume: () => upkeep.resume(),
      compact: ({ lower, upper }: ByteRange) => this.#engine.compact(lower, upper),
      stats: () => upkeep.stats(),
      verify: (options: Parameters<Upkeep['verify']>[0]) => upkeep.verify(options),
      snapshot: (options: Parameters<Upkeep['snapshot']>[0]) => upkeep.snapshot(options),
      snapshots: () => upkeep.snapshots(),
      deleteSnapshot: (id: string) => upkeep.deleteSnapshot(id),
      restoreSnapshot: (idOrPath: string) => upkeep.restoreSnapshot(idOrPath),
    }
  }
}

function searchKeyOf(bytes: Uint8Array): SearchKey {
  const key = new SearchKey(bytes.length)
  key.set(bytes, 0, bytes.length)
  return key
}
