/**
 * Decompression of small blocks without native code, into memory that the next call uses again.
 *
 * The `snappy` package decompresses as fast, but each call crosses into native code and leaves a fresh array outside the V8 heap,
 * 4 KiB of garbage for every block that is read. (docs/performance.md has the ratio.) Large blocks are for the package.
 *
 * Raw snappy: google/snappy, format_description.txt. A varint of the length, then elements. The low two bits of an element's tag:
 * 0 is a literal; 1, 2 and 3 copy from `offset` bytes back, with an offset of 11, 16 and 32 bits.
 *
 * Invariant: whatever the input, nothing is read or written outside the two buffers, and what is returned was all written by
 * this call.
 */
import { VarintReader } from '../base/bytes.js'
import { VarveError } from '../base/errors.js'

/** The most bytes that go in, and come out. */
export const LARGEST_SMALL = 32 * 1024

/** Bytes are moved by words of 4; so many may be touched behind the last one. */
const SLACK = 16
/** Literals up to this length have it in the tag; above it the tag tells how many bytes of length follow. */
const LONGEST_SHORT_LITERAL = 60

const input = new DataView(new ArrayBuffer(LARGEST_SMALL + SLACK))
const inputBytes = new Uint8Array(input.buffer)
const output = new DataView(new ArrayBuffer(LARGEST_SMALL + SLACK))
const outputBytes = new Uint8Array(output.buffer)

/**
 * What `bytes`, at most {@link LARGEST_SMALL} of them, decompress to, good until the next call; `undefined` when that is more than
 * {@link LARGEST_SMALL} bytes. Throws `CORRUPTION`.
 */
export function decodeSmallSnappy(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const header = new VarintReader(bytes)
  const length = header.read()
  if (length > LARGEST_SMALL) return undefined
  inputBytes.set(bytes)
  decode(header.position, bytes.length, length)
  return outputBytes.subarray(0, length)
}

/** Decodes the elements in `input[at, end)`; they must make `length` bytes. */
function decode(at: number, end: number, length: number): void {
  let to = 0
  while (at < end) {
    const tag = inputBytes[at++]
    let count = (tag >>> 2) + 1
    if ((tag & 3) === 0) {
      if (count > LONGEST_SHORT_LITERAL) {
        const width = count - LONGEST_SHORT_LITERAL
        count = (input.getUint32(at, true) & (0xffff_ffff >>> (32 - 8 * width))) + 1
        at += width
      }
      const stop = to + count
      // From 2^31 + 1 on a count is not positive.
      if (count <= 0 || at + count > end || stop > length) throw damaged()
      for (let from = at; to < stop; to += 4, from += 4) output.setInt32(to, input.getInt32(from, true), true)
      to = stop
      at += count
      continue
    }
    let offset: number
    if ((tag & 3) === 1) {
      count = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | inputBytes[at++]
    } else if ((tag & 3) === 2) {
      offset = input.getUint16(at, true)
      at += 2
    } else {
      offset = input.getUint32(at, true)
      at += 4
    }
    const stop = to + count
    let from = to - offset
    if (offset === 0 || from < 0 || stop > length) throw damaged()
    if (offset < 4) {
      // A word would overtake what it copies.
      while (to < stop) outputBytes[to++] = outputBytes[from++]
    } else {
      for (; to < stop; to += 4, from += 4) output.setInt32(to, output.getInt32(from, true), true)
      to = stop
    }
  }
  if (at !== end || to !== length) throw damaged()
}

function damaged(): VarveError {
  return new VarveError('CORRUPTION', 'A block does not decompress.')
}
