/** Medians, ratios against Varve, and how they are shown: a table on the terminal, Markdown for the docs. */
import { styleText } from 'node:util'
import Table from 'cli-table3'

/**
 * @typedef {object} Sample
 * @property {string} store
 * @property {string} workload
 * @property {number} round
 * @property {number} value
 * @property {boolean} [cut] whether the time limit ended it
 * @property {Record<string, number>} [details]
 *
 * @typedef {object} Run
 * @property {string} date
 * @property {ReturnType<typeof import('./system.js').machine>} machine
 * @property {number} n
 * @property {number} rounds
 * @property {number} cacheSize
 * @property {number} limitMs
 * @property {{ name: string, version: string, durable: boolean, own: boolean, settings: string }[]} stores
 *
 * @typedef {object} Cell
 * @property {number} median
 * @property {number} lowest
 * @property {number} highest
 * @property {boolean} cut
 *
 * @typedef {object} Row
 * @property {import('./workloads.js').Workload} workload
 * @property {Record<string, Cell | undefined>} cells
 * @property {{ store: string, ratio: number } | undefined} best the best durable peer, and how many times better
 *   Varve is than it
 * @property {boolean | undefined} met
 */

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** @param {Sample[]} samples @returns {Cell | undefined} */
function cellOf(samples) {
  if (samples.length === 0) return undefined
  const values = samples.map(({ value }) => value)
  return {
    median: median(values),
    lowest: Math.min(...values),
    highest: Math.max(...values),
    cut: samples.some(({ cut }) => cut),
  }
}

/**
 * @param {import('./workloads.js').Workload[]} workloads
 * @param {Run} run
 * @param {Sample[]} samples
 * @returns {Row[]}
 */
export function summarize(workloads, run, samples) {
  return workloads.map((workload) => {
    /** @type {Row['cells']} */
    const cells = {}
    for (const { name } of run.stores) {
      cells[name] = cellOf(
        samples.filter((sample) => sample.store === name && sample.workload === workload.name),
      )
    }
    const more = workload.unit === 'per second'
    const peers = run.stores
      .filter(({ name, durable, own }) => durable && !own && cells[name])
      .map(({ name }) => ({ name, value: cells[name]?.median ?? 0 }))
      .sort((a, b) => (more ? b.value - a.value : a.value - b.value))
    const own = cells.varve?.median
    const best =
      own !== undefined && peers.length > 0
        ? { store: peers[0].name, ratio: more ? own / peers[0].value : peers[0].value / own }
        : undefined
    return { workload, cells, best, met: metGoal(workload, cells, best) }
  })
}

/** @param {import('./workloads.js').Workload} workload @param {Row['cells']} cells @param {Row['best']} best */
function metGoal(workload, cells, best) {
  const own = cells.varve?.median
  if (own === undefined || workload.goal === '') return undefined
  if (workload.goal.includes('classic-level')) {
    const peer = cells['classic-level']?.median
    return peer === undefined ? undefined : own <= peer
  }
  if (workload.goal.includes('×') && best === undefined) return undefined
  return workload.met?.(best?.ratio ?? 0, own)
}

/** @param {number} value @param {import('./workloads.js').Workload['unit']} unit */
export function formatValue(value, unit) {
  if (unit === 'bytes') return `${(value / 2 ** 20).toFixed(1)} MiB`
  if (unit === 'ms') return `${value.toFixed(value < 10 ? 2 : 0)} ms`
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (value >= 1e3) return `${(value / 1e3).toFixed(value < 1e4 ? 1 : 0)}k`
  return value.toFixed(0)
}

/** @param {Cell | undefined} cell @param {import('./workloads.js').Workload['unit']} unit @param {string} separator */
function formatCell(cell, unit, separator) {
  if (!cell) return '–'
  const text = formatValue(cell.median, unit) + (cell.cut ? ' †' : '')
  if (cell.lowest === cell.highest) return text
  return `${text}${separator}(${formatValue(cell.lowest, unit)}–${formatValue(cell.highest, unit)})`.replaceAll(
    / (MiB|ms)–/g,
    '–',
  )
}

/** @param {Row} row */
const formatBest = ({ best }) => (best ? `${best.ratio.toFixed(2)} ×` : '')

/** @param {Row} row */
const formatGoal = ({ workload, met }) =>
  met === undefined ? workload.goal : `${met ? '✓' : '✗'} ${workload.goal}`

/** @param {Run} run */
function heading({ n, rounds, cacheSize, machine }) {
  return (
    `${n.toLocaleString('en')} entries of 16 + 100 bytes, ${cacheSize / 2 ** 20} MiB of cache, ` +
    `median of ${rounds} round${rounds === 1 ? '' : 's'} (lowest–highest); operations or entries per second. ` +
    `Node ${machine.node}, ${machine.platform}, ${machine.cores} × ${machine.processor}.`
  )
}

const ratioTitle = 'Varve ÷ best peer'

/** @param {Run} run @param {Row[]} rows */
const cutNote = (run, rows) =>
  rows.some(({ cells }) => Object.values(cells).some((cell) => cell?.cut))
    ? `† ended by the time limit of ${run.limitMs / 1000} s.`
    : ''

/** @param {Run} run @param {Row[]} rows */
export function terminalReport(run, rows) {
  const colour = process.stdout.isTTY && !process.env.NO_COLOR
  /** @param {Parameters<typeof styleText>[0]} style @param {string} text */
  const paint = (style, text) => (colour && text ? styleText(style, text) : text)
  const hasRatio = rows.some(({ best }) => best)
  const table = new Table({
    head: ['', ...run.stores.map(({ name }) => name), ...(hasRatio ? [ratioTitle, 'goal'] : [])].map(
      (title) => paint('bold', title),
    ),
    colAligns: ['left', ...run.stores.map(() => /** @type {const} */ ('right')), 'right', 'left'],
    style: { head: [], border: colour ? ['gray'] : [], compact: true },
  })
  for (const row of rows) {
    const cells = run.stores.map(({ name, own, durable }) => {
      const text = formatCell(row.cells[name], row.workload.unit, '\n')
      return own && durable ? paint('bold', text) : text
    })
    const goal = paint(row.met ? 'green' : row.met === false ? 'red' : 'reset', formatGoal(row))
    table.push([row.workload.title, ...cells, ...(hasRatio ? [formatBest(row), goal] : [])])
  }
  return ['', heading(run), table.toString(), cutNote(run, rows)]
    .filter((line, i) => i === 0 || line)
    .join('\n')
}

/** @param {Run} run @param {Row[]} rows */
export function markdownReport(run, rows) {
  const titles = ['', ...run.stores.map(({ name, version }) => `${name} ${version}`), ratioTitle, 'goal']
  const lines = [
    `# Benchmark of ${run.date.slice(0, 10)}`,
    '',
    heading(run),
    '',
    `| ${titles.join(' | ')} |`,
    `| --- | ${titles
      .slice(1)
      .map(() => '---:')
      .join(' | ')} |`,
    ...rows.map((row) => {
      const cells = run.stores.map(({ name }) => formatCell(row.cells[name], row.workload.unit, '<br>'))
      const best = row.best ? `${formatBest(row)} (${row.best.store})` : ''
      return `| ${[row.workload.title, ...cells, best, formatGoal(row)].join(' | ')} |`
    }),
    '',
    cutNote(run, rows),
    '',
    'Each store runs in a process of its own, in turns. "Best peer" is the best durable store beside Varve in that',
    'row; a ratio above 1 says that Varve is better, whichever way the row counts.',
    '',
    'Settings:',
    '',
    ...run.stores.map(({ name, settings }) => `- **${name}**: ${settings}.`),
  ]
  return `${lines.join('\n').replaceAll(/\n{3,}/g, '\n\n')}\n`
}
