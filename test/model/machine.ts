/**
 * Carries out a run: each command on the store and on the model, and whatever the store tells is compared at once.
 *
 * What every reopen must show: a prefix of the commit order that ends between two calls and holds all that was
 * promised; all ways of reading agree; no file and no descriptor is left over.
 */
import type { Persistence } from '../../src/index.js'
import { MemoryFileSystem } from '../../src/testing.js'
import { type Promised, surviving } from './acknowledged.js'
import { audit, checkLeft, checkOpen, checkViews, FOREIGN_FILE } from './audit.js'
import { holds, same } from './check.js'
import type { Command, Crash, Run } from './commands.js'
import { writeConditionally } from './conditional.js'
import { Coverage } from './coverage.js'
import { Disk } from './disk.js'
import { History, NOTHING } from './history.js'
import { MAX_VALUE_SIZE } from './invalid-calls.js'
import { keyRangeOf, openIterator, stepIterator } from './iterate.js'
import type { RankedKeys } from './key-space.js'
import { randomFrom } from './random.js'
import { read } from './read.js'
import { DIRECTORY, Session, type Surroundings } from './session.js'
import { Shelf } from './shelf.js'
import {
  checkSnapshots,
  deleteSnapshot,
  openSnapshot,
  restoreSnapshot,
  takeSnapshot,
} from './snapshotting.js'
import { transact } from './transact.js'
import { Values } from './values.js'
import { applyBatch, clear, clearRange, fill, makeInvalidCall, write } from './writes.js'

/** Where the wall clock begins. */
const BEGINNING = 1_700_000_000_000

export class Machine {
  readonly #run: Run
  readonly #surroundings: Surroundings
  readonly #history = new History()
  readonly #coverage: Coverage
  #session: Session
  /** What happens to the recovery behind the crash that is to come. */
  #recovery: readonly Crash[] = []
  #persistence: Persistence
  /** In which mode the store is opened behind that crash. */
  #reopenAs: Persistence | undefined
  #hadMoments = false

  private constructor(keys: RankedKeys, run: Run, coverage: Coverage) {
    this.#run = run
    this.#coverage = coverage
    const random = randomFrom(run.seed)
    const meets = (what: string): void => coverage.meet(what)
    const bookmark = { next: 1 }
    this.#surroundings = { keys, values: new Values(), history: this.#history, random, bookmark, meets }
    this.#persistence = run.options.persistence ?? 'hybrid'
    this.#session = this.#sessionOn(emptyDisk(run), new Shelf(), BEGINNING)
  }

  static async carryOut(keys: RankedKeys, run: Run, coverage = new Coverage()): Promise<void> {
    const machine = new Machine(keys, run, coverage)
    await machine.#create()
    for (const command of run.commands) await machine.#step(command)
    await machine.#end()
  }

  async #create(): Promise<void> {
    const nothing = { issued: 0, os: 0, disk: 0, replacing: undefined, shelf: new Shelf() }
    await this.#recover(emptyDisk(this.#run), nothing, this.#run.creation)
    const { memory } = this.#session.disk
    const file = await memory.open(`${DIRECTORY}/${FOREIGN_FILE}`, 'create')
    await file.sync()
    await file.close()
    await memory.syncDir(DIRECTORY)
  }

  async #step(command: Command): Promise<void> {
    const session = this.#session
    try {
      await this.#do(command, session)
      session.check()
    } catch (error) {
      if (!session.disk.killed) throw error
    }
    if (session.disk.crashed !== undefined) await this.#restartAfterCrash()
  }

  async #end(): Promise<void> {
    this.#session.disk.crashNow()
    if (this.#session.disk.crashed === undefined) await this.#reopen()
    else await this.#restartAfterCrash()
    await audit(this.#session)
    // Life goes on: a write, the worst crash, another one.
    const last = { kind: 'set' as const, rank: 0, size: 10, ttl: undefined }
    await write(this.#session, last, { durability: 'disk', wait: true })
    this.#session.disk.crashLater({ profile: 'nothing', after: 0 }, () => this.#session.promised())
    this.#session.disk.crashNow()
    await this.#restartAfterCrash()
    await audit(this.#session)
    await this.#close()
  }

  async #do(command: Command, session: Session): Promise<void> {
    const { store } = session
    switch (command.kind) {
      case 'write':
        return write(session, command.write, command)
      case 'batch':
        return applyBatch(session, command.writes, command)
      case 'fill':
        return fill(session, command)
      case 'conditional':
        return writeConditionally(session, command)
      case 'transaction':
        this.#hadMoments = true
        return transact(session, command)
      case 'clear':
        return clear(session, command.wait)
      case 'clearRange':
        return clearRange(session, command.range, command)
      case 'invalid':
        return makeInvalidCall(session, command.what)
      case 'settle':
        return session.settle()
      case 'audit':
        return audit(session)
      case 'sync':
        return session.runUntilClosed(session.makesDurable(store.sync()), command.wait)
      case 'flush':
        return session.runUntilClosed(session.makesDurable(store.flush()), command.wait)
      case 'compact':
        return this.#compact(command)
      case 'openView': {
        const view = store.view()
        holds(this.#history.mayStandAt(view.sequence), 'a view stands between two calls')
        this.#hadMoments = true
        session.views.push({ view, state: this.#history.stateAt(view.sequence) })
        return
      }
      case 'closeView': {
        const [closed] = session.views.splice(command.which, 1)
        closed?.view.close()
        return
      }
      case 'read':
        return read(session, command)
      case 'openIterator':
        openIterator(session, command)
        return
      case 'stepIterator':
        return stepIterator(session, command)
      case 'openWatcher':
        return session.watching.open(command)
      case 'readWatcher':
        return session.watching.read(command.which, command.count)
      case 'closeWatcher':
        return session.watching.close(command.which)
      case 'snapshot':
        return takeSnapshot(session, command)
      case 'deleteSnapshot':
        return deleteSnapshot(session, command)
      case 'openSnapshot':
        return openSnapshot(session, command)
      case 'restore':
        return restoreSnapshot(session, command)
      case 'advance':
        return session.advance(command.ms)
      case 'jump':
        // What is under way would not know what time it is.
        await session.settle()
        session.clock.set(session.clock.now() + command.ms)
        return
      case 'reopen':
        return this.#reopen(command.as)
      case 'crash':
        session.disk.crashNow()
        if (session.disk.crashed !== undefined) return
        this.#recovery = command.recovery
        this.#reopenAs = command.as
        session.disk.crashLater(command.crash, () => session.promised())
        return
    }
  }

  async #compact({ range, wait }: Command & { kind: 'compact' }): Promise<void> {
    const session = this.#session
    const { store } = session
    if (range !== undefined) {
      const { gte, lt, prefix } = range
      return session.runUntilClosed(store.compact(keyRangeOf(session.keys, { gte, lt, prefix })), wait)
    }
    if (!wait) return session.runUntilClosed(store.compact(), false)
    await session.settle()
    await session.run(session.makesDurable(store.compact()), true)
    // Old versions that flushes kept for a view or a transaction stay until they are merged with something.
    if (this.#hadMoments) return
    // Nothing else that is dead is left.
    const { levels, memtable } = store.stats()
    const now = session.clock.now()
    let live = 0
    for (const { operation } of this.#history.live.values()) {
      if (operation.value === undefined) continue
      if (operation.doomed) return
      if (operation.expiresAt > now) live++
    }
    const stored = levels.reduce((sum, level) => sum + level.entries, memtable.entries)
    same(stored, live, 'entries in tables behind a compaction of everything')
  }

  // Ends and beginnings

  async #close(): Promise<void> {
    const session = this.#session
    const { disk, store } = session
    for (const { why } of session.calls.removed) session.meets(why === 'expire' ? 'expiry' : 'eviction')
    this.#coverage.look(store.stats())
    const closing = session.makesDurable(store.close())
    await session.drive(closing)
    await session.watching.finish()
    await session.settle()
    this.#coverage.operations += disk.operations
    same(store.isOpen, false, 'a store is open behind its close')
    if (disk.crashed === undefined) same(disk.openCount, 0, 'open files behind a close')
  }

  /** Closes the store and opens it again, perhaps in another mode. */
  async #reopen(as?: Persistence): Promise<void> {
    const session = this.#session
    checkViews(session)
    // Some iterators and views are left to themselves.
    for (const { iterator } of session.iterators.slice(0, 2)) await iterator.close()
    await this.#close()
    if (session.disk.crashed !== undefined) return
    session.disk.spare()
    this.#coverage.reopens++
    this.#persistence = as ?? this.#persistence
    const { last } = this.#history
    const { shelf } = session
    const everything = { issued: last, os: last, disk: last, replacing: undefined, shelf }
    await this.#recover(session.disk.memory, everything, [])
  }

  async #restartAfterCrash(): Promise<void> {
    const { disk } = this.#session
    const { crashed } = disk
    if (crashed === undefined) throw new Error('there was a crash')
    this.#coverage.crash(crashed.crash.profile)
    this.#coverage.operations += disk.operations
    // What goes on behind the crash is of no account, but it ends.
    await this.#session.settle()
    const { image, crash, note } = crashed
    this.#persistence = this.#reopenAs ?? this.#persistence
    await this.#recover(image, surviving(note, crash.profile), this.#recovery)
    this.#recovery = []
    this.#reopenAs = undefined
  }

  /** Opens what is on `image`, through crashes in the middle of that. */
  async #recover(image: MemoryFileSystem, before: Promised, crashes: readonly Crash[]): Promise<void> {
    let memory = image
    let promised = before
    for (const crash of [...crashes, undefined]) {
      await checkLeft(memory)
      const session = this.#sessionOn(memory, new Shelf(), this.#session.clock.now())
      this.#session = session
      if (crash !== undefined) session.disk.crashLater(crash, () => before)
      try {
        await session.open()
      } catch (error) {
        if (!session.disk.killed) throw error
        await session.settle()
      }
      if (crash === undefined || session.disk.crashed === undefined) break
      this.#coverage.recoveryCrashes++
      promised = surviving(promised, crash.profile)
      memory = session.disk.crashed.image
    }
    this.#session.disk.spare()
    this.#checkRecovered(promised)
    await checkSnapshots(this.#session, promised.shelf)
    if (promised.issued === 0) return
    await audit(this.#session)
    await checkOpen(this.#session)
  }

  /** Makes the history end where the store stands; throws unless all that was promised is there, and no more than was. */
  #checkRecovered({ issued, os, replacing }: Promised): void {
    const history = this.#history
    const { sequence } = this.#session
    holds(sequence >= os, `${sequence} >= ${os}: all that was promised is there`)
    if (sequence > issued) {
      holds(replacing !== undefined, `${sequence} <= ${issued}: no more is there than was written`)
      history.cutAt(issued)
      history.replace(sequence, replacing?.contents ?? NOTHING, replacing?.how ?? 'cleared')
    }
    holds(history.mayStandAt(sequence), `sequence number ${sequence} is the end of a call`)
    history.cutAt(sequence)
    this.#session.begin(sequence)
  }

  #sessionOn(memory: MemoryFileSystem, shelf: Shelf, wallMs: number): Session {
    const { slowness, options, listens } = this.#run
    const disk = new Disk<Promised>(memory, slowness, this.#surroundings.random)
    const own = {
      ...options,
      persistence: this.#persistence,
      keyEncoding: this.#surroundings.keys.encoding,
      maxValueSize: MAX_VALUE_SIZE,
    }
    return new Session(disk, shelf, this.#surroundings, wallMs, own, listens)
  }
}

/** In one half of the runs gets wait for the disk, in the other one they read it while they have the thread. */
function emptyDisk({ seed }: Run): MemoryFileSystem {
  return new MemoryFileSystem({ hasPageCache: seed % 2 === 1 })
}
