/** `npm run test:kills -- --count 5000 --seed 1`: kills as many processes, in every mode and in all that they do in turn, and checks what each leaves. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import cliProgress from 'cli-progress'
import * as varve from '../../dist/index.js'
import { KilledStore, MODES, SCENARIOS } from './fixtures/kills.mjs'
import { DamagedStore, REPAIRS } from './fixtures/repair-kills.mjs'

/** A store is begun anew behind so many kills; so 190 take every turn. */
const KILLS_PER_STORE = 5

const { values } = parseArgs({
  options: { count: { type: 'string', default: '5000' }, seed: { type: 'string', default: '1' } },
})
let seed = Number(values.seed)

/** From 0 to below 1. */
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

/** Each scenario in each mode, and each way to repair. */
const TURNS = [
  ...REPAIRS.map((repair) => ({ repair })),
  ...MODES.flatMap((mode) => SCENARIOS.map((scenario) => ({ scenario, mode }))),
]

const count = Number(values.count)
const bar = new cliProgress.SingleBar({
  format:
    '{bar} {value}/{total} kills | {acknowledged} acknowledged writes | {inActs} in an act, {inRepairs} in a repair | {eta_formatted}',
  noTTYOutput: true,
  notTTYSchedule: 30_000,
})
const told = { acknowledged: 0, inActs: 0, inRepairs: 0 }
bar.start(count, 0, told)

/** Makes what is to be killed in a new directory; the answer kills it once, and counts. */
async function begin({ scenario, mode, repair }, directory) {
  if (repair !== undefined) {
    const damaged = await DamagedStore.make(varve, directory)
    return async () => {
      const before = damaged.inTheMiddle
      await damaged.kill(repair, random)
      told.inRepairs += damaged.inTheMiddle - before
    }
  }
  const store = new KilledStore(varve.open, directory, scenario, mode)
  return async () => {
    const { acknowledged, inActs } = store
    await store.kill(random)
    told.acknowledged += store.acknowledged - acknowledged
    told.inActs += store.inActs - inActs
  }
}

for (let kills = 0, turn = 0; kills < count; turn++) {
  const what = TURNS[turn % TURNS.length]
  const directory = await mkdtemp(join(tmpdir(), 'varve-kills-'))
  try {
    const kill = await begin(what, directory)
    for (let i = 0; i < KILLS_PER_STORE && kills < count; i++, kills++) {
      await kill()
      bar.increment(told)
    }
  } catch (error) {
    throw new Error(`seed ${values.seed}, kill ${kills} of ${JSON.stringify(what)}, left in ${directory}`, {
      cause: error,
    })
  }
  await rm(directory, { recursive: true })
}
bar.stop()
console.log(
  `${count} kills, ${told.inActs} of them in an act upon the whole store and ${told.inRepairs} in a repair; ` +
    `${told.acknowledged} acknowledged writes: every store held what its mode promises.`,
)
