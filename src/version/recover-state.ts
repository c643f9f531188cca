/**
 * Reads what a store's directory says about its versions and checks it, writing nothing.
 *
 * Damage that would bring back the past is looked for here: a MANIFEST other than the one that CURRENT names and
 * that has been live after it, tables that are not there or have another size.
 */
import { compareKeys } from '../base/bytes.js'
import { corruption, errnoOf, ioError, VarveError } from '../base/errors.js'
import { CURRENT_NAME, manifestName, parseFileName, sstName } from '../base/file-names.js'
import type { FileSystem } from '../env/file-system.js'
import { type Current, readCurrent } from './current-file.js'
import { decodeManifest, inspectManifest, readManifestBytes } from './manifest-reader.js'
import type { ManifestState } from './manifest-state.js'

/** File-system calls in flight at once. */
const CONCURRENCY = 32

export interface RecoveredState {
  readonly databaseId: Uint8Array
  /** The largest epoch that any MANIFEST here has. */
  readonly epoch: number
  /** The names in the directory. */
  readonly names: readonly string[]
  readonly state: ManifestState
  /** Whether nothing stands behind the MANIFEST's last whole record. */
  readonly isWhole: boolean
}

/**
 * Whether there is a store in `directory`. A store whose creation was cut short is none.
 * Throws `CORRUPTION` when CURRENT is missing although there is something that it must have named.
 */
export async function storeExists(fileSystem: FileSystem, directory: string): Promise<boolean> {
  if ((await readCurrent(fileSystem, directory)) !== undefined) return true
  const names = await listDirectory(fileSystem, directory).catch((error: unknown) => {
    // A directory that was deleted holds none either.
    if (error instanceof VarveError && errnoOf(error.cause) === 'ENOENT') return []
    throw error
  })
  for (const name of names) {
    const parsed = parseFileName(name)
    if (
      parsed?.kind === 'wal' ||
      parsed?.kind === 'sst' ||
      (parsed?.kind === 'manifest' && (await isInUse(name)))
    ) {
      throw corruption(`CURRENT is missing although ${name} is there`, `${directory}/${CURRENT_NAME}`)
    }
  }
  return false

  /** A MANIFEST that only ever was the first step of making a store holds no table and was never live. */
  async function isInUse(name: string): Promise<boolean> {
    const path = `${directory}/${name}`
    const bytes = await readManifestBytes(fileSystem, path)
    if (inspectManifest(bytes, path)?.wasLive) return true
    try {
      return decodeManifest(bytes, path).state.version.tableCount > 0
    } catch {
      return false
    }
  }
}

/** CURRENT of the store in `directory`; `NOT_FOUND` when there is none, `CORRUPTION` when it is missing or damaged. */
export async function requireCurrent(fileSystem: FileSystem, directory: string): Promise<Current> {
  const current = await readCurrent(fileSystem, directory)
  if (current !== undefined) return current
  await storeExists(fileSystem, directory)
  throw new VarveError('NOT_FOUND', `There is no store in ${directory}.`, { path: directory })
}

/** Reads and checks the state of the store in `directory`. */
export async function recoverState(fileSystem: FileSystem, directory: string): Promise<RecoveredState> {
  const current = await requireCurrent(fileSystem, directory)
  const path = `${directory}/${manifestName(current.manifestNumber)}`
  const bytes = await readManifestBytes(fileSystem, path)
  const { state, validLength } = decodeManifest(bytes, path, { ...current, number: current.manifestNumber })
  const names = await listDirectory(fileSystem, directory)
  const epoch = await checkNewerManifests(fileSystem, directory, names, current)
  await checkTables(fileSystem, directory, state)
  return { databaseId: current.databaseId, epoch, names, state, isWhole: validLength === bytes.length }
}

/** The names in the store's directory. */
export async function listDirectory(fileSystem: FileSystem, directory: string): Promise<string[]> {
  try {
    return await fileSystem.readdir(directory)
  } catch (error) {
    throw ioError(error, 'listing', directory)
  }
}

/** Throws when a newer MANIFEST has been live, so that CURRENT is an old one; returns the largest epoch. */
async function checkNewerManifests(
  fileSystem: FileSystem,
  directory: string,
  names: readonly string[],
  current: Current,
): Promise<number> {
  let epoch = current.epoch
  for (const name of names) {
    const parsed = parseFileName(name)
    if (parsed?.kind !== 'manifest' || parsed.number <= current.manifestNumber) continue
    const path = `${directory}/${name}`
    const found = inspectManifest(await readManifestBytes(fileSystem, path), path)
    if (found === undefined || compareKeys(found.identity.databaseId, current.databaseId) !== 0) continue
    if (found.wasLive) {
      throw corruption(
        `CURRENT is an old one: ${name} has taken the place of the MANIFEST that it names`,
        `${directory}/${CURRENT_NAME}`,
      )
    }
    epoch = Math.max(epoch, found.identity.epoch)
  }
  return epoch
}

/** Throws when a table that the version names is not there or has another size. */
async function checkTables(fileSystem: FileSystem, directory: string, state: ManifestState): Promise<void> {
  const tables = [...state.version.tables()]
  const check = async (): Promise<void> => {
    for (let next = tables.pop(); next !== undefined; next = tables.pop()) {
      const { number, sizeBytes } = next.table
      const path = `${directory}/${sstName(number)}`
      let size: number | undefined
      try {
        size = (await fileSystem.stat(path))?.sizeBytes
      } catch (error) {
        throw ioError(error, 'examining', path)
      }
      if (size === undefined) throw corruption('A table is missing', path)
      if (size !== sizeBytes)
        throw corruption(`A table has ${size} bytes instead of ${sizeBytes}`, path, Math.min(size, sizeBytes))
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, check))
}
