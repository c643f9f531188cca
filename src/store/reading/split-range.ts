/**
 * Splits a range into parts of about equal bytes, at keys that are there.
 *
 * How the bytes are spread is told by what is in memory: table bounds, top indexes, samples of the memtables. Those are no
 * keys that a user could be given: an index separates its blocks with the shortest bytes that do, which may end inside a
 * character or an array. So each cut moves to the first entry behind it, which costs a look at one block or a few.
 */
import { compareKeys, EMPTY } from '../../base/bytes.js'
import { VisibleCursor } from '../../iterator/visible-cursor.js'
import { BlockFetcher } from '../../sstable/block-fetcher.js'
import type { TableCache } from '../../sstable/table-cache.js'
import { overlaps, type TableMetadata } from '../../version/table-metadata.js'
import { type ByteRange, successorOf } from '../range.js'
import type { ReadPoint } from './pinned-moments.js'
import { cursorOver } from './range-scan.js'
import type { ReadSource } from './read-source.js'
import type { ReadState } from './read-state.js'

/** How many pieces there are for each part: what a cut can be off by. */
const PIECES_PER_PART = 32

/** With more tables than this for each part, no index is looked at. */
const TABLES_PER_PART = 4

/** Some bytes of the store. */
interface Piece {
  /** At or behind the keys of the piece. */
  readonly end: Uint8Array
  readonly weight: number
}

/**
 * The keys at which to cut `range`, ascending, fewer than `parts`: each is the first of its part as a reader at `at` sees it,
 * and no part is empty but that of an empty range. Blocks the thread for what is not in memory.
 */
export function splitKeys(source: ReadSource, at: ReadPoint, range: ByteRange, parts: number): Uint8Array[] {
  const { tableCache, clock } = source.parts
  const fetcher = new BlockFetcher(tableCache, { blocking: true })
  const entries = new VisibleCursor(cursorOver(at.readState, fetcher), at.sequence, clock.now())
  const { lower = EMPTY, upper } = range
  entries.seek(lower, 0, lower.length)
  if (!entries.valid) return []
  const keys: Uint8Array[] = []
  let last = entries.copyKey()
  for (const cut of cutsOf(piecesOf(at.readState, range, parts, tableCache), parts)) {
    if (compareKeys(cut, last) < 0) continue
    const behind = successorOf(cut)
    entries.seek(behind, 0, behind.length)
    if (!entries.valid) break
    const key = entries.copyKey()
    if (upper !== undefined && compareKeys(key, upper) >= 0) break
    keys.push(key)
    last = key
  }
  fetcher.settle()
  return keys
}

/** Behind which keys the weight of all pieces has to be cut, ascending. */
function cutsOf(pieces: Piece[], parts: number): Uint8Array[] {
  pieces.sort((a, b) => compareKeys(a.end, b.end))
  const total = pieces.reduce((sum, { weight }) => sum + weight, 0)
  const cuts: Uint8Array[] = []
  let weight = 0
  for (const piece of pieces) {
    weight += piece.weight
    while (cuts.length < parts - 1 && weight >= (total * (cuts.length + 1)) / parts) cuts.push(piece.end)
  }
  return cuts
}

function piecesOf(state: ReadState, range: ByteRange, parts: number, tableCache: TableCache): Piece[] {
  const pieces: Piece[] = []
  const wanted = PIECES_PER_PART * parts
  for (const memtable of state.memtables) {
    const sample = memtable.sample(wanted)
    const weightOfByte = memtable.payloadBytes / sample.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    for (const { key, sizeBytes } of sample) {
      if (isIn(key, range)) pieces.push({ end: key, weight: sizeBytes * weightOfByte })
    }
  }
  const tables = [...state.version.tables()].flatMap(({ table }) =>
    overlaps(table, range.lower, range.upper) ? [table] : [],
  )
  const isCoarse = tables.length > TABLES_PER_PART * parts
  const most = Math.ceil(wanted / Math.max(1, tables.length))
  for (const table of tables) {
    if (isCoarse) pieces.push({ end: table.largest, weight: bytesOf(table) })
    else addPieces(table, range, most, tableCache, pieces)
  }
  return pieces
}

/** Adds the pieces of a table that lie in `range`, at most `most`. */
function addPieces(
  table: TableMetadata,
  range: ByteRange,
  most: number,
  tableCache: TableCache,
  pieces: Piece[],
): void {
  const reader = tableCache.openSync(table.number, table.sizeBytes)
  const weightOfByte = bytesOf(table) / reader.dataEnd
  const fences = reader.fences(most)
  for (const [i, { key, dataOffset }] of fences.entries()) {
    const { lower, upper } = range
    if (lower !== undefined && compareKeys(key, lower) < 0) continue
    if (upper !== undefined && i > 0 && compareKeys(fences[i - 1].key, upper) >= 0) break
    const dataEnd = fences.at(i + 1)?.dataOffset ?? reader.dataEnd
    pieces.push({ end: key, weight: (dataEnd - dataOffset) * weightOfByte })
  }
}

function bytesOf(table: TableMetadata): number {
  return table.rawKeyBytes + table.rawValueBytes
}

function isIn(key: Uint8Array, { lower, upper }: ByteRange): boolean {
  return (
    (lower === undefined || compareKeys(key, lower) >= 0) &&
    (upper === undefined || compareKeys(key, upper) < 0)
  )
}
