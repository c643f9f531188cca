/** The statistics of a store in the Prometheus text exposition format, version 0.0.4. */
import { shown, VarveError } from '../../base/errors.js'
import { checkOptionNames } from '../option-names.js'
import type { LatencyStatistics } from './latency.js'
import type { StoreStatistics } from './statistics.js'

/** How {@link prometheusText} names things. */
export interface PrometheusOptions {
  /** In front of every name. Default `'varve'`. */
  readonly prefix?: string
  /** Labels on every sample, such as `{ store: 'sessions' }`. */
  readonly labels?: Readonly<Record<string, string>>
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof PrometheusOptions>(['prefix', 'labels'])

/** What Prometheus takes for the beginning of a metric's name, and for a label; names with `__` are its own. */
const METRIC_NAME = /^[A-Za-z_:][A-Za-z0-9_:]*$/
const LABEL_NAME = /^(?!__)[A-Za-z_][A-Za-z0-9_]*$/

type Labels = Readonly<Record<string, string | number>>

class Exposition {
  readonly #prefix: string
  readonly #labels: Labels
  readonly #lines: string[] = []

  constructor(prefix: string, labels: Labels) {
    this.#prefix = prefix
    this.#labels = labels
  }

  metric(name: string, type: 'counter' | 'gauge' | 'summary', help: string): this {
    this.#lines.push(`# HELP ${this.#prefix}_${name} ${help}`, `# TYPE ${this.#prefix}_${name} ${type}`)
    return this
  }

  sample(name: string, value: number, labels: Labels = {}): this {
    const all = Object.entries({ ...this.#labels, ...labels })
    const text =
      all.length === 0 ? '' : `{${all.map(([key, of]) => `${key}="${escaped(String(of))}"`).join(',')}}`
    this.#lines.push(`${this.#prefix}_${name}${text} ${value}`)
    return this
  }

  counter(name: string, help: string, value: number): this {
    return this.metric(name, 'counter', help).sample(name, value)
  }

  gauge(name: string, help: string, value: number): this {
    return this.metric(name, 'gauge', help).sample(name, value)
  }

  summary(name: string, help: string, latency: LatencyStatistics): this {
    this.metric(name, 'summary', help)
    const quantiles = { 0.5: latency.p50, 0.9: latency.p90, 0.99: latency.p99, 0.999: latency.p999 }
    for (const [quantile, ms] of Object.entries(quantiles)) this.sample(name, ms / 1000, { quantile })
    return this.sample(`${name}_count`, latency.samples)
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function checkName(what: string, name: unknown, grammar: RegExp): void {
  if (typeof name === 'string' && grammar.test(name)) return
  throw new VarveError(
    'INVALID_ARGUMENT',
    `Prometheus takes no ${what} ${shown(name)}; it must match ${grammar.source}.`,
  )
}

/**
 * What `store.stats()` gave, for a Prometheus scrape.
 *
 * @example
 * ```ts
 * response.setHeader('Content-Type', 'text/plain; version=0.0.4').end(prometheusText(store.stats()))
 * ```
 */
export function prometheusText(statistics: StoreStatistics, options: PrometheusOptions = {}): string {
  checkOptionNames('prometheusText', options, OPTION_NAMES)
  if (typeof statistics !== 'object' || statistics?.latency === undefined) {
    throw new VarveError(
      'INVALID_ARGUMENT',
      `prometheusText takes what store.stats() gives, not ${shown(statistics)}.`,
    )
  }
  const { prefix = 'varve', labels = {} } = options
  checkName('prefix', prefix, METRIC_NAME)
  for (const name of Object.keys(labels)) checkName('label', name, LABEL_NAME)
  const text = new Exposition(prefix, labels)
  text
    .counter('gets_total', 'Point reads.', statistics.gets)
    .counter('hits_total', 'Point reads that found a value.', statistics.hits)
    .counter('sets_total', 'Writes of a value.', statistics.sets)
    .counter('deletes_total', 'Removals.', statistics.deletes)
    .counter('evicted_total', 'Entries that were removed to make room.', statistics.evicted)
    .counter('expired_total', 'Expired entries that were removed.', statistics.expired)
    .gauge('entries', 'Live entries: exact in a bounded store, else an estimate.', statistics.entries)
    .gauge('entry_bytes', 'Bytes of their keys and values.', statistics.bytes)
    .gauge('sequence', 'Sequence number of the last write.', statistics.sequence)
    .gauge('memtable_bytes', 'Bytes of the active memtable.', statistics.memtable.bytes)
    .gauge('frozen_memtables', 'Memtables that wait for their flush.', statistics.memtable.frozen)
    .gauge('wal_bytes', 'Bytes of the log.', statistics.wal.bytes)
    .gauge('wal_segments', 'Segments of the log.', statistics.wal.segments)
    .gauge('cache_bytes', 'Bytes of the block cache.', statistics.cache.bytes)
    .counter('cache_hits_total', 'Blocks found in the cache.', statistics.cache.hits)
    .counter('cache_misses_total', 'Blocks not found in the cache.', statistics.cache.misses)
    .gauge('open_tables', 'Tables that are open.', statistics.tables.open)
    .gauge('memory_limit_bytes', 'The option memoryLimit; 0 for none.', statistics.memory.limitBytes ?? 0)
    .metric('memory_bytes', 'gauge', 'What holds memory outside the V8 heap.')
    .sample('memory_bytes', statistics.memory.memtableBytes, { part: 'memtables' })
    .sample('memory_bytes', statistics.memory.cacheBytes, { part: 'cache' })
    .sample('memory_bytes', statistics.memory.tableBytes, { part: 'tables' })
    .sample('memory_bytes', statistics.memory.bufferBytes, { part: 'buffers' })
    .counter('filter_probes_total', 'Probes of bloom filters.', statistics.filter.probes)
    .counter('filter_negatives_total', 'Probes that spared a read.', statistics.filter.negatives)
    .counter(
      'filter_false_positives_total',
      'Probes that caused a read in vain.',
      statistics.filter.falsePositives,
    )
    .counter('flushes_total', 'Memtables written to tables.', statistics.flush.count)
    .counter('flush_written_bytes_total', 'Bytes that flushes wrote.', statistics.flush.bytesWritten)
    .counter('compactions_total', 'Compactions.', statistics.compaction.count)
    .counter('compaction_read_bytes_total', 'Bytes that compactions read.', statistics.compaction.bytesRead)
    .counter(
      'compaction_written_bytes_total',
      'Bytes that compactions wrote.',
      statistics.compaction.bytesWritten,
    )
    .gauge(
      'compaction_debt_bytes',
      'Bytes that compactions have still to rewrite.',
      statistics.compaction.debtBytes,
    )
    .gauge(
      'write_amplification',
      'Bytes written to the disk for each byte written.',
      statistics.amplification.write,
    )
    .gauge(
      'read_amplification',
      'Tables searched for each key that is looked up.',
      statistics.amplification.read,
    )
    .gauge(
      'space_amplification',
      'Bytes of all tables for each byte of the deepest level.',
      statistics.amplification.space,
    )
    .gauge('open_iterators', 'Iterators that are open.', statistics.readers.iterators)
    .gauge('open_views', 'Views that are open.', statistics.readers.views)
    .gauge('open_transactions', 'Transactions that are open.', statistics.readers.transactions)
    .gauge(
      'oldest_reader_seconds',
      'Age of the oldest iterator, view or transaction that is open.',
      (statistics.readers.oldest?.ageMs ?? 0) / 1000,
    )
    .counter(
      'leaks_total',
      'Iterators, views and transactions that were never closed.',
      statistics.readers.leaked,
    )
    .counter('write_stops_total', 'Times that writers were stopped.', statistics.stalls.stops)
    .counter(
      'write_stopped_seconds_total',
      'Time that writers were stopped.',
      statistics.stalls.stoppedMs / 1000,
    )
    .counter(
      'write_slowed_seconds_total',
      'Time that slowing held writers back.',
      statistics.stalls.slowedMs / 1000,
    )
    .summary('read_seconds', 'How long point reads take.', statistics.latency.read)
    .summary('write_seconds', 'How long writes take.', statistics.latency.write)
  text.metric('level_bytes', 'gauge', 'Bytes of each level.')
  for (const { level, bytes } of statistics.levels) text.sample('level_bytes', bytes, { level })
  text.metric('level_tables', 'gauge', 'Tables of each level.')
  for (const { level, tables } of statistics.levels) text.sample('level_tables', tables, { level })
  return text.toString()
}
