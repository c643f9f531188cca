/**
 * Watchers, opened and read while the store goes on: each is told of every change that it covers, once, in commit order.
 *
 * One that was too slow is told where it has to resume, and resumes there; one that asks for what the log does not hold
 * any more is told so.
 */
import { type Change, VarveError, type Watcher } from '../../src/index.js'
import { holds, same } from './check.js'
import type { Command, WatchTarget } from './commands.js'
import { isInside } from './expected-scan.js'
import type { Event } from './history.js'
import { keyRangeOf } from './iterate.js'
import type { RankedKeys } from './key-space.js'
import type { Session } from './session.js'

type Result = IteratorResult<Change<string, Buffer>, undefined>

/** More would only make a run slow. */
const MOST_WATCHERS = 4

/** A watcher, and what it must tell next. */
interface OpenWatcher {
  readonly command: Command & { kind: 'openWatcher' }
  watcher: Watcher<string, Buffer>
  /** The first sequence number of which it has not told. */
  next: number
  /** Whether it began with what was committed before, of which some is not known any more. */
  replays: boolean
  /** The sequence number of the last replacement when it began, and that of the last commit. */
  readonly replacedAt: number
  readonly since: number
  /** The changes since it had nothing to tell. */
  inARow: number
  /** A call that waits for a change. */
  waiting: Promise<Result> | undefined
}

/** The watchers of a session. */
export class Watching {
  readonly #session: Session
  #open: OpenWatcher[] = []

  constructor(session: Session) {
    this.#session = session
  }

  open(command: Command & { kind: 'openWatcher' }): void {
    if (this.#open.length >= MOST_WATCHERS) return
    const { bookmark, history } = this.#session
    const { from } = command
    const next =
      from === 'bookmark' ? bookmark.next : from === undefined ? undefined : history.last + 1 - from
    this.#open.push(this.#begin(command, next === undefined ? undefined : Math.max(1, next)))
  }

  close(which: number): Promise<void> | undefined {
    const [closed] = this.#open.splice(which, 1)
    if (closed === undefined) return undefined
    this.#session.bookmark.next = closed.next
    return closed.watcher.close()
  }

  /** Reads up to `count` changes of one of the watchers. */
  async read(which: number, count: number): Promise<void> {
    if (this.#open.length === 0) return
    const open = this.#open[which % this.#open.length]
    for (let left = count; left > 0; left--) {
      const event = this.#expected(open)
      if (event === undefined) {
        open.inARow = 0
        if (!open.replays) open.waiting ??= quietly(open.watcher.next())
        return
      }
      if (!(await this.#take(open, event))) return
    }
  }

  /** The store is closed: what was committed is handed out, then there is an end. */
  async finish(): Promise<void> {
    for (const open of this.#open) {
      let event = this.#expected(open)
      // One that was still catching up may end where it is.
      while (event !== undefined && (await this.#take(open, event))) event = this.#expected(open)
      if (event === undefined && !open.replays) {
        same((await this.#next(open)).done, true, 'whether a watcher ends with its store')
      }
      this.#session.bookmark.next = open.next
    }
    this.#open = []
  }

  #begin(command: Command & { kind: 'openWatcher' }, from: number | undefined): OpenWatcher {
    const { store, keys, history } = this.#session
    const { target, buffer, previous } = command
    const options = {
      previous,
      ...(buffer === undefined ? {} : { buffer }),
      ...(from === undefined ? {} : { from }),
    }
    return {
      command,
      watcher: store.watch(targetOf(keys, target), options),
      next: from ?? history.last + 1,
      replays: from !== undefined && from !== history.last + 1,
      replacedAt: history.lastReplacement,
      since: history.last,
      inARow: 0,
      waiting: undefined,
    }
  }

  /** What a watcher must tell next, if anything. */
  #expected({ command, next }: OpenWatcher): Event | undefined {
    for (const event of this.#session.history.eventsFrom(next)) {
      if ('how' in event || covers(this.#session.keys, command.target, event.operation.rank)) return event
    }
    return undefined
  }

  #next(open: OpenWatcher): Promise<Result> {
    const { waiting } = open
    open.waiting = undefined
    return this.#session.drive(waiting ?? open.watcher.next())
  }

  /** Takes `event` from a watcher; whether it goes on. */
  async #take(open: OpenWatcher, event: Event): Promise<boolean> {
    let result: Result
    try {
      result = await this.#next(open)
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      this.#end(open, event, error)
      return false
    }
    if (result.done) {
      holds(!this.#session.store.isOpen && open.replays, `a watcher that ends has told of ${event.sequence}`)
      return false
    }
    holds(open.next > open.replacedAt, 'nothing from before a replacement is replayed')
    const expected = this.#describeExpected(open, event, result.value)
    same(describe(this.#session.keys, result.value), expected, 'a change')
    if (open.replays) this.#session.meets('replay')
    open.next = event.sequence + 1
    open.inARow++
    return true
  }

  /** A watcher has come to an end by itself, instead of telling of `event`. */
  #end(open: OpenWatcher, event: Event, error: VarveError): void {
    const { store, history, opened } = this.#session
    this.#open = this.#open.filter((one) => one !== open)
    switch (error.code) {
      case 'ABORTED': {
        // One that is still catching up does not come to tell of what lies before the restore that ends it.
        const isLast = 'how' in event && event.how === 'restored'
        holds(isLast || open.replays, `a watcher that is aborted has told of ${event.sequence}`)
        if (!open.replays) same(error.sequence, event.sequence + 1, 'where to watch behind a restore')
        return
      }
      case 'NOT_FOUND': {
        const isFlushed = !store.isOpen || store.stats().flush.count > 0
        const isOld = open.next <= Math.max(opened, history.lastReplacement)
        const isGone = isFlushed || isOld || open.next > open.since + 1
        holds(open.replays && open.inARow === 0 && isGone, `the log holds ${open.next}`)
        return
      }
      case 'WATCH_OVERFLOW': {
        const { buffer = 1024 } = open.command
        holds(open.replays || open.inARow >= buffer, `${open.inARow} changes do not overflow ${buffer}`)
        const { sequence = 0 } = error
        holds(
          sequence >= open.next && sequence <= event.sequence,
          `resuming at ${sequence} leaves out ${event.sequence}`,
        )
        this.#session.meets('overflow')
        if (store.isOpen) this.#open.push(this.#begin(open.command, sequence))
        return
      }
      default:
        throw error
    }
  }

  #describeExpected({ command, replays }: OpenWatcher, event: Event, actual: Change<string, Buffer>): string {
    if ('how' in event) return `${event.sequence} ${event.how === 'cleared' ? 'clear' : event.how}`
    const { sequence, operation, before } = event
    const { rank, value, removal } = operation
    const prior = before?.operation.value
    const isRemoval = removal === 'expire' || removal === 'evict'
    // What was flushed since is not known any more.
    const shown = isRemoval && !(replays && actual.value === undefined) ? prior : value
    const head = `${sequence} ${removal ?? 'set'} ${rank}=${shown}`
    if (isRemoval || !command.previous || prior === undefined) return head
    const mayBeMissing = replays || before?.operation.expiresAt !== Number.POSITIVE_INFINITY
    const isMissing = !('previous' in actual) && mayBeMissing
    return isMissing ? head : `${head}, before ${prior}`
  }
}

function describe(keys: RankedKeys, change: Change<string, Buffer>): string {
  const { sequence, type } = change
  if (type === 'clear') return `${sequence} clear`
  const head = `${sequence} ${type} ${keys.rankOf(change.key)}=${change.value}`
  return 'previous' in change ? `${head}, before ${change.previous}` : head
}

function targetOf(keys: RankedKeys, target: WatchTarget) {
  return target.kind === 'key' ? keys.key(target.rank) : keyRangeOf(keys, target.range)
}

function covers(keys: RankedKeys, target: WatchTarget, rank: number): boolean {
  return target.kind === 'key' ? target.rank === rank : isInside(keys, target.range, rank)
}

/** Its failure is somebody's who will ask for it. */
function quietly<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
