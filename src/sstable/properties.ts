/**
 * What a table tells about itself: the properties block, a MessagePack map (docs/format/sstable.md).
 * Names and meanings on disk: never change; a reader ignores names that it does not know.
 */
import { copyOf } from '../base/bytes.js'
import { MAX_FOUND_NUMBER, MAX_KEY_LENGTH } from '../base/entry.js'
import { VarveError } from '../base/errors.js'
import { packMessage, unpackMessage } from '../base/message-pack.js'
import type { Compression } from './compression.js'

/** The properties of a table. */
export interface TableProperties {
  /** Entries, tombstones and every version of a key among them. */
  readonly entryCount: number
  readonly tombstoneCount: number
  /** Entries that have an expiry. */
  readonly expiringCount: number
  readonly dataBlockCount: number
  readonly smallestKey: Uint8Array
  readonly largestKey: Uint8Array
  readonly smallestSequence: number
  readonly largestSequence: number
  /** Over the entries that have an expiry, in ms since 1970; `NEVER` when none has. */
  readonly earliestExpiry: number
  /** Over the entries that have an expiry, in ms since 1970; `NEVER` when none has. */
  readonly latestExpiry: number
  /** Where the expiry index is; size 0 when nothing expires. */
  readonly expiryIndexOffset: number
  readonly expiryIndexSize: number
  /** The user keys of all entries. */
  readonly rawKeyBytes: number
  /** The stored values of all entries. */
  readonly rawValueBytes: number
  /** When the table was begun, in ms since 1970. */
  readonly createdAt: number
  /** What the builder was asked for; a block may be raw for all that. */
  readonly compression: Compression
  /** 0: the table has no filter. */
  readonly filterBitsPerKey: number
}

export function encodeProperties(properties: TableProperties): Uint8Array {
  return packMessage(properties)
}

/** Throws `CORRUPTION` when a field is missing or impossible. */
export function decodeProperties(bytes: Uint8Array): TableProperties {
  const fields = unpackFields(bytes)
  return {
    entryCount: integer(fields, 'entryCount'),
    tombstoneCount: integer(fields, 'tombstoneCount'),
    expiringCount: integer(fields, 'expiringCount'),
    dataBlockCount: integer(fields, 'dataBlockCount'),
    smallestKey: key(fields, 'smallestKey'),
    largestKey: key(fields, 'largestKey'),
    smallestSequence: integer(fields, 'smallestSequence', MAX_FOUND_NUMBER),
    largestSequence: integer(fields, 'largestSequence', MAX_FOUND_NUMBER),
    earliestExpiry: float(fields, 'earliestExpiry'),
    latestExpiry: float(fields, 'latestExpiry'),
    expiryIndexOffset: integer(fields, 'expiryIndexOffset'),
    expiryIndexSize: integer(fields, 'expiryIndexSize'),
    rawKeyBytes: integer(fields, 'rawKeyBytes'),
    rawValueBytes: integer(fields, 'rawValueBytes'),
    createdAt: float(fields, 'createdAt'),
    compression: compression(fields, 'compression'),
    filterBitsPerKey: float(fields, 'filterBitsPerKey'),
  }
}

type Fields = ReadonlyMap<string, unknown>

function unpackFields(bytes: Uint8Array): Fields {
  const unpacked = unpackMessage(bytes)
  if (typeof unpacked !== 'object' || unpacked === null) throw damaged('map')
  return new Map(Object.entries(unpacked))
}

function damaged(name: string): VarveError {
  return new VarveError('CORRUPTION', `The properties have no valid '${name}'.`)
}

function integer(fields: Fields, name: string, largest = Number.MAX_SAFE_INTEGER): number {
  const value = fields.get(name)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > largest) {
    throw damaged(name)
  }
  return value
}

function float(fields: Fields, name: string): number {
  const value = fields.get(name)
  if (typeof value !== 'number' || Number.isNaN(value)) throw damaged(name)
  return value
}

function key(fields: Fields, name: string): Uint8Array {
  const value = fields.get(name)
  if (!(value instanceof Uint8Array) || value.length > MAX_KEY_LENGTH) throw damaged(name)
  return copyOf(value)
}

function compression(fields: Fields, name: string): Compression {
  const value = fields.get(name)
  if (value !== 'none' && value !== 'snappy' && value !== 'gzip') throw damaged(name)
  return value
}
