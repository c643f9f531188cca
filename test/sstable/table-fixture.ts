/** Tables in memory for the tests of this folder: entries made by fast-check, tables built from them. */
import fc from 'fast-check'
import { compareKeys } from '../../src/base/bytes.js'
import { type FoundEntry, Kind, MAX_FOUND_NUMBER, writeExpiry } from '../../src/base/entry.js'
import type { VarveError } from '../../src/base/errors.js'
import { BlockCache } from '../../src/cache/block-cache.js'
import type { FileSystem } from '../../src/env/file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import type { Cursor } from '../../src/iterator/cursor.js'
import type { Block } from '../../src/sstable/block.js'
import { BlockFetcher } from '../../src/sstable/block-fetcher.js'
import {
  TableBuilder,
  type TableBuilderSettings,
  type TableSummary,
} from '../../src/sstable/table-builder.js'
import { TableCache } from '../../src/sstable/table-cache.js'

export interface Entry {
  readonly key: Uint8Array
  readonly sequence: number
  readonly kind: number
  readonly value: Uint8Array
}

export const DATABASE_ID = Uint8Array.from({ length: 16 }, (_, i) => i * 11 + 1)

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}

export function compareEntries(a: Entry, b: Entry): number {
  return compareKeys(a.key, b.key) || b.sequence - a.sequence
}

/** Keys that are likely to collide, to be empty, to end in 0xff and to share long prefixes. */
export const keyArbitrary: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 3 }),
  fc.array(fc.constantFrom(0, 1, 0x61, 0xfe, 0xff), { maxLength: 6 }).map((bytes) => Uint8Array.from(bytes)),
  fc.tuple(fc.constantFrom(20, 130), fc.uint8Array({ maxLength: 2 })).map(([prefix, tail]) => {
    const key = new Uint8Array(prefix + tail.length).fill(0x70)
    key.set(tail, prefix)
    return key
  }),
)

const sequenceArbitrary = fc.oneof(
  fc.nat(5),
  fc.nat(70_000),
  fc.integer({ min: 0, max: MAX_FOUND_NUMBER }),
  fc.constant(MAX_FOUND_NUMBER),
)

const valueArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  { weight: 1, arbitrary: fc.nat(700).map((length) => new Uint8Array(length).fill(length)) },
)

export function expiringValue(expiresAt: number, value: Uint8Array): Uint8Array {
  const stored = new Uint8Array(8 + value.length)
  writeExpiry(stored, 0, expiresAt)
  stored.set(value, 8)
  return stored
}

const entryArbitrary: fc.Arbitrary<Entry> = fc
  .tuple(keyArbitrary, sequenceArbitrary, fc.constantFrom(0, 1, 1, 1, 2), valueArbitrary, fc.nat(1e6))
  .map(([key, sequence, kind, value, expiresAt]) => ({
    key,
    sequence,
    kind,
    value:
      kind === Kind.delete
        ? new Uint8Array(0)
        : kind === Kind.putWithExpiry
          ? expiringValue(expiresAt, value)
          : value,
  }))

/** Sorted entries without two of the same key and sequence. */
export function entriesArbitrary(maxLength: number): fc.Arbitrary<Entry[]> {
  return fc
    .array(entryArbitrary, { minLength: 1, maxLength, size: 'max' })
    .map((entries) => entries.sort(compareEntries))
    .map((entries) => entries.filter((entry, i) => i === 0 || compareEntries(entries[i - 1], entry) !== 0))
}

/** Entries `key00000`, `key00001`, …, with values that tell them apart. */
export function numberedEntries(count: number, valueLength = 20): Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    key: bytesOf(`key${String(i).padStart(5, '0')}`),
    sequence: count - i + 100,
    kind: Kind.put,
    value: bytesOf(`value ${i} `.padEnd(valueLength, 'x')),
  }))
}

export function pathOf(number: number): string {
  return `/${number}.sst`
}

export function buildTable(
  fileSystem: MemoryFileSystem,
  entries: readonly Entry[],
  settings: Partial<TableBuilderSettings> = {},
): TableSummary {
  const tableNumber = settings.tableNumber ?? 1
  const builder = new TableBuilder(fileSystem.openSync(pathOf(tableNumber), 'create'), {
    databaseId: DATABASE_ID,
    compression: 'none',
    createdAt: 1234,
    ...settings,
    tableNumber,
  })
  for (const { key, sequence, kind, value } of entries) {
    builder.add(key, 0, key.length, sequence, kind, value, 0, value.length)
  }
  return builder.finish()
}

export interface OpenSettings {
  readonly cacheSize?: number
  readonly maxOpenFiles?: number
  readonly databaseId?: Uint8Array
  readonly onFilterDamage?: (path: string, error: VarveError) => void
}

export function openTables(fileSystem: FileSystem, settings: OpenSettings = {}): TableCache {
  return new TableCache({
    fileSystem,
    databaseId: DATABASE_ID,
    pathOf,
    maxOpenFiles: settings.maxOpenFiles ?? 10,
    blockCache: new BlockCache<Block>(settings.cacheSize ?? 1 << 20),
    ...settings,
  })
}

export function blockingFetcher(tables: TableCache): BlockFetcher {
  return new BlockFetcher(tables, { blocking: true })
}

/** Entries as text: compared a hundred times faster than arrays of bytes. */
export function texts(entries: readonly Entry[]): string[] {
  return entries.map(textOf)
}

export function textOf({ key, sequence, kind, value }: Entry): string {
  return `${Buffer.from(key).toString('hex')} @${sequence} ${kind} ${Buffer.from(value).toString('hex')}`
}

/** What a lookup fills in. */
export function nothingFound(): FoundEntry {
  return { sequence: 0, kind: 0, valueBytes: new Uint8Array(0), valueStart: 0, valueEnd: 0 }
}

/** A private copy of the entry that was found under `key`. */
export function foundUnder(key: Uint8Array, found: FoundEntry): Entry {
  const { sequence, kind, valueBytes, valueStart, valueEnd } = found
  return { key, sequence, kind, value: valueBytes.slice(valueStart, valueEnd) }
}

/** A private copy of the entry under the cursor. */
export function entryAt(cursor: Cursor): Entry {
  return {
    key: cursor.keyBytes.slice(cursor.keyStart, cursor.keyEnd),
    sequence: cursor.sequence,
    kind: cursor.kind,
    value: cursor.valueBytes.slice(cursor.valueStart, cursor.valueEnd),
  }
}

export function forward(cursor: Cursor): Entry[] {
  const entries: Entry[] = []
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) entries.push(entryAt(cursor))
  return entries
}

export function backward(cursor: Cursor): Entry[] {
  const entries: Entry[] = []
  for (cursor.seekToLast(); cursor.valid; cursor.prev()) entries.push(entryAt(cursor))
  return entries.reverse()
}

/** Where a seek to (key, sequence) must land. */
export function placeOf(entries: readonly Entry[], key: Uint8Array, sequence: number): number {
  const target = { key, sequence, kind: 0, value: key }
  const place = entries.findIndex((entry) => compareEntries(entry, target) >= 0)
  return place < 0 ? entries.length : place
}

/** Reads all bytes of a file. */
export function readFile(fileSystem: MemoryFileSystem, path: string, sizeBytes: number): Uint8Array {
  const file = fileSystem.openSync(path, 'read')
  const bytes = new Uint8Array(sizeBytes)
  file.readSync(bytes, 0)
  file.closeSync()
  return bytes
}

/** Makes a file system that holds one table's file with these bytes. */
export function withFile(number: number, bytes: Uint8Array): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem({ strict: false })
  const file = fileSystem.openSync(pathOf(number), 'create')
  file.writeSync(bytes, 0)
  file.closeSync()
  return fileSystem
}
