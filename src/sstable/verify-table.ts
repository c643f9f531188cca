/**
 * Checks a whole table, past every cache: checksums, order, index, filter, and what the properties claim.
 * Yields one problem for each thing that is wrong and goes on behind it.
 */
import { compareBytes, compareKeys, copyOf, EMPTY } from '../base/bytes.js'
import type { ByteKeyRange } from '../base/damage-range.js'
import { expiryOf, isTombstone, Kind, NEVER } from '../base/entry.js'
import { corruption, VarveError } from '../base/errors.js'
import { hash32 } from '../base/hash.js'
import type { Block } from './block.js'
import { BlockCursor } from './block-cursor.js'
import { BlockHandle } from './block-handle.js'
import type { ExpiryIndex } from './expiry-index.js'
import { type MayContain, referenceFilter } from './reference-filter.js'
import type { TableReader } from './table-reader.js'

/** The last place in key order that was seen. */
interface Place {
  key: Uint8Array
  sequence: number
}

/** Before every entry. */
function beginning(): Place {
  return { key: EMPTY, sequence: Number.POSITIVE_INFINITY }
}

function comparePlace(cursor: BlockCursor, place: Place): number {
  const order = compareBytes(cursor.keyBytes, cursor.keyStart, cursor.keyEnd, place.key, 0, place.key.length)
  return order === 0 ? place.sequence - cursor.sequence : order
}

function placeOf(cursor: BlockCursor): Place {
  return { key: copyOf(cursor.keyBytes, cursor.keyStart, cursor.keyEnd), sequence: cursor.sequence }
}

/** What was counted on the way, to be held against the properties. */
interface Census {
  entryCount: number
  tombstoneCount: number
  expiringCount: number
  dataBlockCount: number
  rawKeyBytes: number
  rawValueBytes: number
  /** What the filter says, if there is one. */
  readonly mayContain: MayContain | undefined
  /** The earliest expiry of each block with one, by the block's offset. */
  readonly expiries: Map<number, number>
  /** Whether every block could be read, so that the counts mean something. */
  complete: boolean
}

/** One thing that is wrong with a table. */
export interface TableProblem {
  readonly error: VarveError
  /** The keys that cannot be read for it. */
  readonly keys?: ByteKeyRange
}

/** Yields what is wrong with the table; nothing when all is well. I/O errors are thrown. */
export async function* verifyTable(reader: TableReader): AsyncGenerator<TableProblem, void, undefined> {
  const path = reader.file.path
  const census: Census = {
    entryCount: 0,
    tombstoneCount: 0,
    expiringCount: 0,
    dataBlockCount: 0,
    rawKeyBytes: 0,
    rawValueBytes: 0,
    mayContain: reader.filter && referenceFilter(reader.filter.payload),
    expiries: new Map(),
    complete: true,
  }
  let last = beginning()
  let fence = beginning()
  let dataEnd = 0
  let partition = 0
  for await (const leaf of leavesOf(reader)) {
    if (leaf instanceof VarveError) {
      census.complete = false
      const end = placeAt(reader.index, partition++)
      yield { error: leaf, keys: keysBetween(reader, fence, end.key) }
      fence = end
      continue
    }
    partition++
    const index = new BlockCursor()
    index.reset(leaf)
    const handle = new BlockHandle()
    let position = 0
    for (index.seekToFirst(); index.valid; index.next()) {
      if (comparePlace(index, fence) <= 0) yield { error: corruption('The index is out of order', path) }
      const block = await dataBlock(reader, leaf, position++, handle)
      if (block instanceof VarveError) {
        census.complete = false
        yield { error: block, keys: keysBetween(reader, fence, placeOf(index).key) }
      } else {
        census.dataBlockCount++
        if (census.complete && handle.offset !== dataEnd)
          yield { error: corruption('The blocks leave a gap', path, dataEnd) }
        const found = checkBlock(reader, block, handle.offset, fence, last, census)
        if (found.problem !== undefined) yield { error: found.problem }
        last = found.last
        if (comparePlace(index, last) < 0)
          yield { error: corruption('An index key is before its block', path, handle.offset) }
      }
      dataEnd = handle.offset + handle.size
      fence = placeOf(index)
    }
  }
  const expiries = await orProblem(() => reader.readExpiryIndex())
  if (expiries instanceof VarveError) yield { error: expiries }
  if (!census.complete) return
  if (dataEnd !== reader.dataEnd) yield { error: corruption('The index ends before the data', path, dataEnd) }
  const problems = [
    ...(expiries instanceof VarveError ? [] : checkExpiryIndex(reader, expiries, census)),
    ...checkProperties(reader, census, last),
  ]
  for (const error of problems) yield { error }
}

/** Entry `position` of an index block. */
function placeAt(index: Block, position: number): Place {
  const cursor = new BlockCursor()
  cursor.reset(index)
  cursor.show(position)
  return placeOf(cursor)
}

/** The keys behind `fence` up to `last`; a fence between two versions of a key does not exclude it. */
function keysBetween(reader: TableReader, fence: Place, last: Uint8Array): ByteKeyRange {
  const { smallestKey, largestKey } = reader.properties
  const lte = compareKeys(last, largestKey) > 0 ? largestKey : last
  if (fence.sequence === Number.POSITIVE_INFINITY) return { gte: smallestKey, lte }
  return fence.sequence > 0 ? { gte: fence.key, lte } : { gt: fence.key, lte }
}

/** Holds the expiry index against the data blocks. */
function* checkExpiryIndex(reader: TableReader, index: ExpiryIndex, census: Census): Generator<VarveError> {
  const { path } = reader.file
  const { expiryIndexOffset } = reader.properties
  if (index.count !== census.expiries.size) {
    yield corruption('The expiry index lists other blocks than those that expire', path, expiryIndexOffset)
    return
  }
  for (let i = 0; i < index.count; i++) {
    if (census.expiries.get(index.offset(i)) === index.expiresAt(i)) continue
    yield corruption('The expiry index is wrong about a block', path, index.offset(i))
  }
}

/** The index leaves in order, or what is wrong with one. */
async function* leavesOf(reader: TableReader): AsyncGenerator<Block | VarveError> {
  if (reader.indexLevels === 1) {
    yield reader.index
    return
  }
  const handle = new BlockHandle()
  for (let partition = 0; partition < reader.index.count; partition++) {
    yield await orProblem(() => {
      reader.partitionHandle(partition, handle)
      return reader.readBlock(handle.offset, handle.size)
    })
  }
}

function dataBlock(reader: TableReader, leaf: Block, position: number, handle: BlockHandle) {
  return orProblem(() => {
    reader.dataHandle(leaf, position, handle)
    return reader.readBlock(handle.offset, handle.size)
  })
}

async function orProblem<T>(read: () => Promise<T>): Promise<T | VarveError> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof VarveError && error.code === 'CORRUPTION') return error
    throw error
  }
}

/** Checks the entries of one block, which must be behind `fence` and `last`. */
function checkBlock(
  reader: TableReader,
  block: Block,
  offset: number,
  fence: Place,
  last: Place,
  census: Census,
): { last: Place; problem?: VarveError } {
  const cursor = new BlockCursor()
  cursor.reset(block)
  let what: string | undefined
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
    const { keyBytes, keyStart, keyEnd } = cursor
    if (comparePlace(cursor, last) <= 0) what ??= 'Entries are out of order'
    if (comparePlace(cursor, fence) <= 0) what ??= 'An entry is before its index key'
    if (census.mayContain?.(hash32(keyBytes, keyStart, keyEnd)) === false) what ??= 'The filter lacks a key'
    if (
      cursor.sequence < reader.properties.smallestSequence ||
      cursor.sequence > reader.properties.largestSequence
    ) {
      what ??= 'A sequence number is outside the bounds of the table'
    }
    if (census.entryCount === 0 && census.complete) {
      const { smallestKey } = reader.properties
      if (compareBytes(keyBytes, keyStart, keyEnd, smallestKey, 0, smallestKey.length) !== 0) {
        what ??= 'The first key is not the smallest key of the table'
      }
    }
    census.entryCount++
    census.rawKeyBytes += keyEnd - keyStart
    census.rawValueBytes += cursor.valueEnd - cursor.valueStart
    if (isTombstone(cursor.kind)) census.tombstoneCount++
    if (cursor.kind === Kind.putWithExpiry) {
      census.expiringCount++
      const expiresAt = expiryOf(cursor.kind, cursor.valueBytes, cursor.valueStart)
      // What expires at the end of time is in no index.
      if (expiresAt !== NEVER) {
        census.expiries.set(offset, Math.min(expiresAt, census.expiries.get(offset) ?? expiresAt))
      }
    }
    last = placeOf(cursor)
  }
  return what === undefined ? { last } : { last, problem: corruption(what, reader.file.path, offset) }
}

function* checkProperties(reader: TableReader, census: Census, last: Place): Generator<VarveError> {
  const { properties } = reader
  const path = reader.file.path
  const counts = [
    'entryCount',
    'tombstoneCount',
    'expiringCount',
    'dataBlockCount',
    'rawKeyBytes',
    'rawValueBytes',
  ] as const
  for (const name of counts) {
    if (census[name] !== properties[name]) {
      yield corruption(
        `The properties claim ${properties[name]} for '${name}', which is ${census[name]}`,
        path,
      )
    }
  }
  const { largestKey } = properties
  if (compareBytes(last.key, 0, last.key.length, largestKey, 0, largestKey.length) !== 0) {
    yield corruption('The last key is not the largest key of the table', path)
  }
}
