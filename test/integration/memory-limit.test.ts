/** A store with a memory limit keeps it: the long measurement of docs/memory.md, at a small scale. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('../../bench/memory.js', import.meta.url))

// Resident memory is read from /proc.
test.skipIf(process.platform !== 'linux')('keeps 160 MiB', { timeout: 120_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    script,
    '--memory-limit',
    '160',
    '-n',
    '100000',
  ])
  expect(stdout).toContain('OK\n')
  const share = /of the limit \| (\d+) %/.exec(stdout)?.[1]
  expect(Number(share)).toBeGreaterThan(40)
})
