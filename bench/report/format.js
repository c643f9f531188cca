/** Figures as people read them. */

/** @param {number} value @param {import('../workloads/workload.js').Unit} unit */
export function formatValue(value, unit) {
  if (unit === 'bytes') return formatBytes(value)
  if (unit === 'share') return value.toFixed(2)
  if (unit === 'ms') return `${value.toFixed(value < 10 ? 2 : 0)} ms`
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (value >= 1e3) return `${(value / 1e3).toFixed(value < 1e4 ? 1 : 0)}k`
  return value.toFixed(0)
}

/** @param {number} bytes */
export function formatBytes(bytes) {
  if (bytes < 1024) return `${bytes.toFixed(1)} B`
  return bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

/** A time of microseconds, three figures of it. @param {number} microseconds */
export function formatMicroseconds(microseconds) {
  if (!(microseconds >= 0)) return '–'
  /** @param {number} value */
  const three = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
  if (microseconds < 1000) return `${three(microseconds)} µs`
  return microseconds < 1e6 ? `${three(microseconds / 1000)} ms` : `${three(microseconds / 1e6)} s`
}

/** @param {import('./summary.js').Cell | undefined} cell @param {import('../workloads/workload.js').Unit} unit @param {string} separator */
export function formatCell(cell, unit, separator) {
  if (!cell) return '–'
  const text = formatValue(cell.median, unit) + (cell.cut ? ' †' : '')
  if (cell.lowest === cell.highest) return text
  return `${text}${separator}(${formatValue(cell.lowest, unit)}–${formatValue(cell.highest, unit)})`.replaceAll(
    / (MiB|KiB|B|ms)–/g,
    '–',
  )
}

/** @param {import('./summary.js').Row} row */
export const formatBest = ({ best }) => (best ? `${best.ratio.toFixed(2)} ×` : '')

/** @param {import('./summary.js').Row} row */
export const formatGoal = ({ workload: { goal = '' }, met }) =>
  met === undefined ? goal : `${met ? '✓' : '✗'} ${goal}`

export const ratioTitle = 'Varve ÷ best peer'

/** @param {import('./write.js').Results} results */
export function heading({ rounds, cacheSize, machine, memoryLimit }) {
  const memory = memoryLimit ? `${formatBytes(memoryLimit.bytes)} of memory for each process, ` : ''
  const enforced =
    memoryLimit?.unenforced === undefined
      ? 'enforced by a cgroup; '
      : `NOT ENFORCED (${memoryLimit.unenforced}); `
  return (
    `Median of ${rounds} round${rounds === 1 ? '' : 's'} (lowest–highest); operations or entries per second; ` +
    (memory && memory + enforced) +
    `${cacheSize / 2 ** 20} MiB of cache. ` +
    `Node ${machine.node}, ${machine.platform}, ${machine.cores} × ${machine.processor}, ` +
    `load before the run ${machine.load.toFixed(2)}. Varve at ${machine.revision || 'an unknown revision'}.`
  )
}

/** @param {{ limitMs: number }} results @param {import('./summary.js').Row[]} rows */
export const cutNote = ({ limitMs }, rows) =>
  rows.some(({ cells }) => Object.values(cells).some((cell) => cell?.cut))
    ? `† ended by the time limit of ${limitMs / 1000} s.`
    : ''
