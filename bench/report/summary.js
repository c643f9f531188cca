/** Medians, spreads and ratios against Varve, out of the tasks that a run has finished. */

/**
 * @typedef {object} Sample One figure of one round.
 * @property {string} store
 * @property {string} workload
 * @property {number} n
 * @property {number} round
 * @property {number} value
 * @property {boolean} [cut] whether the time limit ended it
 * @property {Record<string, number>} [details]
 *
 * @typedef {object} Cell
 * @property {number} median
 * @property {number} lowest
 * @property {number} highest
 * @property {boolean} cut
 * @property {Record<string, number>} details medians of them
 *
 * @typedef {object} Row
 * @property {import('../workloads/workload.js').Workload} workload
 * @property {Record<string, Cell | undefined>} cells by the name of the store
 * @property {{ store: string, ratio: number } | undefined} best the best durable peer, and how many times better
 *   Varve is than it
 * @property {boolean | undefined} met whether the goal is reached
 *
 * @typedef {object} Contender
 * @property {string} name
 * @property {boolean} durable
 * @property {boolean} own
 */

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * @param {import('../run/journal.js').Finished[]} finished
 * @param {import('../workloads/workload.js').Group[]} groups
 * @returns {Sample[]}
 */
export function samplesOf(finished, groups) {
  return finished.flatMap(({ store, group, n, round, outcomes }) => {
    if (outcomes === undefined) return []
    const workloads = groups.find(({ name }) => name === group)?.workloads ?? []
    return workloads.flatMap((workload) => {
      const outcome = outcomes[workload.name]
      const value = workload.derive ? workload.derive(outcomes) : outcome?.value
      if (value === undefined) return []
      const { cut = false, details = {} } = outcome ?? {}
      return [{ store, workload: workload.name, n, round, value, cut, details }]
    })
  })
}

/** @param {Sample[]} samples @returns {Cell | undefined} */
function cellOf(samples) {
  if (samples.length === 0) return undefined
  const values = samples.map(({ value }) => value)
  const names = Object.keys(samples[0].details ?? {})
  return {
    median: median(values),
    lowest: Math.min(...values),
    highest: Math.max(...values),
    cut: samples.some(({ cut }) => cut),
    details: Object.fromEntries(
      names.map((name) => [name, median(samples.map(({ details }) => details?.[name] ?? Number.NaN))]),
    ),
  }
}

/** @param {import('../workloads/workload.js').Workload} workload */
const moreIsBetter = ({ unit }) => unit === 'per second'

/**
 * @param {import('../workloads/workload.js').Workload[]} workloads
 * @param {Contender[]} stores
 * @param {Sample[]} samples of one number of entries
 * @returns {Row[]}
 */
export function summarize(workloads, stores, samples) {
  return workloads.map((workload) => {
    /** @type {Row['cells']} */
    const cells = {}
    for (const { name } of stores) {
      cells[name] = cellOf(
        samples.filter((sample) => sample.store === name && sample.workload === workload.name),
      )
    }
    const more = moreIsBetter(workload)
    const peers = stores
      .filter(({ name, durable, own }) => durable && !own && cells[name])
      .map(({ name }) => ({ name, value: cells[name]?.median ?? 0 }))
      .sort((a, b) => (more ? b.value - a.value : a.value - b.value))
    const own = cells.varve?.median
    const best =
      own !== undefined && peers.length > 0
        ? { store: peers[0].name, ratio: more ? own / peers[0].value : peers[0].value / own }
        : undefined
    return { workload, cells, best, met: metGoal(workload, stores, cells, best) }
  })
}

/**
 * Whether the goal is reached; `undefined` if there is none, or nothing to compare with.
 * @param {import('../workloads/workload.js').Workload} workload
 * @param {Contender[]} stores @param {Row['cells']} cells @param {Row['best']} best
 */
function metGoal(workload, stores, cells, best) {
  const { goalRatio, goalValue, goalPeer } = workload
  /** @param {number} value @param {number} goal */
  const reaches = (value, goal) => (moreIsBetter(workload) ? value >= goal : value <= goal)
  if (goalRatio !== undefined) return best && best.ratio >= goalRatio
  const own = stores.filter((store) => store.own).flatMap(({ name }) => cells[name]?.median ?? [])
  const goal = goalPeer === undefined ? goalValue : cells[goalPeer]?.median
  return goal === undefined || own.length === 0 ? undefined : own.some((value) => reaches(value, goal))
}
