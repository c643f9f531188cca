/** Targets: the framing of records, operations, and a whole log segment. */
import { fileSalt } from '../../dist/base/checksum.js'
import { MemoryFileSystem } from '../../dist/env/memory-file-system.js'
import { framedLength, frameRecord, RECORD_HEADER_LENGTH } from '../../dist/record/record-format.js'
import { RecordReader } from '../../dist/record/record-reader.js'
import { GroupBuffer, OPERATIONS_START } from '../../dist/wal/group-buffer.js'
import { OperationReader } from '../../dist/wal/operation.js'
import { replay } from '../../dist/wal/replay.js'
import { encodeSegmentHeader, RecordType, writePrefix } from '../../dist/wal/wal-format.js'
import { HOSTILE_NUMBERS, mutateBytes } from '../mutate.js'
import { Digest, Finding } from '../outcome.js'
import { sealRecord, sealRecords, sealSegment } from '../seal.js'

const DATABASE_ID = new Uint8Array(16).fill(7)
const SALT = fileSalt(DATABASE_ID, 3)

/** @param {string} text */
const bytesOf = (text) => new Uint8Array(Buffer.from(text))

/** @param {readonly Uint8Array[]} pieces */
const joined = (...pieces) => new Uint8Array(Buffer.concat(pieces))

/** @param {number} offset @param {Uint8Array} payload */
function recordOf(offset, payload, type = 2) {
  const buffer = new Uint8Array(framedLength(payload.length))
  buffer.set(payload, RECORD_HEADER_LENGTH)
  return frameRecord(buffer, payload.length, type, SALT, offset)
}

/** @type {import('./index.js').Target} */
export const record = {
  name: 'record',
  codes: ['CORRUPTION'],
  seeds() {
    const first = recordOf(0, bytesOf('some payload'))
    const second = recordOf(first.length, new Uint8Array(0), 4)
    const third = recordOf(first.length + second.length, bytesOf('x'.repeat(100)))
    return [
      first,
      joined(first, second, third),
      joined(first, second, third, new Uint8Array(64)),
      new Uint8Array(0),
    ]
  },
  mutate(bytes, random, seeds) {
    const mutated = mutateBytes(bytes, random, seeds)
    return random.oneIn(6) ? mutated : sealRecords(mutated, 0, SALT)
  },
  run(bytes) {
    const digest = new Digest()
    const reader = new RecordReader(bytes, SALT, 'fuzz')
    let outcome = reader.next()
    for (; outcome === 'record'; outcome = reader.next()) {
      const { offset, nextOffset, payloadStart, payloadEnd, type } = reader
      digest.bytes(bytes, payloadStart, payloadEnd)
      // Only what a writer would have written in this very place is a record.
      const again = recordOf(offset, bytes.slice(payloadStart, payloadEnd), type)
      if (Buffer.compare(again, bytes.subarray(offset, nextOffset)) !== 0)
        throw new Finding('takes what is no record')
    }
    digest.number(reader.offset)
    for (let at = reader.findNext(reader.offset); at !== undefined; at = reader.findNext(reader.nextOffset)) {
      reader.seek(at)
      reader.next()
      digest.number(at)
    }
    return `${outcome} ${digest}`
  },
}

/** Operations of every kind, short and long. */
function operations() {
  const group = new GroupBuffer()
  group.add(1, bytesOf('key'), bytesOf('value'))
  group.add(1, bytesOf('k'), bytesOf('v'.repeat(200)), 1_700_000_000_000)
  group.add(0, bytesOf('gone'))
  group.add(3, bytesOf('expired'))
  group.add(4, bytesOf('evicted'.repeat(30)))
  return { bytes: group.bytes.slice(OPERATIONS_START, group.length), count: group.count }
}

/** @type {import('./index.js').Target} */
export const operation = {
  name: 'operation',
  codes: ['CORRUPTION'],
  seeds: () => [operations().bytes, new Uint8Array(0)],
  mutate: mutateBytes,
  run(bytes) {
    const digest = new Digest()
    const reader = new OperationReader().reset(bytes, 0, bytes.length)
    while (reader.next()) {
      digest.number(reader.kind)
      digest.bytes(bytes, reader.keyStart, reader.keyEnd)
      digest.bytes(bytes, reader.valueStart, reader.valueEnd)
    }
    return digest.toString()
  },
}

/** A segment of some groups. @param {number} last the type of its last record, 0 for none but groups */
function segment(last) {
  const { bytes, count } = operations()
  const pieces = [
    encodeSegmentHeader({
      formatVersion: 1,
      databaseId: DATABASE_ID,
      number: 3,
      baseSequence: 0,
      previous: undefined,
    }),
  ]
  let [offset, sequence] = [pieces[0].length, 1]
  const add = (
    /** @type {number} */ type,
    /** @type {number} */ subject,
    /** @type {number} */ operationCount,
  ) => {
    const buffer = new Uint8Array(framedLength(24 + bytes.length))
    const payload = operationCount > 0 ? 24 + bytes.length : 24
    writePrefix(buffer, RECORD_HEADER_LENGTH, subject, 88, operationCount, 0)
    if (operationCount > 0) buffer.set(bytes, RECORD_HEADER_LENGTH + 24)
    const piece = frameRecord(buffer, payload, type, SALT, offset).slice()
    pieces.push(piece)
    offset += piece.length
  }
  for (let i = 0; i < 3; i++, sequence += count) add(RecordType.group, sequence, count)
  if (last > 0) add(last, last === RecordType.seal ? 4 : sequence - 1, 0)
  return sealSegment(joined(...pieces))
}

/** Changes a field of a record's fixed prefix. @type {import('./index.js').Target['mutate']} */
export function mutateSegment(bytes, random, seeds) {
  let mutated = mutateBytes(bytes, random, seeds)
  if (random.oneIn(2)) {
    mutated = bytes.slice()
    const starts = []
    for (let at = 0; at >= 0 && at < mutated.length; ) {
      starts.push(at)
      at = sealRecord(mutated, at, 0)
    }
    const view = new DataView(mutated.buffer)
    const at =
      random.pick(starts) + RECORD_HEADER_LENGTH + random.pick([0, 8, 16, 20, 24, 32, 40, 48, 56, 64])
    const value = random.pick(HOSTILE_NUMBERS)
    if (random.oneIn(2) && at + 4 <= mutated.length) view.setUint32(at, value >>> 0, true)
    else if (at + 8 <= mutated.length) view.setBigUint64(at, BigInt(value), true)
  }
  return random.oneIn(8) ? mutated : sealSegment(mutated)
}

/** @type {import('./index.js').Target} */
export const wal = {
  name: 'wal',
  codes: ['CORRUPTION', 'UNSUPPORTED_FORMAT'],
  isPure: false,
  seeds: () => [
    segment(0),
    segment(RecordType.seal),
    segment(RecordType.close),
    joined(segment(0), new Uint8Array(512)),
  ],
  mutate: mutateSegment,
  async run(bytes) {
    const fileSystem = new MemoryFileSystem({ strict: false })
    await fileSystem.mkdir('/log')
    const file = fileSystem.openSync('/log/000003.wal', 'create')
    file.writeSync(bytes, 0)
    file.closeSync()
    const digest = new Digest()
    const reader = new OperationReader()
    let next = 1
    const replayed = await replay(
      { fileSystem, directory: '/log', databaseId: DATABASE_ID, numbers: [3], fromSequence: 0 },
      (firstSequence, count, group, start, end) => {
        reader.reset(group, start, end)
        let found = 0
        for (; reader.next(); found++) digest.bytes(group, reader.keyStart, reader.keyEnd)
        if (found !== count || firstSequence < next)
          throw new Error(`handed out ${found} operations as ${count}`)
        next = firstSequence + count
      },
    )
    digest.number(replayed.lastSequence)
    return digest.toString()
  },
}
