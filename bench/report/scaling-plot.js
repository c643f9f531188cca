/** How every figure goes with the number of entries: a line for each store, both axes logarithmic. */
import { median } from './summary.js'
import { facetFor, markFor, render } from './vega.js'

const MEBIBYTE = 2 ** 20

/**
 * @param {import('../workloads/workload.js').Family} family
 * @param {{ name: string }[]} stores
 * @param {import('./summary.js').Sample[]} samples
 */
export function scalingPlot(family, stores, samples) {
  const workloads = family.groups.flatMap(({ workloads }) => workloads)
  const sizes = [...new Set(samples.map(({ n }) => n))]
  const values = workloads.flatMap(({ name, title, unit }) => {
    const found = samples.filter(({ workload }) => workload === name)
    const inMebibytes = unit === 'bytes' && found.some(({ value }) => value > MEBIBYTE)
    const what = unit === 'per second' ? 'a second' : inMebibytes ? 'MiB' : unit
    return stores.flatMap((store) =>
      sizes.flatMap((n) => {
        const rounds = found.filter((sample) => sample.store === store.name && sample.n === n)
        if (rounds.length === 0) return []
        const value = median(rounds.map((sample) => sample.value)) / (inMebibytes ? MEBIBYTE : 1)
        return value > 0 ? [{ workload: `${title} (${what})`, store: store.name, n, value }] : []
      }),
    )
  })
  return render({
    title: { text: family.title, subtitle: 'Over the number of entries; both axes logarithmic' },
    data: { values },
    facet: facetFor(values),
    columns: 3,
    spec: {
      width: 230,
      height: 170,
      mark: { type: 'line', point: { filled: true, size: 45 } },
      encoding: {
        x: {
          field: 'n',
          type: 'quantitative',
          scale: { type: 'log', nice: false },
          title: 'entries',
          axis: { format: '.1~s', values: sizes },
        },
        y: {
          field: 'value',
          type: 'quantitative',
          scale: { type: 'log' },
          title: null,
          axis: { format: '.2~s', tickCount: 4 },
        },
        color: markFor(stores),
      },
    },
    resolve: { scale: { y: 'independent' }, axis: { x: 'independent' } },
  })
}
