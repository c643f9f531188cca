/**
 * Fuzzing from the command line: long runs, and replays of single inputs. `npm run fuzz -- --help`.
 *
 * Each target runs in a thread of its own for its share of the time. What it finds is reduced, kept in the corpus and
 * printed with the line that replays it; then the exit code is 1.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import cliProgress from 'cli-progress'
import { inputOf, keep, problemOf } from './fuzz.js'
import { answerTo, cpuTimeMs } from './outcome.js'
import { targetOf, targets } from './targets/index.js'

/** A target that uses so much of a processor for one input hangs. */
const HANG_MS = 30_000

const help = `Usage: npm run fuzz -- [options] [target]

  --seconds N    how long in all (default 60)
  --first N      the first seed (default: one that no run had before)
  --seed S       only the input that this seed stands for; wants a target
  --input FILE   only this input; wants a target

Targets: ${targets.map(({ name }) => name).join(', ')}`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    first: { type: 'string' },
    seed: { type: 'string' },
    input: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(help)
else if (values.input !== undefined || values.seed !== undefined) await replay()
else await fuzzAll()

/** The target that the command line names. */
function chosen() {
  const [name] = positionals
  const target = targetOf(name)
  if (target !== undefined) return target
  console.error(`There is no target '${name}'.\n\n${help}`)
  process.exit(2)
}

async function replay() {
  const target = chosen()
  const input =
    values.input === undefined
      ? inputOf(target, Number(values.seed))
      : new Uint8Array(readFileSync(values.input))
  console.log(`${target.name}: ${input.length} bytes`)
  const problem = await problemOf(target, input)
  if (problem === undefined) {
    console.log(await answerTo(target, input))
    return
  }
  console.error(problem)
  if (values.input === undefined) console.error(replayLine(target.name, keep(target, input)))
  process.exitCode = 1
}

/** @param {string} name @param {string} file */
function replayLine(name, file) {
  return `node fuzz/run.js ${name} --input ${relative(process.cwd(), file)}`
}

async function fuzzAll() {
  const chosenTargets = positionals.length === 0 ? targets : [chosen()]
  const firstSeed = Number(values.first ?? Date.now() % 2 ** 31)
  const milliseconds = (Number(values.seconds) * 1000) / chosenTargets.length
  const bar = new cliProgress.SingleBar({
    format: '{bar} {percentage} % | {target} | {executions} executions | {findings} findings',
    clearOnComplete: true,
    noTTYOutput: false,
  })
  bar.start(chosenTargets.length * milliseconds, 0, { target: '', executions: 0, findings: 0 })
  const rows = []
  const findings = []
  for (const [index, target] of chosenTargets.entries()) {
    const began = performance.now()
    const result = await fuzzOne(target.name, firstSeed, milliseconds, (executions) => {
      const elapsed = Math.min(milliseconds, performance.now() - began)
      bar.update(index * milliseconds + elapsed, {
        target: target.name,
        executions,
        findings: findings.length,
      })
    })
    rows.push({ target: target.name, executions: result.executions, findings: result.findings.length })
    findings.push(...result.findings)
  }
  bar.stop()
  console.log(`First seed ${firstSeed}.`)
  console.table(rows)
  for (const { name, seed, message, file } of findings) {
    console.log(
      `${name}, seed ${seed}: ${message}\n  ${file === undefined ? `node fuzz/run.js ${name} --seed ${seed}` : replayLine(name, file)}`,
    )
  }
  process.exitCode = findings.length === 0 ? 0 : 1
}

/**
 * @param {string} name @param {number} firstSeed @param {number} milliseconds @param {(executions: number) => void} onProgress
 * @returns {Promise<{ executions: number, findings: { name: string, seed: number, message: string, file?: string }[] }>}
 */
function fuzzOne(name, firstSeed, milliseconds, onProgress) {
  const progress = new SharedArrayBuffer(16)
  const shared = new Float64Array(progress)
  /** @type {{ name: string, seed: number, message: string, file?: string }[]} */
  const findings = []
  const worker = new Worker(new URL('worker.js', import.meta.url), {
    workerData: { name, firstSeed, milliseconds, progress },
  })
  let last = -1
  let lastAt = cpuTimeMs()
  const timer = setInterval(() => {
    onProgress(Math.floor(shared[0]))
    if (shared[0] !== last) {
      last = shared[0]
      lastAt = cpuTimeMs()
    } else if (cpuTimeMs() - lastAt > HANG_MS) {
      findings.push({ name, seed: shared[1], message: `hangs for ${HANG_MS} ms` })
      clearInterval(timer)
      void worker.terminate()
    }
  }, 200)
  return new Promise((resolve, reject) => {
    worker.on('message', (finding) => findings.push({ name, ...finding }))
    worker.on('error', reject)
    worker.on('exit', () => {
      clearInterval(timer)
      resolve({ executions: Math.floor(shared[0]), findings })
    })
  })
}
