/** Runs one command line; what it prints goes to the streams that it is given. */
import { createRequire } from 'node:module'
import { VarveError } from '../../base/errors.js'
import { destroy } from '../../store/destroy.js'
import { repair } from '../../store/repair.js'
import { verify } from '../../store/verify.js'
import { type Command, readArguments, USAGE, UsageError } from './arguments.js'
import { printable, toJson } from './printable.js'
import { progressBar } from './progress-bar.js'
import { dumpLines, openForReading } from './read-store.js'
import { destroyText, plainText, repairText, verifyText } from './report-text.js'

/** Exit statuses. */
export const Status = { well: 0, found: 1, usage: 2 } as const

/** Where a command prints. */
export interface Streams {
  readonly out: NodeJS.WritableStream
  readonly error: NodeJS.WritableStream
}

/** Resolves to the exit status; never rejects. */
export async function run(argv: readonly string[], { out, error }: Streams): Promise<number> {
  try {
    const command = readArguments(argv)
    if (command === 'help') {
      out.write(USAGE)
      return Status.well
    }
    if (command === 'version') {
      out.write(`${versionOf()}\n`)
      return Status.well
    }
    return await carryOut(command, { out, error })
  } catch (failure) {
    if (failure instanceof UsageError) {
      error.write(`varve: ${printable(failure.message)}\n\n${USAGE}`)
      return Status.usage
    }
    const code = failure instanceof VarveError ? `${failure.code}: ` : ''
    error.write(`varve: ${code}${printable(failure instanceof Error ? failure.message : String(failure))}\n`)
    return Status.found
  }
}

function carryOut(command: Command, streams: Streams): Promise<number> {
  switch (command.name) {
    case 'verify':
      return runVerify(command, streams)
    case 'repair':
      return runRepair(command, streams)
    case 'stats':
      return runStats(command, streams)
    case 'dump':
      return runDump(command, streams)
    case 'destroy':
      return runDestroy(command, streams)
  }
}

async function runVerify({ path, values }: Command, { out, error }: Streams): Promise<number> {
  const bar = await progressBar(error, values['no-progress'] !== true)
  const { onProgress } = bar
  const report = await verify(path, onProgress === undefined ? {} : { onProgress }).finally(() => bar.stop())
  out.write(values.json === true ? `${toJson(report)}\n` : verifyText(report))
  return report.ok ? Status.well : Status.found
}

async function runRepair({ path, values }: Command, { out, error }: Streams): Promise<number> {
  const bar = await progressBar(error, values['no-progress'] !== true)
  const { onProgress } = bar
  const options = { out: values.out ?? '', ...(onProgress === undefined ? {} : { onProgress }) }
  const report = await repair(path, options).finally(() => bar.stop())
  out.write(values.json === true ? `${toJson(report)}\n` : repairText(report))
  return report.complete ? Status.well : Status.found
}

async function runStats({ path, values }: Command, { out }: Streams): Promise<number> {
  await using store = await openForReading(path, values)
  const stats = store.stats()
  out.write(values.json === true ? `${toJson(stats)}\n` : plainText(stats))
  return Status.well
}

async function runDump({ path, values }: Command, { out }: Streams): Promise<number> {
  await using store = await openForReading(path, values)
  for await (const line of dumpLines(store, values)) {
    if (!out.write(line)) await new Promise((resolve) => out.once('drain', resolve))
  }
  return Status.well
}

async function runDestroy({ path, values }: Command, { out }: Streams): Promise<number> {
  const report = await destroy(path)
  out.write(values.json === true ? `${toJson(report)}\n` : destroyText(report))
  return Status.well
}

function versionOf(): string {
  const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string }
  return version
}
