/** The options of `store.watch` and their check. */
import { VarveError } from '../../base/errors.js'
import { flag, integer, MiB } from '../option-checks.js'
import { checkOptionNames } from '../option-names.js'

/** Options of {@link Store.watch}. */
export interface WatchOptions {
  /** Ends the watcher with `ABORTED`. */
  readonly signal?: AbortSignal
  /** The sequence number of the first change that is wanted, as far as the log holds it. Default: what is written from now on. */
  readonly from?: number
  /** The most changes that wait for a slow consumer. Default 1024. */
  readonly buffer?: number
  /** The most bytes of changes that wait; a single change always may. Default 4 MiB. */
  readonly bufferBytes?: number
  /** Look up what a key held before each `'set'` and `'delete'`. Costs a read for each. Default false. */
  readonly previous?: boolean
}

interface CheckedOptions {
  readonly signal: AbortSignal | undefined
  readonly from: number | undefined
  readonly changes: number
  readonly bytes: number
  readonly previous: boolean
}

const NAMES: ReadonlySet<string> = new Set<keyof WatchOptions>([
  'signal',
  'from',
  'buffer',
  'bufferBytes',
  'previous',
])

const DEFAULT_CHANGES = 1024
const DEFAULT_BYTES = 4 * MiB
const MOST = Number.MAX_SAFE_INTEGER

/** The options with their defaults; throws `INVALID_ARGUMENT`. */
export function checkWatchOptions(options: WatchOptions): CheckedOptions {
  checkOptionNames('watch', options, NAMES)
  const { signal, from, buffer, bufferBytes, previous } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new VarveError('INVALID_ARGUMENT', 'signal must be an AbortSignal.')
  }
  return {
    signal,
    // Sequence numbers begin at 1.
    from: from === undefined ? undefined : Math.max(1, integer('from', from, 1, 0, MOST)),
    changes: integer('buffer', buffer, DEFAULT_CHANGES, 1, MOST),
    bytes: integer('bufferBytes', bufferBytes, DEFAULT_BYTES, 1, MOST),
    previous: flag('previous', previous, false),
  }
}
