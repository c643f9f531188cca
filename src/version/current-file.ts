/**
 * CURRENT: the one small file that names the live MANIFEST. Format: docs/format/manifest.md.
 *
 * Always replaced as a whole: CURRENT.tmp → sync → rename → sync the directory. A sealed CURRENT, written at a clean
 * close, also tells the MANIFEST's exact length: from then on any change to that file is damage, not a torn tail.
 */
import { crc32 } from '../base/checksum.js'
import { MAX_FOUND_NUMBER } from '../base/entry.js'
import { corruption, ioError } from '../base/errors.js'
import { CURRENT_NAME, manifestName, parseFileName, temporaryName } from '../base/file-names.js'
import { closeQuietly, type File, type FileSystem, readFully, writeFullySync } from '../env/file-system.js'

/** On disk: never change. */
const FORMAT_LINE = 'varve current 1'

/** The longest CURRENT that there can be; a longer file is damaged. */
const MAX_LENGTH = 512

const PATTERN =
  /^varve current 1\nmanifest (MANIFEST-\d+)\nepoch (\d{1,16})\ndatabase ([0-9a-f]{32})\nsealed (\d{1,16})\ncrc32 ([0-9a-f]{8})\n$/

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
  return Buffer.from(`${body}crc32 ${checksumOf(body)}\n`, 'latin1')
}

/** Decodes the bytes of CURRENT; throws `CORRUPTION` naming `path`. */
export function decodeCurrent(bytes: Uint8Array, path: string): Current {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const match = PATTERN.exec(text)
  if (match === null) throw corruption('CURRENT is not what the store writes', path)
  const [, name, epoch, databaseId, sealedLength, checksum] = match
  if (checksumOf(text.slice(0, text.lastIndexOf('crc32 '))) !== checksum) {
    throw corruption('The checksum of CURRENT is wrong', path)
  }
  const parsed = parseFileName(name)
  const current = {
    manifestNumber: parsed?.kind === 'manifest' ? parsed.number : 0,
    epoch: Number(epoch),
    databaseId: Uint8Array.from(Buffer.from(databaseId, 'hex')),
    sealedLength: Number(sealedLength),
  }
  const isSound = current.epoch <= MAX_FOUND_NUMBER && Number.isSafeInteger(current.sealedLength)
  if (!isSound || Buffer.compare(encodeCurrent(current), bytes) !== 0) {
    throw corruption('CURRENT is not what the store writes', path)
  }
  return current
}

/** Reads CURRENT in `directory`; `undefined` when there is none, `CORRUPTION` when it is damaged. */
export async function readCurrent(fileSystem: FileSystem, directory: string): Promise<Current | undefined> {
  const path = `${directory}/${CURRENT_NAME}`
  let file: File | undefined
  try {
    if ((await fileSystem.stat(path)) === undefined) return undefined
    file = await fileSystem.open(path, 'read')
    const bytes = new Uint8Array(MAX_LENGTH + 1)
    const length = await readFully(file, bytes, 0)
    return decodeCurrent(bytes.subarray(0, length), path)
  } catch (error) {
    throw ioError(error, 'reading', path)
  } finally {
    if (file !== undefined) await closeQuietly(file)
  }
}

/** Writes CURRENT.tmp and makes its bytes durable. Until {@link publishCurrent} nothing has changed. */
export async function prepareCurrent(
  fileSystem: FileSystem,
  directory: string,
  current: Current,
): Promise<void> {
  const path = `${directory}/${temporaryName(CURRENT_NAME)}`
  let file: File | undefined
  try {
    if ((await fileSystem.stat(path)) !== undefined) await fileSystem.unlink(path)
    file = await fileSystem.open(path, 'create')
    writeFullySync(file, encodeCurrent(current), 0)
    await file.sync()
  } catch (error) {
    throw ioError(error, 'writing', path)
  } finally {
    if (file !== undefined) await closeQuietly(file)
  }
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

function checksumOf(text: string): string {
  return crc32(Buffer.from(text, 'latin1')).toString(16).padStart(8, '0')
}
