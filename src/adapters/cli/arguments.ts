/** What the command line asks for. */
import { parseArgs } from 'node:util'

/** A command line that makes no sense; its message says why. */
export class UsageError extends Error {}

export const USAGE = `varve <command> <directory of a store> [options]

  varve verify <path>                check every file; write nothing
  varve repair <path> --out <dir>    make a sound store in <dir> of what can be read
  varve stats <path>                 what the store knows of itself
  varve dump <path>                  print the entries, in order of their keys
  varve destroy <path> --yes         delete the store and its snapshots

  --json                             one line of JSON (dump: one for each entry)
  --no-progress                      no progress bar
  --prefix --gte --gt --lte --lt     dump: a range of keys, as text
  --limit <n>  --reverse  --keys     dump: at most so many; backwards; keys alone
  --key-encoding <name>              dump, stats: 'utf8', 'buffer' or 'ordered', where the store does not tell
  --help  --version

Exit status: 0 all is well, 1 something was found or failed, 2 the command line makes no sense.
`

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  json: { type: 'boolean' },
  'no-progress': { type: 'boolean' },
  out: { type: 'string' },
  yes: { type: 'boolean' },
  prefix: { type: 'string' },
  gte: { type: 'string' },
  gt: { type: 'string' },
  lte: { type: 'string' },
  lt: { type: 'string' },
  limit: { type: 'string' },
  reverse: { type: 'boolean' },
  keys: { type: 'boolean' },
  'key-encoding': { type: 'string' },
} as const

const COMMON = ['json', 'no-progress']

/** The commands, and the options that each takes beside the common ones. */
const COMMANDS = {
  verify: [],
  repair: ['out'],
  stats: ['key-encoding'],
  dump: ['prefix', 'gte', 'gt', 'lte', 'lt', 'limit', 'reverse', 'keys', 'key-encoding'],
  destroy: ['yes'],
} as const satisfies Record<string, readonly (keyof typeof OPTIONS)[]>

export type CommandName = keyof typeof COMMANDS
export type Values = ReturnType<typeof parse>['values']

export interface Command {
  readonly name: CommandName
  readonly path: string
  readonly values: Values
}

/** `'help'`, `'version'` or a command. Throws {@link UsageError}. */
export function readArguments(argv: readonly string[]): Command | 'help' | 'version' {
  const { values, positionals } = parse(argv)
  if (values.help === true) return 'help'
  if (values.version === true) return 'version'
  const [name, path, ...more] = positionals
  if (name === undefined) throw new UsageError('Name a command.')
  if (!isCommand(name)) throw new UsageError(`There is no command ${JSON.stringify(name)}.`)
  if (path === undefined || path === '') throw new UsageError(`${name} takes the directory of a store.`)
  if (more.length > 0) throw new UsageError(`${name} takes one directory.`)
  const taken: readonly string[] = [...COMMON, ...COMMANDS[name]]
  const foreign = Object.keys(values).find((option) => !taken.includes(option))
  if (foreign !== undefined) throw new UsageError(`${name} takes no --${foreign}.`)
  if (name === 'repair' && values.out === undefined) throw new UsageError('repair takes --out <directory>.')
  if (name === 'destroy' && values.yes !== true)
    throw new UsageError('destroy deletes everything: say --yes.')
  if (values.limit !== undefined && !/^\d{1,15}$/.test(values.limit))
    throw new UsageError('--limit takes a number.')
  return { name, path, values }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}
