/**
 * CURRENT: the one small file that names the live MANIFEST. Format: docs/format/manifest.md.
 *
 * Always replaced as a whole: CURRENT.tmp → sync → rename → sync the directory. A sealed CURRENT, written at a clean
 * close, also tells the MANIFEST's exact length: from then on any change to that file is damage, not a torn tail.
 */
import { decodeChecked, encodeChecked } from '../base/checked-text.js'
import { MAX_FOUND_NUMBER } from '../base/entry.js'
import { corruption, ioError } from '../base/errors.js'
import { CURRENT_NAME, manifestName, parseFileName, temporaryName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { readSmallFile, writeSmallFile } from '../env/small-file.js'

/** On disk: never change. */
const FORMAT_LINE = 'varve current 1'

/** The longest CURRENT that there can be; a longer file is damaged. */
const MAX_LENGTH = 512

const PATTERN =
  /^varve current 1\nmanifest (MANIFEST-\d+)\nepoch (\d{1,16})\ndatabase ([0-9a-f]{32})\nsealed (\d{1,16})\ncrc32 [0-9a-f]{8}\n$/

export interface Current {
  /** The number of the live MANIFEST. */
  readonly manifestNumber: number
  /** Grows with every MANIFEST that a store begins. */
  readonly epoch: number
  readonly databaseId: Uint8Array
  /** The exact length of the MANIFEST after a clean close; 0 while the store is open or after a crash. */
  readonly sealedLength: number
}

/** The bytes of CURRENT. */
export function encodeCurrent(current: Current): Uint8Array {
  const body =
    `${FORMAT_LINE}\nmanifest ${manifestName(current.manifestNumber)}\nepoch ${current.epoch}\n` +
    `database ${Buffer.from(current.databaseId).toString('hex')}\nsealed ${current.sealedLength}\n`
  return encodeChecked(body)
}

/** Decodes the bytes of CURRENT; throws `CORRUPTION` or `UNSUPPORTED_FORMAT`, naming `path`. */
export function decodeCurrent(bytes: Uint8Array, path: string): Current {
  const { text, isSound } = decodeChecked(bytes, 'current', path)
  const match = PATTERN.exec(text)
  if (match === null) throw corruption('CURRENT is not what the store writes', path)
  if (!isSound) throw corruption('The checksum of CURRENT is wrong', path)
  const [, name, epoch, databaseId, sealedLength] = match
  const parsed = parseFileName(name)
  if (parsed?.kind !== 'manifest') throw corruption('CURRENT is not what the store writes', path)
  const current = {
    manifestNumber: parsed.number,
    epoch: Number(epoch),
    databaseId: Uint8Array.from(Buffer.from(databaseId, 'hex')),
    sealedLength: Number(sealedLength),
  }
  const isPossible = current.epoch <= MAX_FOUND_NUMBER && Number.isSafeInteger(current.sealedLength)
  if (!isPossible || Buffer.compare(encodeCurrent(current), bytes) !== 0) {
    throw corruption('CURRENT is not what the store writes', path)
  }
  return current
}

/** Reads CURRENT in `directory`; `undefined` when there is none, `CORRUPTION` when it is damaged. */
export async function readCurrent(fileSystem: FileSystem, directory: string): Promise<Current | undefined> {
  const path = `${directory}/${CURRENT_NAME}`
  const bytes = await readSmallFile(fileSystem, path, MAX_LENGTH + 1)
  return bytes === undefined ? undefined : decodeCurrent(bytes, path)
}

/** Whether CURRENT stands in `directory`, whatever it says. */
export async function hasCurrent(fileSystem: FileSystem, directory: string): Promise<boolean> {
  const path = `${directory}/${CURRENT_NAME}`
  try {
    return (await fileSystem.stat(path)) !== undefined
  } catch (error) {
    throw ioError(error, 'examining', path)
  }
}

/** Writes CURRENT.tmp and makes its bytes durable. Until {@link publishCurrent} nothing has changed. */
export async function prepareCurrent(
  fileSystem: FileSystem,
  directory: string,
  current: Current,
): Promise<void> {
  const path = `${directory}/${temporaryName(CURRENT_NAME)}`
  try {
    if ((await fileSystem.stat(path)) !== undefined) await fileSystem.unlink(path)
  } catch (error) {
    throw ioError(error, 'writing', path)
  }
  await writeSmallFile(fileSystem, path, encodeCurrent(current))
}

/** Puts CURRENT.tmp in the place of CURRENT. Durable only behind the sync of the directory that follows. */
export async function publishCurrent(fileSystem: FileSystem, directory: string): Promise<void> {
  const path = `${directory}/${CURRENT_NAME}`
  try {
    await fileSystem.rename(temporaryName(path), path)
  } catch (error) {
    throw ioError(error, 'replacing', path)
  }
}
