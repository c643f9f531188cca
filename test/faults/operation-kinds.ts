/** The operations of a file system that tests let fail in turn. */
import type { OperationKind } from '../../src/testing.js'

/** All of them. */
export const OPERATION_KINDS: readonly OperationKind[] = [
  'open',
  'read',
  'write',
  'sync',
  'truncate',
  'size',
  'close',
  'rename',
  'unlink',
  'link',
  'mkdir',
  'rmdir',
  'readdir',
  'stat',
  'syncDir',
  'lock',
  'unlock',
]
