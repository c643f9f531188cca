/** `attach`: uses a store that another thread has open. */
import { VarveError } from '../../base/errors.js'
import type { Clock } from '../../env/clock.js'
import type { FileSystem } from '../../env/file-system.js'
import { NodeFileSystem } from '../../env/node-file-system.js'
import { SystemClock } from '../../env/system-clock.js'
import { connect } from '../../env/thread-link.js'
import { Codec } from '../encodings/codec.js'
import { keyEncodingOf } from '../encodings/key-encoding.js'
import {
  type AnyValueEncoding,
  type ValueEncodingName,
  valueEncodingOf,
} from '../encodings/value-encoding.js'
import { checkOptionNames } from '../option-names.js'
import { AttachedState } from './attached-state.js'
import { AttachedStore } from './attached-store.js'
import type { ShareHandle } from './share-protocol.js'

/** Options of `attach`. */
export interface AttachOptions {
  /** For a store with a value encoding of its own, which cannot be posted: the same encoding. */
  readonly valueEncoding?: ValueEncodingName | AnyValueEncoding
  /** For a store on a file system of its own: the same file system. */
  readonly fileSystem?: FileSystem
  /** Default: the system's. */
  readonly clock?: Clock
  /** The block cache of this thread, in bytes. Default: as large as the store's. */
  readonly cacheSize?: number
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof AttachOptions>([
  'valueEncoding',
  'fileSystem',
  'clock',
  'cacheSize',
])

/**
 * Attaches to a store of another thread, of which `store.share()` has made `handle`.
 *
 * Rejects with `CLOSED` when that thread has closed the store or has ended, and with `INVALID_ARGUMENT`.
 *
 * @example
 * ```ts
 * // in the thread that has the store open
 * new Worker('./work.js', { workerData: store.share() })
 * // in work.js
 * const store = await attach(workerData)
 * ```
 */
export async function attach<K = string, V = Buffer>(
  handle: ShareHandle,
  options: AttachOptions = {},
): Promise<AttachedStore<K, V>> {
  if (typeof handle !== 'object' || handle === null || handle.varve !== 1) {
    throw new VarveError('INVALID_ARGUMENT', 'attach takes what store.share() has made.')
  }
  checkOptionNames('attach', options, OPTION_NAMES)
  const {
    fileSystem = handle.hasOwnFileSystem ? undefined : new NodeFileSystem(),
    clock = new SystemClock(),
  } = options
  if (fileSystem === undefined) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      'The store has a fileSystem of its own. Pass the same one to attach.',
    )
  }
  const valueEncoding = options.valueEncoding ?? handle.valueEncoding
  if (valueEncoding === undefined) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      'The store has a valueEncoding of its own. Pass the same one to attach.',
    )
  }
  const settings = { ...handle.settings, cacheSize: options.cacheSize ?? handle.settings.cacheSize }
  const codec = new Codec<K, V>(keyEncodingOf(handle.keyEncoding), valueEncodingOf(valueEncoding), settings)
  const link = connect(handle.threadId, handle.name)
  const state = new AttachedState({ ...handle, settings }, link, fileSystem, clock)
  await link.call('attach')
  return new AttachedStore(handle, link, state, codec, settings)
}
