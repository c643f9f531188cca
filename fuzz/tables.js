/**
 * Takes a table apart and puts it together again with something hostile in one of its parts, where flipping bytes would
 * seldom get: behind compression, in handles and counts, in the order of entries. All checksums are right.
 */
import { gzipSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { writeU32, writeU64, writeVarint } from '../dist/base/bytes.js'
import { crc32, fileSalt, salted } from '../dist/base/checksum.js'
import { packMessage, unpackMessage } from '../dist/base/message-pack.js'
import { Block } from '../dist/sstable/block.js'
import { BlockBuilder } from '../dist/sstable/block-builder.js'
import { BlockCursor } from '../dist/sstable/block-cursor.js'
import { BlockHandle, decodeHandle, encodeHandle } from '../dist/sstable/block-handle.js'
import { decodeFooter, encodeFooter, FOOTER_LENGTH } from '../dist/sstable/footer.js'
import { ENVELOPE_LENGTH, openPhysicalBlock } from '../dist/sstable/physical-block.js'
import { HOSTILE_NUMBERS, mutateBytes } from './mutate.js'
import { hostileMap, hostileNumber } from './values.js'

/** @typedef {import('./random.js').Random} Random */
/** @typedef {{ payload: Uint8Array, kind: number, stored?: Uint8Array }} Part what is in a block; `stored` overrules it */
/** @typedef {{ key: Uint8Array, sequence: number, block: number, offset?: number, size?: number, value?: Uint8Array }} IndexEntry */
/**
 * @typedef {object} TableParts
 * @property {Uint8Array} databaseId
 * @property {number} number
 * @property {Part[]} blocks
 * @property {IndexEntry[]} index
 * @property {number} levels
 * @property {Uint8Array | undefined} filter
 * @property {Uint8Array | undefined} expiries
 * @property {Record<string, any>} properties
 * @property {(footer: Uint8Array) => void} [finish] the last word on the footer
 * @property {(value: Uint8Array, parts: TableParts) => Uint8Array} [changePartition] the last word on entries of the top index
 */

/** The entries of a block. @param {Uint8Array} payload */
export function entriesOf(payload) {
  const cursor = new BlockCursor()
  cursor.reset(new Block(payload))
  const entries = []
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
    entries.push({
      key: cursor.keyBytes.slice(cursor.keyStart, cursor.keyEnd),
      sequence: cursor.sequence,
      kind: cursor.kind,
      value: cursor.valueBytes.slice(cursor.valueStart, cursor.valueEnd),
    })
  }
  return entries
}

/** @param {readonly { key: Uint8Array, sequence: number, kind: number, value: Uint8Array }[]} entries */
export function blockOf(entries) {
  const builder = new BlockBuilder(4096)
  for (const { key, sequence, kind, value } of entries) {
    builder.add(key, 0, key.length, sequence, kind, value, 0, value.length)
  }
  return builder.finish().slice()
}

/** @param {Uint8Array} bytes @returns {TableParts} */
export function tableApart(bytes) {
  const footer = decodeFooter(bytes.subarray(bytes.length - FOOTER_LENGTH))
  const salt = fileSalt(footer.databaseId, footer.tableNumber)
  const open = (/** @type {{ offset: number, size: number }} */ { offset, size }) =>
    openPhysicalBlock(bytes.subarray(offset, offset + size), salt, offset, false)
  const handleOf = (/** @type {Uint8Array} */ value) => {
    const handle = new BlockHandle()
    decodeHandle(value, 0, value.length, handle)
    return handle
  }
  const properties = /** @type {Record<string, any>} */ (unpackMessage(open(footer.properties)))
  let leaves = entriesOf(open(footer.index))
  if (footer.indexLevels === 2) leaves = leaves.flatMap(({ value }) => entriesOf(open(handleOf(value))))
  const blocks = leaves.map(({ value }) => {
    const handle = handleOf(value)
    return { payload: open(handle), kind: bytes[handle.offset + handle.size - ENVELOPE_LENGTH] }
  })
  return {
    databaseId: footer.databaseId,
    number: footer.tableNumber,
    blocks,
    index: leaves.map(({ key, sequence }, block) => ({ key, sequence, block })),
    levels: footer.indexLevels,
    filter: footer.filter.size === 0 ? undefined : open(footer.filter),
    expiries:
      properties.expiryIndexSize === 0
        ? undefined
        : open({ offset: properties.expiryIndexOffset, size: properties.expiryIndexSize }),
    properties,
  }
}

/** @param {TableParts} parts */
export function tableTogether(parts) {
  const salt = fileSalt(parts.databaseId, parts.number)
  /** @type {Uint8Array[]} */
  const pieces = []
  let offset = 0
  const append = (/** @type {Part} */ { payload, kind, stored }) => {
    const content = stored ?? [payload, () => compressSync(payload), () => gzipSync(payload)][kind] ?? payload
    const bytes = typeof content === 'function' ? content() : content
    const block = new Uint8Array(bytes.length + ENVELOPE_LENGTH)
    block.set(bytes, 0)
    block[bytes.length] = kind
    writeU32(block, bytes.length + 1, crc32(block.subarray(0, bytes.length + 1), salted(salt, offset)))
    pieces.push(block)
    offset += block.length
    return new BlockHandle(offset - block.length, block.length)
  }
  const optional = (/** @type {Uint8Array | undefined} */ payload) =>
    payload === undefined ? new BlockHandle(offset, 0) : append({ payload, kind: 0 })
  const handles = parts.blocks.map(append)
  const filter = optional(parts.filter)
  const expiries = optional(parts.expiries)
  const leaves = parts.index.map((entry) => {
    const handle = handles[entry.block] ?? new BlockHandle()
    return {
      key: entry.key,
      sequence: entry.sequence,
      kind: 1,
      value: entry.value ?? handleBytes(entry.offset ?? handle.offset, entry.size ?? handle.size),
    }
  })
  let top = leaves
  if (parts.levels === 2) {
    const perPartition = Math.max(1, Math.ceil(leaves.length / 3))
    top = []
    for (let from = 0; from < leaves.length; from += perPartition) {
      const partition = leaves.slice(from, from + perPartition)
      const handle = append({ payload: blockOf(partition), kind: 0 })
      const value = new Uint8Array([
        ...handleBytes(handle.offset, handle.size),
        ...handleBytes(0, 0).subarray(0, 1),
      ])
      top.push({ ...partition[partition.length - 1], value: parts.changePartition?.(value, parts) ?? value })
    }
  }
  const index = append({ payload: blockOf(top), kind: 0 })
  const places = { expiryIndexOffset: expiries.offset, expiryIndexSize: expiries.size }
  const isMap = typeof parts.properties === 'object' && parts.properties !== null
  const properties = append({
    payload: packMessage(isMap ? { ...places, ...parts.properties } : parts.properties),
    kind: 0,
  })
  const footer = encodeFooter({
    filter,
    index,
    indexLevels: parts.levels === 2 ? 2 : 1,
    properties,
    tableNumber: parts.number,
    databaseId: parts.databaseId,
  })
  parts.finish?.(footer)
  writeU32(footer, 68, crc32(footer.subarray(0, 68)))
  pieces.push(footer)
  return new Uint8Array(Buffer.concat(pieces))
}

/** @param {number} offset @param {number} size */
function handleBytes(offset, size) {
  const bytes = new Uint8Array(20)
  const safe = (/** @type {number} */ value) => Math.min(value, Number.MAX_SAFE_INTEGER)
  return bytes.slice(0, encodeHandle(bytes, 0, safe(offset), safe(size)))
}

/** A table with something hostile in one or two of its parts. @param {Uint8Array} bytes @param {Random} random */
export function mutateTable(bytes, random) {
  const parts = tableApart(bytes)
  const { expiryIndexOffset, expiryIndexSize, ...properties } = parts.properties
  parts.properties = properties
  for (let times = 1 + random.below(2); times > 0; times--) random.pick(PART_MUTATIONS)(parts, random)
  return tableTogether(parts)
}

/** @type {readonly ((parts: TableParts, random: Random) => void)[]} */
const PART_MUTATIONS = [
  function dataBytes({ blocks }, random) {
    const block = random.pick(blocks)
    block.payload = mutateBytes(block.payload, random)
  },
  function dataTrailer({ blocks }, random) {
    const { payload } = random.pick(blocks)
    if (payload.length < 13) return
    const at = payload.length - 13
    if (random.oneIn(2)) writeU32(payload, at + 8, random.pick(HOSTILE_NUMBERS) >>> 0)
    else writeU64(payload, at, random.pick(HOSTILE_NUMBERS))
    if (random.oneIn(3)) payload[at + 12] = random.below(256)
  },
  function dataEntries({ blocks }, random) {
    const block = random.pick(blocks)
    block.payload = blockOf(mutateEntries(readable(block.payload), random))
  },
  function wildCompression({ blocks }, random) {
    const block = random.pick(blocks)
    block.kind = 1 + random.below(3)
    const bomb = new Uint8Array(random.pick([0, 1, 1000, 1_000_000]))
    const stored =
      block.kind === 2 ? gzipSync(random.oneIn(2) ? bomb : block.payload) : compressSync(block.payload)
    block.stored = new Uint8Array(stored)
    if (block.kind === 1 && random.oneIn(2)) {
      const claimed = new Uint8Array(8)
      const length = writeVarint(claimed, 0, Math.min(random.pick(HOSTILE_NUMBERS), Number.MAX_SAFE_INTEGER))
      block.stored = new Uint8Array([...claimed.subarray(0, length), ...block.stored.subarray(2)])
    } else if (random.oneIn(2)) {
      block.stored = mutateBytes(block.stored, random)
    }
  },
  function indexOrder({ index }, random) {
    const from = random.below(index.length)
    const [taken] = index.splice(from, 1)
    index.splice(random.below(index.length + 1), 0, taken)
  },
  function indexRepeats({ index }, random) {
    const at = random.below(index.length)
    const copies = Array.from({ length: random.pick([1, 2, 100]) }, () => ({ ...index[at] }))
    index.splice(random.oneIn(2) ? at : random.below(index.length + 1), 0, ...copies)
  },
  function indexGap({ index }, random) {
    index.splice(random.below(index.length), 1 + random.below(index.length))
  },
  function indexHandle({ index, blocks }, random) {
    const entry = random.pick(index)
    const choice = random.below(4)
    if (choice === 0) entry.offset = random.pick(HOSTILE_NUMBERS)
    if (choice === 1) entry.size = random.pick(HOSTILE_NUMBERS)
    if (choice === 2) entry.block = random.below(blocks.length)
    if (choice === 3) entry.value = mutateBytes(new Uint8Array([0, 0x80, 0x01]), random)
  },
  function indexKey({ index }, random) {
    const entry = random.pick(index)
    entry.key = random.oneIn(2)
      ? new Uint8Array(random.pick([0, 1, 300, 70_000]))
      : mutateBytes(entry.key, random)
    if (random.oneIn(2)) entry.sequence = Math.min(random.pick(HOSTILE_NUMBERS), Number.MAX_SAFE_INTEGER)
  },
  function filterBytes(parts, random) {
    parts.filter = random.oneIn(4) ? undefined : mutateBytes(parts.filter ?? new Uint8Array(9), random)
    if (parts.filter !== undefined && parts.filter.length > 0 && random.oneIn(2)) {
      parts.filter[parts.filter.length - 1] = random.pick([0, 1, 7, 30, 31, 255])
    }
  },
  function expiryBytes(parts, random) {
    parts.expiries = mutateBytes(parts.expiries ?? new Uint8Array(40), random)
  },
  function expiryRecords(parts, random) {
    const bytes = new Uint8Array(20 * (1 + random.below(4)))
    const view = new DataView(bytes.buffer)
    for (let at = 0; at < bytes.length; at += 20) {
      view.setFloat64(at, hostileNumber(random), true)
      writeU64(bytes, at + 8, random.pick([0, 0, random.below(2000), random.pick(HOSTILE_NUMBERS)]))
      writeU32(bytes, at + 16, random.pick([0, 5, 6, random.below(2000), random.pick(HOSTILE_NUMBERS)]) >>> 0)
    }
    parts.expiries = bytes
  },
  function property(parts, random) {
    parts.properties = hostileMap(parts.properties, random)
  },
  function levels(parts) {
    parts.levels = parts.levels === 2 ? 1 : 2
  },
  function footer(parts, random) {
    parts.finish = (footer) => {
      const at = random.pick([0, 8, 12, 20, 24, 32, 36, 40, 44])
      if (at === 8 || at === 20 || at >= 32) writeU32(footer, at, random.pick(HOSTILE_NUMBERS) >>> 0)
      else writeU64(footer, at, random.pick(HOSTILE_NUMBERS))
    }
  },
]

/** @param {Uint8Array} payload */
function readable(payload) {
  try {
    return entriesOf(payload)
  } catch {
    return []
  }
}

/** @param {ReturnType<typeof entriesOf>} entries @param {Random} random */
function mutateEntries(entries, random) {
  if (entries.length === 0) return entries
  const at = random.below(entries.length)
  const entry = entries[at]
  switch (random.below(7)) {
    case 0:
      entries.reverse()
      break
    case 1:
      entries.splice(random.below(entries.length), 0, { ...entry })
      break
    case 2:
      entry.kind = random.below(7)
      break
    case 3: {
      entry.kind = 2
      entry.value = new Uint8Array(8)
      new DataView(entry.value.buffer).setFloat64(0, hostileNumber(random), true)
      break
    }
    case 4:
      entry.key = new Uint8Array(random.pick([0, 1, 65_535, 65_536, 70_000]))
      break
    case 5:
      entry.sequence = Math.min(random.pick(HOSTILE_NUMBERS), Number.MAX_SAFE_INTEGER)
      break
    default:
      entry.value = mutateBytes(entry.value, random)
  }
  return entries
}
