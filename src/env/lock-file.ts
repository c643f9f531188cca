/**
 * An exclusive lock between processes, out of plain files: Node has no `flock`.
 *
 * The lock is held by whoever the lock file names. Its content is JSON: {@link LockRecord}.
 * - Taking a free lock: write the record to a temporary file, `link` it to the lock's name. `link` fails when the
 *   name is there, and the file is complete from the moment that it has the name.
 * - Taking over from a dead holder: the lock file is never removed, only replaced, and only by the one process that
 *   owns the claim on that holder: the file `<lock>.<token of the dead>.claim.tmp`, made by `link` too. Moving the
 *   dead file away first, as is often done, would let a slow process move away the file of a new, living holder.
 *   A claim counts only while the lock file still names the dead: the owner reads it again after claiming.
 *   The new holder replaces the lock file first and removes the claim after, so whoever claims later reads the new
 *   name. Tokens are never used twice. If a claimant dies in between, its claim is claimed in the same way.
 * - Letting go: remove the lock file if it still names us. Where it cannot be removed, its one byte `held` is overwritten: whoever
 *   reads it finds the same record, held or not, and takes over as from a dead holder. Where that fails too, this process knows by
 *   itself; to others the lock is held until it ends.
 * - A thread keeps what it holds in mind: it does not take a lock twice, though somebody has deleted the file.
 *
 * A holder is dead when it has let go, when it was on this host and the machine was booted since, or its process is gone, or the process
 * of that id was started at another time. A holder on another host, or where the system does not tell, is alive. Containers have a
 * host name each; those that share one and run at once do not see each other's processes, and take each other for dead.
 *
 * A lock file that came along with a copy of its directory names a holder that is alive, and holds nothing there. Numbers of files alone
 * do not tell: one directory may have several, by way of several mounts, or at different times. But a holder works by its path. It is
 * elsewhere when, on this host and in this boot, the path that it recorded leads to another directory of the same device as the one at
 * hand, which besides is not the one whose number it recorded: so one that was moved away under it, or is known to it by a name in a
 * container, stays held. So does whatever else may be a copy or not.
 */
import { randomUUID } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { crc32 } from '../base/checksum.js'
import { errnoOf } from '../base/errors.js'
import { errnoError } from './errno.js'
import { type Lock, LockHeldError, type LockHolder } from './file-system.js'

/** A directory as the system tells it from all others, by whatever path. */
export interface DirectoryIdentity {
  readonly device: string
  /** Given to another directory when this one is gone. */
  readonly inode: string
  /** When it was made. */
  readonly born: string
}

/** What a lock file needs of the system. */
export interface LockFilePrimitives {
  readonly host: string
  /** The content, `undefined` when there is no such file. */
  readText(path: string): Promise<string | undefined>
  /** A new file, all of it or none; fails with `EEXIST`. */
  create(path: string, text: string): Promise<void>
  /** A second name; fails with `EEXIST`, or with another error where the file system has no links. */
  link(existing: string, created: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** No error when it is not there. */
  remove(path: string): Promise<void>
  /** Replaces one byte at `position` of the file if it holds `text`; whoever reads sees all of the old or the new text. */
  overwrite(path: string, text: string, position: number, byte: string): Promise<void>
  /** The directory at `path`; `undefined` where there is none, or where the system does not tell. */
  directory(path: string): Promise<DirectoryIdentity | undefined>
  /** Wall-clock milliseconds since 1970. */
  now(): number
  pause(ms: number): Promise<void>
  /** Changes with every boot of the machine; `undefined` where unknown. */
  bootId(): Promise<string | undefined>
  /** When a process was started, in the system's own words; `undefined` where unknown. */
  startTime(pid: number): Promise<string | undefined>
}

/** The content of a lock file. */
interface LockRecord {
  /** 0: let go of, and could not be removed. The first field, so that it is one byte at a known place. */
  readonly held?: 0 | 1
  readonly pid: number
  readonly host: string
  readonly bootId?: string
  readonly startTime?: string
  /** Where the holder has the lock, and the number of that directory. */
  readonly directory?: string
  readonly inode?: string
  readonly since: number
  /** Names this taking of the lock and no other. */
  readonly token: string
}

/** What a lock or claim file says: a record, or a token of its own for content that no one can read. */
type Found = { readonly token: string; readonly record?: LockRecord }

const HELD_POSITION = '{"held":'.length

/** The tokens of locks that this process let go of, and could not even tell so in their files. */
const letGo = new Set<string>()

/** What this thread holds, by {@link placeOf}. */
const heldHere = new Map<string, LockRecord>()

/** Each round ends the attempt unless another process changed the lock in the meantime. */
const MAX_ROUNDS = 100
/** Claims on claims: each one is a process that died within a few system calls. */
const MAX_CHAIN = 32
/** What `link` says where there are no links. */
const WITHOUT_LINKS: readonly string[] = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']
/** Unreadable content is read again this often, at this distance. */
const UNREADABLE_RETRIES = 5
const UNREADABLE_RETRY_MS = 20

/** Takes the lock at `path`, or throws {@link LockHeldError}. */
export async function acquireLockFile(path: string, system: LockFilePrimitives): Promise<Lock> {
  return (await LockAttempt.begin(path, system)).run()
}

/** The living holder of the lock at `path`, if there is one. Changes nothing. */
export async function findLockHolder(
  path: string,
  system: LockFilePrimitives,
): Promise<LockHolder | undefined> {
  return (await LockAttempt.begin(path, system)).findHolder()
}

/** The 22nd field of `/proc/<pid>/stat`; the second may hold spaces and parentheses, so counting starts behind it. */
export function startTimeIn(stat: string | undefined): string | undefined {
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** The same for all paths that lead to one lock, whether the file is there or not; unique where nothing is known. */
function placeOf(path: string, directory: DirectoryIdentity | undefined): string {
  if (directory === undefined) return randomUUID()
  const { device, inode, born } = directory
  return `${device}:${inode}:${born}/${basename(path)}`
}

async function ownRecord(
  path: string,
  directory: DirectoryIdentity | undefined,
  system: LockFilePrimitives,
): Promise<LockRecord> {
  const [bootId, startTime] = await Promise.all([system.bootId(), system.startTime(process.pid)])
  return {
    held: 1,
    pid: process.pid,
    host: system.host,
    ...(bootId === undefined ? {} : { bootId }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(directory === undefined ? {} : { directory: dirname(path), inode: directory.inode }),
    since: system.now(),
    token: randomUUID(),
  }
}

class LockAttempt {
  readonly #path: string
  readonly #system: LockFilePrimitives
  readonly #own: LockRecord
  readonly #directory: DirectoryIdentity | undefined
  readonly #place: string
  readonly #text: string
  /** Holds our record under a name that no one else uses, until it becomes the lock. */
  readonly #temporary: string

  constructor(
    path: string,
    system: LockFilePrimitives,
    own: LockRecord,
    directory: DirectoryIdentity | undefined,
  ) {
    this.#path = path
    this.#system = system
    this.#own = own
    this.#directory = directory
    this.#place = placeOf(path, directory)
    this.#text = `${JSON.stringify(own)}\n`
    this.#temporary = `${path}.${own.pid}.${own.token}.tmp`
  }

  static async begin(path: string, system: LockFilePrimitives): Promise<LockAttempt> {
    const directory = await system.directory(dirname(path))
    const own = await ownRecord(path, directory, system)
    return new LockAttempt(path, system, own, directory)
  }

  async run(): Promise<Lock> {
    try {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const ours = heldHere.get(this.#place)
        if (ours !== undefined) throw new LockHeldError(ours, true)
        const found = await this.#read(this.#path)
        const taken = found === undefined ? await this.#publish(this.#path) : await this.#takeOver(found)
        if (taken) return this.#held()
      }
    } finally {
      await this.#tidy(this.#temporary)
    }
    throw errnoError('EBUSY', 'lock', this.#path)
  }

  async findHolder(): Promise<LockHolder | undefined> {
    const ours = heldHere.get(this.#place)
    if (ours !== undefined) return ours
    const holder = (await this.#read(this.#path))?.record
    return holder === undefined || (await this.#isDead(holder)) ? undefined : holder
  }

  /** Gives our record the name `path`; false when the name is taken. */
  async #publish(path: string): Promise<boolean> {
    await this.#writeTemporary()
    try {
      await this.#system.link(this.#temporary, path)
      return true
    } catch (error) {
      const errno = errnoOf(error) ?? ''
      // ENOENT: someone tidied our temporary file away. The next round tells.
      if (errno === 'EEXIST' || errno === 'ENOENT') return false
      if (!WITHOUT_LINKS.includes(errno)) throw error
    }
    // Without links the name is there before its content; readers therefore read unreadable content again.
    return this.#create(path)
  }

  async #writeTemporary(): Promise<void> {
    await this.#create(this.#temporary)
  }

  async #create(path: string): Promise<boolean> {
    try {
      await this.#system.create(path, this.#text)
      return true
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false
      throw error
    }
  }

  /** Replaces the lock of `first` if everyone from it to the end of its claims is dead. */
  async #takeOver(first: Found): Promise<boolean> {
    const chain: string[] = []
    let last = first
    for (let depth = 0; depth < MAX_CHAIN; depth++) {
      await this.#assertDead(last)
      const claim = `${this.#path}.${last.token}.claim.tmp`
      chain.push(claim)
      if (await this.#publish(claim)) return this.#replace(first, chain, claim)
      const claimant = await this.#read(claim)
      if (claimant === undefined) return false
      last = claimant
    }
    throw errnoError('EBUSY', 'lock', this.#path)
  }

  async #replace(first: Found, chain: readonly string[], claim: string): Promise<boolean> {
    let replaced = false
    try {
      const now = await this.#read(this.#path)
      if (now?.token !== first.token) return false
      await this.#writeTemporary()
      await this.#system.rename(this.#temporary, this.#path)
      replaced = true
    } finally {
      for (const obsolete of replaced ? chain : [claim]) await this.#tidy(obsolete)
    }
    return replaced
  }

  /** What cannot be removed stays behind without harm; it must not cost us a lock that we hold. */
  async #tidy(path: string): Promise<void> {
    await this.#system.remove(path).catch(() => {})
  }

  #held(): Lock {
    heldHere.set(this.#place, this.#own)
    let released = false
    return {
      release: async () => {
        if (released) return
        released = true
        await this.#letGo().finally(() => heldHere.delete(this.#place))
      },
    }
  }

  async #letGo(): Promise<void> {
    try {
      const found = await this.#read(this.#path)
      if (found?.token === this.#own.token) await this.#system.remove(this.#path)
    } catch (error) {
      await this.#system.overwrite(this.#path, this.#text, HELD_POSITION, '0').catch((failure: unknown) => {
        // Somebody has deleted it: nothing is left to be let go of.
        if (errnoOf(failure) === 'ENOENT') return
        letGo.add(this.#own.token)
        throw error
      })
    }
  }

  /** Throws {@link LockHeldError} unless the holder is known to be dead. */
  async #assertDead(found: Found): Promise<void> {
    const holder = found.record
    if (holder === undefined) return
    if (await this.#isDead(holder)) return
    const { pid, host, startTime } = this.#own
    throw new LockHeldError(
      holder,
      holder.pid === pid && holder.host === host && holder.startTime === startTime,
    )
  }

  async #isDead(holder: LockRecord): Promise<boolean> {
    if (holder.held === 0 || letGo.has(holder.token)) return true
    if (holder.host !== this.#own.host) return false
    if (holder.bootId !== undefined && this.#own.bootId !== undefined && holder.bootId !== this.#own.bootId)
      return true
    if (!processExists(holder.pid)) return true
    if (holder.startTime !== undefined) {
      const startTime = await this.#system.startTime(holder.pid)
      if (startTime !== undefined && startTime !== holder.startTime) return true
    }
    return this.#isElsewhere(holder)
  }

  /** Whether a holder of this host is known to work in another directory than the one at hand. */
  async #isElsewhere({ bootId, directory, inode }: LockRecord): Promise<boolean> {
    if (bootId === undefined || bootId !== this.#own.bootId || directory === undefined) return false
    const its = await this.#system.directory(directory)
    const ours = this.#directory
    if (its === undefined || ours === undefined || its.device !== ours.device) return false
    return its.inode !== ours.inode && inode !== undefined && inode !== ours.inode
  }

  /**
   * Reads who holds a lock or a claim. Content that cannot be read is what a power loss leaves of a file that was
   * never synced, or (without links) a file whose owner is just writing it; the second ends within the retries.
   */
  async #read(path: string): Promise<Found | undefined> {
    let text = await this.#system.readText(path)
    for (let retry = 0; text !== undefined; retry++) {
      const record = parseRecord(text)
      if (record !== undefined) return { token: record.token, record }
      if (retry === UNREADABLE_RETRIES)
        return { token: `unreadable-${crc32(Buffer.from(text)).toString(16)}` }
      await this.#system.pause(UNREADABLE_RETRY_MS)
      text = await this.#system.readText(path)
    }
    return undefined
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there, but not ours to signal.
    return errnoOf(error) !== 'ESRCH'
  }
}

function parseRecord(text: string): LockRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isRecord(value) ? value : undefined
}

function isRecord(value: unknown): value is LockRecord {
  if (typeof value !== 'object' || value === null) return false
  const { held, pid, host, bootId, startTime, directory, inode, since, token } = value as Partial<
    Record<keyof LockRecord, unknown>
  >
  return (
    (held === undefined || held === 0 || held === 1) &&
    Number.isSafeInteger(pid) &&
    (pid as number) > 0 &&
    typeof host === 'string' &&
    (bootId === undefined || typeof bootId === 'string') &&
    (startTime === undefined || typeof startTime === 'string') &&
    (directory === undefined || typeof directory === 'string') &&
    (inode === undefined || typeof inode === 'string') &&
    typeof since === 'number' &&
    // A moment that a date can be.
    Math.abs(since) <= 8.64e15 &&
    // The token becomes part of a file name.
    typeof token === 'string' &&
    /^[\w-]{1,64}$/.test(token)
  )
}
