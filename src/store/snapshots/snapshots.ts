/**
 * Snapshots: checkpoints on disk that open as stores of their own.
 *
 * Taken while writes go on: what is in memory is flushed, a version is pinned, its tables get second names in a new
 * directory, and a MANIFEST of its own names them. So the time it takes depends on what is in memory and on the number
 * of tables, not on the bytes in them.
 *
 * What must always hold: one operation on the snapshots of a store at a time; a directory with a snapshot's name is a
 * whole snapshot, durably; one that failed leaves nothing.
 */
import * as nodePath from 'node:path'
import { ioError, shown, VarveError } from '../../base/errors.js'
import { LOCK_NAME } from '../../base/file-names.js'
import { tablePath } from '../../compaction/table-writer.js'
import type { Timer } from '../../env/clock.js'
import { type FileSystem, LockHeldError } from '../../env/file-system.js'
import { linkOrCopy } from '../../env/link-or-copy.js'
import { writeCheckpoint } from '../../version/checkpoint.js'
import type { ManifestState } from '../../version/manifest-state.js'
import type { Engine } from '../engine.js'
import { checkOptionNames } from '../option-names.js'
import { checkStoreIn, restoreFrom, settleLog } from './restore.js'
import {
  beginSnapshot,
  checkSnapshotId,
  generatedId,
  isSnapshotId,
  listSnapshotIds,
  publishSnapshot,
  removeSnapshot,
  removeTree,
  snapshotsPath,
} from './snapshot-directory.js'
import { readSnapshotFacts, type SnapshotFacts, writeSnapshotFacts } from './snapshot-facts.js'
import { describeSnapshot, type SnapshotInfo } from './snapshot-info.js'

/** Options of `store.snapshot()`. */
export interface SnapshotOptions {
  /** The snapshot's id: letters, digits, `.`, `_` and `-`. Default: one made of time and a number. */
  readonly name?: string
}

const NAMES: ReadonlySet<string> = new Set<keyof SnapshotOptions>(['name'])

export class Snapshots {
  readonly #engine: Engine
  readonly #fileSystem: FileSystem
  readonly #directory: string
  /** The end of the operation that is under way. */
  #last: Promise<unknown> = Promise.resolve()
  #timer: Timer | undefined
  #closed = false

  constructor(engine: Engine) {
    this.#engine = engine
    this.#fileSystem = engine.parts.fileSystem
    this.#directory = engine.parts.tableSettings.directory
    this.#schedule()
  }

  take(options: SnapshotOptions = {}): Promise<SnapshotInfo> {
    checkOptionNames('snapshot', options, NAMES)
    const { name } = options
    const id = name === undefined ? undefined : checkSnapshotId('The name of a snapshot', name)
    return this.alone(() => this.#take(id, false))
  }

  /** All snapshots, oldest first. */
  list(): Promise<SnapshotInfo[]> {
    return this.alone(async () => {
      const found = await this.#readAll()
      return Promise.all(found.map(({ id, facts }) => this.#describe(id, facts)))
    })
  }

  delete(id: string): Promise<void> {
    checkSnapshotId('The id of a snapshot', id)
    return this.alone(() => this.#delete(id))
  }

  /**
   * Puts what a snapshot holds in the place of everything in the store.
   *
   * @param idOrPath - an id, or the directory of any snapshot or closed store
   */
  restore(idOrPath: string): Promise<void> {
    if (typeof idOrPath !== 'string' || idOrPath === '') {
      throw new VarveError('INVALID_ARGUMENT', 'restoreSnapshot takes the id or the path of a snapshot.')
    }
    return this.alone(async () => {
      const path = await this.#find(idOrPath)
      await checkStoreIn(this.#engine, path)
      await settleLog(this.#engine, path)
      const lock = await this.#lock(path)
      try {
        await restoreFrom(this.#engine, path)
      } finally {
        await lock.release().catch(() => undefined)
      }
    })
  }

  /** Takes no more; resolves when the operation that is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#last.catch(() => undefined)
  }

  /** Runs `work` behind the operations before it, and keeps the process alive until its end. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const run = (): Promise<T> => {
      if (this.#closed) throw new VarveError('CLOSED', 'The store is closed. Open it again.')
      return work()
    }
    const result = this.#last.then(run, run)
    this.#last = result.catch(() => undefined)
    return this.#engine.keepAlive.during(result)
  }

  async #take(name: string | undefined, automatic: boolean): Promise<SnapshotInfo> {
    const { clock, versions, events } = this.#engine.parts
    const began = clock.monotonic()
    const createdAt = clock.now()
    const id = name ?? generatedId(createdAt, versions.nextFileNumber())
    await this.#refuseTaken(id)
    await this.#engine.flush()
    const state = versions.capture()
    const facts = { createdAt, sequence: state.flushedSequence, automatic }
    try {
      await this.#write(id, state, facts)
    } finally {
      state.version.unpin()
    }
    const info = await this.#describe(id, facts)
    events.emit('snapshot', { id, path: info.path, automatic, durationMs: clock.monotonic() - began })
    return info
  }

  async #write(id: string, state: ManifestState, facts: SnapshotFacts): Promise<void> {
    const { versions } = this.#engine.parts
    const fileSystem = this.#fileSystem
    const unfinished = await beginSnapshot(fileSystem, this.#directory, id)
    try {
      for (const { table } of state.version.tables()) {
        const source = tablePath(this.#directory, table.number)
        await linkOrCopy(fileSystem, source, tablePath(unfinished, table.number))
      }
      await writeSnapshotFacts(fileSystem, unfinished, facts)
      await writeCheckpoint(fileSystem, unfinished, versions.databaseId, versions.epoch, state)
      await publishSnapshot(fileSystem, this.#directory, id)
    } catch (error) {
      await this.#takeBack(id, unfinished)
      throw error
    }
  }

  /** Leaves nothing of a snapshot that failed. What resists now is collected at the next open. */
  async #takeBack(id: string, unfinished: string): Promise<void> {
    const path = `${snapshotsPath(this.#directory)}/${id}`
    try {
      // Its name may be there though not durable.
      if ((await this.#fileSystem.stat(path)) === undefined) await removeTree(this.#fileSystem, unfinished)
      else await removeSnapshot(this.#fileSystem, this.#directory, id)
    } catch (error) {
      this.#engine.parts.events.emit('error', ioError(error, 'deleting', unfinished))
    }
  }

  async #delete(id: string): Promise<void> {
    const path = await this.#existing(id)
    const lock = await this.#lock(path)
    try {
      await removeSnapshot(this.#fileSystem, this.#directory, id)
    } finally {
      await lock.release().catch(() => undefined)
    }
  }

  /** Keeps a snapshot from being opened as a store meanwhile. */
  async #lock(path: string): Promise<{ release(): Promise<void> }> {
    try {
      return await this.#fileSystem.lock(`${path}/${LOCK_NAME}`)
    } catch (error) {
      if (!(error instanceof LockHeldError)) throw ioError(error, 'locking', path)
      throw new VarveError('LOCKED', `The snapshot in ${path} is open as a store, ${error.message}.`, {
        path,
        cause: error,
      })
    }
  }

  async #existing(id: string): Promise<string> {
    const path = `${snapshotsPath(this.#directory)}/${id}`
    let status: Awaited<ReturnType<FileSystem['stat']>>
    try {
      status = await this.#fileSystem.stat(path)
    } catch (error) {
      throw ioError(error, 'examining', path)
    }
    if (isSnapshotId(id) && status?.kind === 'directory') return path
    throw new VarveError(
      'NOT_FOUND',
      `There is no snapshot ${shown(id)}. snapshots() lists those that there are.`,
      { path },
    )
  }

  async #find(idOrPath: string): Promise<string> {
    const own = snapshotsPath(this.#directory)
    if (isSnapshotId(idOrPath)) {
      const ids = await listSnapshotIds(this.#fileSystem, this.#directory)
      if (ids.includes(idOrPath)) return `${own}/${idOrPath}`
    }
    // That of a store in memory is no path of the machine's.
    if (idOrPath.startsWith(`${own}/`)) return idOrPath
    if (this.#engine.parts.settings.persistence === 'none') {
      throw new VarveError(
        'NOT_FOUND',
        `There is no snapshot ${shown(idOrPath)}. A store without a disk restores nothing but its own snapshots, by their ids.`,
      )
    }
    return nodePath.resolve(idOrPath)
  }

  async #refuseTaken(id: string): Promise<void> {
    const path = `${snapshotsPath(this.#directory)}/${id}`
    let isTaken: boolean
    try {
      isTaken = (await this.#fileSystem.stat(path)) !== undefined
    } catch (error) {
      throw ioError(error, 'examining', path)
    }
    if (isTaken) {
      throw new VarveError('EXISTS', `There is a snapshot ${shown(id)} already. Delete it first.`, {
        path,
      })
    }
  }

  #describe(id: string, facts: SnapshotFacts): Promise<SnapshotInfo> {
    return describeSnapshot(this.#engine.parts, id, `${snapshotsPath(this.#directory)}/${id}`, facts)
  }

  /** The snapshots that are there, oldest first. */
  async #readAll(): Promise<{ id: string; facts: SnapshotFacts }[]> {
    const found: { id: string; facts: SnapshotFacts }[] = []
    for (const id of await listSnapshotIds(this.#fileSystem, this.#directory)) {
      const facts = await readSnapshotFacts(this.#fileSystem, `${snapshotsPath(this.#directory)}/${id}`)
      // A directory of somebody else's is none of ours.
      if (facts !== undefined) found.push({ id, facts })
    }
    return found.sort(
      (a, b) =>
        a.facts.sequence - b.facts.sequence ||
        a.facts.createdAt - b.facts.createdAt ||
        (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
    )
  }

  // Automatic ones

  #schedule(): void {
    const { clock, settings } = this.#engine.parts
    const { snapshotIntervalMs } = settings
    if (snapshotIntervalMs === 0 || this.#closed) return
    this.#timer = clock.after(snapshotIntervalMs, () => {
      this.alone(() => this.#takeIfChanged())
        .catch((error: unknown) => this.#report(error))
        .finally(() => this.#schedule())
    })
  }

  async #takeIfChanged(): Promise<void> {
    const { settings } = this.#engine.parts
    const newest = (await this.#readAll()).at(-1)
    if ((newest?.facts.sequence ?? 0) < this.#engine.lastSequence) await this.#take(undefined, true)
    const automatic = (await this.#readAll()).filter(({ facts }) => facts.automatic)
    for (const { id } of automatic.slice(0, -settings.snapshotRetention)) {
      await this.#delete(id).catch((error: unknown) => {
        // Somebody has it open as a store: it goes some other time.
        if (!(error instanceof VarveError && error.code === 'LOCKED')) throw error
      })
    }
  }

  #report(error: unknown): void {
    if (this.#closed) return
    this.#engine.parts.events.emit('error', ioError(error, 'taking a snapshot of', this.#directory))
  }
}
