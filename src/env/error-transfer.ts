/**
 * Errors on their way between threads. Structured cloning would keep the message and lose what callers branch on:
 * the class, the code, the path, the offset.
 */
import { type ErrorCode, VarveError } from '../base/errors.js'

/** An error as plain data. */
export interface TransferredError {
  readonly varve: boolean
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly path?: string
  readonly offset?: number
  readonly sequence?: number
  readonly cause?: TransferredError
}

/** Causes below this depth are left behind: a chain may be a circle. */
const MAX_CAUSES = 8

/** The error as data that can be posted to another thread; anything may have been thrown. */
export function encodeError(error: unknown, depth = 0): TransferredError {
  if (!(error instanceof Error)) return { varve: false, name: 'Error', message: String(error) }
  const { code, path, offset, sequence } = error as Partial<
    Record<'code' | 'path' | 'offset' | 'sequence', unknown>
  >
  return {
    varve: error instanceof VarveError,
    name: error.name,
    message: error.message,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof path === 'string' ? { path } : {}),
    ...(typeof offset === 'number' ? { offset } : {}),
    ...(typeof sequence === 'number' ? { sequence } : {}),
    ...(error.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: encodeError(error.cause, depth + 1) }),
  }
}

/** The error again: a {@link VarveError} if it was one, else an `Error` with the same message, code and stack. */
export function decodeError(transferred: TransferredError): Error {
  const { varve, name, message, stack, code, path, offset, sequence } = transferred
  const cause = transferred.cause === undefined ? undefined : decodeError(transferred.cause)
  const details = {
    ...(cause === undefined ? {} : { cause }),
    ...(path === undefined ? {} : { path }),
    ...(offset === undefined ? {} : { offset }),
    ...(sequence === undefined ? {} : { sequence }),
  }
  const error = varve
    ? new VarveError(code as ErrorCode, message, details)
    : Object.assign(new Error(message, cause === undefined ? undefined : { cause }), {
        name,
        ...(code === undefined ? {} : { code }),
        ...(path === undefined ? {} : { path }),
      })
  if (stack !== undefined) error.stack = stack
  return error
}
