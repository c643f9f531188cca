import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeVarint } from '../../src/base/bytes.js'
import { expiryOf, Kind, userValueStart } from '../../src/base/entry.js'
import { VarveError } from '../../src/base/errors.js'
import { GroupBuffer, OPERATIONS_START } from '../../src/wal/group-buffer.js'
import { OperationReader } from '../../src/wal/operation.js'
import { groupOf, textsOf } from './logs.js'

const operation = fc.record({
  kind: fc.constantFrom(Kind.put, Kind.delete),
  key: fc.uint8Array({ maxLength: 300 }),
  value: fc.uint8Array({ maxLength: 300 }),
  expiresAt: fc.option(fc.double({ noNaN: true, min: 0, max: 1e15 }), { nil: undefined }),
})

function operationsOf(group: GroupBuffer): unknown[] {
  const reader = new OperationReader().reset(group.bytes, OPERATIONS_START, group.length)
  const read: unknown[] = []
  while (reader.next()) {
    const { kind, bytes } = reader
    const expires = expiryOf(kind, bytes, reader.valueStart)
    read.push({
      kind: kind === Kind.putWithExpiry ? Kind.put : kind,
      key: bytes.slice(reader.keyStart, reader.keyEnd),
      value: bytes.slice(userValueStart(kind, reader.valueStart), reader.valueEnd),
      expiresAt: expires === Number.POSITIVE_INFINITY ? undefined : expires,
    })
  }
  return read
}

describe('a group', () => {
  it('holds the operations that were added', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
        const group = new GroupBuffer()
        const expected = operations.map((one) =>
          one.kind === Kind.delete ? { ...one, value: new Uint8Array(0), expiresAt: undefined } : one,
        )
        for (const { kind, key, value, expiresAt } of expected) group.add(kind, key, value, expiresAt)
        expect(group.count).toBe(operations.length)
        expect(operationsOf(group)).toEqual(expected)
      }),
    )
  })

  it('grows, and gives large memory back when it is cleared', () => {
    const group = new GroupBuffer()
    const capacity = group.bytes.length
    group.add(Kind.put, Buffer.from('first'), new Uint8Array(10))
    group.add(Kind.put, Buffer.from('large'), new Uint8Array(3 << 20).fill(5))
    const texts = textsOf(1, group.bytes, OPERATIONS_START, group.length)
    expect(texts.map((text) => text.length)).toEqual(['1:first='.length + 10, '2:large='.length + (3 << 20)])
    group.clear()
    expect([group.count, group.length, group.bytes.length]).toEqual([0, OPERATIONS_START, capacity])
  })

  it('takes an operation that was encoded in place', () => {
    const group = groupOf('a=1')
    let at = group.reserve(20)
    group.bytes[at++] = Kind.put
    const length = group.text.write('schlüssel', at + 1)
    at = writeVarint(group.bytes, at, length) + length
    at = writeVarint(group.bytes, at, 1)
    group.bytes[at++] = 0x78
    group.finishOperation(at)
    expect(textsOf(1, group.bytes, OPERATIONS_START, group.length)).toEqual(['1:a=1', '2:schl\xc3\xbcssel=x'])
  })

  it('is cut back to a mark', () => {
    const group = groupOf('a=1', 'b=2')
    const { length, count } = group
    group.add(Kind.delete, Buffer.from('c'))
    group.truncateTo(length, count)
    expect([group.count, textsOf(1, group.bytes, OPERATIONS_START, group.length)]).toEqual([
      2,
      ['1:a=1', '2:b=2'],
    ])
  })

  it('of any bytes is read without leaving them, or refused as CORRUPTION', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc
        .array(fc.constantFrom(0, 1, 2, 8, 0x7f, 0xff), { maxLength: 40 })
        .map((bytes) => Uint8Array.from(bytes)),
    )
    fc.assert(
      fc.property(hostile, fc.nat(5), (bytes, start) => {
        const end = Math.max(start, bytes.length - 3)
        const reader = new OperationReader().reset(bytes, start, end)
        try {
          let at = start
          while (reader.next()) {
            expect(reader.keyStart).toBeGreaterThan(at)
            expect(reader.keyEnd).toBeGreaterThanOrEqual(reader.keyStart)
            expect(reader.valueStart).toBeGreaterThan(reader.keyEnd)
            expect(reader.valueEnd).toBeGreaterThanOrEqual(reader.valueStart)
            at = reader.valueEnd
            expect(at).toBeLessThanOrEqual(end)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(VarveError)
          expect(error).toMatchObject({ code: 'CORRUPTION' })
        }
      }),
      { numRuns: 2000 },
    )
  })
})
