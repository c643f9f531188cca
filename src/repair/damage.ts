/**
 * What counts as damage for a repair: wrong bytes, what is no file, and bytes that the disk does not give back (`EIO`). What they
 * held is lost.
 *
 * Any other failure to read, such as too many open files or a missing permission, says nothing about the store: it ends
 * the repair, which works when the cause is gone. Taken for damage it would cost what is there and whole; and so would a
 * sound file of a format that this version does not know.
 */
import { errnoOf, readError, type VarveError } from '../base/errors.js'
import { type FindingCode, type FindingRanges, Findings, type Severity } from './finding.js'

/** What `error` tells of the damage to the file at `path`. Throws an error that tells of none. */
export function asDamage(error: unknown, path: string): VarveError {
  const typed = readError(error, path)
  const isRefusal = typed.code === 'IO_ERROR' || typed.code === 'NO_SPACE'
  if (isRefusal && errnoOf(typed.cause) !== 'EIO') throw typed
  if (typed.code === 'UNSUPPORTED_FORMAT') throw typed
  return typed
}

/** Findings of a repair: what is no damage is thrown. */
export class DamageFindings extends Findings {
  override addError(
    severity: Severity,
    code: FindingCode,
    error: unknown,
    name: string,
    ranges?: FindingRanges,
  ): void {
    super.addError(severity, code, asDamage(error, name), name, ranges)
  }
}
