/**
 * Draws a Vega-Lite description to SVG that can be read on a light and on a dark page: no background, and what is neither mark nor colour takes its
 * colour from the scheme of the page.
 */
import { Error as ErrorLevel, logger, parse, View } from 'vega'
import { compile } from 'vega-lite'

/** Told apart on white and on black, and by most people who see few colours. */
const COLOURS = {
  varve: '#e8590c',
  'varve-durability-memory': '#f59f00',
  'varve-in-memory': '#c2255c',
  'classic-level': '#3b82c4',
  lmdb: '#2f9e62',
  'lmdb-nosync': '#66a80f',
  'better-sqlite3': '#8a63d2',
  rocksdb: '#8c7a56',
  'rocksdb-native': '#b08900',
  'memory-level': '#5f7d95',
}
const INK = '#24292f'
const LIGHT_INK = '#d7dde4'
const GRID = '#8888'

/** The colour of each store, the same in every plot. @param {{ name: string }[]} stores */
export const markFor = (stores) => ({
  field: 'store',
  type: 'nominal',
  title: null,
  scale: {
    domain: stores.map(({ name }) => name),
    range: stores.map(({ name }) => COLOURS[/** @type {keyof typeof COLOURS} */ (name)] ?? '#808080'),
  },
})

/** A plot for each workload, in the order of the table; Vega-Lite would sort them. @param {{ workload: string }[]} values */
export const facetFor = (values) => ({
  field: 'workload',
  type: 'nominal',
  title: null,
  sort: [...new Set(values.map(({ workload }) => workload))],
  header: { labelColor: INK, labelFontWeight: 'bold', labelLimit: 0, labelPadding: 6 },
})

/** Without a browser Vega guesses the width of a text, too wide, and would cut labels that have room: no limits. */
const config = {
  background: undefined,
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    gridColor: GRID,
    gridOpacity: 0.4,
    domainColor: INK,
    tickColor: INK,
    labelColor: INK,
    titleColor: INK,
    labelLimit: 0,
  },
  legend: { labelColor: INK, titleColor: INK, orient: 'bottom', labelLimit: 0 },
  title: { color: INK, subtitleColor: INK, anchor: 'start', offset: 14, fontSize: 15 },
  text: { color: INK },
  rule: { color: INK },
}

/** A presentation attribute is weaker than a rule, so that these change what Vega wrote in. */
const style = `<style>@media (prefers-color-scheme: dark) {
  [fill="${INK}"] { fill: ${LIGHT_INK} } [stroke="${INK}"] { stroke: ${LIGHT_INK} }
}</style>`

/** @param {object} description in Vega-Lite @returns {Promise<string>} */
export async function render(description) {
  /** @type {any} */
  const whole = { config, padding: 12, ...description }
  // Vega-Lite warns of scales that the layers of a plot share, which they are meant to.
  const { spec } = compile(whole, { logger: logger(ErrorLevel) })
  const view = new View(parse(spec), { renderer: 'none' })
  const svg = await view.toSVG()
  view.finalize()
  return svg.replace(/(<svg[^>]*>)/, `$1${style}`)
}
