/** Errors as the operating system words them, for file systems that live in memory and for injected faults. */

const meanings: Readonly<Record<string, string>> = {
  EBADF: 'bad file descriptor',
  EBUSY: 'resource busy or locked',
  EEXIST: 'file already exists',
  EINVAL: 'invalid argument',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  EMFILE: 'too many open files',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  EPERM: 'operation not permitted',
}

/** A file-system error with its errno name in `code`. */
export interface ErrnoError extends Error {
  readonly code: string
  readonly syscall: string
  readonly path: string
}

/** An error as `node:fs` throws it: `errno` is the name (`'ENOENT'`), `operation` the call that failed. */
export function errnoError(errno: string, operation: string, path: string): ErrnoError {
  const message = `${errno}: ${meanings[errno] ?? 'injected fault'}, ${operation} '${path}'`
  return Object.assign(new Error(message), { code: errno, syscall: operation, path })
}
