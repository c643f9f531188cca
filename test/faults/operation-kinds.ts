/** The operations of a file system that tests let fail in turn. */
import type { OperationKind } from '../../src/testing.js'

/** All but letting the lock go: one that stays does so until the process ends. */
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
]
