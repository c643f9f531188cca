/** Writes what a run has found: JSON with every sample, Markdown with tables, plots as SVG; and shows the tables on the terminal. */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { contendersOf } from '../run/run.js'
import { heading } from './format.js'
import { markdownReport } from './markdown.js'
import { latencyPlot, ratioPlot, throughputPlot } from './plots.js'
import { scalingPlot } from './scaling-plot.js'
import { samplesOf, summarize } from './summary.js'
import { terminalTable } from './terminal.js'

/**
 * @typedef {{ store: string, group: string, n: number, round: number } & import('../run/child.js').Resources} Resources
 *
 * @typedef {object} Plot
 * @property {string} file beside the Markdown
 * @property {string} title
 *
 * @typedef {object} Section A family at one number of entries.
 * @property {string} title
 * @property {string} about
 * @property {number} n
 * @property {import('../workloads/workload.js').Group[]} groups
 * @property {import('../run/command-line.js').Contender[]} stores
 * @property {import('./summary.js').Row[]} rows
 * @property {Resources[]} resources
 * @property {Plot[]} plots
 *
 * @typedef {import('../run/journal.js').Plan & { sections: Section[], plots: Plot[], failures: string[] }} Results
 */

/**
 * @param {import('../run/journal.js').Journal} journal
 * @param {import('../workloads/workload.js').Family[]} families
 * @param {string} out
 * @returns {Promise<boolean>} whether nothing has failed
 */
export async function writeReport({ plan, finished, file: journalFile }, families, out) {
  const samples = samplesOf(
    finished,
    families.flatMap(({ groups }) => groups),
  )
  // A store that could not take part in a group has taken no resources for it.
  const resources = finished.flatMap(({ resources, outcomes = {}, store, group, n, round }) =>
    resources && Object.values(outcomes).some(Boolean) ? [{ store, group, n, round, ...resources }] : [],
  )
  const failures = finished.flatMap(({ store, group, n, round, error }) =>
    error === undefined ? [] : [`${store}, ${group}, ${n} entries, round ${round + 1}: ${error}`],
  )
  const name = basename(journalFile).replace(/\.jsonl\.tmp$/, '')
  /** @param {string} what @param {string} svg @param {string} title @returns {Promise<Plot>} */
  const plot = async (what, svg, title) => {
    await mkdir(join(out, name), { recursive: true })
    await writeFile(join(out, name, `${what}.svg`), svg)
    return { file: `${name}/${what}.svg`, title }
  }
  /** @type {Results} */
  const results = { ...plan, sections: [], plots: [], failures }
  for (const family of families) {
    for (const n of plan.sizes) {
      const section = sectionOf(plan, family, n, samples, resources)
      if (section.rows.length === 0) continue
      results.sections.push(section)
      // The series has a plot of its own, of all sizes.
      if (plan.command === 'scaling') continue
      const at = `${family.name}-${n}`
      const { title } = section
      section.plots.push(
        await plot(`${at}-throughput`, await throughputPlot(section), `${title}: throughput`),
      )
      const ratios = await ratioPlot(section)
      if (ratios) section.plots.push(await plot(`${at}-ratios`, ratios, `${title}: Varve ÷ best peer`))
      const latencies = await latencyPlot(section)
      if (latencies) section.plots.push(await plot(`${at}-latency`, latencies, `${title}: latency`))
    }
    if (plan.sizes.length > 1) {
      const svg = await scalingPlot(family, plan.stores, samples)
      results.plots.push(
        await plot(`${family.name}-scaling`, svg, `${family.title} over the number of entries`),
      )
    }
  }

  console.log(`\n${heading(results)}`)
  for (const section of results.sections) console.log(terminalTable(results, section))
  for (const failure of failures) console.error(`FAILED  ${failure}`)
  const tasks = finished.map(({ store, group, n, round, seconds }) => ({ store, group, n, round, seconds }))
  await writeFile(
    join(out, `${name}.json`),
    `${JSON.stringify({ ...plan, samples, resources, failures, tasks }, null, 1)}\n`,
  )
  await writeFile(join(out, `${name}.md`), markdownReport(results))
  console.log(`Written to ${relative(process.cwd(), join(out, name))}.json, .md and the plots beside them`)
  return failures.length === 0
}

/**
 * @param {import('../run/journal.js').Plan} plan @param {import('../workloads/workload.js').Family} family @param {number} n
 * @param {import('./summary.js').Sample[]} samples @param {Resources[]} resources
 * @returns {Section}
 */
function sectionOf(plan, family, n, samples, resources) {
  const ofSize = samples.filter((sample) => sample.n === n)
  const stores = plan.stores.filter((store) =>
    family.groups.some((group) => contendersOf(plan, group).includes(store)),
  )
  const workloads = family.groups.flatMap((group) => group.workloads)
  const rows = summarize(workloads, stores, ofSize).filter(({ cells }) => Object.values(cells).some(Boolean))
  return {
    title: `${family.title}, ${n.toLocaleString('en')} entries`,
    about: family.about,
    n,
    groups: family.groups,
    stores,
    rows,
    resources: resources.filter((one) => one.n === n && family.groups.some(({ name }) => name === one.group)),
    plots: [],
  }
}
