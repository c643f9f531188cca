/**
 * Names: the bytes of keys as strings, a character for each byte, to look them up in a `Map`. Equal bytes have equal names,
 * and names sort as the bytes do.
 */

/** The name of the key `bytes[start, end)`. Makes no view: `latin1Slice` works on every `Uint8Array`. */
export function nameOfBytes(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end)
}

/** The bytes that a name stands for. */
export function bytesOfName(name: string): Uint8Array {
  return Buffer.from(name, 'latin1')
}

const { latin1Slice } = Buffer.prototype as unknown as {
  readonly latin1Slice: (this: Uint8Array, start: number, end: number) => string
}
