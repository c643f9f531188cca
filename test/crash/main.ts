/**
 * The whole exploration, or a replay:
 *
 *     npm run test:crashes                                   every sequence of up to 3 letters
 *     npm run test:crashes -- --length 2 --seed 7
 *     npm run test:crashes -- --minutes 30
 *     npm run test:crashes -- --replay 'old/hybrid-os set,flush @9 torn#5'
 */
import { parseArgs } from 'node:util'
import cliProgress from 'cli-progress'
import { randomFrom } from '../model/random.js'
import { type Counts, Explorer } from './explorer.js'
import { parseReplay, replay, replayLine } from './replay.js'
import type { Sequence } from './run.js'
import { eachWordOnce, everySequence, shuffled } from './sequences.js'

const { values } = parseArgs({
  options: {
    replay: { type: 'string' },
    length: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: 'Infinity' },
    density: { type: 'string', default: '1' },
    'recovery-share': { type: 'string', default: '0.01' },
  },
})

if (values.replay === undefined) await exploreAll()
else await replayOne(values.replay)

async function replayOne(line: string): Promise<void> {
  await replay(parseReplay(line))
  console.log('It holds.')
}

async function exploreAll(): Promise<void> {
  const [seed, length] = [Number(values.seed), Number(values.length)]
  const failures: string[] = []
  const explorer = new Explorer({
    seed,
    density: Number(values.density),
    recoveryShare: Number(values['recovery-share']),
    againShare: 0.3,
    onFailure: (crash, error) => {
      const line = replayLine(crash)
      failures.push(line)
      console.log(`\n${line}\n  ${error instanceof Error ? error.message : String(error)}`)
    },
  })
  const sequences = inOrder(length, seed)
  const bar = new cliProgress.SingleBar({
    format:
      '{bar} {percentage}% | {value}/{total} sequences | {states} states | {failures} failures | {eta_formatted}',
    noTTYOutput: true,
    notTTYSchedule: 60_000,
  })
  bar.start(sequences.length, 0, { states: 0, failures: 0 })
  const began = Date.now()
  const deadline = began + Number(values.minutes) * 60_000
  for (const sequence of sequences) {
    if (Date.now() > deadline) break
    await explorer.explore(sequence)
    if (sequence.letters.length < 3) {
      await explorer.exploreFailedSyncs(sequence)
      await explorer.exploreResumes(sequence)
    }
    const { counts } = explorer
    bar.increment({ states: counts.states + counts.recoveryStates, failures: failures.length })
  }
  bar.stop()
  report(explorer.counts, failures.length, Date.now() - began)
  if (failures.length > 0) process.exitCode = 1
}

/** In the default mode up to two letters first, then everything else as chance has it: so that a run cut short saw of everything. */
function inOrder(length: number, seed: number): Sequence[] {
  const sequences = everySequence(Math.min(length, 2))
  const isFirst = ({ letters, mode }: Sequence): boolean => letters.length < 2 || mode === 'hybrid-os'
  const first = sequences.filter(isFirst)
  const rest = sequences.filter((sequence) => !isFirst(sequence))
  for (let letters = 3; letters <= length; letters++) rest.push(...eachWordOnce(letters, seed))
  return shuffled([...first, ...rest], first.length, randomFrom(seed))
}

function report(counts: Counts, failures: number, ms: number): void {
  console.log(JSON.stringify({ ...counts, failures, minutes: Math.round(ms / 6000) / 10 }))
}
