/**
 * What a store's directory says about its versions, however damaged it is: CURRENT, the MANIFESTs, and which of them to
 * go by. Everything that is wrong becomes a finding; nothing is written.
 *
 * The MANIFEST that CURRENT names counts, unless a newer one has been live. Where that one cannot be read, the newest
 * that can be is the next best; whether it is still true is for the tables in the directory to say.
 */
import { compareKeys } from '../base/bytes.js'
import { VarveError } from '../base/errors.js'
import { CURRENT_NAME, manifestName, parseFileName } from '../base/file-names.js'
import { closeQuietly, type FileSystem, readFully } from '../env/file-system.js'
import { decodeFooter, FOOTER_LENGTH, type Footer } from '../sstable/footer.js'
import { type Current, readCurrent } from '../version/current-file.js'
import type { ManifestIdentity } from '../version/manifest-format.js'
import {
  decodeManifest,
  inspectManifest,
  type ManifestContents,
  readManifestBytes,
} from '../version/manifest-reader.js'
import { salvageManifest } from '../version/manifest-salvage.js'
import type { ManifestState } from '../version/manifest-state.js'
import { storeExists } from '../version/recover-state.js'
import { readSegment } from '../wal/replay.js'
import { decodeSegmentHeader } from '../wal/wal-format.js'
import { asDamage } from './damage.js'
import type { Findings } from './finding.js'

/** What there is to go by. */
export interface Basis {
  /** Undefined when no file tells it. */
  readonly databaseId: Uint8Array | undefined
  /** Undefined when no MANIFEST can be read whole. */
  readonly state: ManifestState | undefined
  /** The MANIFEST that tells the state. */
  readonly manifest: string | undefined
  /** Whether that is the newest one that was ever live. */
  readonly isNewest: boolean
  /** Whether it is as it was when the store was closed in order: then no edit of it is lost. */
  readonly isSealed: boolean
  /** The largest epoch of all MANIFESTs. */
  readonly epoch: number
  /** Facts about the store, out of a damaged MANIFEST if need be. */
  readonly properties: Readonly<Record<string, string>>
}

/** One MANIFEST in the directory, as far as it can be read at all. */
interface Candidate {
  readonly name: string
  readonly path: string
  readonly number: number
  readonly bytes: Uint8Array | undefined
  readonly identity: ManifestIdentity | undefined
  readonly wasLive: boolean
}

/** What it says. */
interface DecodedCandidate extends Candidate {
  readonly contents: ManifestContents | undefined
  readonly properties: Readonly<Record<string, string>>
}

/** Throws `NOT_FOUND` when there is no store in `directory`, and none ever was. */
export async function findBasis(
  fileSystem: FileSystem,
  directory: string,
  names: readonly string[],
  findings: Findings,
): Promise<Basis> {
  const found = await inspectCurrent(fileSystem, directory, findings)
  const inspected: Candidate[] = []
  for (const name of [...names].sort()) {
    const parsed = parseFileName(name)
    if (parsed?.kind !== 'manifest') continue
    inspected.push(await inspectCandidate(fileSystem, directory, name, parsed.number, findings))
  }
  const databaseId = await chooseDatabaseId(fileSystem, directory, names, found, inspected)
  const current = isOf(found, databaseId) ? found : undefined
  if (found !== current)
    findings.add('error', 'current-damaged', CURRENT_NAME, 'CURRENT is of another store than the other files')
  const candidates = inspected.map((one) => decodeCandidate(one, current, findings))
  checkAgainstCurrent(current, databaseId, candidates, directory, findings)
  const ours = candidates.filter(({ identity }) => isOf(identity, databaseId)).sort(byWorth(current))
  const chosen = ours.find(({ contents }) => contents !== undefined)
  const isNewest =
    chosen !== undefined && ours.every((other) => other === chosen || isOlder(other, chosen, current))
  return {
    databaseId,
    state: chosen?.contents?.state,
    manifest: chosen?.name,
    isSealed: (current?.sealedLength ?? 0) > 0 && chosen?.number === current?.manifestNumber,
    isNewest: isNewest && candidates.every(({ identity }) => identity !== undefined),
    epoch: Math.max(current?.epoch ?? 0, ...candidates.map(({ identity }) => identity?.epoch ?? 0)),
    properties: chosen?.contents?.state.properties ?? Object.assign({}, ...ours.map((one) => one.properties)),
  }
}

async function inspectCurrent(
  fileSystem: FileSystem,
  directory: string,
  findings: Findings,
): Promise<Current | undefined> {
  let current: Current | undefined
  try {
    current = await readCurrent(fileSystem, directory)
  } catch (error) {
    findings.addError('error', 'current-damaged', error, CURRENT_NAME)
    return undefined
  }
  if (current !== undefined) return current
  try {
    await storeExists(fileSystem, directory)
  } catch (error) {
    findings.addError('error', 'current-missing', error, CURRENT_NAME)
    return undefined
  }
  throw new VarveError('NOT_FOUND', `There is no store in ${directory}.`, { path: directory })
}

async function inspectCandidate(
  fileSystem: FileSystem,
  directory: string,
  name: string,
  number: number,
  findings: Findings,
): Promise<Candidate> {
  const path = `${directory}/${name}`
  try {
    const bytes = await readManifestBytes(fileSystem, path)
    const { identity, wasLive = false } = inspectManifest(bytes, path) ?? {}
    return { name, path, number, bytes, identity, wasLive }
  } catch (error) {
    findings.addError('error', 'manifest-damaged', error, name)
    return { name, path, number, bytes: undefined, identity: undefined, wasLive: false }
  }
}

function decodeCandidate(
  candidate: Candidate,
  current: Current | undefined,
  findings: Findings,
): DecodedCandidate {
  const { name, path, number, bytes, identity } = candidate
  const nothing = { ...candidate, contents: undefined, properties: {} }
  if (bytes === undefined) return nothing
  const expected = current?.manifestNumber === number ? current : undefined
  const severity = expected === undefined ? 'note' : 'error'
  try {
    const contents = decodeManifest(bytes, path, expected && { ...expected, number })
    if (expected !== undefined && contents.validLength < bytes.length) {
      const what = `${bytes.length - contents.validLength} bytes of edits never got to the device in full`
      findings.add('note', 'manifest-torn', name, what)
    }
    return { ...candidate, contents, properties: contents.state.properties }
  } catch (error) {
    findings.addError(severity, 'manifest-damaged', error, name)
    if (identity === undefined) return nothing
    const { edits, damage } = salvageManifest(bytes, path, identity)
    const told = error instanceof VarveError ? error.offset : undefined
    for (const { offset, why } of damage) {
      if (offset !== told) findings.add(severity, 'manifest-damaged', name, `${why}, at offset ${offset}`)
    }
    const properties = Object.assign({}, ...edits.map((edit) => edit.properties ?? {}))
    return { ...candidate, contents: undefined, properties }
  }
}

/** Tells of a MANIFEST that is missing, of newer ones that were live, and of those that are left over. */
function checkAgainstCurrent(
  current: Current | undefined,
  databaseId: Uint8Array | undefined,
  candidates: readonly Candidate[],
  directory: string,
  findings: Findings,
): void {
  const live = current && manifestName(current.manifestNumber)
  if (live !== undefined && !candidates.some(({ name }) => name === live)) {
    findings.add('error', 'manifest-missing', live, 'The MANIFEST that CURRENT names is missing')
  }
  for (const { name, number, identity, wasLive } of candidates) {
    // What cannot be read is told of already.
    if (name === live || identity === undefined) continue
    if (!isOf(identity, databaseId)) {
      findings.add('note', 'manifest-left-over', name, `A MANIFEST that is not this store's, in ${directory}`)
    } else if (current !== undefined && number > current.manifestNumber && wasLive) {
      const what = `CURRENT is an old one: ${name} has taken the place of ${live}`
      findings.add('error', 'current-old', CURRENT_NAME, what)
    } else if (current !== undefined) {
      findings.add('note', 'manifest-left-over', name, 'A MANIFEST that is not the live one')
    }
  }
}

/** Whether CURRENT or a MANIFEST is of the database. */
function isOf(found: { databaseId: Uint8Array } | undefined, databaseId: Uint8Array | undefined): boolean {
  return found !== undefined && databaseId !== undefined && compareKeys(found.databaseId, databaseId) === 0
}

/** The best first: those that were live, or that CURRENT says to be, and of those the newest. */
function byWorth(current: Current | undefined): (a: Candidate, b: Candidate) => number {
  const wasLive = (one: Candidate): number => (one.wasLive || one.number === current?.manifestNumber ? 1 : 0)
  return (a, b) =>
    wasLive(b) - wasLive(a) || (b.identity?.epoch ?? 0) - (a.identity?.epoch ?? 0) || b.number - a.number
}

/** Whether `other` cannot have been live behind `chosen`. */
function isOlder(other: Candidate, chosen: Candidate, current: Current | undefined): boolean {
  if (!other.wasLive && other.number !== current?.manifestNumber) return true
  return (other.identity?.epoch ?? 0) < (chosen.identity?.epoch ?? 0)
}

/** The id that CURRENT and MANIFESTs agree on; where they do not, or say nothing, the tables decide. */
async function chooseDatabaseId(
  fileSystem: FileSystem,
  directory: string,
  names: readonly string[],
  current: Current | undefined,
  candidates: readonly Candidate[],
): Promise<Uint8Array | undefined> {
  const told = [current?.databaseId, ...candidates.map(({ identity }) => identity?.databaseId)]
  const ids = told.filter((id) => id !== undefined)
  const first = ids.at(0)
  if (first !== undefined && ids.every((id) => compareKeys(id, first) === 0)) return first
  const counts = new Map<string, number>()
  for (const name of names) {
    const id = await databaseIdIn(fileSystem, directory, name)
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a)
  return most === undefined ? first : Uint8Array.from(Buffer.from(most[0], 'hex'))
}

/** The database id in a table or log segment, in hexadecimal. */
async function databaseIdIn(
  fileSystem: FileSystem,
  directory: string,
  name: string,
): Promise<string | undefined> {
  const parsed = parseFileName(name)
  const path = `${directory}/${name}`
  let id: Uint8Array | undefined
  if (parsed?.kind === 'sst') id = (await footerOf(fileSystem, path))?.databaseId
  if (parsed?.kind === 'wal') {
    const bytes = await readSegment({ fileSystem }, path).catch(
      (error: unknown) => void asDamage(error, path),
    )
    id = bytes && decodeSegmentHeader(bytes, path)?.databaseId
  }
  return id && Buffer.from(id).toString('hex')
}

/** The footer of a table; `undefined` when it is damaged. */
export async function footerOf(fileSystem: FileSystem, path: string): Promise<Footer | undefined> {
  try {
    const file = await fileSystem.open(path, 'read')
    try {
      const footer = new Uint8Array(FOOTER_LENGTH)
      const length = await readFully(file, footer, Math.max(0, (await file.size()) - FOOTER_LENGTH))
      return decodeFooter(footer.subarray(0, length))
    } finally {
      await closeQuietly(file)
    }
  } catch (error) {
    asDamage(error, path)
    return undefined
  }
}
