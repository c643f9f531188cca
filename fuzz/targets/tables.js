/** Targets: every part of a table, and a table as a whole. */

import { writeU32 } from '../../dist/base/bytes.js'
import { expiryOf } from '../../dist/base/entry.js'
import { hash32 } from '../../dist/base/hash.js'
import { BlockCache } from '../../dist/cache/block-cache.js'
import { MemoryFileSystem } from '../../dist/env/memory-file-system.js'
import { Block } from '../../dist/sstable/block.js'
import { BlockCursor } from '../../dist/sstable/block-cursor.js'
import { BlockFetcher } from '../../dist/sstable/block-fetcher.js'
import { BlockHandle, decodeAfterHandle, decodeHandle } from '../../dist/sstable/block-handle.js'
import { TableBuilder } from '../../dist/sstable/table-builder.js'
import { TableCache } from '../../dist/sstable/table-cache.js'
import { TableCursor } from '../../dist/sstable/table-cursor.js'
import { verifyTable } from '../../dist/sstable/verify-table.js'
import { HOSTILE_NUMBERS, mutateBytes } from '../mutate.js'
import { Digest, Finding } from '../outcome.js'
import { sealTable } from '../seal.js'
import { blockOf, mutateTable } from '../tables.js'

const DATABASE_ID = new Uint8Array(16).fill(9)

/** @param {string} text */
const bytesOf = (text) => new Uint8Array(Buffer.from(text))

/** @param {number} expiresAt @param {string} text */
function expiring(expiresAt, text) {
  const value = new Uint8Array(8 + text.length)
  new DataView(value.buffer).setFloat64(0, expiresAt, true)
  value.set(bytesOf(text), 8)
  return value
}

/** Entries in order, of every kind, with more than one version of some keys. @param {number} count */
function entries(count) {
  const made = []
  for (let i = 0; i < count; i++) {
    const key = bytesOf(`key${String(i).padStart(4, '0')}`)
    if (i % 5 === 0) made.push({ key, sequence: 1000 + i, kind: [0, 3, 4][i % 3], value: new Uint8Array(0) })
    const kind = i % 7 === 0 ? 2 : 1
    const value =
      kind === 2 ? expiring(1_700_000_000_000 + i, 'short-lived') : bytesOf(`value ${i} `.repeat(3))
    made.push({ key, sequence: 10 + i, kind, value })
  }
  return made
}

/** Reads every entry of a cursor over one or more blocks, forwards and backwards. @param {BlockCursor} cursor @param {Digest} digest @param {number} budget */
function readCursor(cursor, digest, budget) {
  let count = 0
  let lastBytes
  const seen = new Set()
  const read = () => {
    if (cursor.keyBytes !== lastBytes && seen.has(cursor.keyBytes)) throw new Finding('comes back to a block')
    seen.add((lastBytes = cursor.keyBytes))
    digest.bytes(cursor.keyBytes, cursor.keyStart, cursor.keyEnd)
    digest.bytes(cursor.valueBytes, cursor.valueStart, cursor.valueEnd)
    digest.number(cursor.sequence)
    if (!Number.isSafeInteger(cursor.sequence) || cursor.kind > 4)
      throw new Finding('reads an entry that cannot be')
    expiryOf(cursor.kind, cursor.valueBytes, cursor.valueStart)
    if (++count > budget) throw new Finding(`reads more than ${budget} entries`)
  }
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) read()
  const forwards = count
  count = 0
  seen.clear()
  for (cursor.seekToLast(); cursor.valid; cursor.prev()) read()
  if (count !== forwards) throw new Finding(`reads ${forwards} entries forwards and ${count} backwards`)
  for (const key of [
    new Uint8Array(0),
    bytesOf('key0003'),
    bytesOf('key0007\0'),
    new Uint8Array(20).fill(255),
  ]) {
    seen.clear()
    cursor.seek(key, 0, key.length, Number.MAX_SAFE_INTEGER)
    if (cursor.valid) read()
  }
}

/** Hostile numbers where the trailer of a block is. @type {import('./index.js').Target['mutate']} */
function mutateBlock(bytes, random, seeds) {
  const mutated = mutateBytes(bytes, random, seeds)
  if (random.oneIn(3) && mutated.length >= 13)
    writeU32(mutated, mutated.length - 5, random.pick(HOSTILE_NUMBERS) >>> 0)
  if (random.oneIn(5) && mutated.length >= 13) mutated[mutated.length - 1] = random.below(16)
  return mutated
}

/** @type {import('./index.js').Target} */
export const block = {
  name: 'block',
  codes: ['CORRUPTION'],
  seeds: () => [
    blockOf(entries(12)),
    blockOf(entries(200)),
    blockOf([]),
    blockOf(entries(1)),
    blockOf(wideEntries()),
  ],
  mutate: mutateBlock,
  run(bytes) {
    const digest = new Digest()
    const cursor = new BlockCursor()
    const decoded = new Block(bytes)
    digest.number(decoded.memoryBytes)
    cursor.reset(decoded)
    readCursor(cursor, digest, bytes.length)
    return digest.toString()
  },
}

/** Sequence numbers far apart, and a block with wide offsets. */
function wideEntries() {
  return [
    { key: bytesOf('a'), sequence: 2 ** 52, kind: 1, value: new Uint8Array(70_000).fill(1) },
    { key: bytesOf('b'), sequence: 1, kind: 1, value: new Uint8Array(0) },
  ]
}

/** @type {import('./index.js').Target} */
export const indexBlock = {
  name: 'index-block',
  codes: ['CORRUPTION'],
  seeds: () =>
    [1, 3, 140].map((count) =>
      blockOf(
        Array.from({ length: count }, (_, i) => ({
          key: bytesOf(`key${String(i).padStart(4, '0')}`),
          sequence: 0,
          kind: 1,
          value: new Uint8Array([(i * 50) & 0x7f, 0x32, i & 0x7f]),
        })),
      ),
    ),
  mutate: mutateBlock,
  run(bytes) {
    const digest = new Digest()
    const index = new Block(bytes)
    const handle = new BlockHandle()
    for (let i = 0; i < index.count; i++) {
      const [start, end] = [index.valueStartAt(i), index.endAt(i)]
      digest.bytes(bytes, start, end)
      decodeHandle(index.bytes, start, end, handle)
      digest.number(handle.offset)
      digest.number(handle.size)
      const after = decodeAfterHandle(index.bytes, start, end)
      digest.number(after)
      checkAlone(bytes.slice(start, end), handle, after)
    }
    return digest.toString()
  },
}

/** The value of an index entry alone says the same: nothing behind it was read. @param {Uint8Array} value @param {BlockHandle} handle @param {number} after */
function checkAlone(value, handle, after) {
  const alone = new BlockHandle()
  try {
    decodeHandle(value, 0, value.length, alone)
    if (alone.offset === handle.offset && alone.size === handle.size) {
      if (decodeAfterHandle(value, 0, value.length) === after) return
    }
  } catch {
    // It is cut off where it stands, too.
  }
  throw new Finding('reads behind a handle')
}

/** A whole table, its index in one level or two. @param {{ count?: number, oneLevel?: boolean, compression?: 'none' | 'snappy' | 'gzip' }} settings */
export function buildTable({ count = 60, oneLevel = true, compression = 'none' } = {}) {
  const fileSystem = new MemoryFileSystem({ strict: false })
  const builder = new TableBuilder(fileSystem.openSync('/t', 'create'), {
    databaseId: DATABASE_ID,
    tableNumber: 3,
    blockSize: 256,
    compression,
    createdAt: 1_700_000_000_000,
    ...(oneLevel ? {} : { indexOneLevelLimit: 10, indexPartitionSize: 100 }),
  })
  for (const { key, sequence, kind, value } of entries(count)) {
    builder.add(key, 0, key.length, sequence, kind, value, 0, value.length)
  }
  const bytes = new Uint8Array(builder.finish().sizeBytes)
  fileSystem.openSync('/t', 'read').readSync(bytes, 0)
  return bytes
}

/** @type {import('./index.js').Target} */
export const table = {
  name: 'table',
  codes: ['CORRUPTION', 'UNSUPPORTED_FORMAT'],
  isPure: false,
  seeds: () => [
    buildTable(),
    buildTable({ oneLevel: false }),
    buildTable({ compression: 'snappy' }),
    buildTable({ compression: 'gzip', oneLevel: false }),
    buildTable({ count: 1 }),
  ],
  mutate(bytes, random, seeds) {
    if (random.oneIn(3)) return sealTable(mutateBytes(bytes, random, seeds))
    try {
      return mutateTable(bytes, random)
    } catch {
      return sealTable(mutateBytes(bytes, random, seeds))
    }
  },
  async run(bytes) {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const file = fileSystem.openSync('/000003.sst', 'create')
    file.writeSync(bytes, 0)
    file.closeSync()
    const tables = new TableCache({
      fileSystem,
      databaseId: DATABASE_ID,
      pathOf: () => '/000003.sst',
      maxOpenFiles: 4,
      blockCache: new BlockCache(1 << 20),
    })
    try {
      return await readTable(tables, bytes)
    } finally {
      tables.close()
    }
  },
}

/** @param {TableCache} tables @param {Uint8Array} bytes */
async function readTable(tables, bytes) {
  const digest = new Digest()
  const reader = tables.openSync(3, bytes.length)
  let problems = 0
  for await (const problem of verifyTable(reader))
    problems += problem.error.code === 'CORRUPTION' ? 1 : Number.NaN
  digest.number(problems)
  const expiries = await reader.readExpiryIndex()
  digest.number(expiries.count)
  for (const fence of reader.fences()) digest.bytes(fence.key)
  const key = bytesOf('key0007')
  digest.number(reader.approximateOffset(key, 0, key.length))
  const fetcher = new BlockFetcher(tables, { blocking: true })
  reader.get(
    key,
    0,
    key.length,
    Number.MAX_SAFE_INTEGER,
    hash32(key, 0, key.length),
    fetcher,
    new BlockCursor(),
  )
  // Each byte of the file is read once, and compression makes no more of it than it can.
  readCursor(new TableCursor(reader, fetcher), digest, 1000 + bytes.length)
  return digest.toString()
}
