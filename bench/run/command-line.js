/** What the commands of this folder have in common on the command line. */
import { access } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { stores } from '../stores/index.js'

export const MEBIBYTE = 2 ** 20

/** The options of every comparison. */
export const commonOptions = /** @type {const} */ ({
  stores: { type: 'string', short: 's' },
  rounds: { type: 'string', short: 'r' },
  cache: { type: 'string', default: '64' },
  limit: { type: 'string', default: '15' },
  seed: { type: 'string', default: '1' },
  directory: { type: 'string', default: tmpdir() },
  out: { type: 'string', default: fileURLToPath(new URL('../results/', import.meta.url)) },
  resume: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
})

export const commonHelp = `      --cache MiB       cache of each store (default 64)
      --limit seconds   a workload ends after this long (default 15)
      --seed number     the seed of the data (default 1)
      --directory path  where the stores are made (default the system's temporary directory)
      --out path        where the results go (default bench/results)
      --resume file     goes on with a run that was interrupted: its .jsonl.tmp among the results. The other options are those of that run`

/** @param {string} what @returns {never} */
export function refuse(what) {
  console.error(`${what} See --help.`)
  process.exit(2)
}

/** @param {string} name @param {string} text */
export function positive(name, text) {
  const value = Number(text)
  return value > 0 && Number.isInteger(value)
    ? value
    : refuse(`--${name} is a positive integer, not "${text}".`)
}

/** Several positive integers with commas between them. @param {string} name @param {string} text */
export const positives = (name, text) => text.split(',').map((one) => positive(name, one.trim()))

/** @param {string} list @param {string[]} known @param {string} what */
export function select(list, known, what) {
  if (list === 'all') return known
  const wanted = list.split(',').map((name) => name.trim())
  const unknown = wanted.find((name) => !known.includes(name))
  return unknown === undefined ? wanted : refuse(`No ${what} is called "${unknown}".`)
}

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {string} version
 * @property {boolean} durable
 * @property {boolean} own
 * @property {string} settings
 */

/** The stores that are there; what is missing is said aloud. @param {string[]} names @returns {Promise<Contender[]>} */
export async function available(names) {
  /** @type {Contender[]} */
  const found = []
  for (const name of names) {
    try {
      const { durable, own = false, settings, version } = await stores[name]()
      if (own) await access(new URL('../../dist/index.js', import.meta.url))
      found.push({ name, version: await version(), durable, own, settings })
    } catch (error) {
      console.error(
        `Skipping ${name}: it is not ${name.startsWith('varve') ? 'built' : 'installed'} (${error}).`,
      )
    }
  }
  return found.length > 0 ? found : refuse('None of the stores is there.')
}
