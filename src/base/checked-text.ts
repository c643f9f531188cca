/** Lines of text of which the last one holds the checksum of all before it. On disk: never change. */
import { crc32 } from './checksum.js'

/** The bytes of `text`, in latin1, and of the line with its checksum. */
export function encodeChecked(text: string): Uint8Array {
  return Buffer.from(`${text}crc32 ${checksumOf(text)}\n`, 'latin1')
}

/** The text of `bytes` with that line, and whether the checksum is right. */
export function decodeChecked(bytes: Uint8Array): { readonly text: string; readonly isSound: boolean } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const end = text.lastIndexOf('crc32 ')
  return { text, isSound: text.slice(end) === `crc32 ${checksumOf(text.slice(0, end))}\n` }
}

function checksumOf(text: string): string {
  return crc32(Buffer.from(text, 'latin1')).toString(16).padStart(8, '0')
}
