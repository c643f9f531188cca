/** A comparison from its plan to its report: begun anew, or gone on with. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeReport } from '../report/write.js'
import { refuse } from './command-line.js'
import { Journal } from './journal.js'
import { run } from './run.js'

/**
 * @param {object} what
 * @param {'bench' | 'scaling' | 'larger'} what.command
 * @param {() => Promise<import('./journal.js').Plan>} what.planOf
 * @param {(plan: import('./journal.js').Plan) => import('../workloads/workload.js').Family[]} what.familiesOf
 * @param {{ resume?: string | undefined, out: string, directory: string }} what.flags
 */
export async function measure({ command, planOf, familiesOf, flags }) {
  await mkdir(flags.out, { recursive: true })
  const journal = flags.resume ? await Journal.resume(flags.resume) : await begin(await planOf(), flags.out)
  if (journal.plan.command !== command) refuse(`${flags.resume} is of another command.`)
  const families = familiesOf(journal.plan)
  const whole = await run(journal, families, flags)
  const sound = await writeReport(journal, families, flags.out)
  if (whole && sound) await rm(journal.file)
  else
    console.error(
      `To go on: npm run bench${command === 'bench' ? '' : `:${command}`} -- --resume ${journal.file}`,
    )
  process.exitCode = whole && sound ? 0 : 1
}

/** @param {import('./journal.js').Plan} plan @param {string} out */
function begin(plan, out) {
  const name = plan.date.replaceAll(':', '-').replace(/\.\d+Z$/, '')
  const command = plan.command === 'bench' ? '' : `-${plan.command}`
  return Journal.begin(join(out, `${name}${command}.jsonl.tmp`), plan)
}
