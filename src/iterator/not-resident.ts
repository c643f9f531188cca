/**
 * How one state machine serves both the synchronous and the asynchronous path.
 *
 * All decisions are synchronous. A read that must not block and finds that something (an open table, a block) is
 * not in memory throws a `NotResident`, which knows how to bring it in. The driver (`whenResident`) awaits the
 * load and runs the same step again from its start. What was loaded is handed to the fetcher of the operation, so
 * a retry finds it even when the cache has no room. Not an `Error`: it is control flow, and a stack trace would cost
 * more than the read.
 */
export class NotResident {
  /** Brings in what was missing; rejects with the typed error of the read. */
  readonly load: () => Promise<void>

  constructor(load: () => Promise<void>) {
    this.load = load
  }
}

/** Runs `step` until everything that it needs is in memory. `step` must be safe to run again from its start. */
export async function whenResident<T>(step: () => T): Promise<T> {
  for (;;) {
    let missing: NotResident
    try {
      return step()
    } catch (error) {
      if (!(error instanceof NotResident)) throw error
      missing = error
    }
    await missing.load()
  }
}
