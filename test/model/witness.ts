/** Opens stores under the eyes of somebody who sees each commit in the step in which it is applied. */
import { expiryOf, Kind, userValueStart } from '../../src/base/entry.js'
import type { Store, StoreOptions } from '../../src/index.js'
import { Codec } from '../../src/store/encodings/codec.js'
import { keyEncodingOf } from '../../src/store/encodings/key-encoding.js'
import { valueEncodingOf } from '../../src/store/encodings/value-encoding.js'
import type { CommitObserver } from '../../src/store/engine.js'
import { resolveSettings } from '../../src/store/options.js'
import { openEngine } from '../../src/store/recovery.js'
import { Store as OpenStore } from '../../src/store/store.js'
import type { Clock, Executor, FileSystem } from '../../src/testing.js'
import { type GroupBuffer, OPERATIONS_START } from '../../src/wal/group-buffer.js'
import { OperationReader } from '../../src/wal/operation.js'
import type { Calls, Seen } from './calls.js'
import type { RankedKeys } from './key-space.js'

const KINDS: Record<number, Seen['kind']> = {
  [Kind.delete]: 'delete',
  [Kind.put]: 'set',
  [Kind.putWithExpiry]: 'set',
  [Kind.expire]: 'expire',
  [Kind.evict]: 'evict',
}

/** What a store of the model tests runs on. */
export type WitnessedOptions = StoreOptions & {
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly executor: Executor
  readonly random: () => number
}

/** `open`, with a witness that tells `calls` of each commit and `fail` of what cannot be. */
export async function openWitnessed(
  directory: string,
  options: WitnessedOptions,
  keys: RankedKeys,
  calls: Calls,
  fail: (error: unknown) => void,
): Promise<Store<string, Buffer>> {
  const { fileSystem, clock, executor, random } = options
  const settings = resolveSettings(options)
  const keyEncoding = keyEncodingOf<string>(options.keyEncoding ?? 'utf8')
  const opened = await openEngine(
    directory,
    settings,
    { keyEncoding: keyEncoding.name },
    {
      fileSystem,
      clock,
      executor,
      random,
      newDatabaseId: () => Uint8Array.from({ length: 16 }, () => random() * 256),
    },
  )
  opened.engine.observers.add(
    new Witness((bytes, start, end) => keys.rankOf(keyEncoding.decode(bytes, start, end)), calls, fail),
  )
  const codec = new Codec(keyEncoding, valueEncodingOf<Buffer>(options.valueEncoding ?? 'buffer'), settings)
  return new OpenStore(directory, opened, codec, undefined, options)
}

class Witness implements CommitObserver {
  readonly #rankOf: (bytes: Uint8Array, start: number, end: number) => number
  readonly #calls: Calls
  readonly #fail: (error: unknown) => void
  readonly #reader = new OperationReader()

  constructor(
    rankOf: (bytes: Uint8Array, start: number, end: number) => number,
    calls: Calls,
    fail: (error: unknown) => void,
  ) {
    this.#rankOf = rankOf
    this.#calls = calls
    this.#fail = fail
  }

  applied(operations: GroupBuffer, firstSequence: number): void {
    this.#report(() => this.#calls.applied(this.#read(operations), firstSequence))
  }

  cleared(sequence: number): void {
    this.#report(() => this.#calls.replaced(sequence, 'cleared'))
  }

  restored(sequence: number): void {
    this.#report(() => this.#calls.replaced(sequence, 'restored'))
  }

  #read(operations: GroupBuffer): Seen[] {
    const seen: Seen[] = []
    const reader = this.#reader.reset(operations.bytes, OPERATIONS_START, operations.length)
    while (reader.next()) {
      const { bytes, kind, keyStart, keyEnd, valueStart, valueEnd } = reader
      const isSet = kind === Kind.put || kind === Kind.putWithExpiry
      const value = Buffer.from(bytes.subarray(userValueStart(kind as Kind, valueStart), valueEnd)).toString()
      seen.push({
        kind: KINDS[kind],
        rank: this.#rankOf(bytes, keyStart, keyEnd),
        value: isSet ? value : undefined,
        expiresAt: expiryOf(kind, bytes, valueStart),
      })
    }
    return seen
  }

  /** An observer must not throw. */
  #report(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(error)
    }
  }
}
