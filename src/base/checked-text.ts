/** Lines of text of which the last one holds the checksum of all before it. On disk: never change. */
import { crc32 } from './checksum.js'
import { unsupportedFormat } from './errors.js'

/** The format of all of them so far. */
const FORMAT = 1

/** The first line: what the file is, and of which format. */
const FIRST_LINE = /^varve ([a-z]+) ([1-9]\d{0,8})\n/

/** The bytes of `text`, in latin1, and of the line with its checksum. */
export function encodeChecked(text: string): Uint8Array {
  return Buffer.from(`${text}crc32 ${checksumOf(text)}\n`, 'latin1')
}

/**
 * The text of `bytes` with that line, and whether the checksum is right. Throws `UNSUPPORTED_FORMAT`, naming `path`, for a sound
 * text whose first line tells of another format than `varve <kind> 1`.
 */
export function decodeChecked(
  bytes: Uint8Array,
  kind: string,
  path: string,
): { readonly text: string; readonly isSound: boolean } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const end = text.lastIndexOf('crc32 ')
  const isSound = text.slice(end) === `crc32 ${checksumOf(text.slice(0, end))}\n`
  const [, found, format] = FIRST_LINE.exec(text) ?? []
  if (isSound && found === kind && Number(format) !== FORMAT) {
    throw unsupportedFormat(path, Number(format), FORMAT, path)
  }
  return { text, isSound }
}

function checksumOf(text: string): string {
  return crc32(Buffer.from(text, 'latin1')).toString(16).padStart(8, '0')
}
