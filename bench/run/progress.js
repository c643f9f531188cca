/** How far a run is, and how long it still takes. */
import cliProgress from 'cli-progress'

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/**
 * A bar on a terminal, a line a step elsewhere.
 * @param {number} total steps
 */
export function progress(total) {
  const startedAt = performance.now()
  const left = (/** @type {number} */ done) =>
    done === 0 ? '' : `, ${duration(((performance.now() - startedAt) / 1000 / done) * (total - done))} left`
  let done = 0
  if (!process.stderr.isTTY) {
    return {
      /** @param {string} what */
      begin: (what) => console.error(`[${done + 1}/${total}${left(done)}] ${what}`),
      end: () => {
        done++
      },
      stop: () => {},
    }
  }
  const bar = new cliProgress.SingleBar(
    {
      format: ' {bar} {value}/{total}{left}  {what}',
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr,
    },
    cliProgress.Presets.shades_classic,
  )
  bar.start(total, 0, { what: '', left: '' })
  return {
    /** @param {string} what */
    begin: (what) => bar.update(done, { what, left: left(done) }),
    end: () => bar.update(++done),
    stop: () => bar.stop(),
  }
}
