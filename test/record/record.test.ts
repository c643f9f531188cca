import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeU32 } from '../../src/base/bytes.js'
import { fileSalt, salted } from '../../src/base/checksum.js'
import {
  framedLength,
  frameRecord,
  headerCheck,
  RECORD_HEADER_LENGTH,
  RECORD_MAGIC,
} from '../../src/record/record-format.js'
import { RecordReader } from '../../src/record/record-reader.js'

const salt = fileSalt(new Uint8Array(16).fill(7), 12)

/** The records with these types and payloads, end to end. */
function written(records: readonly (readonly [number, Uint8Array])[], fileSaltOfWriter = salt): Uint8Array {
  const file: number[] = []
  for (const [type, payload] of records) {
    const buffer = new Uint8Array(framedLength(payload.length) + 3).fill(0xee)
    buffer.set(payload, RECORD_HEADER_LENGTH)
    file.push(...frameRecord(buffer, payload.length, type, fileSaltOfWriter, file.length))
  }
  return Uint8Array.from(file)
}

function read(bytes: Uint8Array): { records: [number, Uint8Array][]; outcome: string; offset: number } {
  const reader = new RecordReader(bytes, salt, 'file')
  const records: [number, Uint8Array][] = []
  let outcome = reader.next()
  for (; outcome === 'record'; outcome = reader.next()) {
    records.push([reader.type, bytes.slice(reader.payloadStart, reader.payloadEnd)])
  }
  return { records, outcome, offset: reader.offset }
}

const record = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 60 }))
const three: [number, Uint8Array][] = [1, 2, 3].map((n) => [n, new Uint8Array(n * 5).fill(n)])

describe('records', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (records) => {
        expect(read(written(records))).toMatchObject({ records, outcome: 'end' })
      }),
    )
  })

  it('begin at multiples of 8 and leave the bytes behind them alone', () => {
    const buffer = new Uint8Array(64).fill(0xee)
    const framed = frameRecord(buffer, 5, 1, salt, 0)
    expect(framed.length).toBe(24)
    expect([...buffer.subarray(21, 26)]).toEqual([0, 0, 0, 0xee, 0xee])
  })

  it('never pass with any bit flipped', () => {
    const bytes = written(three)
    const ends = [0, 24, 24 + 32, 24 + 32 + 32]
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >>> 3] ^= 1 << (bit & 7)
      const intact = ends.findLastIndex((end) => end <= bit >>> 3)
      expect(read(damaged)).toEqual({ records: three.slice(0, intact), outcome: 'bad', offset: ends[intact] })
    }
  })

  it('end cleanly or badly at every length', () => {
    const bytes = written(three)
    for (let length = 0; length < bytes.length; length++) {
      const { records, outcome } = read(bytes.subarray(0, length))
      expect(records.length).toBe(length < 24 ? 0 : length < 56 ? 1 : length < 88 ? 2 : 3)
      expect(outcome).toBe(length % 8 === 0 && [0, 24, 56].includes(length) ? 'end' : 'bad')
    }
  })

  it('do not pass in another file, nor at another offset', () => {
    const records = three.slice(0, 1)
    expect(read(written(records, fileSalt(new Uint8Array(16).fill(7), 13))).outcome).toBe('bad')
    expect(read(written(records, fileSalt(new Uint8Array(16).fill(8), 12))).outcome).toBe('bad')
    const moved = new Uint8Array(24 + 24)
    moved.set(written(records), 24)
    expect(new RecordReader(moved, salt, 'file').findNext(0)).toBe(undefined)
  })

  it('are found again behind damage', () => {
    const bytes = written(three)
    bytes[30] ^= 1
    const reader = new RecordReader(bytes, salt, 'file')
    expect([reader.findNext(0), reader.findNext(1), reader.findNext(56), reader.findNext(57)]).toEqual([
      0,
      56,
      56,
      undefined,
    ])
  })

  it('take zeros for the end and zeros before something else for damage', () => {
    const bytes = written(three)
    const longer = new Uint8Array(bytes.length + 100)
    longer.set(bytes)
    expect(read(longer)).toMatchObject({ records: three, outcome: 'end', offset: bytes.length })
    longer[longer.length - 1] = 1
    expect(read(longer)).toMatchObject({ records: three, outcome: 'bad', offset: bytes.length })
  })

  it('answer any bytes without reading outside and without throwing anything but CORRUPTION', () => {
    const chunk = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(written(three)))
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const bytes = Uint8Array.from(chunks.flatMap((part) => [...part]))
        const { records } = read(bytes)
        expect(records.length).toBeLessThanOrEqual(bytes.length / RECORD_HEADER_LENGTH)
        new RecordReader(bytes, salt, 'file').findNext(0)
      }),
    )
  })

  it('refuse a file of forged headers in bounded time', () => {
    const bytes = new Uint8Array(1 << 20)
    for (let at = 0; at < bytes.length - 64; at += 16) {
      const length = bytes.length - at - 32
      writeU32(bytes, at + 4, RECORD_MAGIC)
      writeU32(bytes, at + 8, length)
      writeU32(bytes, at + 12, (headerCheck(length, 1, salted(salt, at)) << 8) | 1)
    }
    const reader = new RecordReader(bytes, salt, 'forged')
    expect(() => reader.findNext(0)).toThrow(expect.objectContaining({ code: 'CORRUPTION', path: 'forged' }))
  })
})
