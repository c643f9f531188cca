/**
 * Writes a sound store out of a damaged one, into a new directory.
 *
 * With the newest MANIFEST, unless its last edits are lost, or one whose tables are exactly those in the directory, every
 * table keeps its place: sound ones get a second name, damaged ones are written anew out of what can be read of them.
 * Without one, all tables that there are and the log are merged into one sorted run: of each key the newest version that is
 * left.
 * The result has no log: what the log held is in tables.
 */
import { compareKeys } from '../base/bytes.js'
import { NEVER } from '../base/entry.js'
import { corruption, ioError } from '../base/errors.js'
import { numberBehind, parseFileName, sstName } from '../base/file-names.js'
import { CompactionIterator } from '../compaction/compaction-iterator.js'
import { runFlush } from '../compaction/flush-job.js'
import { type TableSettings, TableWriter, tablePath } from '../compaction/table-writer.js'
import type { FileSystem } from '../env/file-system.js'
import { linkOrCopy } from '../env/link-or-copy.js'
import type { Cursor } from '../iterator/cursor.js'
import { mergeCursors } from '../iterator/merging-cursor.js'
import type { Memtable } from '../memtable/memtable.js'
import { knownLog, type ManifestState } from '../version/manifest-state.js'
import type { TableMetadata } from '../version/table-metadata.js'
import { Version } from '../version/version.js'
import { LAST_LEVEL, type VersionEdit } from '../version/version-edit.js'
import { type Basis, footerOf } from './basis.js'
import { DamageFindings } from './damage.js'
import { Losses, placeOf } from './loss.js'
import type { Progress } from './progress.js'
import { readHeaders, salvageLog } from './salvage-log.js'
import { TableSource } from './table-source.js'
import { checkTable, tablesOf } from './verify-tables.js'

export interface RebuildSettings {
  readonly fileSystem: FileSystem
  /** The damaged store. Nothing in it is changed. */
  readonly source: string
  /** The names in it. */
  readonly names: readonly string[]
  readonly basis: Basis
  readonly databaseId: Uint8Array
  /** Where the new store is written; there and empty but for what the caller put there. */
  readonly target: string
  /** In ms since 1970. */
  readonly now: number
  readonly progress: Progress
}

/** What {@link rebuild} came to. */
export interface Rebuilt {
  readonly state: ManifestState
  readonly losses: Losses
  /** Whether a MANIFEST said which tables count. */
  readonly byManifest: boolean
  /** Tables that are as they were, that were written anew, that nothing could be read of. */
  readonly tablesKept: number
  readonly tablesRewritten: number
  readonly tablesLost: number
  /** What of the log was brought into tables. */
  readonly logGroups: number
  readonly logOperations: number
}

type Added = NonNullable<VersionEdit['added']>[number]

const TARGET_FILE_BYTES = 8 * 1024 * 1024

/** Writes the tables; the MANIFEST and CURRENT are the caller's. */
export function rebuild(settings: RebuildSettings): Promise<Rebuilt> {
  return new Rebuild(settings).run()
}

class Rebuild {
  readonly #settings: RebuildSettings
  readonly #tableSettings: TableSettings
  readonly #losses = new Losses()
  #nextNumber: number
  #kept = 0
  #rewritten = 0
  #lost = 0
  #lastSequence = 0

  constructor(settings: RebuildSettings) {
    this.#settings = settings
    const { names, basis, target, databaseId } = settings
    this.#nextNumber = Math.max(numberBehind(names), basis.state?.nextFileNumber ?? 1)
    this.#tableSettings = {
      directory: target,
      databaseId,
      blockSize: 4096,
      compression: 'snappy',
      filterBitsPerKey: 10,
    }
  }

  async run(): Promise<Rebuilt> {
    const { basis, names, source, progress } = this.#settings
    await progress.begin(source, names.filter(isTableOrSegment))
    if (basis.properties.keyEncoding === undefined) this.#losses.uncertainties.add('key-encoding')
    const { state } = basis
    const numbers = names.flatMap((name) => numberOf(name, 'sst'))
    const isTrue = state !== undefined && (await this.#isTrue(state, numbers))
    const { added, groups, operations } = isTrue
      ? await this.#byManifest(state)
      : await this.#byTables(numbers)
    const version = Version.empty().apply({ added })
    for (const { table } of added) this.#lastSequence = Math.max(this.#lastSequence, table.largestSequence)
    return {
      state: {
        version,
        flushedSequence: this.#lastSequence,
        lastSequence: this.#lastSequence,
        logNumber: 0,
        logged: false,
        nextFileNumber: this.#nextNumber,
        properties: basis.properties,
      },
      losses: this.#losses,
      byManifest: isTrue,
      tablesKept: this.#kept,
      tablesRewritten: this.#rewritten,
      tablesLost: this.#lost,
      logGroups: groups,
      logOperations: operations,
    }
  }

  /** Whether the MANIFEST tells of the store as it was last. */
  async #isTrue(state: ManifestState, numbers: readonly number[]): Promise<boolean> {
    const { basis } = this.#settings
    if (namesExactly(state, numbers)) return true
    return basis.isNewest && (basis.isSealed || !(await this.#hasLostEdits(state, numbers)))
  }

  /**
   * Whether edits are lost that put tables which are there and not named in the place of others, or of a part of the log:
   * neither goes before the edit that allows it.
   */
  async #hasLostEdits(state: ManifestState, numbers: readonly number[]): Promise<boolean> {
    const named = [...state.version.tables()].map(({ table }) => table.number)
    if (numbers.every((number) => named.includes(number))) return false
    if (!named.every((number) => numbers.includes(number))) return true
    const segments = this.#segmentsOf(state)
    const headers = await readHeaders({ ...this.#settings, directory: this.#settings.source }, segments)
    const bases = [...headers.values()].map(({ baseSequence }) => baseSequence)
    return bases.length > 0 && Math.min(...bases) > state.flushedSequence
  }

  /** The log segments that count. */
  #segmentsOf(state: ManifestState | undefined): number[] {
    const numbers = this.#settings.names.flatMap((name) => numberOf(name, 'wal'))
    return state === undefined || state.logged
      ? numbers
      : numbers.filter((number) => number >= state.logNumber)
  }

  async #byManifest(state: ManifestState): Promise<{ added: Added[]; groups: number; operations: number }> {
    const added: Added[] = []
    this.#lastSequence = Math.max(state.lastSequence, state.flushedSequence)
    for (const { level, table } of state.version.tables()) {
      const lossesBefore = this.#losses.list.length
      const brought = await this.#bring(table)
      if (brought !== undefined) added.push({ level, table: brought })
      const isLossy = this.#losses.list.length > lossesBefore
      if (isLossy && hasOlder(state, level, table)) this.#losses.uncertainties.add('deletions')
      this.#settings.progress.done(sstName(table.number))
    }
    const { tables, groups, operations } = await this.#salvageLog(state)
    return { added: [...added, ...tables.map((table) => ({ level: 0, table }))], groups, operations }
  }

  /** The table in the new store; `undefined` when nothing of it is left. */
  async #bring(table: TableMetadata): Promise<TableMetadata | undefined> {
    const { fileSystem, source, databaseId, target } = this.#settings
    const findings = new DamageFindings(source)
    await checkTable(fileSystem, source, databaseId, table, findings)
    if (findings.areHarmless) {
      await linkOrCopy(fileSystem, tablePath(source, table.number), tablePath(target, table.number))
      this.#kept++
      return table
    }
    const { number, sizeBytes } = table
    const path = await this.#find(number)
    const tables = tablesOf(fileSystem, () => path, databaseId)
    try {
      const from = await TableSource.open({ fileSystem, databaseId, number, sizeBytes, path, tables })
      const [written] = await this.#write(from.cursor(table), Number.POSITIVE_INFINITY, false)
      this.#tellLosses(from, table)
      if (written === undefined) this.#lost++
      else this.#rewritten++
      return written
    } finally {
      tables.close()
    }
  }

  /** The file of a table, also where it stands under another table's name. */
  async #find(number: number): Promise<string> {
    const { fileSystem, source, names, databaseId } = this.#settings
    const isIt = async (path: string): Promise<boolean> => {
      const footer = await footerOf(fileSystem, path)
      return footer?.tableNumber === number && compareKeys(footer.databaseId, databaseId) === 0
    }
    const own = tablePath(source, number)
    if (names.includes(sstName(number)) && (await isIt(own))) return own
    for (const name of names) {
      const path = `${source}/${name}`
      if (parseFileName(name)?.kind === 'sst' && (await isIt(path))) return path
    }
    return own
  }

  #tellLosses(from: TableSource, table: TableMetadata | undefined): void {
    const { losses, entryCount, name, path, refusal, lastKey } = from
    const sequences = table && { first: table.smallestSequence, last: table.largestSequence }
    const entries = table && table.entryCount - entryCount
    // Where nothing but an index, a filter or a property is damaged, all entries are there.
    if (entries === 0) return
    const ranges = sequences === undefined ? {} : { sequences }
    for (const { error, keys } of losses) this.#losses.add({ ...placeOf(name, error), keys, ...ranges })
    if (losses.length > 0) return
    const keys = {
      ...(lastKey === undefined ? table && { gte: table.smallest } : { gt: lastKey }),
      ...(table && { lte: table.largest }),
    }
    this.#losses.add({
      ...placeOf(name, refusal ?? corruption('Entries are missing', path)),
      keys,
      ...ranges,
      ...(entries === undefined ? {} : { entries }),
    })
  }

  /** Merges everything that can be read. */
  async #byTables(
    numbers: readonly number[],
  ): Promise<{ added: Added[]; groups: number; operations: number }> {
    const { fileSystem, source, databaseId, target, basis } = this.#settings
    this.#losses.uncertainties.add('order')
    const inSource = new Set(numbers)
    const pathOf = (number: number): string => tablePath(inSource.has(number) ? source : target, number)
    const tables = tablesOf(fileSystem, pathOf, databaseId)
    try {
      const log = await this.#salvageLog(undefined)
      const open = (number: number): Promise<TableSource> =>
        TableSource.open({ fileSystem, databaseId, number, path: pathOf(number), tables })
      const sources: TableSource[] = []
      for (const number of numbers) sources.push(await open(number))
      const ofLog: TableSource[] = []
      for (const { number } of log.tables) ofLog.push(await open(number))
      const cursors = [...sources, ...ofLog].map((from) => from.cursor())
      const merged = await this.#write(mergeCursors(cursors), TARGET_FILE_BYTES, true)
      // What was just written is not the damaged store's to lose.
      for (const { refusal, losses } of ofLog) {
        const failure = refusal ?? losses.at(0)?.error
        if (failure !== undefined) throw failure
      }
      for (const from of sources) {
        this.#tellLosses(from, from.metadata)
        this.#lastSequence = Math.max(this.#lastSequence, from.largestSequence)
        if (from.entryCount === 0) this.#lost++
        else this.#rewritten++
      }
      for (const { number } of log.tables) await fileSystem.unlink(tablePath(target, number))
      this.#lastSequence = Math.max(this.#lastSequence, basis.state?.lastSequence ?? 0)
      return { added: merged.map((table) => ({ level: LAST_LEVEL, table })), ...log }
    } catch (error) {
      throw ioError(error, 'writing', target)
    } finally {
      tables.close()
    }
  }

  async #salvageLog(
    state: ManifestState | undefined,
  ): Promise<{ tables: TableMetadata[]; groups: number; operations: number }> {
    const { fileSystem, source, databaseId, names, progress } = this.#settings
    const tables: TableMetadata[] = []
    const known = state && knownLog(state)
    const { groups, operations, lastSequence } = await salvageLog({
      fileSystem,
      directory: source,
      databaseId,
      numbers: this.#segmentsOf(state),
      fromSequence: state?.flushedSequence ?? 0,
      isContinuous: state !== undefined,
      ...(known === undefined ? {} : { known }),
      losses: this.#losses,
      flush: async (memtable) => {
        const table = await this.#flush(memtable)
        if (table !== undefined) tables.push(table)
      },
    })
    this.#lastSequence = Math.max(this.#lastSequence, lastSequence)
    for (const name of names) if (parseFileName(name)?.kind === 'wal') progress.done(name)
    return { tables, groups, operations }
  }

  async #flush(memtable: Memtable): Promise<TableMetadata | undefined> {
    const environment = { fileSystem: this.#settings.fileSystem, pause: async () => undefined }
    const { table } = await runFlush(environment, {
      tables: this.#tableSettings,
      memtables: [memtable.image],
      tableNumber: this.#nextNumber++,
      pinned: [],
      // Whoever is told of what expires is to be told of these too.
      now: -NEVER,
      createdAt: this.#settings.now,
    })
    return table
  }

  /** Writes what a cursor finds; of each key the newest version. */
  async #write(cursor: Cursor, targetBytes: number, isAll: boolean): Promise<readonly TableMetadata[]> {
    const { fileSystem, now } = this.#settings
    const entries = new CompactionIterator(cursor, { pinned: [], bottommost: isAll, now: -NEVER })
    const writer = new TableWriter(fileSystem, this.#tableSettings, now)
    try {
      for (entries.seekToFirst(); entries.valid; entries.next()) {
        if (entries.startsKey && writer.open && writer.tableBytes >= targetBytes) await writer.end()
        if (!writer.open) await writer.begin(this.#nextNumber++)
        writer.add(entries)
      }
      await writer.end()
      return await writer.finish()
    } catch (error) {
      await writer.abandon()
      throw ioError(error, 'writing', this.#settings.target)
    }
  }
}

function isTableOrSegment(name: string): boolean {
  const kind = parseFileName(name)?.kind
  return kind === 'sst' || kind === 'wal'
}

function numberOf(name: string, kind: 'sst' | 'wal'): number[] {
  const parsed = parseFileName(name)
  return parsed?.kind === kind ? [parsed.number] : []
}

/** Whether the tables in the directory are those that the MANIFEST names, so that it cannot be an old one. */
function namesExactly(state: ManifestState, numbers: readonly number[]): boolean {
  const named = new Set([...state.version.tables()].map(({ table }) => table.number))
  return named.size === numbers.length && numbers.every((number) => named.has(number))
}

/** Whether other tables may hold older versions of a table's keys. */
function hasOlder({ version }: ManifestState, level: number, table: TableMetadata): boolean {
  for (let deeper = level; deeper <= LAST_LEVEL; deeper++) {
    const overlapping = version.tablesOverlapping(deeper, table.smallest, table.largest)
    if (overlapping.some((other) => other.number !== table.number)) return true
  }
  return false
}
