/** The options of `store.watch` and their check. */
import { shown, VarveError } from '../base/errors.js'
import { checkOptionNames } from './option-names.js'

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
const DEFAULT_BYTES = 4 * 1024 * 1024

/** The options with their defaults; throws `INVALID_ARGUMENT`. */
export function checkWatchOptions(options: WatchOptions): CheckedOptions {
  checkOptionNames('watch', options, NAMES)
  const { signal, from, previous = false } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new VarveError('INVALID_ARGUMENT', 'signal must be an AbortSignal.')
  }
  if (typeof previous !== 'boolean') {
    throw new VarveError('INVALID_ARGUMENT', 'previous must be true or false.')
  }
  return {
    signal,
    // Sequence numbers begin at 1.
    from: from === undefined ? undefined : Math.max(1, integer('from', from, 0)),
    changes: integer('buffer', options.buffer ?? DEFAULT_CHANGES, 1),
    bytes: integer('bufferBytes', options.bufferBytes ?? DEFAULT_BYTES, 1),
    previous,
  }
}

function integer(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `${name} must be a whole number, ${least} or more, not ${shown(value)}.`,
    )
  }
  return value
}
