/**
 * Keys, values and names as text that is safe to print: whatever bytes they are, nothing of them moves the cursor, hides
 * text or ends a line, and two different ones never look the same by escapes.
 */
import { isUtf8 } from 'node:buffer'

/** Control characters, line ends, what turns the direction of text, what is not seen, half characters. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u115f\u1160\u3164\uffa0]/gu

/** `text` with what is unsafe to print escaped as `\u{…}`, a backslash as `\\`. */
export function printable(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replace(UNSAFE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/** Lines of a message, each printable. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** Bytes as quoted text where they are UTF-8, else in hexadecimal: `"user:7"`, `0x00ff`. */
export function shownBytes(bytes: Uint8Array, most = Number.POSITIVE_INFINITY): string {
  const part = bytes.length > most ? bytes.subarray(0, most) : bytes
  const rest = bytes.length > most ? `… (${bytes.length} bytes)` : ''
  const buffer = Buffer.from(part.buffer, part.byteOffset, part.length)
  if (isUtf8(buffer)) return `"${printable(buffer.toString('utf8')).replaceAll('"', '\\"')}"${rest}`
  return `0x${buffer.toString('hex')}${rest}`
}

/** Plain data as JSON; bytes become `{ "utf8": … }` or `{ "base64": … }`. */
export function toJson(value: unknown): string {
  return JSON.stringify(plain(value))
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    const buffer = Buffer.from(value.buffer, value.byteOffset, value.length)
    return isUtf8(buffer) ? { utf8: buffer.toString('utf8') } : { base64: buffer.toString('base64') }
  }
  if (typeof value === 'bigint') return value.toString()
  if (value === Number.POSITIVE_INFINITY) return 'Infinity'
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
}
