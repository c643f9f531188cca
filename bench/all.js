/** Everything, one command after the other, and on if one of them has failed: `npm run bench:all`. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const commands = [
  ['main.js', '--only', 'all', '-n', '200000,1000000'],
  ['scaling.js'],
  ['larger-than-memory.js'],
]

for (const [script, ...options] of commands) {
  console.error(`\n${script} ${options.join(' ')}`)
  const { status } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL(script, import.meta.url)), ...options],
    {
      stdio: 'inherit',
    },
  )
  if (status !== 0) process.exitCode = 1
}
