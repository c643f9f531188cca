/** The events of a store, and an emitter that is typed by them. */
import { EventEmitter } from 'node:events'
import { shown, VarveError } from '../base/errors.js'
import type { CompactionReason } from '../compaction/compaction-plan.js'
import type { StallStatistics } from './commit/stall-gate.js'
import type { OpenReader } from './reading/leases.js'

/** What `store.on(name, listener)` hands to a listener, by event name. */
export interface StoreEvents<K = unknown, V = unknown> {
  /** Something failed in the background, or the store has become read-only. */
  error: VarveError
  /** A memtable became a level-0 table. */
  flush: {
    readonly table: number | undefined
    readonly entries: number
    readonly sizeBytes: number
    readonly durationMs: number
  }
  /** A compaction ended. */
  compaction: {
    readonly kind: 'merge' | 'move' | 'drop'
    readonly reason: CompactionReason
    readonly level: number
    readonly outputLevel: number
    readonly inputTables: number
    readonly outputTables: number
    readonly bytesRead: number
    readonly bytesWritten: number
    readonly durationMs: number
  }
  /** A snapshot was taken. */
  snapshot: {
    readonly id: string
    readonly path: string
    /** Whether the store took it by itself. */
    readonly automatic: boolean
    readonly durationMs: number
  }
  /** An iterator, view or transaction was garbage collected without having been closed. Without a listener it is a process warning. */
  leak: OpenReader
  /** Writers are slowed, stopped or let go. */
  stall: StallStatistics
  /** An entry whose time to live had run out was removed. */
  expire: { readonly key: K; readonly value: V }
  /** An entry was removed to make room. */
  evict: { readonly key: K; readonly value: V }
}

/** The names of all events. */
export const EVENT_NAMES: ReadonlySet<string> = new Set<keyof StoreEvents>([
  'error',
  'flush',
  'compaction',
  'snapshot',
  'leak',
  'stall',
  'expire',
  'evict',
])

export class StoreEmitter {
  readonly #emitter = new EventEmitter()

  on<E extends keyof StoreEvents>(event: E, listener: (payload: StoreEvents[E]) => void): void {
    checkListener(event, listener)
    this.#emitter.on(event, listener)
  }

  /** Whether anybody listens. */
  hasListener(event: keyof StoreEvents): boolean {
    return this.#emitter.listenerCount(event) > 0
  }

  off<E extends keyof StoreEvents>(event: E, listener: (payload: StoreEvents[E]) => void): void {
    checkListener(event, listener)
    this.#emitter.off(event, listener)
  }

  /**
   * Tells all listeners. An `'error'` without a listener is dropped: whoever waits for the failed work is told anyway,
   * and a library does not end its user's process. A listener that throws is its own problem, in a later turn.
   */
  emit<E extends keyof StoreEvents>(event: E, payload: StoreEvents[E]): void {
    for (const listener of this.#emitter.listeners(event)) {
      try {
        listener(payload)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

function checkListener(event: unknown, listener: unknown): void {
  if (!EVENT_NAMES.has(event as string)) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `There is no event ${shown(event)}. There are ${[...EVENT_NAMES].join(', ')}.`,
    )
  }
  if (typeof listener !== 'function') {
    throw new VarveError('INVALID_ARGUMENT', `A listener must be a function, not ${shown(listener)}.`)
  }
}
