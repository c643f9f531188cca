/** What all runs of a test together have come by: a model test that never compacts proves little. */
import type { StoreStatistics } from '../../src/index.js'
import type { Death } from './commands.js'

export class Coverage {
  flushes = 0
  compactions = 0
  reopens = 0
  recoveryCrashes = 0
  /** Of all disks, up to their crash or close. */
  operations = 0
  /** The most levels that held tables at once. */
  deepest = 0
  readonly crashes = new Map<Death, number>()

  look({ flush, compaction, levels }: StoreStatistics): void {
    this.flushes += flush.count
    this.compactions += compaction.count
    this.deepest = Math.max(this.deepest, levels.filter(({ tables }) => tables > 0).length)
  }

  /** How often other things happened, by their names. */
  readonly met = new Map<string, number>()

  meet(what: string): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1)
  }

  crash(profile: Death): void {
    this.crashes.set(profile, (this.crashes.get(profile) ?? 0) + 1)
  }
}
