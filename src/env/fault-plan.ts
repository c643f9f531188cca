/** Which operation of a file system fails: counting, matching, and what has struck. Pure; no file system in sight. */

/** The operations that are counted. Synchronous and asynchronous calls are the same operation. */
export type OperationKind =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'size'
  | 'close'
  | 'rename'
  | 'unlink'
  | 'link'
  | 'mkdir'
  | 'rmdir'
  | 'readdir'
  | 'stat'
  | 'syncDir'
  | 'lock'
  | 'unlock'

/** One operation. */
export interface Operation {
  /** 0 for the first operation of the file system. */
  readonly index: number
  readonly kind: OperationKind
  readonly path: string
  /** The second path of a rename or link. */
  readonly to?: string
}

/** A fault to come. Without a condition it strikes the very next operation. */
export interface FaultSpec {
  /** The errno name that the operation fails with; `'EIO'` by default. */
  readonly errno?: string
  /** Only operations of this kind, or of these kinds, count. */
  readonly kind?: OperationKind | readonly OperationKind[]
  /** Only operations count of which one path matches. */
  readonly path?: RegExp
  /** How many operations that count succeed before; 0 by default. */
  readonly after?: number
  /** `false` (the default): once. `true`: for good, from the first time on. */
  readonly forGood?: boolean
  /**
   * For a sync of a file in memory: what was not synced never will be, although the next sync succeeds and readers see
   * it. `false` by default: the next sync brings it all to the device.
   */
  readonly dropUnsynced?: boolean
}

/** A planned fault. */
export interface Fault {
  readonly errno: string
  readonly dropUnsynced: boolean
  /** How often it has struck. */
  readonly struck: number
  /** Takes it back. */
  cancel(): void
}

class PlannedFault implements Fault {
  readonly errno: string
  readonly dropUnsynced: boolean
  struck = 0
  readonly #spec: FaultSpec
  #left: number
  #active = true

  constructor(spec: FaultSpec) {
    this.#spec = spec
    this.errno = spec.errno ?? 'EIO'
    this.dropUnsynced = spec.dropUnsynced ?? false
    this.#left = spec.after ?? 0
  }

  cancel(): void {
    this.#active = false
  }

  /** Whether it strikes this operation. */
  strikes(operation: Operation): boolean {
    if (!this.#active || !this.#counts(operation)) return false
    if (this.#left > 0) {
      this.#left--
      return false
    }
    this.struck++
    if (this.#spec.forGood !== true) this.#active = false
    return true
  }

  #counts({ kind, path, to }: Operation): boolean {
    const { kind: wanted, path: pattern } = this.#spec
    if (wanted !== undefined && (typeof wanted === 'string' ? wanted !== kind : !wanted.includes(kind)))
      return false
    return pattern === undefined || path.search(pattern) >= 0 || (to !== undefined && to.search(pattern) >= 0)
  }
}

/** The faults to come, and the count of operations. */
export class FaultPlan {
  readonly log: Operation[] = []
  readonly #logging: boolean
  #faults: PlannedFault[] = []
  #operations = 0

  constructor(logging: boolean) {
    this.#logging = logging
  }

  get operations(): number {
    return this.#operations
  }

  add(spec: FaultSpec): Fault {
    const fault = new PlannedFault(spec)
    this.#faults.push(fault)
    return fault
  }

  clear(): void {
    for (const fault of this.#faults) fault.cancel()
    this.#faults = []
  }

  /** Counts one operation and tells which fault strikes it; every fault counts it, one strikes. */
  next(kind: OperationKind, path: string, to?: string): { operation: Operation; fault: Fault | undefined } {
    const operation: Operation = {
      index: this.#operations++,
      kind,
      path,
      ...(to === undefined ? {} : { to }),
    }
    if (this.#logging) this.log.push(operation)
    let fault: Fault | undefined
    for (const planned of this.#faults) {
      if (planned.strikes(operation)) fault ??= planned
    }
    return { operation, fault }
  }
}
