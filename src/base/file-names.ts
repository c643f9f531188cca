/**
 * The names of the files in a store's directory.
 *
 * `CURRENT`, `LOCK`, `MANIFEST-000001`, `000002.wal`, `000003.sst`, `*.tmp`, the directory `snapshots`, and in a snapshot
 * `SNAPSHOT`. One counter numbers all files, and a
 * number is never used twice. A name that `parseFileName` does not know is not the store's: it is never touched.
 * On disk: never change.
 */
import { MAX_FOUND_NUMBER } from './entry.js'

/** Names the live MANIFEST. */
export const CURRENT_NAME = 'CURRENT'

/** Held by the process that has the store open. */
export const LOCK_NAME = 'LOCK'

/** The directory of the snapshots. */
export const SNAPSHOTS_NAME = 'snapshots'

/** Makes a store's directory a snapshot. */
export const SNAPSHOT_NAME = 'SNAPSHOT'

/** What a name in the store's directory stands for. */
export type FileName =
  | { readonly kind: 'wal' | 'sst' | 'manifest'; readonly number: number }
  | { readonly kind: 'current' | 'lock' | 'temporary' | 'snapshots' | 'snapshot' }

/** The name of a WAL segment. */
export function walName(number: number): string {
  return `${digits(number)}.wal`
}

/** The name of an SSTable. */
export function sstName(number: number): string {
  return `${digits(number)}.sst`
}

/** The name of a MANIFEST. */
export function manifestName(number: number): string {
  return `MANIFEST-${digits(number)}`
}

/** The name under which a file is written before it is renamed to `name`. */
export function temporaryName(name: string): string {
  return `${name}.tmp`
}

/** What `name` stands for; `undefined` when it is not a name that the store gives. */
export function parseFileName(name: string): FileName | undefined {
  if (name === CURRENT_NAME) return { kind: 'current' }
  if (name === LOCK_NAME) return { kind: 'lock' }
  if (name === SNAPSHOTS_NAME) return { kind: 'snapshots' }
  if (name === SNAPSHOT_NAME) return { kind: 'snapshot' }
  if (name.endsWith('.tmp')) return { kind: 'temporary' }
  const match = /^(?:MANIFEST-(\d{6,16})|(\d{6,16})\.(wal|sst))$/.exec(name)
  if (match === null) return undefined
  const text = match[1] ?? match[2]
  const number = Number(text)
  if (number > MAX_FOUND_NUMBER || number === 0 || digits(number) !== text) return undefined
  if (match[1] !== undefined) return { kind: 'manifest', number }
  return { kind: match[3] === 'wal' ? 'wal' : 'sst', number }
}

/** The first number behind those of all files in a directory. */
export function numberBehind(names: readonly string[]): number {
  let largest = 0
  for (const name of names) {
    const parsed = parseFileName(name)
    if (parsed !== undefined && 'number' in parsed) largest = Math.max(largest, parsed.number)
  }
  return largest + 1
}

function digits(number: number): string {
  return String(number).padStart(6, '0')
}
