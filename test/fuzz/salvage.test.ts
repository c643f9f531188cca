/** What of a log does not count is not brought back by a repair, however whole it is. */
import { expect, test } from 'vitest'
import { fileSystemWith, REPAIRED_PATH, STORE_PATH, unpackDirectory } from '../../fuzz/directory.js'
import { ForgedStore, type LogRecord, segmentOf } from '../../fuzz/forgeries/forged-store.js'
import { seedsOf } from '../../fuzz/fuzz.js'
import { Random } from '../../fuzz/random.js'
import { forgery } from '../../fuzz/targets/forgery.js'
import { open, type RepairReport, repair } from '../../src/index.js'
import { ManualClock } from '../../src/testing.js'

const GHOST = 'ghost'

/** A group that sets {@link GHOST} to a MessagePack nil. */
function ghostAt(subject: number): LogRecord {
  const operations = Uint8Array.from([1, GHOST.length, ...Buffer.from(GHOST), 1, 0xc0])
  return { type: 2, subject, synced: 88, count: 1, operations }
}

function storeOfLog(): ForgedStore {
  return new ForgedStore(unpackDirectory(seedsOf(forgery)[0]), new Random(1))
}

/** Repairs, and tells which keys are there. */
async function repaired(store: ForgedStore): Promise<{ report: RepairReport; keys: readonly string[] }> {
  const fileSystem = await fileSystemWith(store.finish())
  const report = await repair(STORE_PATH, { out: REPAIRED_PATH, fileSystem })
  const found = await open(REPAIRED_PATH, {
    fileSystem,
    clock: new ManualClock(),
    valueEncoding: 'msgpack',
  })
  const keys = await found.keys().all()
  await found.close()
  return { report, keys }
}

test('a whole log comes back whole', async () => {
  const { report, keys } = await repaired(storeOfLog())
  expect(report.complete).toBe(true)
  expect(keys.filter((key) => key.startsWith('log')).length).toBe(36)
})

test('what stands behind the end of a segment that the next one tells stays gone', async () => {
  const store = storeOfLog()
  const [before, newest] = store.log.slice(-2)
  const counted = segmentOf(before)
  before.records.push(ghostAt(newest.header.baseSequence + 1))
  const all = segmentOf(before)
  before.records.pop()
  before.finish = () => all
  const { report, keys } = await repaired(store)
  expect(all.length).toBeGreaterThan(counted.length)
  expect(keys).not.toContain(GHOST)
  expect(report.complete).toBe(true)
})

test('what stands behind a torn write stays gone', async () => {
  const store = storeOfLog()
  const { newestSegment: segment } = store
  for (const record of segment.records) record.synced = 88
  store.snapshot.logSynced = [segment.number, 88]
  const last = segment.records[segment.records.length - 1]
  const torn = segmentOf({ ...segment, records: segment.records.slice(0, -1) }).length
  segment.records.push(ghostAt(last.subject + last.count))
  segment.finish = (bytes) => {
    bytes[torn + 16] ^= 1
    return bytes
  }
  const { report, keys } = await repaired(store)
  expect(keys).not.toContain(GHOST)
  expect(keys.filter((key) => key.startsWith('log')).length).toBe(36 - last.count)
  expect(report.complete).toBe(true)
})
