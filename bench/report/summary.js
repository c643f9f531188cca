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
const moreIsBetter = ({ unit }) => unit === 'per second' || unit === 'share'

/**
 * @param {import('../workloads/workload.js').Workload[]} workloads
 * @param {Contender[]} stores
 * @param {Sample[]} samples of one number of entries
 * @returns {Row[]}
 */
export function summarize(workloads, stores, samples) {
  const rows = workloads.map((workload) => {
    /** @type {Row['cells']} */
    const cells = {}
    for (const { name } of stores) {
      cells[name] = cellOf(
        samples.filter((sample) => sample.store === name && sample.workload === workload.name),
      )
    }
    const own = cells.varve?.median
    const peer = bestPeer(workload, stores, cells)
    const best = own && peer ? { store: peer.name, ratio: ratioOf(workload, own, peer.value) } : undefined
    return { workload, cells, best, met: undefined }
  })
  return rows.map((row) => ({ ...row, met: metGoal(row, stores, rows) }))
}

/** @param {import('../workloads/workload.js').Workload} workload @param {Contender[]} stores @param {Row['cells']} cells */
function bestPeer(workload, stores, cells) {
  const peers = stores.flatMap(({ name, durable, own }) => {
    const value = cells[name]?.median
    return durable && !own && value !== undefined ? [{ name, value }] : []
  })
  return peers.toSorted((a, b) => ratioOf(workload, b.value, a.value) - 1).at(0)
}

/** How many times better `value` is than `other`. @param {import('../workloads/workload.js').Workload} workload @param {number} value @param {number} other */
const ratioOf = (workload, value, other) => (moreIsBetter(workload) ? value / other : other / value)

/**
 * Whether the goal is reached; `undefined` if there is none, or nothing to compare with.
 * @param {Row} row @param {Contender[]} stores @param {Row[]} rows
 */
function metGoal({ workload, cells, best }, stores, rows) {
  const { goalRatio, goalRow, goalValue, goalPeer, goalOfAny } = workload
  if (goalRow !== undefined) {
    const row = rows.find((one) => one.workload.name === goalRow)
    const peer = row && bestPeer(row.workload, stores, row.cells)
    return peer && cells.varve && ratioOf(workload, cells.varve.median, peer.value) >= (goalRatio ?? 1)
  }
  if (goalRatio !== undefined && goalPeer === undefined) return best && best.ratio >= goalRatio
  const judged = goalOfAny ? stores.filter(({ own }) => own).map(({ name }) => name) : ['varve']
  const own = judged.flatMap((name) => cells[name]?.median ?? [])
  const goal = goalPeer === undefined ? goalValue : cells[goalPeer]?.median
  return goal === undefined || own.length === 0
    ? undefined
    : own.some((value) => ratioOf(workload, value, goal) >= (goalRatio ?? 1))
}
