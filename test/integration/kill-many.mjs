/** `npm run test:kills -- --count 5000 --seed 1`: kills as many processes, in all modes in turn, and checks what each leaves. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import cliProgress from 'cli-progress'
import { open } from '../../dist/index.js'
import { MODES, writeAndKill, writesLeft } from './fixtures/kills.mjs'

/** A store is begun anew behind so many kills: replaying the model takes as long as the history. */
const KILLS_PER_STORE = 20

const { values } = parseArgs({
  options: { count: { type: 'string', default: '5000' }, seed: { type: 'string', default: '1' } },
})
let seed = Number(values.seed)

/** A number from 1 to `most`. */
function chance(most) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return 1 + Math.floor((seed / 2 ** 32) * most)
}

const count = Number(values.count)
const bar = new cliProgress.SingleBar({
  format: '{bar} {value}/{total} kills | {acknowledged} acknowledged writes | {eta_formatted}',
  noTTYOutput: true,
  notTTYSchedule: 30_000,
})
bar.start(count, 0, { acknowledged: 0 })
let acknowledged = 0
for (let kills = 0, turn = 0; kills < count; turn++) {
  const mode = MODES[turn % MODES.length]
  const directory = await mkdtemp(join(tmpdir(), 'varve-kills-'))
  let written = 0
  for (let i = 0; i < KILLS_PER_STORE && kills < count; i++, kills++) {
    const last = await writeAndKill(directory, mode, written, chance(400))
    acknowledged += last + 1 - written
    written = await writesLeft(open, directory, mode, last)
    bar.increment({ acknowledged })
  }
  await rm(directory, { recursive: true })
}
bar.stop()
console.log(`${count} kills, ${acknowledged} acknowledged writes: every store held what its mode promises.`)
