/** What the example needs of a terminal; in a log or under NO_COLOR it is plain lines. */
import cliProgress from 'cli-progress'

const colours = process.stdout.hasColors?.() ?? false
const paint = (code) => (text) => (colours ? `\x1b[${code}m${text}\x1b[0m` : String(text))

export const bold = paint('1')
export const dim = paint('2')
export const green = paint('32')
export const red = paint('31')
const blue = paint('36')

export const number = (value) => Math.round(value).toLocaleString('en')
export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
export const perSecond = (count, ms) => `${number((count / ms) * 1000)}/s`

/** The headline of a chapter. */
export function chapter(title, explanation) {
  console.log(`\n${bold(blue(`■ ${title}`))}  ${dim(explanation)}`)
}

/** A line that belongs to the chapter. */
export const say = (text = '') => console.log(`  ${text}`)

/** Rows in columns; numbers to the right. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const isNumber = rows[0].map((_, column) =>
    rows.slice(1).every((row) => /^[\d,.]+( \S+)?$/.test(row[column])),
  )
  rows.forEach((row, line) => {
    const cells = row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
    const text = cells.join('   ').trimEnd()
    say(line === 0 ? dim(text) : text)
  })
}

/** A horizontal bar of `width` characters at most, in eighths of a character. */
export function bar(value, most, width = 32) {
  const eighths = most > 0 ? Math.max(1, Math.round((value / most) * width * 8)) : 0
  return '█'.repeat(eighths >> 3) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths & 7]
}

/** A progress bar on a terminal, a line at each quarter elsewhere. */
export function progress(total, unit) {
  const startedAt = performance.now()
  const rate = (done) => perSecond(done, performance.now() - startedAt)
  if (!process.stdout.isTTY) {
    let quarter = 0
    return {
      update: (done) => {
        const reached = Math.floor((done / total) * 4)
        if (reached > quarter)
          say(`${String((quarter = reached) * 25).padStart(3)}%  ${number(done)} ${unit}, ${rate(done)}`)
      },
      stop: () => {},
    }
  }
  const format = `  ${blue('{bar}')} {percentage}%  {done} ${unit}, {rate}`
  const shape = {
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 40,
    hideCursor: true,
    stream: process.stdout,
  }
  const line = new cliProgress.SingleBar({ format, ...shape })
  line.start(total, 0, { done: '0', rate: '' })
  return {
    update: (done) => line.update(done, { done: number(done), rate: rate(done) }),
    stop: () => line.stop(),
  }
}
