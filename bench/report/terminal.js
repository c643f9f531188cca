/** A table on the terminal. */
import { styleText } from 'node:util'
import Table from 'cli-table3'
import { cutNote, formatBest, formatCell, formatGoal, ratioTitle } from './format.js'

/**
 * @param {import('./write.js').Results} results
 * @param {import('./write.js').Section} section
 */
export function terminalTable(results, { title, stores, rows }) {
  const colour = process.stdout.isTTY && !process.env.NO_COLOR
  /** @param {Parameters<typeof styleText>[0]} style @param {string} text */
  const paint = (style, text) => (colour && text ? styleText(style, text) : text)
  const hasRatio = rows.some(({ best }) => best)
  const table = new Table({
    head: ['', ...stores.map(({ name }) => name), ...(hasRatio ? [ratioTitle, 'goal'] : [])].map((name) =>
      paint('bold', name),
    ),
    colAligns: ['left', ...stores.map(() => /** @type {const} */ ('right')), 'right', 'left'],
    style: { head: [], border: colour ? ['gray'] : [], compact: true },
  })
  for (const row of rows) {
    const cells = stores.map(({ name, own, durable }) => {
      const text = formatCell(row.cells[name], row.workload.unit, '\n')
      return own && durable ? paint('bold', text) : text
    })
    const goal = paint(row.met ? 'green' : row.met === false ? 'red' : 'reset', formatGoal(row))
    table.push([row.workload.title, ...cells, ...(hasRatio ? [formatBest(row), goal] : [])])
  }
  return ['', title, table.toString(), cutNote(results, rows)].filter((line, i) => i === 0 || line).join('\n')
}
