import { describe, expect, it } from 'vitest'
import { crc32 } from '../../src/base/checksum.js'
import { Kind } from '../../src/base/entry.js'
import { VarveError } from '../../src/base/errors.js'
import { hash32 } from '../../src/base/hash.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { TableFilter } from '../../src/sstable/filter.js'
import { decodeFooter, FOOTER_LENGTH } from '../../src/sstable/footer.js'
import type { TableBuilderSettings } from '../../src/sstable/table-builder.js'
import { TableCursor } from '../../src/sstable/table-cursor.js'
import { verifyTable } from '../../src/sstable/verify-table.js'
import {
  blockingFetcher,
  buildTable,
  bytesOf,
  type Entry,
  entryAt,
  expiringValue,
  foundUnder,
  nothingFound,
  numberedEntries,
  type OpenSettings,
  openTables,
  pathOf,
  readFile,
  textOf,
  withFile,
} from './table-fixture.js'

const entries = numberedEntries(12)
const settings: Partial<TableBuilderSettings> = {
  blockSize: 100,
  indexOneLevelLimit: 0,
  indexPartitionSize: 60,
  compression: 'snappy',
}
const bytes = bytesOfTable(entries, settings)
const footer = decodeFooter(bytes.subarray(bytes.length - FOOTER_LENGTH))

function bytesOfTable(of: readonly Entry[], how: Partial<TableBuilderSettings>): Uint8Array {
  const fileSystem = new MemoryFileSystem({ strict: false })
  const { sizeBytes } = buildTable(fileSystem, of, how)
  return readFile(fileSystem, pathOf(how.tableNumber ?? 1), sizeBytes)
}

function open(damaged: Uint8Array, sizeBytes: number, how: OpenSettings = {}) {
  const tables = openTables(withFile(1, damaged), { cacheSize: 0, ...how })
  const fetcher = blockingFetcher(tables)
  return { fetcher, reader: fetcher.table(1, sizeBytes) }
}

function errorOf(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

/** Damage must be `CORRUPTION` that names the file; anything else fails the test. */
function expectCorruption(error: unknown): void {
  if (!(error instanceof VarveError)) throw error ?? new Error('no error')
  if (error.code !== 'CORRUPTION' || error.path !== pathOf(1)) throw error
}

/** Opens and reads everything; every answer must be right or CORRUPTION. Returns what was refused. */
function refusals(damaged: Uint8Array): { opened: boolean; refused: number; filterDamage: number } {
  let filterDamage = 0
  const onFilterDamage = (_path: string, error: VarveError) => {
    expectCorruption(error)
    filterDamage++
  }
  let table: ReturnType<typeof open>
  try {
    table = open(damaged, bytes.length, { onFilterDamage })
  } catch (error) {
    expectCorruption(error)
    return { opened: false, refused: 0, filterDamage }
  }
  let refused = 0
  const { fetcher, reader } = table
  const found = nothingFound()
  const cursor = new TableCursor(reader, fetcher)
  for (const entry of entries) {
    const { key, sequence } = entry
    try {
      if (!reader.get(key, 0, key.length, sequence, hash32(key, 0, key.length), fetcher, found)) expect.fail()
      if (textOf(foundUnder(key, found)) !== textOf(entry)) expect.fail('get gave a wrong entry')
      cursor.seek(key, 0, key.length, sequence)
      if (!cursor.valid || textOf(entryAt(cursor)) !== textOf(entry)) expect.fail('seek gave a wrong entry')
    } catch (error) {
      expectCorruption(error)
      refused++
    }
  }
  return { opened: true, refused, filterDamage }
}

function flip(bit: number): Uint8Array {
  const flipped = bytes.slice()
  flipped[bit >> 3] ^= 1 << (bit & 7)
  return flipped
}

describe('a damaged table', () => {
  it('of which any bit is flipped gives right answers or CORRUPTION', () => {
    expect(refusals(bytes)).toEqual({ opened: true, refused: 0, filterDamage: 0 })
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3
      const { opened, refused, filterDamage } = refusals(flip(bit))
      if (at < footer.filter.offset) {
        // Only what is in the block is lost.
        expect(opened && refused > 0 && refused < entries.length / 2).toBe(true)
      } else if (at < footer.filter.offset + footer.filter.size) {
        expect([opened, refused, filterDamage]).toEqual([true, 0, 1])
      } else if (at < footer.index.offset) {
        expect(opened && refused > 0 && refused < entries.length).toBe(true)
      } else {
        expect(opened).toBe(false)
      }
    }
  })

  it('that is shorter or longer than it was is refused', () => {
    for (let length = 0; length < bytes.length; length++) {
      expectCorruption(errorOf(() => open(bytes.subarray(0, length), bytes.length)))
    }
    const longer = new Uint8Array(bytes.length + 1)
    longer.set(bytes)
    expectCorruption(errorOf(() => open(longer, bytes.length)))
    expectCorruption(errorOf(() => open(longer, longer.length)))
  })

  it('that loses its end while it is open is refused', () => {
    const fileSystem = withFile(1, bytes)
    const fetcher = blockingFetcher(openTables(fileSystem, { cacheSize: 0 }))
    const reader = fetcher.table(1, bytes.length)
    const file = fileSystem.openSync(pathOf(1), 'modify')
    void file.truncate(10)
    expectCorruption(errorOf(() => new TableCursor(reader, fetcher).seekToFirst()))
  })

  it('that is missing is CORRUPTION', () => {
    const tables = openTables(new MemoryFileSystem())
    expectCorruption(errorOf(() => tables.openSync(1, bytes.length)))
  })

  it('that was swapped with another one, of this database or another, is refused', () => {
    expectCorruption(
      errorOf(() => open(bytesOfTable(entries, { ...settings, tableNumber: 2 }), bytes.length)),
    )
    const databaseId = new Uint8Array(16).fill(9)
    expectCorruption(errorOf(() => open(bytesOfTable(entries, { ...settings, databaseId }), bytes.length)))
  })

  it('of which blocks are swapped, within it or with another table, refuses them', () => {
    const raw = { ...settings, compression: 'none' } as const
    const mine = bytesOfTable(entries, raw)
    const other = bytesOfTable(entries, { ...raw, tableNumber: 2 })
    const end = decodeFooter(mine.subarray(mine.length - FOOTER_LENGTH)).filter.offset
    const count = buildTable(new MemoryFileSystem({ strict: false }), entries, raw).dataBlockCount
    const blockSize = end / count
    expect(Number.isInteger(blockSize)).toBe(true)
    const within = mine.slice()
    within.set(mine.subarray(blockSize, 2 * blockSize), 0)
    const across = mine.slice()
    across.set(other.subarray(0, blockSize), 0)
    for (const swapped of [within, across]) {
      const { fetcher, reader } = open(swapped, mine.length)
      expectCorruption(errorOf(() => new TableCursor(reader, fetcher).seekToFirst()))
      new TableCursor(reader, fetcher).seekToLast()
    }
  })

  it('of a format version from the future says so', () => {
    const future = bytes.slice()
    const start = bytes.length - FOOTER_LENGTH
    const crcAt = start + 68
    future[start + 40] = 2
    new DataView(future.buffer).setUint32(crcAt, crc32(future.subarray(start, crcAt)), true)
    expect(errorOf(() => open(future, bytes.length))).toMatchObject({ code: 'UNSUPPORTED_FORMAT' })
  })

  it('of which a footer handle points astray is refused, though its checksum is right', () => {
    const start = bytes.length - FOOTER_LENGTH
    for (let at = 0; at < 36; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const astray = bytes.slice()
        if (astray[start + at] === value) continue
        astray[start + at] = value
        new DataView(astray.buffer).setUint32(start + 68, crc32(astray.subarray(start, start + 68)), true)
        const error = errorOf(() => open(astray, bytes.length))
        if (error !== undefined) expectCorruption(error)
        else expect(at).toBeLessThan(12) // The filter, which a table can do without.
      }
    }
  })
})

describe('verifyTable', () => {
  async function problems(damaged: Uint8Array): Promise<VarveError[]> {
    const found: VarveError[] = []
    for await (const { error } of verifyTable(open(damaged, damaged.length).reader)) found.push(error)
    return found
  }

  it('finds nothing wrong with an entry that expires at the end of time', async () => {
    const endless = {
      ...numberedEntries(1)[0],
      kind: Kind.putWithExpiry,
      value: expiringValue(Number.POSITIVE_INFINITY, bytesOf('v')),
    }
    expect(await problems(bytesOfTable([endless], {}))).toEqual([])
  })

  it('finds nothing wrong with a sound table of one or two index levels', async () => {
    expect(await problems(bytes)).toEqual([])
    expect(await problems(bytesOfTable(numberedEntries(500), { compression: 'gzip' }))).toEqual([])
    const versions = numberedEntries(50).map((entry) => ({ ...entry, key: entries[0].key }))
    expect(await problems(bytesOfTable(versions, { blockSize: 60 }))).toEqual([])
  })

  it('names every damaged block and goes on behind it', async () => {
    const damaged = bytes.slice()
    damaged[0] ^= 1
    damaged[footer.filter.offset - 1] ^= 1
    damaged[footer.index.offset - 1] ^= 1
    const found = await problems(damaged)
    expect(found.map(({ code }) => code)).toEqual(found.map(() => 'CORRUPTION'))
    expect(found[0].offset).toBe(0)
    expect(found).toHaveLength(2)
  })

  it('finds what checksums cannot: a filter without a key, order, counts', async () => {
    const { reader } = open(bytes, bytes.length)
    const properties = {
      ...reader.properties,
      entryCount: 3,
      smallestKey: entries[1].key,
      largestSequence: 105,
    }
    const lying = Object.create(reader, {
      properties: { value: properties },
      filter: { value: new TableFilter(Uint8Array.of(0, 0, 0, 0, 7)) },
      readBlock: { value: reader.readBlock.bind(reader) },
      partitionHandle: { value: reader.partitionHandle.bind(reader) },
      dataHandle: { value: reader.dataHandle.bind(reader) },
    })
    const messages: string[] = []
    for await (const { error } of verifyTable(lying)) messages.push(error.message)
    expect(messages.some((message) => message.includes('filter lacks a key'))).toBe(true)
    expect(messages.some((message) => message.includes("claim 3 for 'entryCount', which is 12"))).toBe(true)
  })
})

describe('a table that is cut off while it is open', () => {
  it('is CORRUPTION, whatever the memory that is read into still holds', async () => {
    const fileSystem = withFile(1, bytes)
    const tables = openTables(fileSystem, { cacheSize: 0 })
    const fetcher = blockingFetcher(tables)
    const reader = fetcher.table(1, bytes.length)
    const cursor = new TableCursor(reader, fetcher)
    cursor.seekToFirst()
    cursor.clear()
    const file = await fileSystem.open(pathOf(1), 'modify')
    await file.truncate(10)
    // What stood there is still in the memory that every such read goes through.
    expect(errorOf(() => cursor.seekToFirst())).toMatchObject({
      code: 'CORRUPTION',
      message: expect.stringContaining('shorter than it was'),
    })
    await expect(reader.readBlock(0, 20)).rejects.toMatchObject({ code: 'CORRUPTION' })
    await file.close()
  })
})
