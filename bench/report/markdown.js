/** The report for people: tables of throughput, latency and resources, the plots, and every setting. */
import {
  cutNote,
  formatBest,
  formatBytes,
  formatCell,
  formatGoal,
  formatMicroseconds,
  heading,
  ratioTitle,
} from './format.js'
import { median } from './summary.js'

/** @typedef {import('./write.js').Results} Results */
/** @typedef {import('./write.js').Section} Section */

/** The first column to the left, all others to the right. @param {string[]} titles @param {string[][]} rows */
function table(titles, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`
  return [
    line(titles),
    line(titles.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map((cells) => line(cells)),
  ]
}

/** @param {Section} section */
const storeTitles = ({ stores }) => stores.map(({ name, version }) => `${name} ${version}`)

/** @param {Section} section */
function throughput(section) {
  return table(
    ['', ...storeTitles(section), ratioTitle, 'goal'],
    section.rows.map((row) => {
      const cells = section.stores.map(({ name }) => formatCell(row.cells[name], row.workload.unit, '<br>'))
      const best = row.best ? `${formatBest(row)} (${row.best.store})` : ''
      return [row.workload.title, ...cells, best, formatGoal(row)]
    }),
  )
}

/** @param {Section} section */
function latency(section) {
  const timed = section.rows.filter(({ cells }) =>
    Object.values(cells).some((cell) => cell?.details.p50 !== undefined),
  )
  if (timed.length === 0) return []
  const rows = timed.map(({ workload, cells }) => [
    workload.title,
    ...section.stores.map(({ name }) => {
      const details = cells[name]?.details
      if (details?.p50 === undefined) return '–'
      return [details.p50, details.p99, details.p999].map(formatMicroseconds).join(' · ')
    }),
  ])
  return [
    'Latency of one operation (one batch, one `getMany`, one seek with its entries), p50 · p99 · p99.9:',
    '',
    ...table(['', ...storeTitles(section)], rows),
  ]
}

/** @param {Section} section */
function resources(section) {
  const rows = section.groups.map((group) => [
    group.title,
    ...section.stores.map(({ name }) => {
      const all = section.resources.filter((one) => one.group === group.name && one.store === name)
      if (all.length === 0) return '–'
      const middle = (/** @type {(one: import('./write.js').Resources) => number} */ of) =>
        median(all.map(of))
      const entries = middle(({ entries }) => entries)
      const written = middle(({ written }) => written ?? Number.NaN)
      const own = middle(({ ownWriteAmplification }) => ownWriteAmplification ?? Number.NaN)
      const amplification =
        Number.isNaN(written) || entries === 0 ? '–' : `${(written / entries).toFixed(2)} ×`
      const counted = Number.isNaN(own) ? '' : ` (${own.toFixed(2)})`
      return [
        formatBytes(middle(({ memory }) => memory)),
        formatBytes(middle(({ disk }) => disk)),
        amplification + counted,
      ].join(' · ')
    }),
  ])
  const before = median(section.resources.map(({ memoryBefore }) => memoryBefore))
  return [
    'Peak memory of the process · files at the end · bytes written to the device for each byte of keys and values (in brackets as the store itself ' +
      `counts it). Of the memory, about ${formatBytes(before)} were there before the store was opened: Node.js, the keys and the values.`,
    '',
    ...table(['', ...storeTitles(section)], rows),
  ]
}

/** @param {Results} results */
export function markdownReport(results) {
  const lines = [
    `# Benchmark of ${results.date.slice(0, 10)}`,
    '',
    heading(results),
    '',
    'Each store runs in a process of its own, in turns, the order rotated. "Best peer" is the best durable store beside Varve in that row; a ratio',
    'above 1 says that Varve is better, whichever way the row counts. Compare ratios, not figures of different runs.',
  ]
  for (const section of results.sections) {
    lines.push('', `## ${section.title}`, '', section.about, '', ...throughput(section), '')
    lines.push(cutNote(results, section.rows), '')
    for (const { file, title } of section.plots) lines.push(`![${title}](${file})`, '')
    lines.push(...latency(section), '', ...resources(section))
  }
  for (const { file, title } of results.plots) lines.push('', `![${title}](${file})`)
  lines.push('', '## Settings', '')
  lines.push(...results.stores.map(({ name, version, settings }) => `- **${name}** ${version}: ${settings}.`))
  if (results.failures.length > 0) {
    lines.push('', '## Failures', '', ...results.failures.map((failure) => `- ${failure}`))
  }
  return `${lines.join('\n').replaceAll(/\n{3,}/g, '\n\n')}\n`
}
