/**
 * Tells from outside which step of which protocol a call is: by the operation, the file, what was written to it last, and what
 * changed in the directory last.
 */
import { readU64 } from '../../src/base/bytes.js'
import { parseFileName } from '../../src/base/file-names.js'
import { RECORD_HEADER_LENGTH } from '../../src/record/record-format.js'
import { REPAIR_STEPS } from './repair-scenarios.js'
import { DIRECTORY } from './settings.js'
import { changes, type Step } from './step-file-system.js'

/** The steps, and why each is there. Those of a repair are named in repair-scenarios.ts. */
export const STEPS = {
  'log: sync the directory behind a new segment': 'a segment that holds groups has a name',
  'log: sync the header of a segment':
    'a segment that holds groups can be found and vouches for the one before',
  'log: sync the header of a chain of its own':
    'a log that was resumed can be found, and the old one goes for it',
  'log: sync what is written again': 'what takes the place of the log behind a crash is whole',
  'log: sync the directory behind its renaming': 'what takes the place of the log has a name',
  'log: sync groups': "what was acknowledged with 'disk' is on the device",
  'log: sync the seal': 'a segment is whole before the next takes groups',
  'log: sync the newest segment before it is shown': 'what a recovery shows is on the device',
  'log: sync what replaces a rejected record': 'a record that was rejected does not come back in its place',
  'log: sync the close record': 'a store that was closed is closed on the device',
  'log: delete a segment': '',
  'table: sync the bytes': 'the MANIFEST names tables that are whole',
  'table: read the footer back': 'the log is not given up for a table that a file system lost',
  'table: sync the directory': 'the MANIFEST names tables that have a name',
  'table: delete': '',
  'MANIFEST: sync the snapshot': 'CURRENT names a MANIFEST that is whole',
  'MANIFEST: sync the directory behind a new one': 'CURRENT names a MANIFEST that has a name',
  'MANIFEST: sync edits': 'a version that is published is on the device',
  'MANIFEST: sync the last byte at close': 'a sealed CURRENT tells the length of what is on the device',
  'MANIFEST: delete': '',
  'CURRENT: sync CURRENT.tmp': 'CURRENT is replaced by a whole file',
  'CURRENT: sync the directory behind the rename': 'a store that was opened goes on in its new MANIFEST',
  'CURRENT: sync the directory behind the seal': 'a store that was closed is closed on the device',
  'directory: sync the parent of a new one': 'a store has a name',
  'directory: sync the parent of one that was found': 'a store has a name, made by a process that was killed',
  'snapshot: sync the store’s directory': 'a snapshot is where it is looked for',
  'snapshot: sync SNAPSHOT': 'a snapshot is whole',
  'snapshot: sync the MANIFEST': 'a snapshot is whole',
  'snapshot: sync CURRENT.tmp': 'a snapshot is whole',
  'snapshot: sync a copied table': 'a snapshot is whole where files cannot have two names',
  'snapshot: sync its directory': 'what is in a snapshot has a name',
  'snapshot: sync the parent behind the publication': 'a snapshot that was taken is there',
  'snapshot: sync the parent before the deletion': 'a snapshot that is there is whole',
  'snapshot: sync the parent before leftovers go':
    'a snapshot whose deletion was cut short does not come back in part',
  'snapshot: delete a file': '',
  'restore: sync the directory': 'the MANIFEST names tables that have a name',
  'restore: sync a copied table': 'the MANIFEST names tables that are whole',
  ...REPAIR_STEPS,
} as const

export type StepName = keyof typeof STEPS

/** Where the type of a record stands, and where its magic does. */
const TYPE_AT = 12

/** Where a segment's header names the one before it, if there is one. */
const PREVIOUS_AT = RECORD_HEADER_LENGTH + 40

const RECORD_MAGIC_AT = 4
const RECORD_MAGIC = 0x435256d7

const LOG_RECORDS = ['', 'header', 'group', 'seal', 'close']
const HEADER = 1
const EDITS = 3
const CLOSE = 4

/** Names the calls of one process. */
export class StepNamer {
  /** By path: the type of the record that was written last and is not synced. */
  readonly #unsynced = new Map<string, number>()
  /** By directory: what changed in it last. */
  readonly #changed = new Map<string, string>()
  /** Whether a MANIFEST was begun that CURRENT does not name yet. */
  #begun = false
  /** Whether the log was closed: the last edit goes with the seal. */
  #logIsClosed = false
  /** Whether there is a log, and the segment that begins another chain. */
  #hasLog = false
  #newChain: string | undefined

  /** The name of a call that is about to be made; to be told of all, in order. */
  name(step: Step): StepName | undefined {
    if (!changes(step)) return undefined
    const name = this.#nameOf(step)
    this.#note(step)
    return name
  }

  #nameOf({ blocking, kind, path }: Step): StepName | undefined {
    if (kind === 'sync')
      return blocking && path.endsWith('.wal')
        ? 'log: sync what replaces a rejected record'
        : this.#syncOf(path)
    if (kind === 'syncDir') return this.#directorySyncOf(path)
    if (kind !== 'unlink') return undefined
    // The attempt to unlink the directory itself fails.
    if (isInSnapshot(path)) return isInSnapshot(directoryOf(path)) ? 'snapshot: delete a file' : undefined
    const file = parseFileName(nameIn(path))?.kind
    if (file === 'wal') return 'log: delete a segment'
    if (file === 'sst') return 'table: delete'
    return file === 'manifest' ? 'MANIFEST: delete' : undefined
  }

  #syncOf(path: string): StepName | undefined {
    const name = nameIn(path)
    const inSnapshot = isInSnapshot(path)
    if (name.endsWith('.sst.tmp')) {
      return inSnapshot ? 'snapshot: sync a copied table' : 'restore: sync a copied table'
    }
    if (name.endsWith('.wal.tmp')) return 'log: sync what is written again'
    if (name === 'CURRENT.tmp') return inSnapshot ? 'snapshot: sync CURRENT.tmp' : 'CURRENT: sync CURRENT.tmp'
    if (name === 'SNAPSHOT') return 'snapshot: sync SNAPSHOT'
    const type = this.#unsynced.get(path) ?? 0
    switch (parseFileName(name)?.kind) {
      case 'sst':
        return 'table: sync the bytes'
      case 'manifest':
        if (inSnapshot) return 'snapshot: sync the MANIFEST'
        if (type === EDITS && !this.#logIsClosed) return 'MANIFEST: sync edits'
        return type > 0 && type < EDITS
          ? 'MANIFEST: sync the snapshot'
          : 'MANIFEST: sync the last byte at close'
      case 'wal':
        return path === this.#newChain
          ? 'log: sync the header of a chain of its own'
          : LOG_SYNCS.get(LOG_RECORDS[type])
      default:
        return undefined
    }
  }

  #directorySyncOf(path: string): StepName | undefined {
    const changed = this.#changed.get(path)
    if (path === `${DIRECTORY}/snapshots`) {
      if (changed === undefined) return 'snapshot: sync the parent before leftovers go'
      return changed === 'unpublish'
        ? 'snapshot: sync the parent before the deletion'
        : 'snapshot: sync the parent behind the publication'
    }
    if (isInSnapshot(path)) return 'snapshot: sync its directory'
    if (path === DIRECTORY) return DIRECTORY_SYNCS.get(changed ?? '')
    return changed === 'mkdir'
      ? 'directory: sync the parent of a new one'
      : 'directory: sync the parent of one that was found'
  }

  #note({ kind, path, to, bytes }: Step): void {
    if (kind === 'write' && bytes !== undefined) {
      const type = recordType(bytes)
      this.#unsynced.set(path, type ?? this.#unsynced.get(path) ?? 0)
      if (path.endsWith('.wal')) this.#noteLogged(path, bytes, type)
    } else if (kind === 'sync') {
      this.#unsynced.delete(path)
      if (path === this.#newChain) this.#newChain = undefined
    } else if (kind === 'open') {
      const file = parseFileName(nameIn(path))?.kind
      this.#changed.set(directoryOf(path), file ?? '')
      if (file === 'manifest') {
        this.#begun = true
        this.#logIsClosed = false
      }
    } else if (kind === 'mkdir') {
      this.#changed.set(directoryOf(path), nameIn(path) === 'snapshots' ? 'snapshots' : 'mkdir')
    } else if (kind === 'link') {
      this.#changed.set(directoryOf(to ?? ''), 'link')
    } else if (kind === 'rename') {
      this.#noteRename(to ?? '')
    }
  }

  #noteLogged(path: string, bytes: Uint8Array, type: number | undefined): void {
    if (type === CLOSE) this.#logIsClosed = true
    if (type !== HEADER) return
    if (this.#hasLog && readU64(bytes, PREVIOUS_AT) === 0) this.#newChain = path
    this.#hasLog = true
  }

  #noteRename(to: string): void {
    const directory = directoryOf(to)
    if (nameIn(to) === 'CURRENT') {
      this.#changed.set(directory, this.#begun ? 'rename' : 'seal')
      this.#begun = false
    } else if (nameIn(to).endsWith('.wal')) {
      this.#changed.set(directory, 'written again')
      this.#hasLog = true
    } else if (nameIn(to).endsWith('.sst')) {
      this.#changed.set(directory, 'link')
    } else if (nameIn(to).endsWith('.tmp')) {
      this.#changed.set(directory, 'unpublish')
    } else {
      this.#changed.set(directory, 'publish')
    }
  }
}

const LOG_SYNCS: ReadonlyMap<string, StepName> = new Map<string, StepName>([
  ['', 'log: sync the newest segment before it is shown'],
  ['header', 'log: sync the header of a segment'],
  ['group', 'log: sync groups'],
  ['seal', 'log: sync the seal'],
  ['close', 'log: sync the close record'],
])

const DIRECTORY_SYNCS: ReadonlyMap<string, StepName> = new Map<string, StepName>([
  ['wal', 'log: sync the directory behind a new segment'],
  ['written again', 'log: sync the directory behind its renaming'],
  ['sst', 'table: sync the directory'],
  ['manifest', 'MANIFEST: sync the directory behind a new one'],
  ['rename', 'CURRENT: sync the directory behind the rename'],
  ['seal', 'CURRENT: sync the directory behind the seal'],
  ['link', 'restore: sync the directory'],
  ['snapshots', 'snapshot: sync the store’s directory'],
])

/** The type of the last record in what is written; `undefined` when it does not begin with one. */
function recordType(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 16 || view.getUint32(RECORD_MAGIC_AT, true) !== RECORD_MAGIC) return undefined
  return bytes[TYPE_AT]
}

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function isInSnapshot(path: string): boolean {
  return path.startsWith(`${DIRECTORY}/snapshots/`)
}
