/** What can still be read of a damaged MANIFEST: every whole record counts for itself. */
import { readU32 } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { VarveError } from '../base/errors.js'
import { damagedRuns } from '../record/damaged-runs.js'
import { RecordReader } from '../record/record-reader.js'
import {
  MANIFEST_HEADER_LENGTH,
  type ManifestIdentity,
  ManifestRecord,
  SYNCED_LENGTH,
} from './manifest-format.js'
import { decodeVersionEdit, type VersionEdit } from './version-edit.js'

/** Something that is no record where one must be. */
export interface ManifestDamage {
  readonly offset: number
  readonly why: string
}

/** The edits in whole records, in order, and all damage between them. */
export interface SalvagedManifest {
  readonly edits: readonly VersionEdit[]
  readonly damage: readonly ManifestDamage[]
}

/** Reads what can be read of a MANIFEST with a sound header. */
export function salvageManifest(
  bytes: Uint8Array,
  path: string,
  identity: ManifestIdentity,
): SalvagedManifest {
  const reader = new RecordReader(bytes, fileSalt(identity.databaseId, identity.number), path)
  const edits: VersionEdit[] = []
  const damage: ManifestDamage[] = []
  try {
    const runs = damagedRuns(reader, MANIFEST_HEADER_LENGTH, () => edits.push(...editsOf(reader)))
    for (const { offset, why } of runs) damage.push({ offset, why })
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    damage.push({ offset: error.offset ?? MANIFEST_HEADER_LENGTH, why: 'What follows cannot be read' })
  }
  return { edits, damage }
}

function editsOf({ bytes, type, payloadStart, payloadEnd }: RecordReader): VersionEdit[] {
  const start = payloadStart + SYNCED_LENGTH
  if (start > payloadEnd || type === ManifestRecord.mark) return []
  if (type !== ManifestRecord.edits) return [decodeVersionEdit(bytes.subarray(start, payloadEnd))]
  const edits: VersionEdit[] = []
  for (let at = start; at + 4 <= payloadEnd; ) {
    const end = at + 4 + readU32(bytes, at)
    edits.push(decodeVersionEdit(bytes.subarray(at + 4, Math.min(end, payloadEnd))))
    at = end
  }
  return edits
}
