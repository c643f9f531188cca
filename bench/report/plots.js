/**
 * The plots of a section: throughput, ratios to the best peer, latencies. Vega-Lite describes them, Vega draws them to SVG without a browser.
 */
import { facetFor, markFor, render } from './vega.js'

/** @typedef {import('./write.js').Section} Section */

/** Rows of that many plots side by side. */
const COLUMNS = 3

/** @param {Section} section @returns {Promise<string>} */
export function throughputPlot({ title, rows, stores }) {
  const values = rows
    .filter(({ workload }) => workload.unit === 'per second')
    .flatMap(({ workload, cells }) =>
      stores.flatMap(({ name }) => {
        const cell = cells[name]
        return cell === undefined
          ? []
          : [
              {
                workload: workload.title,
                store: name,
                median: cell.median,
                lowest: cell.lowest,
                highest: cell.highest,
              },
            ]
      }),
    )
  const y = { field: 'store', type: 'nominal', title: null, sort: stores.map(({ name }) => name) }
  return render({
    title: {
      text: title,
      subtitle:
        'Operations or entries a second, logarithmic; the line goes from the lowest round to the highest',
    },
    data: { values },
    facet: facetFor(values),
    columns: COLUMNS,
    spec: {
      width: 230,
      height: { step: 16 },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 2 },
          encoding: {
            y,
            x: {
              field: 'lowest',
              type: 'quantitative',
              scale: { type: 'log', nice: false, padding: 14 },
              axis: { format: '~s', tickCount: 4 },
              title: 'a second',
            },
            x2: { field: 'highest' },
            color: markFor(stores),
          },
        },
        {
          mark: { type: 'point', filled: true, size: 70, opacity: 1 },
          encoding: { y, x: { field: 'median', type: 'quantitative' }, color: markFor(stores) },
        },
      ],
    },
    resolve: { scale: { x: 'independent' } },
  })
}

/** `undefined` where there is no peer to compare with. @param {Section} section */
export async function ratioPlot({ title, rows }) {
  const values = rows.flatMap(({ workload, best, met }) =>
    // A delay is compared with a goal only: that of a peer is the operating system's share.
    best === undefined || workload.derive
      ? []
      : [
          {
            workload: workload.title,
            one: 1,
            ratio: Math.max(best.ratio, 1e-3),
            // A goal beside another row or store has no place on this axis.
            goal: workload.goalRow || workload.goalPeer ? undefined : workload.goalRatio,
            state: met === undefined ? 'no goal' : met ? 'goal reached' : 'goal not reached',
            label: `${best.ratio.toFixed(2)} × ${best.store}`,
            better: best.ratio >= 1,
          },
        ],
  )
  if (values.length === 0) return undefined
  const y = { field: 'workload', type: 'nominal', title: null, sort: null }
  const x = {
    field: 'ratio',
    type: 'quantitative',
    scale: { type: 'log', nice: false, padding: 120 },
    title: 'Varve ÷ best durable peer (logarithmic)',
  }
  return render({
    title: { text: title, subtitle: 'Right of 1 × Varve is better; the short strokes are the goals' },
    data: { values },
    width: 620,
    height: { step: 22 },
    layer: [
      { mark: { type: 'rule', strokeDash: [4, 3] }, encoding: { x: { datum: 1, type: 'quantitative' } } },
      {
        mark: { type: 'rule', strokeWidth: 9 },
        encoding: {
          y,
          x,
          x2: { field: 'one' },
          color: {
            field: 'state',
            type: 'nominal',
            title: null,
            scale: {
              domain: ['goal reached', 'goal not reached', 'no goal'],
              range: ['#2f9e62', '#d9534f', '#7d8797'],
            },
          },
        },
      },
      {
        transform: [{ filter: 'datum.better' }],
        mark: { type: 'text', align: 'left', dx: 7 },
        encoding: { y, x, text: { field: 'label' } },
      },
      {
        transform: [{ filter: '!datum.better' }],
        mark: { type: 'text', align: 'right', dx: -7 },
        encoding: { y, x, text: { field: 'label' } },
      },
      {
        transform: [{ filter: 'isValid(datum.goal)' }],
        mark: { type: 'tick', thickness: 3, size: 18, color: '#c98a00' },
        encoding: { y, x: { field: 'goal', type: 'quantitative' } },
      },
    ],
  })
}

/** `undefined` where nothing was timed. @param {Section} section */
export async function latencyPlot({ title, rows, stores }) {
  const values = rows.flatMap(({ workload, cells }) =>
    stores.flatMap(({ name }) => {
      const details = cells[name]?.details
      if (details?.p50 === undefined) return []
      return /** @type {const} */ ([
        ['p50', details.p50],
        ['p99', details.p99],
        ['p99.9', details.p999],
      ]).map(([percentile, microseconds]) => ({
        workload: workload.title,
        store: name,
        percentile,
        microseconds,
      }))
    }),
  )
  if (values.length === 0) return undefined
  const y = { field: 'store', type: 'nominal', title: null, sort: stores.map(({ name }) => name) }
  const x = {
    field: 'microseconds',
    type: 'quantitative',
    scale: { type: 'log', nice: false, padding: 14 },
    axis: { format: '~s', tickCount: 4 },
    title: 'µs',
  }
  return render({
    title: {
      text: title,
      subtitle: 'Latency of one operation in microseconds, logarithmic: p50 ●, p99 ■, p99.9 ▲',
    },
    data: { values },
    facet: facetFor(values),
    columns: COLUMNS,
    spec: {
      width: 230,
      height: { step: 16 },
      layer: [
        {
          mark: { type: 'line', strokeWidth: 1 },
          encoding: { y, x, detail: { field: 'store' }, color: markFor(stores) },
        },
        {
          mark: { type: 'point', filled: true, size: 55, opacity: 1 },
          encoding: {
            y,
            x,
            color: markFor(stores),
            shape: {
              field: 'percentile',
              type: 'nominal',
              title: null,
              scale: { domain: ['p50', 'p99', 'p99.9'], range: ['circle', 'square', 'triangle-up'] },
            },
          },
        },
      ],
    },
    resolve: { scale: { x: 'independent' } },
  })
}
