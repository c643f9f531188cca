/** A hot path that has become much slower fails: not in seconds, but beside a baseline that runs on the same machine at the same time. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { paths } from './paths.mjs'

/** Between what a busy machine makes of the typical ratio, at worst a third more, and the double that must not pass. */
const TOLERANCE = 1.5
/** A path that seems slow is measured again: chance does not come three times in a row. */
const ATTEMPTS = 3

const script = fileURLToPath(new URL('measure.mjs', import.meta.url))

async function measure(names: string[]): Promise<Record<string, number>> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...names])
  return JSON.parse(stdout)
}

// The hot paths are those of the build: run through vitest's transformation, they would be others.
test.skipIf(!existsSync(new URL('../../dist/index.js', import.meta.url)))(
  'no hot path is much slower than it was, beside the baseline',
  { timeout: 120_000 },
  async () => {
    let slow = paths
    let ratios: Record<string, number> = {}
    for (let attempt = 0; attempt < ATTEMPTS && slow.length > 0; attempt++) {
      ratios = await measure(attempt === 0 ? [] : slow.map(({ name }) => name))
      slow = slow.filter(({ name, typical }) => !(ratios[name] <= typical * TOLERANCE))
    }
    const described = slow.map(
      ({ name, typical }) => `${name}: ${ratios[name]?.toFixed(2)} times the baseline, not about ${typical}`,
    )
    expect(described).toEqual([])
  },
)
