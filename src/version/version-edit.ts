/**
 * A `VersionEdit`: the only way from one version to the next.
 *
 * Encoded as one MessagePack map (docs/format/manifest.md). Decoding checks every field; what is off is `CORRUPTION`.
 */
import { compareKeys } from '../base/bytes.js'
import { MAX_FOUND_NUMBER, MAX_KEY_LENGTH } from '../base/entry.js'
import { VarveError } from '../base/errors.js'
import { packMessage, unpackMessage } from '../base/message-pack.js'
import type { TableMetadata } from './table-metadata.js'

/** The number of levels. On disk: never change. */
export const LEVEL_COUNT = 7

/** The deepest level. */
export const LAST_LEVEL = LEVEL_COUNT - 1

/** The longest name or value of a property. */
const MAX_PROPERTY_LENGTH = 4_096

/** A WAL segment and the bytes of it that are on the device. */
export interface SyncedSegment {
  readonly number: number
  readonly length: number
}

export interface VersionEdit {
  readonly added?: readonly { readonly level: number; readonly table: TableMetadata }[]
  readonly removed?: readonly { readonly level: number; readonly number: number }[]
  /** Every operation with a sequence number up to this one lives in tables; replay of the WAL skips it. */
  readonly flushedSequence?: number
  /** No operation so far has a larger sequence number. A hint from below: the WAL may hold larger ones. */
  readonly lastSequence?: number
  /** The oldest WAL segment that is still needed. */
  readonly logNumber?: number
  /** Whether there is a WAL from `logNumber` on; without one, segments below it are of no account. */
  readonly logged?: boolean
  /** How much of which WAL segment, the newest, is known to be on the device. Set by the version set. */
  readonly logSynced?: SyncedSegment
  /** No file so far has this number or a larger one. Set by the version set. */
  readonly nextFileNumber?: number
  /** Facts about the whole store that must survive, such as its key encoding; merged over those before. */
  readonly properties?: Readonly<Record<string, string>>
}

/** The fields of a table in the order in which they are written. On disk: never change. */
const TABLE_FIELD_COUNT = 13

/** Encodes `edit`. */
export function encodeVersionEdit(edit: VersionEdit): Uint8Array {
  const fields: Record<string, unknown> = {}
  if (edit.added !== undefined && edit.added.length > 0) {
    fields.added = edit.added.map(({ level, table }) => [level, encodeTable(table)])
  }
  if (edit.removed !== undefined && edit.removed.length > 0) {
    fields.removed = edit.removed.map(({ level, number }) => [level, number])
  }
  if (edit.flushedSequence !== undefined) fields.flushedSequence = edit.flushedSequence
  if (edit.lastSequence !== undefined) fields.lastSequence = edit.lastSequence
  if (edit.logNumber !== undefined) fields.logNumber = edit.logNumber
  if (edit.logged !== undefined) fields.logged = edit.logged
  if (edit.logSynced !== undefined) fields.logSynced = [edit.logSynced.number, edit.logSynced.length]
  if (edit.nextFileNumber !== undefined) fields.nextFileNumber = edit.nextFileNumber
  if (edit.properties !== undefined) fields.properties = edit.properties
  return packMessage(fields)
}

/** Decodes one edit that fills `bytes`; throws `CORRUPTION` on anything else. Copies what it keeps. */
export function decodeVersionEdit(bytes: Uint8Array): VersionEdit {
  const fields = asMap(unpackMessage(bytes))
  const edit: { -readonly [Name in keyof VersionEdit]: VersionEdit[Name] } = {}
  for (const [name, value] of Object.entries(fields)) {
    switch (name) {
      case 'added':
        edit.added = asArray(value).map(decodeAdded)
        break
      case 'removed':
        edit.removed = asArray(value).map(decodeRemoved)
        break
      case 'flushedSequence':
      case 'lastSequence':
      case 'logNumber':
      case 'nextFileNumber':
        edit[name] = asCounter(value)
        break
      case 'logged':
        edit.logged = asFlag(value)
        break
      case 'logSynced':
        edit.logSynced = decodeSyncedSegment(value)
        break
      case 'properties':
        edit.properties = decodeProperties(value)
        break
      default:
        throw damaged('holds a field that this version does not know')
    }
  }
  return edit
}

function encodeTable(table: TableMetadata): unknown[] {
  return [
    table.number,
    table.sizeBytes,
    table.entryCount,
    table.tombstoneCount,
    table.smallest,
    table.largest,
    table.smallestSequence,
    table.largestSequence,
    table.earliestExpiry,
    table.latestExpiry,
    table.rawKeyBytes,
    table.rawValueBytes,
    table.createdAt,
  ]
}

function decodeTable(value: unknown): TableMetadata {
  const fields = asArray(value, TABLE_FIELD_COUNT)
  const table: TableMetadata = {
    number: asFileNumber(fields[0]),
    sizeBytes: asCount(fields[1]),
    entryCount: asCount(fields[2]),
    tombstoneCount: asCount(fields[3]),
    smallest: asKey(fields[4]),
    largest: asKey(fields[5]),
    smallestSequence: asCounter(fields[6]),
    largestSequence: asCounter(fields[7]),
    earliestExpiry: asMoment(fields[8]),
    latestExpiry: asMoment(fields[9]),
    rawKeyBytes: asCount(fields[10]),
    rawValueBytes: asCount(fields[11]),
    createdAt: asMoment(fields[12]),
  }
  if (!isSound(table)) throw damaged('describes a table that cannot be')
  return table
}

/** Whether a table's metadata agree with each other. */
export function isSound(table: TableMetadata): boolean {
  return (
    table.entryCount > 0 &&
    table.tombstoneCount <= table.entryCount &&
    table.smallestSequence <= table.largestSequence &&
    table.earliestExpiry <= table.latestExpiry &&
    compareKeys(table.smallest, table.largest) <= 0
  )
}

function decodeAdded(value: unknown): { level: number; table: TableMetadata } {
  const pair = asArray(value, 2)
  return { level: asLevel(pair[0]), table: decodeTable(pair[1]) }
}

function decodeRemoved(value: unknown): { level: number; number: number } {
  const pair = asArray(value, 2)
  return { level: asLevel(pair[0]), number: asFileNumber(pair[1]) }
}

function decodeSyncedSegment(value: unknown): SyncedSegment {
  const pair = asArray(value, 2)
  return { number: asFileNumber(pair[0]), length: asCount(pair[1]) }
}

function decodeProperties(value: unknown): Record<string, string> {
  const properties: Record<string, string> = {}
  for (const [name, text] of Object.entries(asMap(value))) {
    if (typeof text !== 'string' || text.length > MAX_PROPERTY_LENGTH || name.length > MAX_PROPERTY_LENGTH) {
      throw damaged('holds a property that is not a short text')
    }
    properties[name] = text
  }
  return properties
}

function asMap(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw damaged('is not a map where it must be')
  }
  return value as Record<string, unknown>
}

function asArray(value: unknown, length?: number): unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
    throw damaged('is not a list where it must be')
  }
  return value
}

function asCount(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw damaged('holds a wrong number')
  return value
}

function asCounter(value: unknown): number {
  const counter = asCount(value)
  if (counter > MAX_FOUND_NUMBER) throw damaged('holds a number with none behind it')
  return counter
}

function asFlag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw damaged('holds something else where it must say yes or no')
  return value
}

function asFileNumber(value: unknown): number {
  const number = asCounter(value)
  if (number === 0) throw damaged('holds a wrong file number')
  return number
}

function asLevel(value: unknown): number {
  const level = asCount(value)
  if (level >= LEVEL_COUNT) throw damaged('holds a wrong level')
  return level
}

function asMoment(value: unknown): number {
  if (typeof value !== 'number' || Number.isNaN(value)) throw damaged('holds a wrong moment')
  return value
}

function asKey(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > MAX_KEY_LENGTH) throw damaged('holds a wrong key')
  return Uint8Array.from(value)
}

function damaged(what: string): VarveError {
  return new VarveError('CORRUPTION', `A version edit ${what}.`)
}
