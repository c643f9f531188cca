/** What reading needs of whatever holds the data: the engine of a store, or that of a read-only store. */
import type { Clock } from '../../env/clock.js'
import type { TableCache } from '../../sstable/table-cache.js'
import type { Bound } from '../eviction/bound.js'
import type { Metrics } from '../statistics/metrics.js'
import type { TurnBudget } from '../turn-budget.js'
import type { Leases } from './leases.js'
import type { PinnedMoments, ReadPoint } from './pinned-moments.js'

/** As a read point it is the newest state. */
export interface ReadSource extends ReadPoint {
  readonly parts: { readonly tableCache: TableCache; readonly clock: Clock }
  readonly metrics: Metrics
  readonly turn: TurnBudget
  /** The moments that views read at. */
  readonly pinned: PinnedMoments
  readonly leases: Leases
  /** Only in a bounded store, whose eviction policy counts reads. */
  readonly bound: Pick<Bound, 'used'> | undefined
  /** Whether there is nothing to read from any more. */
  readonly closed: boolean
}
