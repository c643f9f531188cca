/** Forgeries of the log: its segments, the records in them, and what they say of each other. */
import { fileSalt } from '../../dist/base/checksum.js'
import { walName } from '../../dist/base/file-names.js'
import { framedLength, frameRecord } from '../../dist/record/record-format.js'
import { RecordType } from '../../dist/wal/wal-format.js'
import { segmentOf } from './forged-store.js'

/** @typedef {import('./forged-store.js').ForgedStore} ForgedStore */
/** @typedef {import('./forged-store.js').Segment} Segment */
/** @typedef {import('./forged-store.js').LogRecord} LogRecord */
/** @typedef {import('./index.js').Forgery} Forgery */
/** @typedef {import('../random.js').Random} Random */

/** @param {string} rule @param {string | RegExp} what @param {(store: ForgedStore) => Segment} change @param {Partial<Forgery>} [more] @returns {Forgery} */
const refused = (rule, what, change, more = {}) => ({
  rule,
  by: 'open',
  what,
  forge: (store) => walName(change(store).number),
  ...more,
})

/** @param {string} rule @param {string | RegExp} what @param {(group: LogRecord, random: Random) => void} change */
const group = (rule, what, change) =>
  refused(rule, what, (store) => {
    // What tables hold is passed over.
    const counts = (/** @type {LogRecord} */ { type, subject }) =>
      type === RecordType.group && subject > store.snapshot.flushedSequence
    const segment = store.random.pick(store.log.filter(({ records }) => records.some(counts)))
    change(store.random.pick(segment.records.filter(counts)), store.random)
    return segment
  })

/** An operation that no store writes, in the place of those of a group. @param {string} rule @param {string} what @param {(random: Random) => number[] | Uint8Array} make */
const operation = (rule, what, make) =>
  group(rule, what, (record, random) => {
    record.operations = Uint8Array.from(make(random))
    record.count = 1
  })

/** A segment whose header is not what its checksum says. @param {string} rule @param {string} what @param {number} place */
const headless = (rule, what, place) =>
  refused(rule, what, (store) => {
    const segment = /** @type {Segment} */ (store.log.at(place))
    segment.finish = (bytes) => {
      bytes[16 + store.random.below(8)] ^= 1
      return bytes
    }
    return segment
  })

/** A header that tells something of the segment before it. @param {Segment} segment @param {Record<string, number>} told */
function tell(segment, told) {
  segment.header = {
    ...segment.header,
    previous: /** @type {any} */ ({ ...segment.header.previous, ...told, isForged: true }),
  }
}

/** What a header must tell of the segment before it. @param {Segment} before */
function truthOf(before) {
  const bytes = segmentOf(before)
  return { number: before.number, length: bytes.length, sizeBytes: bytes.length }
}

/** @type {readonly Forgery[]} */
export const logForgeries = [
  group('a segment holds known records', 'A record has an unknown type', (record, random) => {
    record.type = random.pick([0, 5, 200])
  }),
  group('a record of the log is long enough', 'A record is too short', (record, random) => {
    record.payload = new Uint8Array(random.below(24))
  }),
  refused(
    'nothing stands behind the end of a segment',
    'A record stands behind the end of the segment',
    (store) => {
      const segment = store.newestSegment
      const [first] = segment.records
      const last = { ...first, type: RecordType.close, count: 0, operations: new Uint8Array(0) }
      segment.records = [
        ...segment.records.filter(({ type }) => type === RecordType.group),
        last,
        { ...last },
      ]
      return segment
    },
  ),
  refused('a record of the log is long enough, behind a torn one too', 'A record is too short', (store) => {
    const segment = store.newestSegment
    const { records } = segment
    records[records.length - 1] = { ...records[0], payload: new Uint8Array(store.random.below(24)) }
    store.snapshot.logSynced = [segment.number, 88]
    const torn = segmentOf({ ...segment, records: records.slice(0, -2) }).length
    segment.finish = (bytes) => {
      bytes[torn + 16 + store.random.below(24)] ^= 1
      return bytes
    }
    return segment
  }),
  group(
    'a record follows the one before it',
    'A record does not follow the one before it',
    (record, random) => {
      record.chain = random.pick([0, 1, 0xffff_ffff])
    },
  ),
  group(
    'a record of the log is synced up to itself at most',
    'A record claims an impossible sync',
    (record, random) => {
      record.synced = random.pick([0, 87, 100_000, 2 ** 40])
    },
  ),
  group('a group has operations', 'A group has impossible sequence numbers', (record) => {
    record.count = 0
    record.operations = new Uint8Array(0)
  }),
  group('sequence numbers of the log go up', 'A group has impossible sequence numbers', (record, random) => {
    record.subject = random.pick([1, record.subject - 1])
  }),
  refused(
    'a sequence number of the log has one behind it',
    /^(A group has impossible sequence numbers)/,
    (store) => {
      const { records } = store.newestSegment
      records[records.length - 1] = {
        ...records[0],
        subject: store.random.pick([2 ** 52 + 1, Number.MAX_SAFE_INTEGER, 2 ** 60]),
      }
      return store.newestSegment
    },
  ),
  refused('the log has no hole', /^The log or the MANIFEST has lost the operations from \d+ on/, (store) => {
    const segment = store.newestSegment
    const groups = segment.records.filter(({ type }) => type === RecordType.group)
    groups.splice(store.random.below(groups.length - 1), 1)
    segment.records = groups
    return segment
  }),
  group(
    'a group has the operations that it counts',
    /^A group has \d+ operations instead of \d+/,
    (record, random) => {
      record.count += random.pick([1, 1000])
    },
  ),
  operation('an operation has a known kind', 'its kind is unknown', (random) => [
    random.pick([5, 255]),
    1,
    65,
    0,
  ]),
  operation('an operation has a key', 'it has no key', () => [1]),
  operation('the key of an operation ends in its group', 'its key is cut off', (random) => [
    1,
    random.pick([1, 2, 100]),
    65,
  ]),
  operation('the value of an operation ends in its group', 'its value is cut off', (random) => [
    1,
    1,
    65,
    random.pick([1, 100]),
  ]),
  operation('an expiry in the log is whole', 'its expiry is cut off', (random) => [
    2,
    1,
    65,
    7,
    1,
    2,
    3,
    4,
    5,
    6,
    random.below(9),
  ]),
  operation('an expiry in the log is a moment', 'its expiry is no moment', () => [
    2,
    1,
    65,
    8,
    ...new Uint8Array(8).fill(255),
  ]),
  operation(
    'a key in the log is as long as a key may be',
    'its key is too long',
    () => new Uint8Array([1, 0x80, 0x80, 0x04, ...new Uint8Array(65_536), 0]),
  ),
  operation('a length in the log is a number', 'is cut off or too large', (random) => [
    1,
    ...new Uint8Array(7).fill(255),
    0x7f,
    random.below(9),
  ]),
  refused(
    'the newest segment is as long as the MANIFEST knows',
    'The log ends before what was on the device',
    (store) => {
      const segment = store.newestSegment
      const number = segment.number
      store.snapshot.logSynced = [number, segmentOf(segment).length + store.random.pick([1, 8, 100_000])]
      return segment
    },
  ),
  refused(
    'what a later record of the log calls synced is whole',
    /in a part of the log that was on the device/,
    (store) => {
      const segment = store.newestSegment
      store.snapshot.logSynced = [segment.number, 88]
      segment.finish = (bytes) => {
        const forged = bytes.slice()
        // The first group; the last record has its mark behind it.
        forged[88 + 16 + store.random.below(24)] ^= 1
        return forged
      }
      const last = segment.records[segment.records.length - 1]
      last.synced = segmentOf({ ...segment, records: segment.records.slice(0, -1) }).length
      return segment
    },
  ),
  headless('a segment that the next one names has a header', 'The header of a segment is damaged', -2),
  headless(
    'the newest segment in use has a header',
    'A segment that was in use is damaged, or not part of the log',
    -1,
  ),
  refused('no operations are missing between segments', /^The log has no operations from \d+ on/, (store) => {
    const segment = store.newestSegment
    segment.header = {
      ...segment.header,
      baseSequence: segment.header.baseSequence + 1 + store.random.below(3),
    }
    return segment
  }),
  refused('a segment is of its store', 'A segment belongs to another database', (store) => {
    const segment = store.random.pick(store.log)
    segment.header = { ...segment.header, databaseId: segment.header.databaseId.map((byte) => byte ^ 1) }
    return segment
  }),
  refused('a segment is the one of its name', /^This is segment \d+ under a wrong name/, (store) => {
    const segment = store.random.pick(store.log)
    segment.header = { ...segment.header, number: segment.header.number + 1000 }
    return segment
  }),
  refused(
    'a segment has a known format',
    /has format \d+; this version of Varve reads format/,
    (store) => {
      const segment = store.random.pick(store.log)
      segment.header = { ...segment.header, formatVersion: store.random.pick([0, 2, 0xffff_ffff]) }
      return segment
    },
    { isLater: true },
  ),
  refused(
    'a segment begins where the one before it ends',
    'A segment begins before the one before it ends',
    (store) => {
      const segment = store.newestSegment
      segment.header = { ...segment.header, baseSequence: segment.header.baseSequence - 1 }
      return segment
    },
  ),
  refused('the log goes on where tables end', /^The log has no operations from \d+ on/, (store) => {
    const [first] = store.log
    const { previous: _, ...header } = first.header
    store.snapshot.flushedSequence -= 5
    first.header = { ...header, previous: undefined, baseSequence: store.snapshot.flushedSequence + 2 }
    first.records = first.records.filter(
      ({ subject, type }) => type !== RecordType.group || subject > first.header.baseSequence,
    )
    return first
  }),
  refused('a segment names one before it', /^The log has no operations from \d+ on/, (store) => {
    const segment = store.newestSegment
    tell(segment, { ...truthOf(segment), number: segment.number + store.random.below(2) })
    return segment
  }),
  {
    rule: 'every segment that one names is there',
    by: 'open',
    what: 'A segment of the log is missing',
    forge(store) {
      const [gone] = store.log.splice(store.log.length - 2, 1)
      const name = walName(gone.number)
      tell(store.newestSegment, truthOf(gone))
      store.files.delete(name)
      return name
    },
  },
  {
    rule: 'the segment that the MANIFEST knows is there',
    by: 'open',
    what: 'A segment of the log is missing',
    forge(store) {
      const number = store.newestSegment.number + 1 + store.random.below(100)
      store.snapshot.logSynced = [number, 88]
      return walName(number)
    },
  },
  {
    rule: 'the segment behind a seal is there',
    by: 'open',
    what: 'A segment of the log is missing',
    forge(store) {
      const segment = store.newestSegment
      const number = 900 + store.random.below(100)
      const groups = segment.records.filter(({ type }) => type === RecordType.group)
      segment.records = [
        ...groups,
        { ...groups[0], type: RecordType.seal, subject: number, count: 0, operations: new Uint8Array(0) },
      ]
      return walName(number)
    },
  },
  refused(
    'a sealed segment has the length that the next tells',
    /^A segment has \d+ bytes, and its successor says/,
    (store) => {
      const [before, newest] = store.log.slice(-2)
      const truth = truthOf(before)
      const { random } = store
      if (random.oneIn(2)) tell(newest, { ...truth, length: truth.length + 8, sizeBytes: truth.length + 8 })
      else tell(newest, { ...truth, sizeBytes: truth.length - 8 })
      return before
    },
  ),
  refused(
    'a sealed segment is whole up to where the next tells',
    'A segment is damaged before its end',
    (store) => {
      const [before, newest] = store.log.slice(-2)
      tell(newest, truthOf(before))
      before.finish = (bytes) => {
        bytes[88 + store.random.below(bytes.length - 88 - 40)] ^= 1
        return bytes
      }
      return before
    },
  ),
  refused(
    'a sealed segment ends as the next tells',
    'A segment does not end as its successor says',
    (store) => {
      const [before, newest] = store.log.slice(-2)
      tell(newest, { ...truthOf(before), chain: 12_345 })
      return before
    },
  ),
  {
    rule: 'a segment that is no part of the log was never in use',
    by: 'open',
    what: 'A segment that was in use is damaged, or not part of the log',
    forge(store) {
      const segment = store.newestSegment
      const number = segment.number + 1
      const salt = fileSalt(store.databaseId, number)
      const buffer = new Uint8Array(framedLength(24))
      const record = frameRecord(buffer, 24, RecordType.group, salt, 88)
      store.files.set(walName(number), new Uint8Array([...new Uint8Array(88), ...record]))
      return walName(number)
    },
  },
  {
    rule: 'a segment begins with its header',
    by: 'open',
    what: 'A segment that was in use is damaged, or not part of the log',
    forge(store) {
      store.newestSegment.headerType = RecordType.group
      return walName(store.newestSegment.number)
    },
  },
]
