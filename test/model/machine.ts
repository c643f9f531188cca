/**
 * Carries out a run: each command on the store and on the model, and whatever the store tells is compared at once.
 *
 * What every reopen must show: a prefix of the commit order that ends between two calls and holds all that was
 * promised; all ways of reading agree; no file and no descriptor is left over.
 */
import { WriteBatch } from '../../src/index.js'
import { MemoryFileSystem } from '../../src/testing.js'
import { type Promised, surviving } from './acknowledged.js'
import { audit, checkViews, FOREIGN_FILE } from './audit.js'
import { holds, same } from './check.js'
import type { Command, Crash, Durability, Run, Write } from './commands.js'
import { Coverage } from './coverage.js'
import { Disk } from './disk.js'
import { failAsExpected, INVALID_CALLS, MAX_VALUE_SIZE } from './invalid-calls.js'
import { openIterator, stepIterator } from './iterate.js'
import { type RankedKeys, spoil } from './key-space.js'
import { EVERYTHING, Model, type Operation } from './model.js'
import { randomFrom } from './random.js'
import { read } from './read.js'
import { DIRECTORY, Session } from './session.js'

/** Where the wall clock begins. */
const BEGINNING = 1_700_000_000_000

export class Machine {
  readonly #keys: RankedKeys
  readonly #run: Run
  readonly #random: () => number
  readonly #model = new Model()
  readonly #coverage: Coverage
  #session: Session
  /** What happens to the recovery behind the crash that is to come. */
  #recovery: readonly Crash[] = []
  #values = 0
  #hadViews = false

  private constructor(keys: RankedKeys, run: Run, coverage: Coverage) {
    this.#keys = keys
    this.#run = run
    this.#coverage = coverage
    this.#random = randomFrom(run.seed)
    this.#session = this.#sessionOn(new MemoryFileSystem(), BEGINNING)
  }

  static async carryOut(keys: RankedKeys, run: Run, coverage = new Coverage()): Promise<void> {
    const machine = new Machine(keys, run, coverage)
    await machine.#create()
    for (const command of run.commands) await machine.#step(command)
    await machine.#end()
  }

  async #create(): Promise<void> {
    const nothing = { issued: 0, os: 0, disk: 0 }
    await this.#recover(new MemoryFileSystem(), nothing, this.#run.creation)
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
    await audit(this.#session, this.#keys)
    // Life goes on: a write, the worst crash, another one.
    await this.#write({ kind: 'set', rank: 0, size: 10, ttl: undefined }, 'disk', true)
    this.#session.disk.crashLater({ profile: 'nothing', after: 0 }, () => this.#session.promised())
    this.#session.disk.crashNow()
    await this.#restartAfterCrash()
    await audit(this.#session, this.#keys)
    await this.#close()
  }

  async #do(command: Command, session: Session): Promise<void> {
    const { store } = session
    switch (command.kind) {
      case 'write':
        return this.#write(command.write, command.durability, command.wait)
      case 'batch':
        return this.#batch(command.writes, command.durability, command.wait)
      case 'fill': {
        const { from, count, size, wait } = command
        const writes = Array.from({ length: count }, (_, i): Write => {
          return { kind: 'set', rank: (from + 7 * i) % this.#keys.count, size, ttl: undefined }
        })
        for (const write of writes) await this.#write(write, undefined, wait)
        return
      }
      case 'clear':
        return this.#clear(command.wait)
      case 'invalid':
        return this.#invalid(command.what)
      case 'settle':
        return session.settle()
      case 'audit':
        return audit(session, this.#keys)
      case 'sync':
        return session.runUpkeep(session.makesDurable(store.sync()), command.wait)
      case 'flush':
        return session.runUpkeep(session.makesDurable(store.flush()), command.wait)
      case 'compact':
        return this.#compact(command)
      case 'openView': {
        const view = store.view()
        holds(this.#model.mayStandAt(view.sequence), 'a view stands between two calls')
        this.#hadViews = true
        session.views.push({ view, state: this.#model.stateAt(view.sequence) })
        return
      }
      case 'closeView': {
        const [closed] = session.views.splice(command.which, 1)
        closed?.view.close()
        return
      }
      case 'read':
        return read(session, this.#keys, command)
      case 'openIterator':
        openIterator(session, this.#keys, command)
        return
      case 'stepIterator':
        return stepIterator(session, this.#keys, command)
      case 'advance':
        return session.advance(command.ms)
      case 'jump':
        session.clock.set(session.clock.now() + command.ms)
        return
      case 'reopen':
        return this.#reopen()
      case 'crash':
        session.disk.crashNow()
        if (session.disk.crashed !== undefined) return
        this.#recovery = command.recovery
        session.disk.crashLater(command.crash, () => session.promised())
        return
    }
  }

  // Writes

  #write(write: Write, asked: Durability | undefined, wait: boolean): Promise<void> {
    const session = this.#session
    const { store } = session
    const durability = this.#durability(asked)
    const options = asked === undefined ? {} : { durability: asked }
    const key = this.#keys.key(write.rank)
    let call: Promise<void>
    const operation = this.#operationOf(write)
    if (write.kind === 'set') {
      const value = Buffer.from(operation.value ?? '')
      call = store.set(key, value, write.ttl === undefined ? options : { ...options, ttl: write.ttl })
      spoil(value)
    } else {
      call = this.#delete(store.delete(key, options), write.rank)
    }
    spoil(key)
    const end = this.#model.commit([operation])
    return session.run(
      call.then(() => session.acknowledge(end, durability)),
      wait,
    )
  }

  /** Checks what a delete tells. */
  async #delete(call: Promise<boolean>, rank: number): Promise<void> {
    const { clock } = this.#session
    const before = this.#model.before(this.#model.issued + 1, rank)
    const wasExpired = before !== undefined && before.expiresAt <= clock.now()
    const wasThere = await call
    if (before?.value === undefined) same(wasThere, false, `delete of absent key ${rank}`)
    else if (!before.doomed) same(wasThere, true, `delete of key ${rank}`)
    else if (wasExpired && before.expiresAt <= clock.now())
      same(wasThere, false, `delete of expired key ${rank}`)
  }

  #batch(writes: readonly Write[], asked: Durability | undefined, wait: boolean): Promise<void> {
    const session = this.#session
    const batch = new WriteBatch()
    const operations = writes.map((write) => this.#operationOf(write))
    for (const [i, write] of writes.entries()) {
      const key = this.#keys.key(write.rank)
      if (write.kind === 'delete') batch.delete(key)
      else batch.set(key, operations[i].value ?? '', write.ttl === undefined ? {} : { ttl: write.ttl })
    }
    const call = session.store.applyBatch(batch, asked === undefined ? {} : { durability: asked })
    // What was handed over counts, not what becomes of the batch.
    batch.clear()
    const end = this.#model.commit(operations)
    return session.run(
      call.then((result) => {
        same(result.successful, writes.length, 'writes of a batch')
        same(result.failed, 0, 'failed writes of a batch')
        // Also an empty one answers for what came before it.
        session.acknowledge(end, this.#durability(asked))
      }),
      wait,
    )
  }

  #clear(wait: boolean): Promise<void> {
    const session = this.#session
    const call = session.store.clear()
    const end = this.#model.commit([
      { rank: EVERYTHING, value: undefined, expiresAt: Number.POSITIVE_INFINITY, doomed: false },
    ])
    return session.run(
      call.then(() => session.acknowledge(end, 'disk')),
      wait,
    )
  }

  #durability(asked: Durability | undefined): Durability {
    return asked ?? this.#session.options.durability ?? 'os'
  }

  #operationOf(write: Write): Operation {
    const { rank } = write
    if (write.kind === 'delete') {
      return { rank, value: undefined, expiresAt: Number.POSITIVE_INFINITY, doomed: false }
    }
    const ttl = write.ttl ?? this.#run.options.defaultTtl ?? 0
    const expiresAt = ttl === 0 ? Number.POSITIVE_INFINITY : this.#session.clock.now() + ttl
    return { rank, value: this.#newValue(write.size), expiresAt, doomed: false }
  }

  /** A value that there was never before. Every other one compresses badly. */
  #newValue(size: number): string {
    const number = this.#values++
    let value = `${number}:`
    if (number % 2 === 0) return value.padEnd(size, '.')
    for (let word = number; value.length < size; ) {
      word = (Math.imul(word, 1664525) + 1013904223) >>> 0
      value += word.toString(36)
    }
    return value
  }

  async #invalid(what: number): Promise<void> {
    const session = this.#session
    const failing = failAsExpected(INVALID_CALLS[what % INVALID_CALLS.length], session.store, this.#keys)
    failing.catch(() => undefined)
    // Right behind it, in the same group.
    await this.#write(
      { kind: 'set', rank: what % this.#keys.count, size: 5, ttl: undefined },
      undefined,
      what % 2 === 0,
    )
    await session.drive(failing)
  }

  async #compact({ range, wait }: Command & { kind: 'compact' }): Promise<void> {
    const session = this.#session
    const { store } = session
    if (range !== undefined) {
      const bounds = {
        ...(range.gte === undefined ? {} : { gte: this.#keys.key(range.gte) }),
        ...(range.lt === undefined ? {} : { lt: this.#keys.key(range.lt) }),
        ...(range.prefix === undefined ? {} : { prefix: this.#keys.prefix(range.prefix) }),
      }
      return session.runUpkeep(store.compact(bounds), wait)
    }
    if (!wait) return session.runUpkeep(store.compact(), false)
    await session.settle()
    await session.run(session.makesDurable(store.compact()), true)
    // Old versions that flushes kept for a view stay until they are merged with something.
    if (this.#hadViews) return
    // Nothing else that is dead is left.
    const { levels, memtable } = store.stats()
    const now = session.clock.now()
    let live = 0
    for (const { operation } of this.#model.stateAt(this.#model.issued).values()) {
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
    this.#coverage.look(store.stats())
    const closing = session.makesDurable(store.close())
    await session.drive(closing)
    await session.settle()
    this.#coverage.operations += disk.operations
    same(store.isOpen, false, 'a store is open behind its close')
    if (disk.crashed === undefined) same(disk.openCount, 0, 'open files behind a close')
  }

  async #reopen(): Promise<void> {
    const session = this.#session
    checkViews(session, this.#keys)
    // Some iterators and views are left to themselves.
    for (const { iterator } of session.iterators.slice(0, 2)) await iterator.close()
    await this.#close()
    if (session.disk.crashed !== undefined) return
    session.disk.spare()
    this.#coverage.reopens++
    const { issued } = this.#model
    await this.#recover(session.disk.memory, { issued, os: issued, disk: issued }, [])
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
    await this.#recover(image, surviving(note, crash.profile), this.#recovery)
    this.#recovery = []
  }

  /** Opens what is on `image`, through crashes in the middle of that. */
  async #recover(image: MemoryFileSystem, before: Promised, crashes: readonly Crash[]): Promise<void> {
    let memory = image
    let promised = before
    for (const crash of [...crashes, undefined]) {
      const session = this.#sessionOn(memory, this.#session.clock.now())
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
    const session = this.#session
    session.disk.spare()
    const { sequence } = session
    holds(sequence <= promised.issued, `${sequence} <= ${promised.issued}: no more is there than was written`)
    holds(sequence >= promised.os, `${sequence} >= ${promised.os}: all that was promised is there`)
    holds(this.#model.mayStandAt(sequence), `sequence number ${sequence} is the end of a call`)
    this.#model.cutAt(sequence)
    session.begin(sequence)
    if (promised.issued > 0) await audit(session, this.#keys)
  }

  #sessionOn(memory: MemoryFileSystem, wallMs: number): Session {
    const disk = new Disk<Promised>(memory, this.#run.slowness, this.#random)
    const options = { ...this.#run.options, keyEncoding: this.#keys.encoding, maxValueSize: MAX_VALUE_SIZE }
    return new Session(disk, this.#model, wallMs, options, this.#random)
  }
}
