/** Everything that a MANIFEST tells: the version and the facts beside it. */
import { assert } from '../base/assert.js'
import { Version, VersionBuilder } from './version.js'
import type { SyncedSegment, VersionEdit } from './version-edit.js'

export interface ManifestState {
  readonly version: Version
  /** Every operation with a sequence number up to this one lives in tables. */
  readonly flushedSequence: number
  /** The largest sequence number that an edit told. */
  readonly lastSequence: number
  /** The oldest WAL segment that is still needed; 0 for none. */
  readonly logNumber: number
  /** The newest WAL segment of which an edit told how much is on the device. */
  readonly logSynced?: SyncedSegment | undefined
  /** Whether there is a WAL from `logNumber` on; without one, segments below it are of no account. */
  readonly logged: boolean
  /** No file has this number or a larger one. */
  readonly nextFileNumber: number
  readonly properties: Readonly<Record<string, string>>
}

/** An edit, or what makes it of the state that it is applied to. */
export type EditOrMaker = VersionEdit | ((state: ManifestState) => VersionEdit)

/** Tables that one record of a snapshot holds at most. */
const TABLES_PER_PART = 256

/** The edits that make `state` out of nothing, for the snapshot of a MANIFEST; there is at least one. */
export function snapshotOf(state: ManifestState): VersionEdit[] {
  const { version, logged, logSynced, ...rest } = state
  const first = { ...rest, ...(logged ? {} : { logged }), ...(logSynced === undefined ? {} : { logSynced }) }
  const added = [...version.tables()]
  const parts: VersionEdit[] = [{ ...first, added: added.slice(0, TABLES_PER_PART) }]
  for (let from = TABLES_PER_PART; from < added.length; from += TABLES_PER_PART) {
    parts.push({ added: added.slice(from, from + TABLES_PER_PART) })
  }
  return parts
}

/** What is known to be there of the WAL: a segment, and how many bytes of it; `undefined` when there is no WAL. */
export function knownLog({
  logged,
  logNumber,
  logSynced,
}: Pick<ManifestState, 'logged' | 'logNumber' | 'logSynced'>): SyncedSegment | undefined {
  if (!logged || logNumber === 0) return undefined
  return logSynced !== undefined && logSynced.number >= logNumber
    ? logSynced
    : { number: logNumber, length: 0 }
}

/** Replays edits. Asserts that each fits the state in front of it. */
export class StateBuilder {
  readonly #tables: VersionBuilder
  #rest: Omit<ManifestState, 'version'>

  constructor(base?: ManifestState) {
    this.#tables = new VersionBuilder(base?.version ?? Version.empty())
    this.#rest = base ?? {
      flushedSequence: 0,
      lastSequence: 0,
      logNumber: 0,
      logged: true,
      nextFileNumber: 1,
      properties: {},
    }
  }

  apply(edit: VersionEdit): void {
    this.#rest = restBehind(this.#rest, edit)
    this.#tables.apply(edit)
  }

  build(onReleased?: (version: Version) => void): ManifestState {
    return { ...this.#rest, version: this.#tables.build(onReleased) }
  }
}

/** `state` behind `edit`; asserts that the edit fits. */
export function applyEdit(
  state: ManifestState,
  edit: VersionEdit,
  onReleased?: (version: Version) => void,
): ManifestState {
  return { ...restBehind(state, edit), version: state.version.apply(edit, onReleased) }
}

function restBehind(
  state: Omit<ManifestState, 'version'>,
  edit: VersionEdit,
): Omit<ManifestState, 'version'> {
  const flushedSequence = edit.flushedSequence ?? state.flushedSequence
  const logNumber = edit.logNumber ?? state.logNumber
  const nextFileNumber = edit.nextFileNumber ?? state.nextFileNumber
  assert(flushedSequence >= state.flushedSequence, 'what is flushed stays flushed')
  assert(logNumber >= state.logNumber, 'a WAL segment that is not needed any more is never needed again')
  assert(nextFileNumber >= state.nextFileNumber, 'file numbers are never reused')
  assert(isBehind(edit.logSynced, state.logSynced), 'what is on the device stays there')
  for (const { table } of edit.added ?? []) {
    assert(table.number < nextFileNumber, `the number of table ${table.number} was handed out by the store`)
  }
  return {
    flushedSequence,
    lastSequence: Math.max(state.lastSequence, edit.lastSequence ?? 0, flushedSequence),
    logNumber,
    logSynced: edit.logSynced ?? state.logSynced,
    logged: edit.logged ?? state.logged,
    nextFileNumber,
    properties:
      edit.properties === undefined ? state.properties : { ...state.properties, ...edit.properties },
  }
}

function isBehind(next: SyncedSegment | undefined, last: SyncedSegment | undefined): boolean {
  if (next === undefined || last === undefined) return true
  return next.number > last.number || (next.number === last.number && next.length >= last.length)
}
