/**
 * SNAPSHOT: the small file that makes a checkpoint a snapshot. Format: docs/format/snapshot.md.
 *
 * It is written before the directory gets its name, so a directory with a snapshot's name always holds it, whole.
 */
import { decodeChecked, encodeChecked } from '../../base/checked-text.js'
import { corruption } from '../../base/errors.js'
import { SNAPSHOT_NAME } from '../../base/file-names.js'
import type { FileSystem } from '../../env/file-system.js'
import { readSmallFile, writeSmallFile } from '../../env/small-file.js'

/** What is written down of a snapshot. Its id is the name of its directory. */
export interface SnapshotFacts {
  /** When it was taken, in ms since 1970. */
  readonly createdAt: number
  /** The sequence number of the last write that is in it. */
  readonly sequence: number
  /** Whether the store took it by itself. */
  readonly automatic: boolean
}

/** The longest file that there can be. */
const MAX_LENGTH = 256

/** The last moment that a date can be, in ms since 1970. */
const LATEST_MOMENT = 8.64e15

const PATTERN =
  /^varve snapshot 1\ncreated (\d{1,16})\nsequence (\d{1,16})\nautomatic ([01])\ncrc32 [0-9a-f]{8}\n$/

/** The bytes of SNAPSHOT. */
export function encodeSnapshotFacts({ createdAt, sequence, automatic }: SnapshotFacts): Uint8Array {
  const body = `varve snapshot 1\ncreated ${createdAt}\nsequence ${sequence}\nautomatic ${automatic ? 1 : 0}\n`
  return encodeChecked(body)
}

/** Decodes the bytes of SNAPSHOT; throws `CORRUPTION` or `UNSUPPORTED_FORMAT`, naming `path`. */
export function decodeSnapshotFacts(bytes: Uint8Array, path: string): SnapshotFacts {
  const { text, isSound } = decodeChecked(bytes, 'snapshot', path)
  const match = PATTERN.exec(text)
  if (match === null || !isSound) throw corruption('SNAPSHOT is not what the store writes', path)
  const createdAt = Number(match[1])
  const sequence = Number(match[2])
  if (createdAt > LATEST_MOMENT || !Number.isSafeInteger(sequence)) {
    throw corruption('SNAPSHOT tells of what cannot be', path)
  }
  return { createdAt, sequence, automatic: match[3] === '1' }
}

/** Reads SNAPSHOT in `directory`; `undefined` when there is none. */
export async function readSnapshotFacts(
  fileSystem: FileSystem,
  directory: string,
): Promise<SnapshotFacts | undefined> {
  const path = `${directory}/${SNAPSHOT_NAME}`
  const bytes = await readSmallFile(fileSystem, path, MAX_LENGTH + 1)
  return bytes === undefined ? undefined : decodeSnapshotFacts(bytes, path)
}

/** Writes SNAPSHOT into `directory` and makes its bytes durable; its name is the caller's. */
export function writeSnapshotFacts(
  fileSystem: FileSystem,
  directory: string,
  facts: SnapshotFacts,
): Promise<void> {
  return writeSmallFile(fileSystem, `${directory}/${SNAPSHOT_NAME}`, encodeSnapshotFacts(facts))
}
