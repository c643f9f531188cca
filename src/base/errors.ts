/**
 * The one error class of the public interface and its stable codes.
 *
 * Every failure that leaves the package is a `VarveError`; its `message` says what to do about it, in one line of
 * printable text: what it quotes of keys, names and files cannot forge a line of a log or steer a terminal.
 */

/** The stable codes of {@link VarveError}. */
export type ErrorCode =
  | 'CLOSED'
  | 'LOCKED'
  | 'READ_ONLY'
  | 'INVALID_ARGUMENT'
  | 'INVALID_KEY'
  | 'INVALID_VALUE'
  | 'KEY_TOO_LARGE'
  | 'VALUE_TOO_LARGE'
  | 'STORE_FULL'
  | 'NOT_FOUND'
  | 'EXISTS'
  | 'CONFLICT'
  | 'ABORTED'
  | 'CORRUPTION'
  | 'IO_ERROR'
  | 'NO_SPACE'
  | 'UNSUPPORTED_FORMAT'
  | 'WATCH_OVERFLOW'

/** A longer message is cut: keys, names and paths that it quotes may be of any length. */
const MAX_MESSAGE_LENGTH = 2_000

/** What a {@link VarveError} can name beside its code and message. */
export interface ErrorDetails {
  /** The error below this one. */
  readonly cause?: unknown
  /** The file that the error is about. */
  readonly path?: string
  /** The byte offset in that file. */
  readonly offset?: number
  /** The sequence number at which to go on. */
  readonly sequence?: number
}

/**
 * An error of the store.
 *
 * @example
 * ```ts
 * try { await store.get(key) } catch (error) {
 *   if (error instanceof VarveError && error.code === 'CORRUPTION') console.error(error.path, error.offset)
 * }
 * ```
 */
export class VarveError extends Error {
  override readonly name = 'VarveError'
  /** A stable, machine-readable code. */
  readonly code: ErrorCode
  /** The file that the error is about, where there is one. */
  readonly path?: string
  /** The byte offset in that file, where it is known. */
  readonly offset?: number
  /** Where to go on watching: with `WATCH_OVERFLOW` the first change that was not handed out. */
  readonly sequence?: number

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(
      printable(message, MAX_MESSAGE_LENGTH),
      details.cause === undefined ? undefined : { cause: details.cause },
    )
    this.code = code
    if (details.path !== undefined) this.path = details.path
    if (details.offset !== undefined) this.offset = details.offset
    if (details.sequence !== undefined) this.sequence = details.sequence
  }
}

/** A `CORRUPTION` error that names the file and the offset. */
export function corruption(what: string, path: string, offset?: number, cause?: unknown): VarveError {
  return new VarveError('CORRUPTION', `${what}${whereAndAdvice(path, offset)}`, {
    path,
    ...(offset === undefined ? {} : { offset }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** The error for a sound file of another format than `known`. `what` names the file. */
export function unsupportedFormat(what: string, found: number, known: number, path?: string): VarveError {
  return new VarveError(
    'UNSUPPORTED_FORMAT',
    `${what} has format ${found}; this version of Varve reads format ${known}. Open it with the version that wrote it.`,
    path === undefined ? {} : { path },
  )
}

/** What is wrong, for a report that tells the place itself: the message of a {@link corruption} without the rest. */
export function whatIsWrong({ message, path, offset }: VarveError): string {
  const rest = path === undefined ? '' : whereAndAdvice(path, offset)
  return message.endsWith(rest) ? message.slice(0, message.length - rest.length) : message
}

function whereAndAdvice(path: string, offset: number | undefined): string {
  const where = offset === undefined ? path : `${path} at offset ${offset}`
  return ` (${where}). Run verify() to see all damage; repair() or a snapshot brings the rest back.`
}

/** The errno name (`'ENOSPC'`, …) of a file-system error, or `undefined`. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' && !(error instanceof VarveError) ? error.code : undefined
}

/** What to do, where it is always the same. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: ' Give this user the rights to it.',
  EPERM: ' Give this user the rights to it.',
  EROFS: ' The file system is mounted read-only: open the store with readOnly, or mount it for writing.',
  EMFILE: ' Too many files are open: raise the limit of the process, or lower maxOpenFiles.',
  ENFILE: ' Too many files are open on the machine: close some.',
  EIO: ' The device may be failing: copy what is there, run verify(), and see the log of the system.',
}

/** What stands in the place of a file, as the errno tells that a read of it meets. */
const NO_FILE: Readonly<Record<string, string>> = {
  ELOOP: 'A symbolic link, which is not followed',
  EISDIR: 'A directory',
  ENXIO: 'A socket or a device',
  ESPIPE: 'A pipe',
}

function adviceFor(errno: string): string {
  const what = NO_FILE[errno]
  return what === undefined ? (ADVICE[errno] ?? '') : ` ${what} stands in the place of a file: remove it.`
}

/** Turns a file-system error into a `VarveError`; a `VarveError` comes back as it is. */
export function ioError(error: unknown, doing: string, path: string): VarveError {
  if (error instanceof VarveError) return error
  const errno = errnoOf(error)
  if (errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG') {
    return new VarveError(
      'NO_SPACE',
      `No space left while ${doing} ${path}. Free some space: an open store goes on by itself, anything else can be tried again.`,
      {
        cause: error,
        path,
      },
    )
  }
  const what =
    errno === undefined
      ? `Something unforeseen happened while ${doing} ${path}: ${error instanceof Error ? error.message : error}`
      : `The file system failed with ${errno} while ${doing} ${path}.${adviceFor(errno)}`
  return new VarveError('IO_ERROR', what, { cause: error, path })
}

/**
 * {@link ioError} of reading a file of a store's own. What is no regular file will not be one at the next attempt: it is damage,
 * `CORRUPTION`.
 */
export function readError(error: unknown, path: string): VarveError {
  const what = NO_FILE[errnoOf(error) ?? '']
  if (what === undefined) return ioError(error, 'reading', path)
  return corruption(`${what} stands in the place of a file`, path, undefined, error)
}

/** The longest string that a message quotes. */
const MAX_QUOTED_LENGTH = 200

/** Control characters, lone surrogates, line separators, and what reverses the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** `text` in one line of at most `maxLength` UTF-16 units: what would not be printed stands there as an escape. */
export function printable(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text
  return cut.replace(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** `value` for a message, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > MAX_QUOTED_LENGTH ? `${value.slice(0, MAX_QUOTED_LENGTH)}…` : value)
  }
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
