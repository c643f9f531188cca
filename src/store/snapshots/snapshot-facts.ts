/**
 * SNAPSHOT: the small file that makes a checkpoint a snapshot. Format: docs/format/snapshot.md.
 *
 * It is written before the directory gets its name, so a directory with a snapshot's name always holds it, whole.
 */
import { crc32 } from '../../base/checksum.js'
import { corruption, ioError } from '../../base/errors.js'
import { SNAPSHOT_NAME } from '../../base/file-names.js'
import { closeQuietly, type File, type FileSystem, readFully, writeFullySync } from '../../env/file-system.js'

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
  /^varve snapshot 1\ncreated (\d{1,16})\nsequence (\d{1,16})\nautomatic ([01])\ncrc32 ([0-9a-f]{8})\n$/

/** The bytes of SNAPSHOT. */
export function encodeSnapshotFacts({ createdAt, sequence, automatic }: SnapshotFacts): Uint8Array {
  const body = `varve snapshot 1\ncreated ${createdAt}\nsequence ${sequence}\nautomatic ${automatic ? 1 : 0}\n`
  return Buffer.from(`${body}crc32 ${checksumOf(body)}\n`, 'latin1')
}

/** Decodes the bytes of SNAPSHOT; throws `CORRUPTION` naming `path`. */
export function decodeSnapshotFacts(bytes: Uint8Array, path: string): SnapshotFacts {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const match = PATTERN.exec(text)
  if (match === null || checksumOf(text.slice(0, text.lastIndexOf('crc32 '))) !== match[4]) {
    throw corruption('SNAPSHOT is not what the store writes', path)
  }
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
  let file: File | undefined
  try {
    if ((await fileSystem.stat(path)) === undefined) return undefined
    file = await fileSystem.open(path, 'read')
    const bytes = new Uint8Array(MAX_LENGTH + 1)
    const length = await readFully(file, bytes, 0)
    return decodeSnapshotFacts(bytes.subarray(0, length), path)
  } catch (error) {
    throw ioError(error, 'reading', path)
  } finally {
    if (file !== undefined) await closeQuietly(file)
  }
}

/** Writes SNAPSHOT into `directory` and makes its bytes durable; its name is the caller's. */
export async function writeSnapshotFacts(
  fileSystem: FileSystem,
  directory: string,
  facts: SnapshotFacts,
): Promise<void> {
  const path = `${directory}/${SNAPSHOT_NAME}`
  let file: File | undefined
  try {
    file = await fileSystem.open(path, 'create')
    writeFullySync(file, encodeSnapshotFacts(facts), 0)
    await file.sync()
  } catch (error) {
    throw ioError(error, 'writing', path)
  } finally {
    if (file !== undefined) await closeQuietly(file)
  }
}

function checksumOf(text: string): string {
  return crc32(Buffer.from(text, 'latin1')).toString(16).padStart(8, '0')
}
