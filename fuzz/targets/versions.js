/** Targets: version edits, MANIFEST, CURRENT, SNAPSHOT, LOCK. */

import { writeU32, writeU64 } from '../../dist/base/bytes.js'
import { fileSalt } from '../../dist/base/checksum.js'
import { packMessage, unpackMessage } from '../../dist/base/message-pack.js'
import { LockHeldError } from '../../dist/env/file-system.js'
import { acquireLockFile } from '../../dist/env/lock-file.js'
import { framedLength, frameRecord, RECORD_HEADER_LENGTH } from '../../dist/record/record-format.js'
import { decodeSnapshotFacts, encodeSnapshotFacts } from '../../dist/store/snapshots/snapshot-facts.js'
import { decodeCurrent, encodeCurrent } from '../../dist/version/current-file.js'
import { encodeManifestHeader, ManifestRecord } from '../../dist/version/manifest-format.js'
import { decodeManifest, inspectManifest } from '../../dist/version/manifest-reader.js'
import { decodeVersionEdit, encodeVersionEdit } from '../../dist/version/version-edit.js'
import { HOSTILE_NUMBERS, mutateBytes } from '../mutate.js'
import { Digest, Finding } from '../outcome.js'
import { sealManifest, sealText } from '../seal.js'
import { HOSTILE_TEXTS, hostileNumber, hostileValue } from '../values.js'
import { mutateMap } from './table-parts.js'

const DATABASE_ID = new Uint8Array(16).fill(5)

/** @param {number} number @param {string} smallest @param {string} largest */
function tableMetadata(number, smallest, largest) {
  return {
    number,
    sizeBytes: 4000 + number,
    entryCount: 20,
    tombstoneCount: 2,
    smallest: new Uint8Array(Buffer.from(smallest)),
    largest: new Uint8Array(Buffer.from(largest)),
    smallestSequence: number * 10,
    largestSequence: number * 10 + 9,
    earliestExpiry: Number.POSITIVE_INFINITY,
    latestExpiry: Number.POSITIVE_INFINITY,
    rawKeyBytes: 100,
    rawValueBytes: 1000,
    createdAt: 1_700_000_000_000,
  }
}

/** @type {import('../../dist/version/version-edit.js').VersionEdit[]} */
const EDITS = [
  {
    flushedSequence: 30,
    lastSequence: 40,
    logNumber: 2,
    nextFileNumber: 10,
    properties: { keyEncoding: 'utf8' },
    added: [
      { level: 0, table: tableMetadata(3, 'a', 'm') },
      { level: 1, table: tableMetadata(4, 'b', 'c') },
      { level: 1, table: tableMetadata(5, 'd', 'z') },
    ],
  },
  {
    nextFileNumber: 12,
    removed: [{ level: 0, number: 3 }],
    added: [{ level: 2, table: tableMetadata(11, 'a', 'm') }],
  },
  { logged: false, logNumber: 9 },
]

/** @param {Digest} digest @param {unknown} value */
function digestPlain(digest, value) {
  if (value instanceof Uint8Array) digest.bytes(value)
  else if (typeof value === 'number') digest.number(value)
  else if (typeof value === 'string') digest.bytes(Buffer.from(value))
  else if (typeof value === 'object' && value !== null) {
    const prototype = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== Array.prototype)
      throw new Finding('makes an object of another kind')
    for (const [name, field] of Object.entries(value)) {
      digest.bytes(Buffer.from(name))
      digestPlain(digest, field)
    }
  }
}

/** @type {import('./index.js').Target} */
export const versionEdit = {
  name: 'version-edit',
  codes: ['CORRUPTION'],
  seeds: () => EDITS.map((edit) => new Uint8Array(encodeVersionEdit(edit))),
  mutate: mutateEdit,
  run(bytes) {
    const digest = new Digest()
    const edit = decodeVersionEdit(bytes)
    digestPlain(digest, edit)
    // Whatever is read can be written and read again.
    decodeVersionEdit(encodeVersionEdit(edit))
    return digest.toString()
  },
}

/** Puts something hostile into a place that a version edit has. @type {import('./index.js').Target['mutate']} */
export function mutateEdit(bytes, random, seeds) {
  if (!random.oneIn(3)) return mutateMap(bytes, random, seeds)
  try {
    const edit = /** @type {any} */ (unpackMessage(bytes.slice()))
    const list = random.pick([edit.added, edit.removed].filter((list) => list?.length > 0))
    const change = random.pick(list)
    const choice = random.below(6)
    if (choice === 0) list.push(structuredClone(change))
    else if (choice === 1) list.length = 0
    else if (Array.isArray(change[1])) {
      const value = random.oneIn(2) ? hostileNumber(random) : hostileValue(random, 2)
      change[1][random.below(change[1].length)] = value
    } else change[random.below(2)] = hostileNumber(random)
    return new Uint8Array(packMessage(edit))
  } catch {
    return mutateBytes(bytes, random, seeds)
  }
}

/** @typedef {{ type: number, synced: number, edits: Uint8Array[] }} ManifestPart */

/** @param {number} number @param {readonly ManifestPart[]} parts @param {Uint8Array} databaseId */
export function manifestOf(number, parts, databaseId = DATABASE_ID, epoch = 1) {
  const salt = fileSalt(databaseId, number)
  const pieces = [encodeManifestHeader({ databaseId, number, epoch })]
  let offset = pieces[0].length
  for (const { type, synced, edits } of parts) {
    const isGroup = type === ManifestRecord.edits
    const body = Buffer.concat(
      edits.flatMap((edit) => {
        const length = new Uint8Array(isGroup ? 4 : 0)
        if (isGroup) writeU32(length, 0, edit.length)
        return [length, edit]
      }),
    )
    const buffer = new Uint8Array(framedLength(8 + body.length))
    writeU64(buffer, RECORD_HEADER_LENGTH, synced < 0 ? offset : synced)
    buffer.set(body, RECORD_HEADER_LENGTH + 8)
    const record = frameRecord(buffer, 8 + body.length, type, salt, offset)
    pieces.push(record)
    offset += record.length
  }
  return new Uint8Array(Buffer.concat(pieces))
}

/** What {@link manifestOf} makes, taken apart again. @param {Uint8Array} bytes @returns {ManifestPart[]} */
export function manifestApart(bytes) {
  const parts = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 48; at + 24 <= bytes.length; ) {
    const length = view.getUint32(at + 8, true)
    const type = bytes[at + 12]
    const end = at + RECORD_HEADER_LENGTH + length
    /** @type {Uint8Array[]} */
    const edits = []
    let start = at + RECORD_HEADER_LENGTH + 8
    if (type !== ManifestRecord.edits) edits.push(bytes.slice(start, end))
    else {
      for (; start + 4 <= end; ) {
        const size = view.getUint32(start, true)
        edits.push(bytes.slice(start + 4, start + 4 + size))
        start += 4 + size
      }
    }
    parts.push({ type, synced: Number(view.getBigUint64(at + RECORD_HEADER_LENGTH, true)), edits })
    at += framedLength(length)
  }
  return parts
}

/** @type {import('./index.js').Target['mutate']} */
export function mutateManifest(bytes, random, seeds) {
  if (random.oneIn(3)) {
    const mutated = mutateBytes(bytes, random, seeds)
    return random.oneIn(6) ? mutated : sealManifest(mutated)
  }
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const parts = manifestApart(bytes)
    const at = random.below(parts.length)
    const part = parts[at]
    switch (random.below(5)) {
      case 0:
        part.synced = random.pick(HOSTILE_NUMBERS)
        break
      case 1:
        parts.splice(random.below(parts.length + 1), 0, structuredClone(part))
        break
      case 2:
        part.type = random.below(6)
        break
      default: {
        const place = random.below(part.edits.length)
        if (part.edits.length > 0) part.edits[place] = mutateEdit(part.edits[place], random, part.edits)
      }
    }
    const epoch = Number(view.getBigUint64(36, true))
    return manifestOf(Number(view.getBigUint64(28, true)), parts, bytes.slice(12, 28), epoch)
  } catch {
    return sealManifest(mutateBytes(bytes, random, seeds))
  }
}

/** @type {import('./index.js').Target} */
export const manifest = {
  name: 'manifest',
  codes: ['CORRUPTION', 'UNSUPPORTED_FORMAT'],
  seeds() {
    const [snapshot, ...edits] = EDITS.map((edit) => new Uint8Array(encodeVersionEdit(edit)))
    const start = { type: ManifestRecord.snapshotEnd, synced: 0, edits: [snapshot] }
    const mark = { type: ManifestRecord.mark, synced: -1, edits: [] }
    const whole = manifestOf(1, [start, mark, { type: ManifestRecord.edits, synced: -1, edits }, mark])
    return [whole, manifestOf(1, [start]), new Uint8Array([...whole, ...new Uint8Array(32)])]
  },
  mutate: mutateManifest,
  run(bytes) {
    const digest = new Digest()
    inspectManifest(bytes, 'fuzz')
    const { state, validLength, wasLive } = decodeManifest(bytes, 'fuzz')
    const { version, ...rest } = state
    digestPlain(digest, rest)
    for (const { level, table } of version.tables()) digestPlain(digest, { level, table })
    digest.number(validLength)
    return `${wasLive} ${digest}`
  },
}

/** Changes a number or a word in lines of text. @type {import('./index.js').Target['mutate']} */
export function mutateText(bytes, random, seeds) {
  let mutated
  if (random.oneIn(2)) {
    const text = Buffer.from(bytes).toString('latin1')
    const words = [...text.matchAll(/[\w-]+/g)]
    if (words.length === 0) return mutateBytes(bytes, random, seeds)
    const { 0: word, index } = random.pick(words)
    const number = random.oneIn(2) ? '9'.repeat(1 + random.below(24)) : String(random.pick(HOSTILE_NUMBERS))
    const put = random.oneIn(3) ? random.pick(HOSTILE_TEXTS) : random.oneIn(2) ? `0${word}` : number
    mutated = new Uint8Array(
      Buffer.from(text.slice(0, index) + put + text.slice(index + word.length), 'latin1'),
    )
  } else {
    mutated = mutateBytes(bytes, random, seeds)
  }
  return random.oneIn(6) ? mutated : sealText(mutated)
}

/** @type {import('./index.js').Target} */
export const current = {
  name: 'current',
  codes: ['CORRUPTION', 'UNSUPPORTED_FORMAT'],
  seeds: () => [
    new Uint8Array(encodeCurrent({ manifestNumber: 1, epoch: 1, databaseId: DATABASE_ID, sealedLength: 0 })),
    new Uint8Array(
      encodeCurrent({ manifestNumber: 1_234_567, epoch: 99, databaseId: DATABASE_ID, sealedLength: 4096 }),
    ),
  ],
  mutate: mutateText,
  run(bytes) {
    const { manifestNumber, epoch, databaseId, sealedLength } = decodeCurrent(bytes, 'fuzz')
    if (![manifestNumber, epoch, sealedLength].every(Number.isSafeInteger))
      throw new Finding('holds an unsafe number')
    if (manifestNumber === 0 || databaseId.length !== 16) throw new Finding('names nothing')
    return `${manifestNumber} ${epoch} ${sealedLength}`
  },
}

/** @type {import('./index.js').Target} */
export const snapshotFacts = {
  name: 'snapshot-facts',
  codes: ['CORRUPTION', 'UNSUPPORTED_FORMAT'],
  seeds: () =>
    [true, false].map(
      (automatic) =>
        new Uint8Array(encodeSnapshotFacts({ createdAt: 1_700_000_000_000, sequence: 42, automatic })),
    ),
  mutate: mutateText,
  run(bytes) {
    const { createdAt, sequence, automatic } = decodeSnapshotFacts(bytes, 'fuzz')
    if (!Number.isSafeInteger(sequence)) throw new Finding('holds an unsafe number')
    return `${new Date(createdAt).toISOString()} ${sequence} ${automatic}`
  },
}

const LOCK_PATH = '/store/LOCK'

/** Two hosts: on this one the process of the lock is long gone, or holds another directory; the other may be alive. */
const LOCKS = [
  {
    pid: 2,
    host: 'here',
    bootId: 'boot',
    directory: '/copied',
    inode: '8',
    since: 1_700_000_000_000,
    token: 'third-token',
  },
  {
    held: 1,
    pid: 2 ** 30,
    host: 'here',
    bootId: 'boot',
    startTime: '1',
    since: 1_700_000_000_000,
    token: 'some-token',
  },
  { pid: 1, host: 'elsewhere', since: 1_700_000_000_000, token: 'other-token' },
]

/** @type {import('./index.js').Target} */
export const lock = {
  name: 'lock',
  codes: [],
  isPure: false,
  seeds: () => LOCKS.map((record) => new Uint8Array(Buffer.from(`${JSON.stringify(record)}\n`))),
  mutate(bytes, random, seeds) {
    if (random.oneIn(2)) return mutateBytes(bytes, random, seeds)
    const record = /** @type {Record<string, unknown>} */ ({ ...random.pick(LOCKS) })
    const name = random.pick(Object.keys(record))
    record[name] = random.pick([
      hostileNumber(random),
      random.pick(HOSTILE_TEXTS),
      hostileValue(random, 3),
      -1,
    ])
    return new Uint8Array(Buffer.from(`${JSON.stringify(record)}\n`))
  },
  async run(bytes) {
    const files = new Map([[LOCK_PATH, Buffer.from(bytes).toString('utf8')]])
    const inside = (/** @type {string} */ path) => {
      if (!path.startsWith(LOCK_PATH) || /[^\w./-]|\.\./.test(path))
        throw new Finding(`touches ${JSON.stringify(path)}`)
    }
    try {
      const held = await acquireLockFile(LOCK_PATH, lockSystem(files, inside))
      await held.release()
      return `taken ${[...files.keys()]}`
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw error
      return `held ${error.message.length < 300}`
    }
  },
}

/** @param {Map<string, string>} files @param {(path: string) => void} inside @returns {import('../../dist/env/lock-file.js').LockFilePrimitives} */
function lockSystem(files, inside) {
  const taken = () => Object.assign(new Error('taken'), { code: 'EEXIST' })
  const touch = (/** @type {string} */ path) => {
    inside(path)
    return path
  }
  return {
    host: 'here',
    readText: async (path) => files.get(touch(path)),
    create: async (path, text) => {
      if (files.has(touch(path))) throw taken()
      files.set(path, text)
    },
    link: async (existing, created) => {
      if (files.has(touch(created))) throw taken()
      files.set(created, files.get(existing) ?? '')
    },
    rename: async (from, to) => {
      files.set(touch(to), files.get(from) ?? '')
      files.delete(from)
    },
    remove: async (path) => {
      files.delete(touch(path))
    },
    overwrite: async (path) => inside(path),
    // Of any path that a lock tells: nothing is read there.
    directory: async (path) => ({ device: '1', inode: path === '/store' ? '7' : '8', born: '1' }),
    now: () => 1_700_000_000_000,
    pause: async () => undefined,
    bootId: async () => 'boot',
    startTime: async () => '2',
  }
}
