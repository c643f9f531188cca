/** What options are made of: sizes, whole numbers, flags. */
import { shown, VarveError } from '../base/errors.js'

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

/** A whole number from `least` to `most`, `fallback` when it was not given; throws `INVALID_ARGUMENT`. */
export function integer(
  name: string,
  value: number | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  if (value === undefined) return fallback
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `${name} must be a whole number from ${least} to ${most}, not ${shown(value)}.`,
    )
  }
  return value
}

/** True or false, `fallback` when it was not given; throws `INVALID_ARGUMENT`. */
export function flag(name: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw new VarveError('INVALID_ARGUMENT', `${name} must be true or false.`)
  return value
}
