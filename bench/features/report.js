/** Medians of paired ratios, and how they are shown. */

/**
 * @typedef {object} Feature
 * @property {string} name
 * @property {string} title what one measurement is of
 * @property {'µs' | 'ms'} unit
 * @property {boolean} [once] measured in every third round only: it takes long
 * @property {Record<string, () => Promise<number>>} variants the first is what the others are compared with
 *
 * @typedef {object} Sample
 * @property {string} feature
 * @property {string} variant
 * @property {number} round
 * @property {number} value
 *
 * @typedef {object} Row
 * @property {string} variant
 * @property {number} median
 * @property {number} lowest
 * @property {number} highest
 * @property {number} ratio the median of the ratios to the first variant, each of one round
 */

/** @param {number[]} numbers */
function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** @param {Feature} feature @param {Sample[]} samples @returns {Row[]} */
export function rowsOf(feature, samples) {
  const own = samples.filter((sample) => sample.feature === feature.name)
  const names = Object.keys(feature.variants)
  const plain = new Map(
    own.filter(({ variant }) => variant === names[0]).map(({ round, value }) => [round, value]),
  )
  return names.map((variant) => {
    const of = own.filter((sample) => sample.variant === variant)
    const values = of.map(({ value }) => value)
    return {
      variant,
      median: median(values),
      lowest: Math.min(...values),
      highest: Math.max(...values),
      // A busy minute of the machine is in both sides of a ratio.
      ratio: median(of.map(({ round, value }) => value / (plain.get(round) ?? Number.NaN))),
    }
  })
}

/** Three digits that count. @param {number} value */
const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(value < 0.1 ? 2 : 3))

/** @param {Feature} feature @param {Row[]} rows */
export function markdownTable({ title, unit }, rows) {
  return [
    `| ${title} | ${unit} | lowest–highest | ratio |`,
    '|---|---:|---:|---:|',
    ...rows.map(
      ({ variant, median: value, lowest, highest, ratio }) =>
        `| ${variant} | ${digits(value)} | ${digits(lowest)}–${digits(highest)} | ${ratio.toFixed(2)} |`,
    ),
  ].join('\n')
}

/** @param {Feature} feature @param {Row[]} rows */
export function terminalTable({ title, unit }, rows) {
  console.log(`\n${title}`)
  console.table(
    Object.fromEntries(
      rows.map(({ variant, median: value, lowest, highest, ratio }) => [
        variant,
        {
          [unit]: digits(value),
          'lowest–highest': `${digits(lowest)}–${digits(highest)}`,
          ratio: ratio.toFixed(2),
        },
      ]),
    ),
  )
}
