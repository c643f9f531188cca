/** What a store counts and measures as it goes. */
import type { Clock } from '../../env/clock.js'
import type { WriteCounts } from '../live-state.js'
import { LatencyRecorder } from './latency.js'

export class Metrics implements WriteCounts {
  /** Writes of a value, and removals, that were applied. */
  sets = 0
  deletes = 0
  /** Point reads, and those that found a value. */
  gets = 0
  hits = 0
  /** Entries that were removed because they had expired. */
  expired = 0
  /** Entries that were removed to make room. */
  evicted = 0
  /** Bytes of the keys and values that were applied, and of their records in the log. */
  bytesWritten = 0
  bytesLogged = 0
  readonly readLatency: LatencyRecorder
  readonly writeLatency: LatencyRecorder

  /** @param timed whether latencies are measured. */
  constructor(clock: Clock, timed: boolean) {
    this.readLatency = new LatencyRecorder(clock, timed)
    this.writeLatency = new LatencyRecorder(clock, timed)
  }
}
