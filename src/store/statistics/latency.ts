/**
 * How long operations take: percentiles over a sample of them.
 *
 * One operation in sixteen is timed, so that the answer from memory that takes a microsecond stays one. The histogram is
 * Node's own (HdrHistogram in C; three significant digits).
 */
import type { Clock } from '../../env/clock.js'
import { newHistogram, type RecordableHistogram } from '../../env/histogram.js'

/** One operation in this many is timed; a power of two. */
const SAMPLE_EVERY = 16

const NANOSECONDS_PER_MS = 1e6

/** Percentiles of a duration, in ms; all 0 before the first sample. */
export interface LatencyStatistics {
  /** Operations that were timed: one in sixteen. */
  readonly samples: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export class LatencyRecorder {
  readonly #clock: Clock
  readonly #histogram: RecordableHistogram | undefined
  #operations = 0

  /** @param enabled false: nothing is ever timed, and nothing is paid. */
  constructor(clock: Clock, enabled: boolean) {
    this.#clock = clock
    this.#histogram = enabled ? newHistogram() : undefined
  }

  /** Whether the operation that begins now is to be timed. */
  shouldTime(): boolean {
    return this.#histogram !== undefined && (++this.#operations & (SAMPLE_EVERY - 1)) === 0
  }

  /** When an operation begins, for {@link record}. */
  begin(): number {
    return this.#clock.monotonic()
  }

  /** Records an operation that began at `begin`. */
  record(begin: number): void {
    const nanoseconds = Math.round((this.#clock.monotonic() - begin) * NANOSECONDS_PER_MS)
    this.#histogram?.record(Math.max(1, nanoseconds))
  }

  /** `operation` itself, so that nobody waits for its being timed; when it settles, how long it took is recorded. */
  time<T>(operation: Promise<T>, begin: number): Promise<T> {
    const record = (): void => this.record(begin)
    operation.then(record, record)
    return operation
  }

  /** {@link time} from now on, if it is this operation's turn. */
  sample<T>(operation: Promise<T>): Promise<T> {
    return this.shouldTime() ? this.time(operation, this.begin()) : operation
  }

  get statistics(): LatencyStatistics {
    const histogram = this.#histogram
    const samples = histogram?.count ?? 0
    if (histogram === undefined || samples === 0)
      return { samples: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 }
    const at = (percentile: number): number => histogram.percentile(percentile) / NANOSECONDS_PER_MS
    return {
      samples,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: histogram.max / NANOSECONDS_PER_MS,
    }
  }
}
