/**
 * Leaves each step out in turn until a crash shows it, first the one that is kept, keeps what showed it in `ablations.json`, and writes the table of
 * docs/testing.md: `npm run test:ablation`. With `-- --only NAME` for the steps whose name holds NAME.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import cliProgress from 'cli-progress'
import { catchAgain, findCatch } from './ablate.js'
import { ABLATIONS, type Ablation } from './ablations.js'
import { SCENARIOS } from './scenarios.js'

/** How a step that was left out was found out. */
export interface Caught {
  readonly name: string
  readonly why: string
  /** The crash that shows it; `undefined`: a scenario of its own does. */
  readonly replay?: string
  readonly states?: number
  readonly message: string
}

const MOST_STATES = 50_000
const KEPT = 'test/crash/ablations.json'
const TABLE = /(<!-- ablation -->\n)[\s\S]*?(<!-- \/ablation -->)/

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const chosen = ABLATIONS.filter(({ name }) => name.includes(values.only ?? ''))
const bar = new cliProgress.SingleBar({
  format: '{bar} {value}/{total} {name}',
  noTTYOutput: true,
  notTTYSchedule: 10_000,
})
const before: readonly Caught[] = JSON.parse(await readFile(KEPT, 'utf8'))
const all: Caught[] = []
const missed: string[] = []
bar.start(chosen.length, 0, { name: '' })
for (const ablation of chosen) {
  bar.update({ name: ablation.name })
  const caught = await catchOne(ablation)
  if (caught === undefined) missed.push(ablation.name)
  else all.push(caught)
  bar.increment()
}
bar.stop()
for (const name of missed) console.log(`Nothing shows that this is missing: ${name}`)
if (missed.length > 0) process.exitCode = 1
else await keep(withKept(all))

async function catchOne(ablation: Ablation): Promise<Caught | undefined> {
  const { name, why } = ablation
  const scenario = SCENARIOS.get(name)
  if (scenario !== undefined) {
    const message = await scenario(true).then(
      () => undefined,
      (error: Error) => error.message,
    )
    return message === undefined ? undefined : { name, why, message }
  }
  const kept = before.find((one) => one.name === name)
  const again = kept?.replay === undefined ? undefined : await catchAgain(ablation, kept.replay)
  if (kept !== undefined && again !== undefined) return { ...kept, why, message: again }
  const caught = await findCatch(ablation, MOST_STATES)
  if (caught === undefined) return undefined
  const { states, message, replay } = caught
  return { name, why, replay, states, message }
}

/** All that are kept, with `found` in the place of older ones. */
function withKept(found: readonly Caught[]): Caught[] {
  return ABLATIONS.flatMap(({ name }) => {
    const caught = [...found, ...before].find((one) => one.name === name)
    return caught === undefined ? [] : [caught]
  })
}

async function keep(all: readonly Caught[]): Promise<void> {
  await writeFile(KEPT, `${JSON.stringify(all, undefined, 2)}\n`)
  const rows = all.map(({ name, why, replay, states, message }) => {
    const how =
      replay === undefined ? '`scenarios.ts`' : `\`${replay}\`${states === undefined ? '' : ` (${states})`}`
    return `| ${name} | ${why} | ${brief(message)} | ${how} |`
  })
  const table = [
    '| left out | what for | how it was caught | by which crash (the how manieth) |',
    '|---|---|---|---|',
    ...rows,
  ]
  const text = await readFile('docs/testing.md', 'utf8')
  await writeFile('docs/testing.md', text.replace(TABLE, `$1${table.join('\n')}\n$2`))
}

/** The first sentence, without what is the same everywhere. */
function brief(message: string): string {
  return message
    .replace(/ Run verify\(\).*/, '')
    .replace(/\s+/g, ' ')
    .replaceAll('|', '\\|')
    .slice(0, 160)
}
